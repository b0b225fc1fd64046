/*
 * A screen in memory: lines of cells, each with a character and how it looks.  Whatever is put there
 * stays within its place, and is safe for a terminal (glyph.h).  It knows no terminal.
 */
#ifndef POOLD_POOLCTL_CANVAS_H
#define POOLD_POOLCTL_CANVAS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CANVAS_WIDTH_MAX  1000u
#define CANVAS_HEIGHT_MAX 4000u

/* How a cell looks: one colour, and any of the bits. */
enum look {
	LOOK_PLAIN = 0,
	LOOK_GOOD,    /* green */
	LOOK_WARNING, /* yellow */
	LOOK_BAD,     /* red */
	LOOK_ACCENT,  /* cyan */
	LOOK_COLOURS = 7,
	LOOK_BOLD = 8,
	LOOK_REVERSE = 16,
	LOOK_DIM = 32
};

struct canvas_cell {
	char text[14]; /* a character with its accents; no bytes: the second half of a wide one */
	uint8_t len;
	uint8_t look;
};

struct canvas {
	unsigned width, height;
	struct canvas_cell *cells; /* line by line */
};

/* Makes it empty, of that size, which is brought within 1 and the largest one.  -ENOMEM. */
int canvas_init(struct canvas *canvas, unsigned width, unsigned height);
void canvas_done(struct canvas *canvas);

const struct canvas_cell *canvas_at(const struct canvas *canvas, unsigned x, unsigned y);

/* Puts the text there, in at most `max` columns; one that is cut ends in "~".  Returns the column
 * behind it.  What lies beyond the canvas is left out. */
unsigned canvas_put(struct canvas *canvas, unsigned x, unsigned y, unsigned max, unsigned look,
		    const char *text);
/* Puts the text there, to the right edge, in as many lines as it takes, at most `lines`; the later ones
 * begin at the same column.  Returns the line below it. */
unsigned canvas_put_lines(struct canvas *canvas, unsigned x, unsigned y, unsigned lines,
			  unsigned look, const char *text);
/* As canvas_put, its end at the right of a field of `width` columns. */
void canvas_put_right(struct canvas *canvas, unsigned x, unsigned y, unsigned width, unsigned look,
		      const char *text);
/* Adds bits to the look of a whole line. */
void canvas_add_look(struct canvas *canvas, unsigned y, unsigned bits);
/* Makes a line empty. */
void canvas_clear_line(struct canvas *canvas, unsigned y);

/* One line as text, without the blanks at its end; cut at size - 1 bytes.  Returns `out`. */
const char *canvas_line(const struct canvas *canvas, unsigned y, char *out, size_t size);
/* Bytes that the longest line may take, with its end. */
size_t canvas_line_size(const struct canvas *canvas);

#endif
