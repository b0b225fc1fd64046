/*
 * Text from outside as a terminal shows it, one character after the other, and how many columns each
 * takes.  A character that a terminal could take for a command (utf8_is_command), that joins or
 * modifies its neighbours so that terminals differ in the width, or that the locale cannot show, and
 * each byte that is not UTF-8, comes as "?".
 */
#ifndef POOLD_POOLCTL_GLYPH_H
#define POOLD_POOLCTL_GLYPH_H

#include <stdbool.h>
#include <stddef.h>

struct glyph {
	const char *text; /* `len` bytes, a slice of the text or of a constant */
	size_t len;
	unsigned width; /* columns: 2 for a wide character, 0 for an accent that belongs to the
			   character before */
};

/* Takes the next one from *text.  Returns false at the end of the text. */
bool glyph_next(const char **text, struct glyph *ret);

/* Columns of the whole text. */
unsigned glyph_width(const char *text);

#endif
