#include "protocol/skip.h"

#include <string.h>

/*
 * For each marker without a length field, in the upper 8 bits: how many bytes there are before the
 * next marker, itself included, as it may be followed by a text, a number or an ext's type; in the
 * lower 8 bits: how many values it contains.  0: it has a length field, or is not MessagePack.
 */
#define LONG	    0
#define RAW(n)	    ((1 + (n)) << 8)
#define ARRAY(n)    (RAW(0) | (n))
#define MAP(n)	    (RAW(0) | 2 * (n))
#define FOUR(f, n)  f(n), f((n) + 1), f((n) + 2), f((n) + 3)
#define EIGHT(f, n) FOUR(f, n), FOUR(f, (n) + 4)
#define SIXTEEN(f)  EIGHT(f, 0), EIGHT(f, 8)
#define NOTHING(n)  RAW(0)
#define NOTHINGS    SIXTEEN(NOTHING)

static const uint16_t shapes[256] = {
	/* 00-7f: small integers */
	NOTHINGS, NOTHINGS, NOTHINGS, NOTHINGS, NOTHINGS, NOTHINGS, NOTHINGS, NOTHINGS,
	/* 80-8f, 90-9f, a0-bf */
	SIXTEEN(MAP), SIXTEEN(ARRAY), SIXTEEN(RAW), EIGHT(RAW, 16), EIGHT(RAW, 24),
	/* c0-c3: nil, not MessagePack, false, true */
	RAW(0), LONG, RAW(0), RAW(0),
	/* c4-c9: bin and ext */
	LONG, LONG, LONG, LONG, LONG, LONG,
	/* ca-d3: float, unsigned and signed integers */
	RAW(4), RAW(8), RAW(1), RAW(2), RAW(4), RAW(8), RAW(1), RAW(2), RAW(4), RAW(8),
	/* d4-d8: ext of a fixed length, with its type */
	RAW(2), RAW(3), RAW(5), RAW(9), RAW(17),
	/* d9-df: str, array, map */
	LONG, LONG, LONG, LONG, LONG, LONG, LONG,
	/* e0-ff: small negative integers */
	NOTHINGS, NOTHINGS};

/* A marker with its length field, and what follows it. */
struct header {
	uint64_t len; /* bytes of the header itself; 0: not MessagePack */
	uint64_t raw;
	uint64_t items;
};

/* The length field of `width` bytes; 0: it is incomplete. */
static inline uint64_t length_field(const uint8_t *head, uint64_t left, unsigned width)
{
	if (left <= width)
		return 0;
	if (width == 1)
		return head[1];
	if (width == 2)
		return (uint64_t)head[1] << 8 | head[2];
	return (uint64_t)head[1] << 24 | (uint64_t)head[2] << 16 | (uint64_t)head[3] << 8 | head[4];
}

/* A str or bin; an ext has one byte more, its type. */
static inline struct header run(const uint8_t *head, uint64_t left, unsigned width, unsigned type)
{
	return (struct header){1 + width, length_field(head, left, width) + type, 0};
}

/* An array has one value for each of its length, a map two. */
static inline struct header nest(const uint8_t *head, uint64_t left, unsigned width,
				 unsigned values)
{
	return (struct header){1 + width, 0, length_field(head, left, width) * values};
}

/*
 * Reads the header at `head`, whose marker is LONG, and of which `left` bytes (at least one) are
 * available.  If its length field is incomplete, `raw` and `items` have the least values that are
 * possible.
 */
static inline struct header header_read(const uint8_t *head, uint64_t left)
{
	switch (head[0]) {
	case 0xc4: /* bin8 */
	case 0xd9: /* str8 */
		return run(head, left, 1, 0);
	case 0xc5: /* bin16 */
	case 0xda: /* str16 */
		return run(head, left, 2, 0);
	case 0xc6: /* bin32 */
	case 0xdb: /* str32 */
		return run(head, left, 4, 0);
	case 0xc7: /* ext8 */
		return run(head, left, 1, 1);
	case 0xc8: /* ext16 */
		return run(head, left, 2, 1);
	case 0xc9: /* ext32 */
		return run(head, left, 4, 1);
	case 0xdc: /* array16 */
		return nest(head, left, 2, 1);
	case 0xdd: /* array32 */
		return nest(head, left, 4, 1);
	case 0xde: /* map16 */
		return nest(head, left, 2, 2);
	case 0xdf: /* map32 */
		return nest(head, left, 4, 2);
	default: /* 0xc1 */
		return (struct header){0};
	}
}

/*
 * What is whole within the first `limit` bytes is neither cut nor too large, so that nothing else is
 * asked of it.  No sum can overflow: each value still to come needs at least one of the bytes left.
 */
size_t skip_value(const uint8_t *data, size_t len, uint64_t limit)
{
	uint64_t end = len < limit ? len : limit;
	uint64_t items = 1;
	uint64_t next = 0;

	while (items > 0 && next < end) {
		uint64_t shape = shapes[data[next]];
		struct header header;

		if (shape != LONG) {
			items += (shape & 0xff) - 1;
			next += shape >> 8;
			continue;
		}
		header = header_read(data + next, end - next);
		items += header.items - 1;
		next += header.len + header.raw;
		if (header.len == 0 || next > end || items > end - next)
			return 0;
	}
	return items == 0 && next <= end ? (size_t)next : 0;
}

void skip_init(struct skip *skip, uint64_t limit)
{
	*skip = (struct skip){.items = 1, .limit = limit};
}

/*
 * Walks from header to header, beginning at `*at`; afterwards `*at` is the position of the next
 * header, above `len` if raw bytes are before it.
 *
 * `*slack` is the limit without the bytes that are certain to come: each value still to come has at
 * least one byte, and each header takes from the slack what it announces beyond that.  So no sum
 * can overflow, as none exceeds the limit.
 */
static enum skip_result walk(struct skip *skip, uint64_t *slack, const uint8_t *data, uint64_t len,
			     uint64_t *at)
{
	uint64_t items = skip->items;
	uint64_t room = *slack;
	uint64_t next = *at;

	while (items > 0 && next < len) {
		const uint8_t *head = data + next;
		uint64_t shape = shapes[*head];
		struct header header;
		uint64_t extra;

		if (shape != LONG) {
			uint64_t bytes = shape >> 8, values = shape & 0xff;

			extra = bytes - 1 + values;
			if (extra > room)
				return SKIP_TOO_LARGE;
			room -= extra;
			items += values;
			items--;
			next += bytes;
			continue;
		}
		header = header_read(head, len - next);
		extra = header.len - 1 + header.raw + header.items;
		if (header.len == 0)
			return SKIP_BAD;
		if (extra > room)
			return SKIP_TOO_LARGE;
		if (header.len > len - next) {
			skip->head_need = (uint8_t)header.len;
			skip->head_len = (uint8_t)(len - next);
			memcpy(skip->head, head, skip->head_len);
			next = len;
			break;
		}
		room -= extra;
		items += header.items - 1;
		next += header.len + header.raw;
	}
	skip->items = items;
	*slack = room;
	*at = next;
	return SKIP_MORE;
}

/* Completes the header that was cut at the end of the bytes before, as far as these bytes allow. */
static enum skip_result resume_header(struct skip *skip, uint64_t *slack, const uint8_t *data,
				      uint64_t len, uint64_t *at)
{
	uint64_t need = skip->head_need;
	uint64_t next = 0;
	enum skip_result result;

	while (skip->head_len < need && *at < len)
		skip->head[skip->head_len++] = data[(*at)++];
	if (skip->head_len < need)
		return SKIP_MORE;

	skip->head_need = 0;
	skip->head_len = 0;
	result = walk(skip, slack, skip->head, need, &next);
	skip->raw = result == SKIP_MORE ? next - need : 0;
	return result;
}

/* skip_feed for a value that comes in pieces, or can't be taken. */
static enum skip_result feed_piece(struct skip *skip, const uint8_t *data, size_t len,
				   size_t *ret_taken)
{
	uint64_t certain = skip->taken - skip->head_len + skip->items + skip->raw;
	uint64_t slack = skip->limit - certain;
	uint64_t at = 0;
	enum skip_result result = SKIP_MORE;

	*ret_taken = 0;
	if (skip->limit == 0)
		return SKIP_TOO_LARGE;
	if (skip->head_need > 0)
		result = resume_header(skip, &slack, data, len, &at);
	if (result == SKIP_MORE && skip->head_need == 0) {
		at += skip->raw;
		skip->raw = 0;
		result = walk(skip, &slack, data, len, &at);
	}
	if (result != SKIP_MORE)
		return result;

	if (at > len) {
		skip->raw = at - len;
		at = len;
	}
	skip->taken += at;
	*ret_taken = (size_t)at;
	return skip->items == 0 && skip->raw == 0 ? SKIP_DONE : SKIP_MORE;
}

enum skip_result skip_feed(struct skip *skip, const uint8_t *data, size_t len, size_t *ret_taken)
{
	/* Nearly every value comes whole. */
	size_t whole = skip->taken == 0 ? skip_value(data, len, skip->limit) : 0;

	if (whole == 0)
		return feed_piece(skip, data, len, ret_taken);
	skip->taken = *ret_taken = whole;
	skip->items = 0;
	return SKIP_DONE;
}

uint64_t skip_need(const struct skip *skip)
{
	uint64_t head_rest = skip->head_need > 0 ? skip->head_need - skip->head_len - 1u : 0;

	return skip->items + skip->raw + head_rest;
}
