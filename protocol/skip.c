#include "protocol/skip.h"

#include <string.h>

/*
 * Markers fall into three groups: 0x00-0x7f and 0xe0-0xff are small integers, whole in one byte;
 * 0x80-0xbf are short maps, arrays and strings with their length inside the marker; the 32 between
 * are looked up here.
 */
struct row {
	uint8_t head;	      /* bytes of the marker and its length field; 0: not MessagePack */
	uint8_t raw;	      /* bytes after the header that no length field counts */
	uint8_t length_items; /* values for each one of the length field; 0: it counts bytes */
};

static const struct row rows[32] = {
	{1, 0, 0},			  /* c0      nil */
	{0, 0, 0},			  /* c1      never used */
	{1, 0, 0}, {1, 0, 0},		  /* c2 c3   false, true */
	{2, 0, 0}, {3, 0, 0},  {5, 0, 0}, /* c4-c6   bin */
	{2, 1, 0}, {3, 1, 0},  {5, 1, 0}, /* c7-c9   ext: a type byte before its bytes */
	{1, 4, 0}, {1, 8, 0},		  /* ca cb   float */
	{1, 1, 0}, {1, 2, 0},  {1, 4, 0}, /* cc-ce   unsigned integers */
	{1, 8, 0},			  /* cf */
	{1, 1, 0}, {1, 2, 0},  {1, 4, 0}, /* d0-d2   signed integers */
	{1, 8, 0},			  /* d3 */
	{1, 2, 0}, {1, 3, 0},  {1, 5, 0}, /* d4-d6   ext of 1, 2, 4 bytes */
	{1, 9, 0}, {1, 17, 0},		  /* d7 d8   ext of 8, 16 bytes */
	{2, 0, 0}, {3, 0, 0},  {5, 0, 0}, /* d9-db   str */
	{3, 0, 1}, {5, 0, 1},		  /* dc dd   array */
	{3, 0, 2}, {5, 0, 2},		  /* de df   map */
};

/* What a header says is to come after it. */
struct announced {
	uint64_t raw;
	uint64_t items;
};

static inline bool is_small_int(uint8_t marker)
{
	return marker < 0x80 || marker >= 0xe0;
}

/* Bytes of the header that begins with this marker, or 0 when nothing does. */
static inline uint8_t header_len(uint8_t marker)
{
	return marker < 0xc0 || marker >= 0xe0 ? 1 : rows[marker - 0xc0].head;
}

static inline uint32_t length_field(const uint8_t *head, uint8_t head_len)
{
	switch (head_len) {
	case 2:
		return head[1];
	case 3:
		return (uint32_t)head[1] << 8 | head[2];
	case 5:
		return (uint32_t)head[1] << 24 | (uint32_t)head[2] << 16 | (uint32_t)head[3] << 8 |
		       head[4];
	default:
		return 0;
	}
}

/* Reads a whole header. */
static inline struct announced header_read(const uint8_t *head)
{
	uint8_t marker = head[0];

	if (is_small_int(marker))
		return (struct announced){0, 0};
	if (marker < 0x90)
		return (struct announced){0, 2 * (marker & 0x0fu)};
	if (marker < 0xa0)
		return (struct announced){0, marker & 0x0fu};
	if (marker < 0xc0)
		return (struct announced){marker & 0x1fu, 0};

	const struct row *row = &rows[marker - 0xc0];
	uint64_t length = length_field(head, row->head);

	if (row->length_items > 0)
		return (struct announced){0, length * row->length_items};
	return (struct announced){row->raw + length, 0};
}

void skip_init(struct skip *skip, uint64_t limit)
{
	*skip = (struct skip){.items = 1, .limit = limit};
}

/*
 * Goes from header to header.  `slack` is what the limit leaves beyond the bytes that are certain
 * to come: every value still to come needs one, and each header takes out of the slack what it
 * announces beyond that.  So nothing here can overflow: no sum ever passes the limit.
 */
static enum skip_result walk(struct skip *skip, uint64_t slack, const uint8_t *data, uint64_t len,
			     uint64_t *at)
{
	uint64_t items = skip->items;
	uint64_t next = *at;

	while (items > 0 && next < len) {
		const uint8_t *head = data + next;
		uint8_t need = header_len(head[0]);

		if (need == 0)
			return SKIP_BAD;
		if (need > len - next) {
			if (need - 1u > slack)
				return SKIP_TOO_LARGE;
			skip->head_need = need;
			skip->head_len = (uint8_t)(len - next);
			memcpy(skip->head, head, skip->head_len);
			next = len;
			break;
		}

		struct announced announced = header_read(head);
		uint64_t extra = need - 1u + announced.raw + announced.items;

		if (extra > slack)
			return SKIP_TOO_LARGE;
		slack -= extra;
		items += announced.items - 1;
		next += need + announced.raw;
	}
	skip->items = items;
	*at = next;
	return SKIP_MORE;
}

/* Completes the header that the bytes before had cut, as far as these bytes go. */
static enum skip_result resume_header(struct skip *skip, uint64_t *slack, const uint8_t *data,
				      uint64_t len, uint64_t *at)
{
	while (skip->head_len < skip->head_need && *at < len)
		skip->head[skip->head_len++] = data[(*at)++];
	if (skip->head_len < skip->head_need)
		return SKIP_MORE;

	struct announced announced = header_read(skip->head);
	uint64_t extra = skip->head_need - 1u + announced.raw + announced.items;

	if (extra > *slack)
		return SKIP_TOO_LARGE;
	*slack -= extra;
	skip->items += announced.items - 1;
	skip->raw = announced.raw;
	skip->head_need = 0;
	skip->head_len = 0;
	return SKIP_MORE;
}

enum skip_result skip_feed(struct skip *skip, const uint8_t *data, size_t len, size_t *ret_taken)
{
	uint64_t at = 0;

	*ret_taken = 0;
	if (skip->limit == 0)
		return SKIP_TOO_LARGE;

	uint64_t certain = skip->taken - skip->head_len + skip->items + skip->raw;
	uint64_t slack = skip->limit - certain;
	enum skip_result result = SKIP_MORE;

	if (skip->head_need > 0)
		result = resume_header(skip, &slack, data, len, &at);
	if (result == SKIP_MORE && skip->head_need == 0) {
		at += skip->raw;
		skip->raw = 0;
		result = walk(skip, slack, data, len, &at);
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

uint64_t skip_need(const struct skip *skip)
{
	uint64_t head_rest = skip->head_need > 0 ? skip->head_need - skip->head_len - 1u : 0;

	return skip->items + skip->raw + head_rest;
}

size_t skip_value(const uint8_t *data, size_t len, uint64_t limit)
{
	struct skip skip;
	size_t taken;

	skip_init(&skip, limit);
	return skip_feed(&skip, data, len, &taken) == SKIP_DONE ? taken : 0;
}
