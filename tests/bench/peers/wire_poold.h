/* poold: MessagePack-RPC. */
#ifndef POOLD_TESTS_BENCH_PEERS_WIRE_POOLD_H
#define POOLD_TESTS_BENCH_PEERS_WIRE_POOLD_H

#include "tests/bench/frames.h"
#include "tests/bench/peers/wire.h"

static void poold_ask(struct buf *out, uint32_t connection, struct bytes payload)
{
	struct call call = {.payload = payload.len, .pool = "echo", .method = "echo"};

	put_rpc_frame(out, &call, connection, payload.data);
}

static size_t poold_answer(const uint8_t *data, size_t len, struct bytes *ret_payload)
{
	struct answer answer;

	if (!read_rpc_answer(data, len, &answer))
		return 0;
	if (answer.is_error)
		errx(1, "the daemon answered with an error");
	*ret_payload = answer.payload;
	return answer.frame_len;
}

static const struct wire wire_poold = {
	.name = "poold",
	.ask = poold_ask,
	.answer = poold_answer,
};

#endif
