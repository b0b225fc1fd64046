#include "client/poolctl/table.h"

#include "client/poolctl/print.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

void table_init(struct table *table, const struct column *columns, size_t column_count)
{
	*table = (struct table){.columns = columns, .column_count = column_count};
}

void table_free(struct table *table)
{
	free(table->cells);
	*table = (struct table){0};
}

void table_cell(struct table *table, const char *format, ...)
{
	va_list args;

	if (table->cell_count == table->capacity) {
		table->capacity = table->capacity > 0 ? 2 * table->capacity : 64;
		table->cells = reallocarray(table->cells, table->capacity, CELL_MAX);
		if (!table->cells) {
			fprintf(stderr, "poolctl: no memory\n");
			exit(EX_OSERR);
		}
	}
	va_start(args, format);
	vsnprintf(table->cells[table->cell_count++], CELL_MAX, format, args);
	va_end(args);
}

/* Columns of a terminal that the text takes: its characters, not its bytes. */
static int width_of(const char *text)
{
	int width = 0;

	for (; *text != '\0'; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}

static const char *cell_at(const struct table *table, size_t row, size_t column)
{
	return table->cells[row * table->column_count + column];
}

static int column_width(const struct table *table, size_t column)
{
	int widest = width_of(table->columns[column].title);

	for (size_t row = 0; row < table->cell_count / table->column_count; row++) {
		int width = width_of(cell_at(table, row, column));

		if (width > widest)
			widest = width;
	}
	return widest;
}

/* The last column is not filled up, so that no line ends in blanks. */
static void print_cell(const struct table *table, FILE *out, size_t column, const char *text)
{
	int filling = column_width(table, column) - width_of(text);
	bool is_last = column + 1 == table->column_count;
	bool is_number = table->columns[column].is_number;

	if (is_number)
		fprintf(out, "%*s", filling, "");
	print_status(out, text);
	if (is_last)
		putc('\n', out);
	else
		fprintf(out, "%*s", is_number ? 2 : filling + 2, "");
}

void table_print(const struct table *table, FILE *out)
{
	assert(table->column_count > 0);
	for (size_t column = 0; column < table->column_count; column++)
		print_cell(table, out, column, table->columns[column].title);
	for (size_t i = 0; i < table->cell_count; i++)
		print_cell(table, out, i % table->column_count, table->cells[i]);
}
