/*
 * The reader of W3C traceparents on any bytes.
 *
 *  - what is read is what stands there, and its ids are never all zeros
 *  - what is written is read again as the same trace, with the span that was given as its parent
 *  - a text of the right length is one exactly if its parts are
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/traceparent.h"
#include "tests/lib/input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static bool are_digits(const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (data[i] == 0 || !strchr("0123456789abcdef", data[i]))
			return false;
	return true;
}

static bool are_zeros(const uint8_t *data, size_t len)
{
	while (len > 0 && data[len - 1] == '0')
		len--;
	return len == 0;
}

/* The same question, asked of the parts. */
static bool is_one(const uint8_t *data, size_t len)
{
	if (len < TRACEPARENT_LEN || !are_digits(data, 2) || memcmp(data, "ff", 2) == 0)
		return false;
	if (len > TRACEPARENT_LEN && (are_zeros(data, 2) || data[TRACEPARENT_LEN] != '-'))
		return false;
	return data[2] == '-' && are_digits(data + 3, 32) && !are_zeros(data + 3, 32) &&
	       data[35] == '-' && are_digits(data + 36, 16) && !are_zeros(data + 36, 16) &&
	       data[52] == '-' && are_digits(data + 53, 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t *text = input_exact(data, len), out[TRACEPARENT_LEN];
	struct traceparent found, again;
	int r = traceparent_parse((struct bytes){text, len}, &found);

	assert((r == 0) == is_one(data, len));
	if (r == 0) {
		assert(found.parent != 0 && found.trace_id.len == TRACE_ID_LEN);
		traceparent_format(&found, found.parent, out);
		assert(memcmp(out + 2, text + 2, 51) == 0);
		assert(traceparent_parse((struct bytes){out, sizeof(out)}, &again) == 0);
		assert(again.parent == found.parent && again.flags == (found.flags & 3));
	}
	free(text);
	return 0;
}
