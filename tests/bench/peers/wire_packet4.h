/* Four bytes of length, the most significant first, and the payload: the framing of Erlang. */
#ifndef POOLD_TESTS_BENCH_PEERS_WIRE_PACKET4_H
#define POOLD_TESTS_BENCH_PEERS_WIRE_PACKET4_H

#include "tests/bench/peers/wire.h"

static void packet4_ask(struct buf *out, uint32_t connection, struct bytes payload)
{
	(void)connection;
	put_be32(out, payload.len);
	buf_put(out, payload.data, payload.len);
}

static size_t packet4_answer(const uint8_t *data, size_t len, struct bytes *ret_payload)
{
	if (len < 4 || len - 4 < read_be32(data))
		return 0;
	*ret_payload = (struct bytes){data + 4, read_be32(data)};
	return 4 + ret_payload->len;
}

static const struct wire wire_packet4 = {
	.name = "packet4",
	.ask = packet4_ask,
	.answer = packet4_answer,
};

#endif
