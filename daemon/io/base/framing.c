#include "daemon/io/base/framing.h"

#include <string.h>

void framing_init(struct framing *framing, enum framing_kind kind, uint64_t limit)
{
	*framing = (struct framing){.kind = kind, .limit = limit};
	framing_restart(framing);
}

static enum skip_result feed_packet(struct framing *framing, const uint8_t *data, size_t len,
				    size_t *ret_taken)
{
	size_t at = 0;
	uint64_t left;

	while (framing->taken < FRAMING_HEAD && at < len) {
		framing->length = framing->length << 8 | data[at++];
		framing->taken++;
	}
	if (framing->taken < FRAMING_HEAD) {
		*ret_taken = at;
		return SKIP_MORE;
	}
	if (framing->length > framing->limit)
		return SKIP_TOO_LARGE;
	left = FRAMING_HEAD + (uint64_t)framing->length - framing->taken;
	if (left > len - at)
		left = len - at;
	framing->taken += left;
	*ret_taken = at + (size_t)left;
	return framing->taken == FRAMING_HEAD + (uint64_t)framing->length ? SKIP_DONE : SKIP_MORE;
}

static enum skip_result feed_line(struct framing *framing, const uint8_t *data, size_t len,
				  size_t *ret_taken)
{
	const uint8_t *end = len > 0 ? memchr(data, '\n', len) : NULL;
	size_t text = end ? (size_t)(end - data) : len;

	if (framing->taken + text > framing->limit)
		return SKIP_TOO_LARGE;
	framing->taken += text;
	*ret_taken = text + (end ? 1 : 0);
	return end ? SKIP_DONE : SKIP_MORE;
}

/* One byte of a head.  Returns whether the head ends with it. */
static bool take_byte(struct framing *framing, uint8_t byte)
{
	bool is_empty = byte == '\n' && !framing->has_line;

	if (byte == '\n')
		framing->has_line = false;
	else if (byte != '\r')
		framing->has_line = framing->has_any = true;
	return is_empty && framing->has_any;
}

static enum skip_result feed_head(struct framing *framing, const uint8_t *data, size_t len,
				  size_t *ret_taken)
{
	for (size_t at = 0; at < len; at++) {
		if (framing->taken == framing->limit)
			return SKIP_TOO_LARGE;
		framing->taken++;
		*ret_taken = at + 1;
		if (take_byte(framing, data[at]))
			return SKIP_DONE;
	}
	return SKIP_MORE;
}

enum skip_result framing_feed_other(struct framing *framing, const uint8_t *data, size_t len,
				    size_t *ret_taken)
{
	*ret_taken = 0;
	if (framing->kind == FRAMING_PACKET4)
		return feed_packet(framing, data, len, ret_taken);
	if (framing->kind == FRAMING_HTTP)
		return feed_head(framing, data, len, ret_taken);
	return feed_line(framing, data, len, ret_taken);
}

uint64_t framing_need(const struct framing *framing)
{
	switch (framing->kind) {
	case FRAMING_MSGPACK:
		return skip_need(&framing->skip);
	case FRAMING_PACKET4:
		if (framing->taken < FRAMING_HEAD)
			return FRAMING_HEAD - framing->taken;
		return FRAMING_HEAD + (uint64_t)framing->length - framing->taken;
	case FRAMING_LINE:
	case FRAMING_HTTP:
		break;
	}
	/* As much again: a long line is not moved at each of its pieces. */
	return framing->taken > 0 ? framing->taken : 1;
}

void framing_put_head(uint8_t out[static FRAMING_HEAD], uint32_t len)
{
	out[0] = (uint8_t)(len >> 24);
	out[1] = (uint8_t)(len >> 16);
	out[2] = (uint8_t)(len >> 8);
	out[3] = (uint8_t)len;
}
