/* The framings that the load client speaks: a request's frame, and an answer read. */
#ifndef POOLD_TESTS_BENCH_FRAMES_H
#define POOLD_TESTS_BENCH_FRAMES_H

#include "protocol/buf.h"
#include "protocol/envelope.h"
#include "protocol/read.h"
#include "protocol/skip.h"
#include "tests/bench/bench.h"
#include "tests/bench/heads.h"

/* The payload begins with the request's number (8 bytes) and its slot (4 bytes). */
#define PAYLOAD_MIN 16

/* What every request asks. */
struct call {
	bool rpc;	 /* MessagePack-RPC; else the length framing */
	bool has_length; /* before each message of MessagePack-RPC stands its length */
	size_t payload;
	const char *pool;
	const char *method;
	const char *idempotent; /* "yes", "no"; NULL: not said */
	uint64_t timeout_msec;	/* 0: not said */
};

struct answer {
	size_t frame_len;
	uint64_t slot;
	bool is_error;
	struct bytes payload; /* the error, when it is one */
};

static inline void put_options(struct buf *frame, const struct call *call)
{
	uint32_t pairs = (call->idempotent ? 1u : 0u) + (call->timeout_msec ? 1u : 0u);

	if (pairs == 0)
		return;
	pack_map(frame, pairs);
	if (call->idempotent) {
		pack_str(frame, "idempotent");
		pack_bool(frame, strcmp(call->idempotent, "yes") == 0);
	}
	if (call->timeout_msec) {
		pack_str(frame, "timeout_ms");
		pack_uint(frame, call->timeout_msec);
	}
}

/* The id is written in full, so that all frames have one length. */
static inline size_t put_rpc_frame(struct buf *frame, const struct call *call, uint32_t slot,
				   const uint8_t *payload)
{
	uint8_t head[] = {0x94,
			  0x00,
			  0xce,
			  (uint8_t)(slot >> 24),
			  (uint8_t)(slot >> 16),
			  (uint8_t)(slot >> 8),
			  (uint8_t)slot};
	bool has_options = call->idempotent || call->timeout_msec;

	buf_put(frame, head, sizeof(head));
	pack_str(frame, "poold.call");
	pack_array(frame, has_options ? 4 : 3);
	pack_str(frame, call->pool);
	pack_str(frame, call->method);
	pack_bin(frame, payload, call->payload);

	size_t begin = frame->len - call->payload;

	put_options(frame, call);
	return begin;
}

static inline size_t put_length_frame(struct buf *frame, const struct call *call,
				      const uint8_t *payload)
{
	uint32_t len = (uint32_t)call->payload;

	buf_put(frame, &len, sizeof(len));
	buf_put(frame, payload, call->payload);
	return LENGTH_HEAD;
}

/* MessagePack-RPC inside the length framing, so that the forwarder can pass it on. */
static inline size_t put_packed_frame(struct buf *frame, const struct call *call, uint32_t slot,
				      const uint8_t *payload)
{
	uint32_t len = 0;
	size_t begin;

	buf_put(frame, &len, sizeof(len));
	begin = put_rpc_frame(frame, call, slot, payload);
	if (buf_error(frame) < 0)
		err(1, "memory");
	len = (uint32_t)(frame->len - LENGTH_HEAD);
	memcpy(frame->data, &len, sizeof(len));
	return begin;
}

/* Writes the frame of a request into an empty buffer.  Returns where its payload begins. */
static inline size_t put_frame(struct buf *frame, const struct call *call, uint32_t slot,
			       const uint8_t *payload)
{
	if (!call->rpc)
		return put_length_frame(frame, call, payload);
	return (call->has_length ? put_packed_frame : put_rpc_frame)(frame, call, slot, payload);
}

static inline bool read_length_answer(const uint8_t *data, size_t len, struct answer *ret)
{
	size_t frame = length_frame(data, len);
	uint32_t slot;

	if (frame == 0 || frame > len)
		return false;
	if (frame < LENGTH_HEAD + PAYLOAD_MIN)
		errx(1, "an answer of %zu bytes", frame);
	memcpy(&slot, data + LENGTH_HEAD + 8, sizeof(slot));
	*ret = (struct answer){
		.frame_len = frame,
		.slot = slot,
		.payload = {data + LENGTH_HEAD, frame - LENGTH_HEAD},
	};
	return true;
}

/* The answer that is hoped for, read in one pass. */
static inline bool read_success(const uint8_t *data, size_t len, struct answer *ret)
{
	struct reader reader;

	reader_init(&reader, data, len);
	if (read_result_head(&reader, &ret->slot) || read_bin(&reader, &ret->payload))
		return false;
	ret->is_error = false;
	ret->frame_len = (size_t)(reader.at - data);
	return true;
}

static inline bool read_rpc_answer(const uint8_t *data, size_t len, struct answer *ret)
{
	struct envelope envelope;

	if (read_success(data, len, ret))
		return true;
	ret->frame_len = skip_value(data, len, UINT32_MAX);
	if (ret->frame_len == 0)
		return false;
	if (envelope_read(data, ret->frame_len, &envelope) < 0 ||
	    envelope.type != ENVELOPE_RESPONSE)
		errx(1, "an answer that is no response");
	ret->slot = envelope.id;
	ret->is_error = true;
	ret->payload = envelope.error;
	return true;
}

static inline bool read_packed_answer(const uint8_t *data, size_t len, struct answer *ret)
{
	size_t frame = length_frame(data, len);

	if (frame == 0 || frame > len)
		return false;
	if (!read_rpc_answer(data + LENGTH_HEAD, frame - LENGTH_HEAD, ret))
		errx(1, "a frame that is no answer");
	ret->frame_len = frame;
	return true;
}

/* Reads the answer that `data` begins with.  Returns false while it is not whole. */
static inline bool read_answer(const struct call *call, const uint8_t *data, size_t len,
			       struct answer *ret)
{
	if (!call->rpc)
		return read_length_answer(data, len, ret);
	return (call->has_length ? read_packed_answer : read_rpc_answer)(data, len, ret);
}

#endif
