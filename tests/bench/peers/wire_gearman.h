/* Gearman: packets in binary. */
#ifndef POOLD_TESTS_BENCH_PEERS_WIRE_GEARMAN_H
#define POOLD_TESTS_BENCH_PEERS_WIRE_GEARMAN_H

#include "tests/bench/peers/wire.h"

#define GEARMAN_HEAD 12

enum gearman_type {
	GEARMAN_SUBMIT_JOB = 7,
	GEARMAN_JOB_CREATED = 8,
	GEARMAN_WORK_COMPLETE = 13,
};

/* The name of the function, and the job's own, each with the 0 that ends it; then the payload. */
static void gearman_ask(struct buf *out, uint32_t connection, struct bytes payload)
{
	static const char names[] = "work\0";

	(void)connection;
	buf_put(out, "\0REQ", 4);
	put_be32(out, GEARMAN_SUBMIT_JOB);
	put_be32(out, sizeof(names) + payload.len);
	buf_put(out, names, sizeof(names));
	buf_put(out, payload.data, payload.len);
}

/* That the job was created, and then that it is done: its handle, and the payload. */
static size_t gearman_answer(const uint8_t *data, size_t len, struct bytes *ret_payload)
{
	for (size_t at = 0; len - at >= GEARMAN_HEAD;) {
		const uint8_t *packet = data + at;
		const uint8_t *body = packet + GEARMAN_HEAD;
		size_t type = read_be32(packet + 4);
		size_t body_len = read_be32(packet + 8);

		at += GEARMAN_HEAD + body_len;
		if (at > len)
			return 0;
		if (type == GEARMAN_JOB_CREATED)
			continue;
		const uint8_t *handle_end = memchr(body, 0, body_len);

		if (type != GEARMAN_WORK_COMPLETE || !handle_end)
			errx(1, "a packet of type %zu", type);
		ret_payload->data = handle_end + 1;
		ret_payload->len = (size_t)(body + body_len - handle_end - 1);
		return at;
	}
	return 0;
}

static const struct wire wire_gearman = {
	.name = "gearman",
	.ask = gearman_ask,
	.answer = gearman_answer,
};

#endif
