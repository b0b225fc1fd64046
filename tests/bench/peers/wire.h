/* How the client of the peers speaks to one of them: a request's bytes, and an answer read. */
#ifndef POOLD_TESTS_BENCH_PEERS_WIRE_H
#define POOLD_TESTS_BENCH_PEERS_WIRE_H

#include <stdio.h>

#include "protocol/buf.h"
#include "tests/bench/bench.h"

struct wire {
	const char *name;
	bool is_once; /* each request has a connection of its own */

	/* Writes what a connection says before its first request; NULL: nothing. */
	void (*greet)(struct buf *out, uint32_t connection);

	/* Writes a request.  The payload stands in it as it is, once. */
	void (*ask)(struct buf *out, uint32_t connection, struct bytes payload);

	/* Reads the answer that `data` begins with.  Returns its length, 0 while it is not whole.
	 * `ret_payload` points into `data`, or to static memory. */
	size_t (*answer)(const uint8_t *data, size_t len, struct bytes *ret_payload);
};

static inline void put_text(struct buf *out, const char *text)
{
	buf_put(out, text, strlen(text));
}

/* Where `text` is in the bytes; NULL: it is not. */
static inline const uint8_t *find_text(const uint8_t *data, size_t len, const char *text)
{
	return memmem(data, len, text, strlen(text));
}

/* The number behind `prefix` at the begin of a line of text, and how long the line is with its
 * CRLF; 0 while it is not whole. */
static inline size_t read_line_number(const uint8_t *data, size_t len, char prefix, long *ret)
{
	const uint8_t *end = find_text(data, len, "\r\n");

	if (!end)
		return 0;
	if (*data != (uint8_t)prefix)
		errx(1, "%.*s", (int)(end - data), (const char *)data);
	*ret = strtol((const char *)data + 1, NULL, 10);
	return (size_t)(end - data) + 2;
}

static inline void put_be16(struct buf *out, size_t value)
{
	buf_put(out, (uint8_t[]){(uint8_t)(value >> 8), (uint8_t)value}, 2);
}

static inline void put_be32(struct buf *out, size_t value)
{
	put_be16(out, value >> 16);
	put_be16(out, value & 0xffff);
}

static inline size_t read_be16(const uint8_t *data)
{
	return (size_t)data[0] << 8 | data[1];
}

static inline size_t read_be32(const uint8_t *data)
{
	return read_be16(data) << 16 | read_be16(data + 2);
}

#endif
