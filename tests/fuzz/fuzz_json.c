/*
 * JSON and MessagePack, each from any bytes.
 *
 *  - what is read from JSON is one whole value, and can be written as JSON again
 *  - that text reads back to the same bytes: nothing was changed silently
 *  - the JSON of a value is one line of UTF-8 that another parser takes
 */
#include "daemon/io/base/json.h"
#include "protocol/skip.h"
#include "protocol/utf8.h"
#include "tests/lib/input.h"

#include <assert.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define OUT_MAX ((size_t)1 << 24)

static struct bytes bytes_of(const struct buf *buf)
{
	return (struct bytes){buf->data, buf->len};
}

static void check_text(struct bytes text)
{
	json_t *json = json_loadb((const char *)text.data, text.len,
				  JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, NULL);

	assert(json);
	json_decref(json);
	assert(utf8_valid_prefix(text) == text.len);
	assert(!memchr(text.data, '\n', text.len));
}

/* A value that came from JSON: it goes there and back unchanged, unless it is too deep for that. */
static void check_value(struct bytes value)
{
	char fault[JSON_FAULT_MAX];
	struct buf text, back;
	const char *why;

	assert(skip_value(value.data, value.len, value.len) == value.len);
	buf_init(&text, OUT_MAX);
	buf_init(&back, OUT_MAX);
	why = json_from_value(value, &text);
	assert(!why || strcmp(why, "a value that is nested too deep") == 0);
	if (!why) {
		check_text(bytes_of(&text));
		if (json_to_value(bytes_of(&text), &back, fault) < 0)
			abort();
		assert(back.len == value.len && memcmp(back.data, value.data, value.len) == 0);
	}
	buf_free(&text);
	buf_free(&back);
}

static void from_json(struct bytes text)
{
	char fault[JSON_FAULT_MAX];
	struct buf value;
	int r;

	buf_init(&value, OUT_MAX);
	r = json_to_value(text, &value, fault);
	assert(r == 0 || r == -EINVAL || r == -ENOMEM);
	if (r == 0)
		check_value(bytes_of(&value));
	buf_free(&value);
}

/* Whatever the bytes are; only a whole value is one that the daemon would pass on. */
static void from_value(struct bytes value)
{
	struct buf text;

	buf_init(&text, OUT_MAX);
	if (!json_from_value(value, &text))
		check_text(bytes_of(&text));
	buf_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t *exact;

	if (len == 0)
		return 0;
	exact = input_exact(data + 1, len - 1);
	if (data[0] % 2)
		from_json((struct bytes){exact, len - 1});
	else
		from_value((struct bytes){exact, len - 1});
	free(exact);
	return 0;
}
