#include "client/poolctl/json.h"

#include "protocol/utf8.h"

#include <stdlib.h>

/* The digits that this number needs to read back the same: 15 are enough for most, 17 for all. */
static size_t digits_of(double real)
{
	for (int digits = 15; digits < 17; digits++) {
		char text[40];

		snprintf(text, sizeof(text), "%.*g", digits, real);
		if (strtod(text, NULL) == real)
			return (size_t)digits;
	}
	return 17;
}

/* The most that any number in it needs: one figure holds for the whole output. */
static size_t digits_needed(const json_t *json)
{
	size_t most = json_is_real(json) ? digits_of(json_real_value(json)) : 15;
	const char *key;
	json_t *value;
	size_t i;

	json_array_foreach (json, i, value) {
		size_t needed = digits_needed(value);

		most = needed > most ? needed : most;
	}
	json_object_foreach ((json_t *)(uintptr_t)json, key, value) {
		size_t needed = digits_needed(value);

		most = needed > most ? needed : most;
	}
	return most;
}

/* Jansson hands over whole characters.  What a terminal may obey is spelled as an escape, which says
 * the same to a program; below DEL jansson does so itself, and what is left is its layout. */
static int write_escaped(const char *data, size_t size, void *argument)
{
	FILE *out = argument;

	while (size > 0) {
		size_t len = utf8_char((const uint8_t *)data, size);
		struct bytes character = {(const uint8_t *)data, len > 0 ? len : 1};

		if (len > 0 && (unsigned char)*data >= 0x7f && utf8_is_command(character))
			fprintf(out, "\\u%04x", utf8_code(character));
		else
			fwrite(data, 1, character.len, out);
		data += character.len;
		size -= character.len;
	}
	return ferror(out) ? -1 : 0;
}

int json_print(const json_t *json, bool one_line, FILE *out)
{
	size_t layout = one_line ? JSON_COMPACT : JSON_INDENT(2);

	if (json_dump_callback(json, write_escaped, out,
			       JSON_ENCODE_ANY | layout |
				       JSON_REAL_PRECISION(digits_needed(json))) < 0)
		return -1;
	return putc('\n', out) == EOF ? -1 : 0;
}
