/* Tables for people: columns as wide as what is in them, nothing from outside printed raw. */
#ifndef POOLD_POOLCTL_TABLE_H
#define POOLD_POOLCTL_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define CELL_MAX 256

struct column {
	const char *title;
	bool is_number; /* stands to the right */
};

struct table {
	const struct column *columns;
	size_t column_count;
	char (*cells)[CELL_MAX]; /* row by row */
	size_t cell_count;
	size_t capacity;
};

void table_init(struct table *table, const struct column *columns, size_t column_count);
void table_free(struct table *table);
/* The next cell, row after row; cut where it is too long.  Without memory the program ends. */
void table_cell(struct table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Prints it, a status ("ok", "degraded", "down") in its colour. */
void table_print(const struct table *table, FILE *out);

/* Whether colours are wanted: a terminal, and no $NO_COLOR. */
bool wants_colour(FILE *out);
/* Prints the text with its colour where it is a status and colours are wanted. */
void print_status(FILE *out, const char *text);
/* Prints text from outside: control characters, which could command a terminal, become '?'. */
void print_safe(FILE *out, const char *text);

/* The same line by line, each indented. */
void print_lines(FILE *out, const char *text);

/* "850 ms", "12 s", "3 min", "2 h 5 min", "3 d 4 h"; returns `text`. */
#define UNIT_TEXT_MAX 32
const char *duration_text(char text[UNIT_TEXT_MAX], double ms);
/* "512 B", "1.2 MiB". */
const char *size_text(char text[UNIT_TEXT_MAX], double bytes);

#endif
