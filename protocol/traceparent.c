#include "protocol/traceparent.h"

#include <errno.h>
#include <string.h>

/* Where the parts are, in bytes from the beginning. */
#define TRACE_ID_AT 3
#define PARENT_AT   (TRACE_ID_AT + TRACE_ID_LEN + 1)
#define FLAGS_AT    (PARENT_AT + SPAN_ID_LEN + 1)

/* Of the flags, those that are defined: sampled, and that the trace id is random. */
#define FLAGS_KNOWN	0x03

#define VERSION_INVALID 0xff

static_assert(FLAGS_AT + 2 == TRACEPARENT_LEN, "the parts do not add up");

/* Reads so many digits, 16 at most.  Returns 0 or -EINVAL. */
static int read_digits(const uint8_t *text, size_t count, uint64_t *ret)
{
	uint64_t value = 0;

	for (size_t i = 0; i < count; i++) {
		if (text[i] >= '0' && text[i] <= '9')
			value = value << 4 | (uint64_t)(text[i] - '0');
		else if (text[i] >= 'a' && text[i] <= 'f')
			value = value << 4 | (uint64_t)(text[i] - 'a' + 10);
		else
			return -EINVAL;
	}
	*ret = value;
	return 0;
}

static bool has_dashes(const uint8_t *text)
{
	return text[TRACE_ID_AT - 1] == '-' && text[PARENT_AT - 1] == '-' &&
	       text[FLAGS_AT - 1] == '-';
}

/* Whether the text may go on behind the flags: only that of a later version, after a dash. */
static bool ends_well(struct bytes text, uint64_t version)
{
	return text.len == TRACEPARENT_LEN || (version > 0 && text.data[TRACEPARENT_LEN] == '-');
}

int traceparent_parse(struct bytes text, struct traceparent *ret)
{
	const uint8_t *data = text.data;
	uint64_t version, high, low, parent, flags;

	if (text.len < TRACEPARENT_LEN || !has_dashes(data) || read_digits(data, 2, &version) < 0 ||
	    version == VERSION_INVALID || !ends_well(text, version) ||
	    read_digits(data + TRACE_ID_AT, 16, &high) < 0 ||
	    read_digits(data + TRACE_ID_AT + 16, 16, &low) < 0 || (high == 0 && low == 0) ||
	    read_digits(data + PARENT_AT, SPAN_ID_LEN, &parent) < 0 || parent == 0 ||
	    read_digits(data + FLAGS_AT, 2, &flags) < 0)
		return -EINVAL;
	*ret = (struct traceparent){
		.trace_id = {data + TRACE_ID_AT, TRACE_ID_LEN},
		.parent = parent,
		.flags = (uint8_t)flags,
	};
	return 0;
}

static void put_digits(uint64_t value, size_t count, uint8_t *out)
{
	static const char digits[] = "0123456789abcdef";

	while (count-- > 0) {
		out[count] = (uint8_t)digits[value & 0xf];
		value >>= 4;
	}
}

void traceparent_format(const struct traceparent *traceparent, uint64_t span,
			uint8_t out[static TRACEPARENT_LEN])
{
	memset(out, '-', TRACEPARENT_LEN);
	put_digits(0, 2, out);
	memcpy(out + TRACE_ID_AT, traceparent->trace_id.data, TRACE_ID_LEN);
	put_digits(span, SPAN_ID_LEN, out + PARENT_AT);
	put_digits(traceparent->flags & FLAGS_KNOWN, 2, out + FLAGS_AT);
}

void traceparent_format_span(uint64_t span, uint8_t out[static SPAN_ID_LEN])
{
	put_digits(span, SPAN_ID_LEN, out);
}
