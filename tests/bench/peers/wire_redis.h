/* Lists of Redis: a job is pushed to the list `work` with the number of the list in which the
 * answer is waited for. */
#ifndef POOLD_TESTS_BENCH_PEERS_WIRE_REDIS_H
#define POOLD_TESTS_BENCH_PEERS_WIRE_REDIS_H

#include "tests/bench/peers/wire.h"

/* The number stands before the payload in so many digits. */
#define REDIS_NUMBER 10

static void redis_ask(struct buf *out, uint32_t connection, struct bytes payload)
{
	buf_printf(out, "*3\r\n$5\r\nLPUSH\r\n$4\r\nwork\r\n$%zu\r\n%010u",
		   REDIS_NUMBER + payload.len, connection);
	buf_put(out, payload.data, payload.len);
	buf_printf(out, "\r\n*3\r\n$5\r\nBRPOP\r\n$%d\r\n%010u\r\n$1\r\n0\r\n", REDIS_NUMBER,
		   connection);
}

/* A text with its length before it; `ret_at` moves behind it.  False while it is not whole. */
static bool redis_text(const uint8_t *data, size_t len, size_t *ret_at, struct bytes *ret)
{
	long count;
	size_t line = read_line_number(data + *ret_at, len - *ret_at, '$', &count);

	if (line == 0)
		return false;
	*ret = (struct bytes){data + *ret_at + line, (size_t)count};
	*ret_at += line + (size_t)count + 2;
	return *ret_at <= len;
}

/* How long the list is; then an array of the list's name and the payload. */
static size_t redis_answer(const uint8_t *data, size_t len, struct bytes *ret_payload)
{
	struct bytes name;
	long number;
	size_t at = read_line_number(data, len, ':', &number);
	size_t line = at > 0 ? read_line_number(data + at, len - at, '*', &number) : 0;

	at += line;
	if (line == 0 || !redis_text(data, len, &at, &name) ||
	    !redis_text(data, len, &at, ret_payload))
		return 0;
	return at;
}

static const struct wire wire_redis = {
	.name = "redis",
	.ask = redis_ask,
	.answer = redis_answer,
};

#endif
