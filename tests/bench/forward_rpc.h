/*
 * What the forwarder does where it speaks MessagePack-RPC: the message of a client made into that of
 * a worker, and back.  Each is read in one pass, and its payload is copied once.
 *
 *	client	[0, id, "poold.call", [pool, method, argument, ...]]	[1, id, nil, result]
 *	worker	[0, id, method, [argument, {}]]				[1, id, nil, result]
 */
#ifndef POOLD_TESTS_BENCH_FORWARD_RPC_H
#define POOLD_TESTS_BENCH_FORWARD_RPC_H

#include "protocol/envelope.h"
#include "protocol/read.h"
#include "tests/bench/bench.h"
#include "tests/bench/heads.h"

struct rpc_request {
	uint32_t id;
	struct bytes method;
	struct bytes argument;
	size_t len; /* of the whole message */
};

struct rpc_answer {
	uint32_t id;
	struct bytes result;
	size_t len;
};

/* Reads the request that `data` begins with.  Returns false while it is not whole. */
static inline bool rpc_read_request(const uint8_t *data, size_t len, struct rpc_request *ret)
{
	struct reader reader;
	struct bytes ignored;
	uint32_t count;
	uint64_t id;

	reader_init(&reader, data, len);
	if (read_request_head(&reader, &id, &ignored, &count) || count < 3 ||
	    read_str(&reader, &ignored) || read_str(&reader, &ret->method) ||
	    read_value(&reader, &ret->argument))
		return false;
	while (count-- > 3)
		if (read_value(&reader, &ignored))
			return false;
	ret->id = (uint32_t)id;
	ret->len = (size_t)(reader.at - data);
	return true;
}

/* The same of a worker's answer.  A notification has been read when its `result` is empty. */
static inline bool rpc_read_answer(const uint8_t *data, size_t len, struct rpc_answer *ret)
{
	struct reader reader;
	struct reader whole;
	struct bytes message;
	uint64_t id;

	reader_init(&reader, data, len);
	whole = reader;
	*ret = (struct rpc_answer){0};
	if (read_result_head(&reader, &id) == 0) {
		ret->id = (uint32_t)id;
		if (read_value(&reader, &ret->result))
			return false;
		ret->len = (size_t)(reader.at - data);
		return true;
	}
	if (read_value(&whole, &message))
		return false;
	if (message.data[0] != 0x93)
		errx(1, "a worker sent neither a result nor a notification");
	ret->len = message.len;
	return true;
}

/* Writes the request for a worker, behind what is there. */
static inline void rpc_put_request(struct backlog *out, uint32_t id,
				   const struct rpc_request *request)
{
	uint8_t *end;

	backlog_reserve(out, ENVELOPE_HEAD_MAX + request->method.len + request->argument.len + 2);
	end = out->data + out->end;
	end += envelope_put_request(end, id, request->method);
	*end++ = 0x92;
	memcpy(end, request->argument.data, request->argument.len);
	end += request->argument.len;
	*end++ = 0x80;
	out->end = (size_t)(end - out->data);
}

/* Writes the answer for a client, behind what is there. */
static inline void rpc_put_answer(struct backlog *out, uint32_t id, struct bytes result)
{
	uint8_t *end;

	backlog_reserve(out, ENVELOPE_HEAD_MAX + result.len);
	end = out->data + out->end;
	end += envelope_put_result(end, id);
	memcpy(end, result.data, result.len);
	out->end = (size_t)(end - out->data) + result.len;
}

#endif
