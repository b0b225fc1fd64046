#include "client/lib/client_again.h"

#include "client/lib/outbox.h"
#include "protocol/buf.h"
#include "protocol/errcode.h"
#include "protocol/read.h"

/* The limit of the first pause, which doubles with each try, and of any. */
#define PAUSE_FIRST (10 * USEC_PER_MSEC)
#define PAUSE_MAX   USEC_PER_SEC
#define DOUBLINGS   7

usec_t again_pause(uint64_t *state, unsigned tries)
{
	usec_t limit = PAUSE_FIRST << (tries < DOUBLINGS ? tries : DOUBLINGS);

	if (limit > PAUSE_MAX)
		limit = PAUSE_MAX;
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state % (limit + 1);
}

bool again_is_refusal(struct bytes error)
{
	bool is_stopping = false, is_untouched = false;
	struct reader reader;
	uint32_t pairs = 0;

	reader_init(&reader, error.data, error.len);
	if (read_map(&reader, &pairs) < 0)
		return false;
	for (uint32_t i = 0; i < pairs; i++) {
		struct bytes key, word, value;
		struct reader inner;

		if (read_str(&reader, &key) < 0 && read_value(&reader, &key) < 0)
			return false;
		if (read_value(&reader, &value) < 0)
			return false;
		reader_init(&inner, value.data, value.len);
		if (read_str(&inner, &word) < 0)
			continue;
		if (bytes_equal(key, "code"))
			is_stopping = bytes_equal(word, errcode_name(ERR_shutting_down));
		else if (bytes_equal(key, "executed"))
			is_untouched = bytes_equal(word, executed_name(EXECUTED_NO));
	}
	return is_stopping && is_untouched;
}

/* Finds the value of timeout_ms among the options, the last of the params of a call. */
static int find_timeout(struct bytes message, struct bytes *ret)
{
	struct bytes skipped, method;
	struct reader reader;
	uint32_t count, pairs;

	reader_init(&reader, message.data, message.len);
	if (read_array(&reader, &count) < 0 || read_value(&reader, &skipped) < 0 ||
	    read_value(&reader, &skipped) < 0 || read_str(&reader, &method) < 0 ||
	    !bytes_equal(method, "poold.call") || read_array(&reader, &count) < 0 || count != 4)
		return -1;
	for (unsigned i = 0; i < 3; i++) {
		if (read_value(&reader, &skipped) < 0)
			return -1;
	}
	if (read_map(&reader, &pairs) < 0)
		return -1;
	for (uint32_t i = 0; i < pairs; i++) {
		struct bytes key;

		if (read_str(&reader, &key) < 0 || read_value(&reader, ret) < 0)
			return -1;
		if (bytes_equal(key, "timeout_ms"))
			return 0;
	}
	return -1;
}

struct frame *again_renew(const struct frame *frame, usec_t left)
{
	struct bytes message = frame_bytes(frame);
	struct frame *renewed = NULL;
	struct bytes timeout;
	struct buf value;

	if (find_timeout(message, &timeout) < 0)
		return NULL;
	buf_init(&value, 16);
	pack_uint(&value, left / USEC_PER_MSEC > 0 ? left / USEC_PER_MSEC : 1);
	if (buf_error(&value) == 0) {
		const uint8_t *after = timeout.data + timeout.len;
		struct bytes parts[] = {{message.data, (size_t)(timeout.data - message.data)},
					{value.data, value.len},
					{after, (size_t)(message.data + message.len - after)}};

		renewed = frame_new(parts, ARRAY_SIZE(parts));
	}
	buf_free(&value);
	return renewed;
}
