#include "client/poolctl/glyph.h"

#include "protocol/utf8.h"

#include <string.h>
#include <wchar.h>

/* Those that have no shape of their own, or merge with a neighbour on some terminals only. */
static bool is_joiner(uint32_t code)
{
	static const struct {
		uint32_t first, last;
	} ranges[] = {
		{0xad, 0xad},	    /* soft hyphen */
		{0x1160, 0x11ff},   /* the later parts of a Korean syllable */
		{0x200b, 0x200d},   /* spaces and joiners without a width */
		{0x2060, 0x206f},   /* the same, and marks for a direction */
		{0xfe00, 0xfe0f},   /* another form of the character before */
		{0xfeff, 0xfeff},   /* byte order mark */
		{0x1f1e6, 0x1f1ff}, /* letters that become a flag */
		{0x1f3fb, 0x1f3ff}, /* the colour of a skin */
		{0xe0000, 0xe0fff}, /* tags */
	};

	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		if (code >= ranges[i].first && code <= ranges[i].last)
			return true;
	return false;
}

/* Columns of one whole, valid character; -1: it is not to be shown. */
static int columns_of(struct bytes character)
{
	uint32_t code = utf8_code(character);

	if (utf8_is_command(character) || is_joiner(code))
		return -1;
	return code < 0x80 ? 1 : wcwidth((wchar_t)code);
}

bool glyph_next(const char **text, struct glyph *ret)
{
	size_t left = strnlen(*text, 4), len;
	int width = -1;

	if (left == 0)
		return false;
	len = utf8_char((const uint8_t *)*text, left);
	if (len > 0)
		width = columns_of((struct bytes){(const uint8_t *)*text, len});
	*ret = width >= 0 ? (struct glyph){*text, len, (unsigned)width} : (struct glyph){"?", 1, 1};
	*text += len > 0 ? len : 1;
	return true;
}

unsigned glyph_width(const char *text)
{
	unsigned width = 0;
	struct glyph glyph;

	while (glyph_next(&text, &glyph))
		width += glyph.width;
	return width;
}
