/*
 * Packets, lines and heads of HTTP on any bytes.  The first byte chooses which, the second the limit, the third
 * how they are split.
 *
 *  - the frames are those of a scanner that sees everything at once
 *  - no message is longer than the limit, and what is announced beyond is refused at once
 *  - nothing outside of a piece is read
 */
#include "daemon/io/base/framing.h"
#include "tests/lib/input.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* The same for a head of HTTP: it ends with the first empty line behind one that is not empty. */
static enum skip_result find_head(const uint8_t *data, size_t len, size_t limit, size_t *ret_end)
{
	size_t begin = 0, texts = 0;

	for (size_t at = 0; at < len; at++) {
		if (at == limit)
			return SKIP_TOO_LARGE;
		texts += data[at] != '\r' && data[at] != '\n';
		if (data[at] != '\n')
			continue;
		*ret_end = at + 1;
		while (begin < at && data[begin] == '\r')
			begin++;
		if (begin == at && texts > 0)
			return SKIP_DONE;
		begin = at + 1;
	}
	*ret_end = len;
	return SKIP_MORE;
}

/* The frame at `data`: its end in *ret_end where it is whole. */
static enum skip_result find(enum framing_kind kind, const uint8_t *data, size_t len, size_t limit,
			     size_t *ret_end)
{
	const uint8_t *newline = len > 0 ? memchr(data, '\n', len) : NULL;
	uint64_t length;

	if (kind == FRAMING_LINE) {
		if ((newline ? (size_t)(newline - data) : len) > limit)
			return SKIP_TOO_LARGE;
		*ret_end = newline ? (size_t)(newline - data) + 1 : len;
		return newline ? SKIP_DONE : SKIP_MORE;
	}
	if (kind == FRAMING_HTTP)
		return find_head(data, len, limit, ret_end);
	if (len < FRAMING_HEAD)
		return SKIP_MORE;
	length = (uint64_t)data[0] << 24 | (uint64_t)data[1] << 16 | (uint64_t)data[2] << 8 |
		 data[3];
	if (length > limit)
		return SKIP_TOO_LARGE;
	*ret_end = FRAMING_HEAD + (size_t)length;
	return *ret_end <= len ? SKIP_DONE : SKIP_MORE;
}

/* Feeds a frame in pieces; returns what came of it and how much was taken. */
static enum skip_result feed(struct framing *framing, const uint8_t *data, size_t len,
			     size_t longest, size_t *ret_taken)
{
	enum skip_result result = SKIP_MORE;

	*ret_taken = 0;
	while (result == SKIP_MORE && *ret_taken < len) {
		size_t left = len - *ret_taken, piece = left < longest ? left : longest, taken = 0;
		uint8_t *copy = input_exact(data + *ret_taken, piece);

		assert(framing_need(framing) > 0);
		result = framing_feed(framing, copy, piece, &taken);
		assert(taken <= piece && (result != SKIP_MORE || taken == piece));
		*ret_taken += taken;
		free(copy);
	}
	return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct framing framing;
	static const enum framing_kind kinds[] = {FRAMING_PACKET4, FRAMING_LINE, FRAMING_HTTP};
	enum framing_kind kind;
	size_t limit, longest, at = 3;

	if (len < 3)
		return 0;
	kind = kinds[data[0] % 3];
	limit = data[1];
	longest = (size_t)data[2] + 1;
	framing_init(&framing, kind, limit);
	while (at < len) {
		size_t end = 0, taken;
		enum skip_result expected = find(kind, data + at, len - at, limit, &end);
		enum skip_result result = feed(&framing, data + at, len - at, longest, &taken);

		assert(result == expected);
		if (result != SKIP_DONE)
			break;
		assert(taken == end);
		assert(framing_message(&framing, (struct bytes){data + at, taken}).len <= limit);
		framing_restart(&framing);
		at += taken;
	}
	return 0;
}
