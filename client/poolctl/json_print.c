#include "client/poolctl/json.h"

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

int json_print(const json_t *json, bool one_line, FILE *out)
{
	size_t layout = one_line ? JSON_COMPACT : JSON_INDENT(2);

	if (json_dumpf(json, out,
		       JSON_ENCODE_ANY | layout | JSON_REAL_PRECISION(digits_needed(json))) < 0)
		return -1;
	return putc('\n', out) == EOF ? -1 : 0;
}
