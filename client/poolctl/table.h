/* Tables for people: each column is as wide as its longest cell. */
#ifndef POOLD_POOLCTL_TABLE_H
#define POOLD_POOLCTL_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define CELL_MAX 256

struct column {
	const char *title;
	bool is_number; /* aligned to the right */
};

struct table {
	const struct column *columns;
	size_t column_count;
	char (*cells)[CELL_MAX]; /* row by row */
	size_t cell_count;
	size_t capacity;
};

/* An empty table; `columns` must outlive it. */
void table_init(struct table *table, const struct column *columns, size_t column_count);
/* Frees the cells. */
void table_free(struct table *table);

/* Adds the next cell, row after row, cut at CELL_MAX - 1 bytes.  Without memory the program ends
 * with EX_OSERR. */
void table_cell(struct table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Prints the titles and the rows, each cell as print_status does. */
void table_print(const struct table *table, FILE *out);

#endif
