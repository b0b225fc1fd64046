/* NATS: lines of text.  A request is published with the subject of the answer. */
#ifndef POOLD_TESTS_BENCH_PEERS_WIRE_NATS_H
#define POOLD_TESTS_BENCH_PEERS_WIRE_NATS_H

#include "tests/bench/peers/wire.h"

static void nats_greet(struct buf *out, uint32_t connection)
{
	buf_printf(out, "CONNECT {\"verbose\":false}\r\nSUB answer.%u 1\r\n", connection);
}

static void nats_ask(struct buf *out, uint32_t connection, struct bytes payload)
{
	buf_printf(out, "PUB work answer.%u %zu\r\n", connection, payload.len);
	buf_put(out, payload.data, payload.len);
	put_text(out, "\r\n");
}

/* MSG <subject> <subscription> <length>, and before it whatever else the server says. */
static size_t nats_answer(const uint8_t *data, size_t len, struct bytes *ret_payload)
{
	for (size_t at = 0;;) {
		const uint8_t *line = data + at;
		const uint8_t *end = find_text(line, len - at, "\r\n");
		const uint8_t *space;

		if (!end)
			return 0;
		at = (size_t)(end - data) + 2;
		if (*line == '-')
			errx(1, "%.*s", (int)(end - line), (const char *)line);
		if (*line != 'M')
			continue;
		space = memrchr(line, ' ', (size_t)(end - line));
		ret_payload->data = data + at;
		ret_payload->len = space ? strtoul((const char *)space + 1, NULL, 10) : 0;
		at += ret_payload->len + 2;
		return at <= len ? at : 0;
	}
}

static const struct wire wire_nats = {
	.name = "nats",
	.greet = nats_greet,
	.ask = nats_ask,
	.answer = nats_answer,
};

#endif
