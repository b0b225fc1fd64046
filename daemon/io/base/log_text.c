#include "daemon/io/base/log_text.h"

#include "protocol/utf8.h"

#include <stdio.h>
#include <string.h>

#define ESCAPE_MAX 13 /* "\xNN\xNN\xNN" and its end */

/* The first character of the text: one byte where it is not UTF-8, with *ret_valid false. */
static struct bytes first_character(struct bytes text, bool *ret_valid)
{
	size_t valid = utf8_valid_prefix((struct bytes){text.data, text.len < 4 ? text.len : 4});
	size_t len = 1;

	*ret_valid = valid > 0;
	while (len < valid && (text.data[len] & 0xc0) == 0x80)
		len++;
	return (struct bytes){text.data, len};
}

/* Writes the character, or how it is spelled. Returns the bytes written. */
static size_t spell(struct bytes character, bool is_valid, char out[static ESCAPE_MAX])
{
	size_t len = 0;

	if (is_valid && !utf8_is_command(character)) {
		memcpy(out, character.data, character.len);
		return character.len;
	}
	if (character.data[0] == '\n')
		return (size_t)snprintf(out, ESCAPE_MAX, "\\n");
	if (character.data[0] == '\t')
		return (size_t)snprintf(out, ESCAPE_MAX, "\\t");
	for (size_t i = 0; i < character.len; i++)
		len += (size_t)snprintf(out + len, ESCAPE_MAX - len, "\\x%02x", character.data[i]);
	return len;
}

size_t log_text_escape(struct bytes text, char *out, size_t size)
{
	static const char more[] = "...";
	const size_t room = size - sizeof(more); /* so that the dots always fit behind it */
	size_t len = 0, before_last = 0;
	char spelled[ESCAPE_MAX];
	bool is_valid;

	while (text.len > 0) {
		struct bytes character = first_character(text, &is_valid);
		size_t n = spell(character, is_valid, spelled);

		if (len + n >= size)
			break;
		memcpy(out + len, spelled, n);
		len += n;
		if (len <= room)
			before_last = len;
		text = (struct bytes){text.data + character.len, text.len - character.len};
	}
	if (text.len > 0) {
		memcpy(out + before_last, more, strlen(more));
		len = before_last + strlen(more);
	}
	out[len] = '\0';
	return len;
}
