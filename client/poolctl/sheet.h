/*
 * A table in memory that can be sorted, filtered and searched, and whose rows know what they are
 * about.  It knows neither a terminal nor a daemon.
 */
#ifndef POOLD_POOLCTL_SHEET_H
#define POOLD_POOLCTL_SHEET_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SHEET_COLUMNS_MAX 16
#define SHEET_ROWS_MAX	  4096
#define SHEET_CELL_MAX	  512
#define SHEET_ID_MAX	  160

struct sheet_column {
	const char *title;
	unsigned width_max; /* columns of the terminal; 0: what the others leave */
	bool is_number;	    /* at the right of its field, and sorted by its number */
	unsigned rank;	    /* where there is no room, the highest rank goes first; 0 stays */
};

struct sheet_cell {
	char *text; /* as it came: canvas_put makes it safe */
	double number;
};

struct sheet_row {
	struct sheet_cell cells[SHEET_COLUMNS_MAX];
	unsigned look;		 /* of canvas.h */
	char id[SHEET_ID_MAX];	 /* the same for the same thing in the next sample */
	const char *pool;	 /* which it belongs to; NULL: none */
	int64_t worker, request; /* 0: it is none */
	const json_t *details;	 /* all that is known of it; as `pool`, of the sheet's source */
};

struct sheet {
	const struct sheet_column *columns;
	size_t column_count;
	struct sheet_row *rows;
	size_t row_count, capacity;
	bool is_broken; /* memory was short: rows or texts are missing */
};

/* An empty one; the columns must outlive it. */
void sheet_init(struct sheet *sheet, const struct sheet_column *columns, size_t column_count);
void sheet_done(struct sheet *sheet);

/* A new row at the end, with empty cells.  NULL: there is no memory, or there are SHEET_ROWS_MAX. */
struct sheet_row *sheet_add(struct sheet *sheet);
/* Sets the cell of that column of the last row, cut at SHEET_CELL_MAX - 1 bytes. */
void sheet_set(struct sheet *sheet, size_t column, double number, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* Sorts by a column; those that are equal stay in their order.  A column that does not exist: it
 * stays as it is. */
void sheet_sort(struct sheet *sheet, size_t column, bool is_reverse);
/* Leaves only the rows that match: a cell has the text in it, large letters being as good as small
 * ones. */
void sheet_filter(struct sheet *sheet, const char *text);
/* The first row that matches, from `from` on and then from the begin; row_count: none does. */
size_t sheet_find(const struct sheet *sheet, size_t from, const char *text);
/* The row of that id; row_count: there is none. */
size_t sheet_find_id(const struct sheet *sheet, const char *id);

#endif
