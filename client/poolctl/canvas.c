#include "client/poolctl/canvas.h"

#include "client/poolctl/glyph.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct canvas_cell blank = {.text = " ", .len = 1};

static unsigned within(unsigned size, unsigned max)
{
	if (size == 0)
		return 1;
	return size < max ? size : max;
}

int canvas_init(struct canvas *canvas, unsigned width, unsigned height)
{
	*canvas = (struct canvas){.width = within(width, CANVAS_WIDTH_MAX),
				  .height = within(height, CANVAS_HEIGHT_MAX)};
	canvas->cells = calloc((size_t)canvas->width * canvas->height, sizeof(*canvas->cells));
	if (!canvas->cells)
		return -ENOMEM;
	for (unsigned y = 0; y < canvas->height; y++)
		canvas_clear_line(canvas, y);
	return 0;
}

void canvas_done(struct canvas *canvas)
{
	free(canvas->cells);
	*canvas = (struct canvas){0};
}

static struct canvas_cell *own_cell(struct canvas *canvas, unsigned x, unsigned y)
{
	return &canvas->cells[(size_t)y * canvas->width + x];
}

const struct canvas_cell *canvas_at(const struct canvas *canvas, unsigned x, unsigned y)
{
	return &canvas->cells[(size_t)y * canvas->width + x];
}

void canvas_clear_line(struct canvas *canvas, unsigned y)
{
	for (unsigned x = 0; y < canvas->height && x < canvas->width; x++)
		*own_cell(canvas, x, y) = blank;
}

/* An accent joins the character before it, while there is room. */
static void add_accent(struct canvas_cell *cell, const struct glyph *glyph)
{
	if (cell->len == 0 || cell->len + glyph->len > sizeof(cell->text))
		return;
	memcpy(cell->text + cell->len, glyph->text, glyph->len);
	cell->len = (uint8_t)(cell->len + glyph->len);
}

static void put_glyph(struct canvas *canvas, unsigned x, unsigned y, unsigned look,
		      const struct glyph *glyph)
{
	struct canvas_cell *cell = own_cell(canvas, x, y);

	*cell = (struct canvas_cell){.len = (uint8_t)glyph->len, .look = (uint8_t)look};
	memcpy(cell->text, glyph->text, glyph->len);
	if (glyph->width == 2)
		*own_cell(canvas, x + 1, y) = (struct canvas_cell){.look = (uint8_t)look};
}

unsigned canvas_put(struct canvas *canvas, unsigned x, unsigned y, unsigned max, unsigned look,
		    const char *text)
{
	static const struct glyph cut = {"~", 1, 1};
	struct canvas_cell *last = NULL;
	unsigned room, used = 0, width;
	struct glyph glyph;

	if (y >= canvas->height || x >= canvas->width)
		return x;
	room = canvas->width - x < max ? canvas->width - x : max;
	width = glyph_width(text);
	while (glyph_next(&text, &glyph)) {
		if (glyph.width == 0) {
			if (last)
				add_accent(last, &glyph);
			continue;
		}
		if (used + glyph.width + (width > room ? 1 : 0) > room)
			break;
		put_glyph(canvas, x + used, y, look, &glyph);
		last = own_cell(canvas, x + used, y);
		used += glyph.width;
	}
	if (width > room && used < room)
		put_glyph(canvas, x + used++, y, look, &cut);
	return x + used;
}

/* Bytes of the text that fit into so many columns, to the last blank where there is one; *ret_next is
 * where the rest begins. */
static size_t fitting(const char *text, unsigned room, const char **ret_next)
{
	const char *at = text, *end = text;
	const char *blank_at = NULL;
	unsigned used = 0;
	struct glyph glyph;

	while (glyph_next(&at, &glyph) && used + glyph.width <= room) {
		used += glyph.width;
		end = at;
		if (*end == ' ' || *end == '\0')
			blank_at = end;
	}
	if (*end != '\0' && blank_at)
		end = blank_at;
	*ret_next = *end == ' ' ? end + 1 : end;
	return (size_t)(end - text);
}

unsigned canvas_put_lines(struct canvas *canvas, unsigned x, unsigned y, unsigned lines,
			  unsigned look, const char *text)
{
	unsigned room = x < canvas->width ? canvas->width - x : 0;

	while (*text != '\0' && lines > 0 && room > 1) {
		const char *next = text;
		char line[4 * CANVAS_WIDTH_MAX + 1];
		size_t len = fitting(text, room, &next);

		if (lines == 1 || next == text) {
			canvas_put(canvas, x, y++, room, look, text);
			break;
		}
		snprintf(line, sizeof(line), "%.*s", (int)len, text);
		canvas_put(canvas, x, y++, room, look, line);
		text = next;
		lines--;
	}
	return y;
}

void canvas_put_right(struct canvas *canvas, unsigned x, unsigned y, unsigned width, unsigned look,
		      const char *text)
{
	unsigned columns = glyph_width(text);

	canvas_put(canvas, columns < width ? x + width - columns : x, y, width, look, text);
}

void canvas_add_look(struct canvas *canvas, unsigned y, unsigned bits)
{
	for (unsigned x = 0; y < canvas->height && x < canvas->width; x++)
		own_cell(canvas, x, y)->look |= (uint8_t)bits;
}

const char *canvas_line(const struct canvas *canvas, unsigned y, char *out, size_t size)
{
	size_t len = 0, end = 0;

	for (unsigned x = 0; x < canvas->width; x++) {
		const struct canvas_cell *cell = canvas_at(canvas, x, y);

		if (len + cell->len >= size)
			break;
		memcpy(out + len, cell->text, cell->len);
		len += cell->len;
		if (cell->len > 1 || (cell->len == 1 && cell->text[0] != ' '))
			end = len;
	}
	out[end] = '\0';
	return out;
}

size_t canvas_line_size(const struct canvas *canvas)
{
	return canvas->width * sizeof(canvas->cells->text) + 1;
}
