#include "client/poolctl/top_sheet.h"

#include "client/poolctl/glyph.h"

#include <stdio.h>

/* What a column that takes the rest has at least. */
#define REST_MIN 20

/* Widths of the columns; 0: it has no room. */
struct widths {
	unsigned of[SHEET_COLUMNS_MAX];
	unsigned gap;
};

static const char *cell_text(const struct sheet *sheet, size_t row, size_t column)
{
	const char *text = sheet->rows[row].cells[column].text;

	return text ? text : "";
}

/* What the column would like to have, for the rows that are shown. */
static unsigned wanted_width(const struct sheet *sheet, const struct sheet_view *view,
			     size_t column)
{
	/* One more, for the mark of the order. */
	unsigned widest = glyph_width(sheet->columns[column].title) + (view->sort == column);
	unsigned max = sheet->columns[column].width_max;

	for (size_t row = view->first;
	     row < sheet->row_count && row + 1 < view->first + view->height; row++) {
		unsigned width = glyph_width(cell_text(sheet, row, column));

		widest = width > widest ? width : widest;
	}
	return max > 0 && widest > max ? max : widest;
}

/* Columns of the terminal that all of them take; those that take the rest with their least. */
static unsigned sum_of(const struct sheet *sheet, const struct widths *widths)
{
	unsigned sum = 0;

	for (size_t i = 0; i < sheet->column_count; i++) {
		bool is_rest = sheet->columns[i].width_max == 0 && widths->of[i] > REST_MIN;

		if (widths->of[i] > 0)
			sum += (is_rest ? REST_MIN : widths->of[i]) + (sum > 0 ? widths->gap : 0);
	}
	return sum;
}

/* Takes the room from the column of the highest rank, the last of several.  Returns false if only
 * those of rank 0 are left. */
static bool drop_column(const struct sheet *sheet, struct widths *widths)
{
	size_t victim = SIZE_MAX;

	for (size_t i = 0; i < sheet->column_count; i++)
		if (widths->of[i] > 0 && sheet->columns[i].rank > 0 &&
		    (victim == SIZE_MAX || sheet->columns[i].rank >= sheet->columns[victim].rank))
			victim = i;
	if (victim == SIZE_MAX)
		return false;
	widths->of[victim] = 0;
	return true;
}

static void give_rest(const struct sheet *sheet, struct widths *widths, unsigned room)
{
	unsigned sum = sum_of(sheet, widths), rest = room > sum ? room - sum : 0;

	for (size_t i = 0; i < sheet->column_count; i++) {
		unsigned more;

		if (sheet->columns[i].width_max > 0 || widths->of[i] <= REST_MIN)
			continue;
		more = widths->of[i] - REST_MIN < rest ? widths->of[i] - REST_MIN : rest;
		widths->of[i] = REST_MIN + more;
		rest -= more;
	}
}

static void find_widths(const struct sheet *sheet, const struct sheet_view *view, unsigned room,
			struct widths *ret)
{
	*ret = (struct widths){.gap = 2};
	for (size_t i = 0; i < sheet->column_count; i++)
		ret->of[i] = wanted_width(sheet, view, i);
	if (sum_of(sheet, ret) > room)
		ret->gap = 1;
	while (sum_of(sheet, ret) > room)
		if (!drop_column(sheet, ret))
			break;
	if (ret->gap == 1) {
		ret->gap = 2;
		if (sum_of(sheet, ret) > room)
			ret->gap = 1;
	}
	give_rest(sheet, ret, room);
}

static void put_titles(struct canvas *canvas, const struct sheet *sheet,
		       const struct sheet_view *view, const struct widths *widths)
{
	unsigned x = 0;
	char title[64];

	for (size_t i = 0; i < sheet->column_count; i++) {
		if (widths->of[i] == 0)
			continue;
		snprintf(title, sizeof(title), "%s%s", sheet->columns[i].title,
			 view->sort != i    ? ""
			 : view->is_reverse ? "v"
					    : "^");
		if (sheet->columns[i].is_number)
			canvas_put_right(canvas, x, view->y, widths->of[i], LOOK_BOLD, title);
		else
			canvas_put(canvas, x, view->y, widths->of[i], LOOK_BOLD, title);
		x += widths->of[i] + widths->gap;
	}
}

static void put_row(struct canvas *canvas, const struct sheet *sheet, size_t row, unsigned y,
		    const struct widths *widths)
{
	unsigned look = sheet->rows[row].look, x = 0;

	for (size_t i = 0; i < sheet->column_count; i++) {
		const char *text = cell_text(sheet, row, i);

		if (widths->of[i] == 0)
			continue;
		if (sheet->columns[i].is_number)
			canvas_put_right(canvas, x, y, widths->of[i], look, text);
		else
			canvas_put(canvas, x, y, widths->of[i], look, text);
		x += widths->of[i] + widths->gap;
	}
}

void top_sheet_put(struct canvas *canvas, const struct sheet *sheet, const struct sheet_view *view)
{
	struct widths widths;
	unsigned y = view->y;

	find_widths(sheet, view, canvas->width, &widths);
	put_titles(canvas, sheet, view, &widths);
	for (size_t row = view->first; row < sheet->row_count && ++y < view->y + view->height;
	     row++) {
		put_row(canvas, sheet, row, y, &widths);
		if (row == view->chosen)
			canvas_add_look(canvas, y, LOOK_REVERSE);
	}
}
