#include "client/poolctl/sheet.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void sheet_init(struct sheet *sheet, const struct sheet_column *columns, size_t column_count)
{
	*sheet = (struct sheet){.columns = columns, .column_count = column_count};
}

static void free_row(struct sheet_row *row)
{
	for (size_t i = 0; i < SHEET_COLUMNS_MAX; i++)
		free(row->cells[i].text);
}

void sheet_done(struct sheet *sheet)
{
	for (size_t i = 0; i < sheet->row_count; i++)
		free_row(&sheet->rows[i]);
	free(sheet->rows);
	*sheet = (struct sheet){0};
}

struct sheet_row *sheet_add(struct sheet *sheet)
{
	if (sheet->row_count == SHEET_ROWS_MAX)
		return NULL;
	if (sheet->row_count == sheet->capacity) {
		size_t capacity = sheet->capacity > 0 ? 2 * sheet->capacity : 32;
		struct sheet_row *rows = reallocarray(sheet->rows, capacity, sizeof(*sheet->rows));

		if (!rows) {
			sheet->is_broken = true;
			return NULL;
		}
		sheet->rows = rows;
		sheet->capacity = capacity;
	}
	sheet->rows[sheet->row_count] = (struct sheet_row){0};
	return &sheet->rows[sheet->row_count++];
}

void sheet_set(struct sheet *sheet, size_t column, double number, const char *format, ...)
{
	struct sheet_cell *cell = &sheet->rows[sheet->row_count - 1].cells[column];
	char text[SHEET_CELL_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	free(cell->text);
	*cell = (struct sheet_cell){strdup(text), number};
	sheet->is_broken |= !cell->text;
}

static const char *text_of(const struct sheet_row *row, size_t column)
{
	return row->cells[column].text ? row->cells[column].text : "";
}

/* --- order --- */

struct order {
	size_t column;
	bool is_number, is_reverse;
};

static int compare(const struct sheet_row *a, const struct sheet_row *b, const struct order *order)
{
	double left = a->cells[order->column].number, right = b->cells[order->column].number;
	int found = order->is_number
			    ? (left > right) - (left < right)
			    : strcasecmp(text_of(a, order->column), text_of(b, order->column));

	return order->is_reverse ? -found : found;
}

/* Merges two sorted parts that follow each other; what is equal keeps its order. */
static void merge(struct sheet_row *rows, size_t left, size_t count, struct sheet_row *room,
		  const struct order *order)
{
	size_t a = 0, b = left;

	for (size_t i = 0; i < count; i++) {
		bool is_left = a < left && (b == count || compare(&rows[a], &rows[b], order) <= 0);

		room[i] = is_left ? rows[a++] : rows[b++];
	}
	memcpy(rows, room, count * sizeof(*rows));
}

void sheet_sort(struct sheet *sheet, size_t column, bool is_reverse)
{
	struct order order = {.column = column, .is_reverse = is_reverse};
	struct sheet_row *room;
	size_t count = sheet->row_count;

	if (column >= sheet->column_count || count < 2)
		return;
	order.is_number = sheet->columns[column].is_number;
	room = calloc(count, sizeof(*room));
	if (!room) {
		sheet->is_broken = true;
		return;
	}
	for (size_t part = 1; part < count; part *= 2)
		for (size_t at = 0; at + part < count; at += 2 * part)
			merge(sheet->rows + at, part, 2 * part < count - at ? 2 * part : count - at,
			      room, &order);
	free(room);
}

/* --- text --- */

static bool matches(const struct sheet *sheet, size_t row, const char *text)
{
	for (size_t i = 0; i < sheet->column_count; i++)
		if (strcasestr(text_of(&sheet->rows[row], i), text))
			return true;
	return false;
}

void sheet_filter(struct sheet *sheet, const char *text)
{
	size_t kept = 0;

	if (text[0] == '\0')
		return;
	for (size_t i = 0; i < sheet->row_count; i++) {
		if (matches(sheet, i, text))
			sheet->rows[kept++] = sheet->rows[i];
		else
			free_row(&sheet->rows[i]);
	}
	sheet->row_count = kept;
}

size_t sheet_find(const struct sheet *sheet, size_t from, const char *text)
{
	for (size_t i = 0; i < sheet->row_count; i++) {
		size_t row = (from + i) % sheet->row_count;

		if (matches(sheet, row, text))
			return row;
	}
	return sheet->row_count;
}

size_t sheet_find_id(const struct sheet *sheet, const char *id)
{
	size_t row = 0;

	while (row < sheet->row_count && strcmp(sheet->rows[row].id, id) != 0)
		row++;
	return row;
}
