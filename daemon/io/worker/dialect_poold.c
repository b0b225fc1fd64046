/* poold's own dialect, MessagePack-RPC with more notifications: what libpoold and poold.worker
 * use. */
#include "daemon/io/worker/dialects.h"

#include "daemon/core/worker.h"
#include "daemon/io/worker/dialect_rpc.h"
#include "daemon/io/worker/dialect_shared.h"
#include "protocol/buf.h"
#include "protocol/envelope.h"
#include "protocol/read.h"

#include <endian.h>
#include <errno.h>
#include <signal.h>
#include <string.h>

/* --- from the worker --- */

/* The options of `ready`. */
struct readiness {
	struct channel_ready common;
	bool credit;
	int stack_signal;
};

static int read_concurrency(struct reader *reader, unsigned *ret)
{
	uint64_t number;
	int r = read_uint(reader, &number);

	if (r == 0)
		*ret = number > WORKER_ATTEMPTS_MAX ? WORKER_ATTEMPTS_MAX : (unsigned)number;
	return r;
}

/* A number that is no signal, and a signal that can't be caught, count as none. */
static int read_stack_signal(struct reader *reader, int *ret)
{
	uint64_t number;
	int r = read_uint(reader, &number);

	if (r == 0)
		*ret = number > (uint64_t)SIGRTMAX || number == SIGKILL || number == SIGSTOP
			       ? 0
			       : (int)number;
	return r;
}

/* Reads the map of `ready`; unknown keys are ignored. */
static int read_ready(struct bytes params, struct readiness *ret)
{
	struct reader reader;
	uint32_t count, pairs;

	reader_init(&reader, params.data, params.len);
	if (read_array(&reader, &count) < 0)
		return -EPROTO;
	if (count == 0)
		return 0;
	if (read_map(&reader, &pairs) < 0)
		return -EPROTO;
	while (pairs-- > 0) {
		struct bytes key, value;
		int r;

		if (read_str(&reader, &key) < 0)
			return -EPROTO;
		if (bytes_equal(key, "concurrency"))
			r = read_concurrency(&reader, &ret->common.concurrency);
		else if (bytes_equal(key, "started"))
			r = read_bool(&reader, &ret->common.announces);
		else if (bytes_equal(key, "batch"))
			r = read_bool(&reader, &ret->common.batches);
		else if (bytes_equal(key, "credit"))
			r = read_bool(&reader, &ret->credit);
		else if (bytes_equal(key, "recall"))
			r = read_bool(&reader, &ret->common.recalls);
		else if (bytes_equal(key, "page"))
			r = read_bool(&reader, &ret->common.pages);
		else if (bytes_equal(key, "stack"))
			r = read_stack_signal(&reader, &ret->stack_signal);
		else
			r = read_value(&reader, &value);
		if (r < 0)
			return -EPROTO;
	}
	return 0;
}

static COLD void take_ready(struct channel *channel, struct bytes params)
{
	struct readiness ready = {.common.concurrency = 1};

	if (read_ready(params, &ready) < 0) {
		dialect_broken(channel, ERR_protocol_violation,
			       "its ready notification is not valid");
		return;
	}
	channel->is_ready = true;
	channel->stack_signal = ready.stack_signal;
	channel->takes_credit = ready.credit;
	ready.common.recalls &= channel->recall >= 0;
	channel->recalls = ready.common.recalls;
	channel->handler->on_ready(channel, &ready.common);
}

/* The number, how long its longest call has run, is not used: the daemon knows it itself. */
static void take_alive(struct channel *channel, struct bytes params)
{
	struct reader reader;
	uint32_t count;
	uint64_t running_ms;

	reader_init(&reader, params.data, params.len);
	if (read_array(&reader, &count) < 0 || count < 1 || read_uint(&reader, &running_ms) < 0)
		dialect_broken(channel, ERR_protocol_violation,
			       "its alive notification is not valid");
	else
		channel->handler->on_alive(channel);
}

static void take_started(struct channel *channel, struct bytes params)
{
	struct reader reader;
	uint32_t count;
	uint64_t id;

	reader_init(&reader, params.data, params.len);
	if (read_array(&reader, &count) < 0 || count < 1 || read_uint(&reader, &id) < 0 ||
	    id > UINT32_MAX)
		dialect_broken(channel, ERR_protocol_violation,
			       "its started notification is not valid");
	else
		channel->handler->on_began(channel, (uint32_t)id);
}

/* The id that a notification's params begin with, and the value behind it. */
static int read_id_and_value(struct bytes params, uint32_t *ret_id, struct bytes *ret_value)
{
	struct reader reader;
	uint32_t count;
	uint64_t id;

	reader_init(&reader, params.data, params.len);
	if (read_array(&reader, &count) < 0 || count != 2 || read_uint(&reader, &id) < 0 ||
	    id > UINT32_MAX || read_value(&reader, ret_value) < 0)
		return -EPROTO;
	*ret_id = (uint32_t)id;
	return 0;
}

static void take_part(struct channel *channel, struct chunk *chunk, struct bytes params)
{
	struct bytes value;
	uint32_t id;

	if (read_id_and_value(params, &id, &value) < 0)
		dialect_broken(channel, ERR_protocol_violation,
			       "its chunk notification is not valid");
	else
		channel->handler->on_part(channel, id, chunk, value);
}

/* bin, or nil for none. */
static int read_state(struct bytes value, struct bytes *ret)
{
	struct reader reader;

	*ret = (struct bytes){0};
	reader_init(&reader, value.data, value.len);
	return read_peek(&reader) == VALUE_NIL ? read_nil(&reader) : read_bin(&reader, ret);
}

static void take_state(struct channel *channel, struct bytes params)
{
	struct bytes value, state;
	uint32_t id;

	if (read_id_and_value(params, &id, &value) < 0 || read_state(value, &state) < 0)
		dialect_broken(channel, ERR_protocol_violation,
			       "its state notification is not valid");
	else
		channel->handler->on_state(channel, id, state);
}

/* A step of its start. */
static void take_step(struct channel *channel, struct bytes params)
{
	struct reader reader;
	struct bytes name;
	uint32_t count;

	reader_init(&reader, params.data, params.len);
	if (read_array(&reader, &count) < 0 || count < 1 || read_str(&reader, &name) < 0)
		dialect_broken(channel, ERR_protocol_violation,
			       "its step notification is not valid");
	else
		channel->handler->on_step(channel, name);
}

static void on_response(struct channel *channel, uint32_t id, const struct channel_answer *answer)
{
	channel->handler->on_answer(channel, id, answer);
}

static void on_notification(struct channel *channel, struct chunk *chunk,
			    const struct envelope *envelope)
{
	if (bytes_equal(envelope->method, "started"))
		take_started(channel, envelope->params);
	else if (bytes_equal(envelope->method, "chunk"))
		take_part(channel, chunk, envelope->params);
	else if (bytes_equal(envelope->method, "state"))
		take_state(channel, envelope->params);
	else if (bytes_equal(envelope->method, "alive"))
		take_alive(channel, envelope->params);
	else if (bytes_equal(envelope->method, "ready"))
		take_ready(channel, envelope->params);
	else if (bytes_equal(envelope->method, "step"))
		take_step(channel, envelope->params);
}

static void on_message(struct channel *channel, struct chunk *chunk, struct bytes message)
{
	static const struct rpc_handler handler = {.on_response = on_response,
						   .on_notification = on_notification};

	rpc_take_message(channel, chunk, message, &handler);
}

/* The worker sends `ready` by itself. */
static void on_open(struct channel *channel)
{
	(void)channel;
}

/* --- to the worker --- */

/*
 * The context map as it nearly always is, with room for its numbers: packing it for every request
 * would cost as much as all the rest of sending the request.
 */
static const uint8_t context_template[] = "\x83"
					  "\xa7"
					  "request"
					  "\xcf"
					  "\0\0\0\0\0\0\0\0"
					  "\xa7"
					  "attempt"
					  "\xce"
					  "\0\0\0\0"
					  "\xab"
					  "deadline_ms"
					  "\xce"
					  "\0\0\0";
#define CONTEXT_REQUEST	 10
#define CONTEXT_ATTEMPT	 27
#define CONTEXT_DEADLINE 44

static void make_context(uint8_t context[static sizeof(context_template)],
			 const struct channel_request *request, unsigned extras)
{
	uint64_t number = htobe64(request->number);
	uint32_t attempt = htobe32(request->attempt);
	uint32_t deadline = htobe32(request->deadline_ms);

	memcpy(context, context_template, sizeof(context_template));
	context[0] = (uint8_t)(0x83 + extras);
	memcpy(context + CONTEXT_REQUEST, &number, sizeof(number));
	memcpy(context + CONTEXT_ATTEMPT, &attempt, sizeof(attempt));
	memcpy(context + CONTEXT_DEADLINE, &deadline, sizeof(deadline));
}

/* Whether the worker is told how much of a stream it may send. */
static bool has_credit(const struct channel *channel, const struct channel_request *request)
{
	return channel->takes_credit && request->is_stream;
}

static unsigned count_extras(const struct channel *channel, const struct channel_request *request)
{
	return 0u + (request->priority != NULL) + (request->trace.len > 0) +
	       (request->tracestate.len > 0) + (request->session.len > 0) +
	       (request->state.len > 0) + request->is_stream + has_credit(channel, request);
}

/* The members that only some requests have. */
static COLD void put_extras(struct channel *channel, const struct channel_request *request)
{
	struct buf *buf = &channel->scratch;

	buf_reset(buf);
	if (request->priority) {
		pack_str(buf, "priority");
		pack_str(buf, request->priority);
	}
	if (request->trace.len > 0) {
		pack_str(buf, "trace");
		pack_text(buf, request->trace);
	}
	if (request->tracestate.len > 0) {
		pack_str(buf, "tracestate");
		pack_text(buf, request->tracestate);
	}
	if (request->session.len > 0) {
		pack_str(buf, "session");
		pack_text(buf, request->session);
	}
	if (request->is_stream) {
		pack_str(buf, "stream");
		pack_bool(buf, true);
	}
	if (has_credit(channel, request)) {
		pack_str(buf, "credit");
		pack_uint(buf, request->credit);
	}
	if (request->state.len > 0) {
		pack_str(buf, "state");
		pack_bin(buf, request->state.data, request->state.len);
	}
	if (buf_error(buf) == 0)
		link_put(channel->link, buf->data, buf->len);
	else
		link_fail(channel->link, LINK_END_NO_MEMORY);
}

static const char *send_request(struct channel *channel, const struct channel_request *request)
{
	uint8_t head[ENVELOPE_HEAD_MAX + METHOD_LEN_MAX + 1];
	uint8_t context[sizeof(context_template)];
	unsigned extras = count_extras(channel, request);
	size_t len;

	len = envelope_put_request(head, request->id, request->method);
	head[len++] = 0x92; /* [args, context] */
	make_context(context, request, extras);
	link_put_message(channel->link, (struct bytes){head, len}, request->chunk, request->args,
			 (struct bytes){context, sizeof(context)});
	if (extras > 0)
		put_extras(channel, request);
	return NULL;
}

/* Without params: a client's request for a function `ping` always has some. */
static void ping(struct channel *channel, uint32_t id)
{
	static const uint8_t no_params = 0x90;
	uint8_t head[ENVELOPE_HEAD_MAX + METHOD_LEN_MAX];

	link_put(channel->link, head,
		 envelope_put_request(head, id, (struct bytes){(const uint8_t *)"ping", 4}));
	link_put(channel->link, &no_params, 1);
}

/* Sends a notification whose params are in the scratch buffer. */
static void notify(struct channel *channel, const char *method)
{
	struct bytes name = {(const uint8_t *)method, strlen(method)};
	uint8_t head[ENVELOPE_HEAD_MAX + METHOD_LEN_MAX];
	struct buf *params = &channel->scratch;

	if (buf_error(params) < 0) {
		link_fail(channel->link, LINK_END_NO_MEMORY);
		return;
	}
	link_put(channel->link, head, envelope_put_notification(head, name));
	link_put(channel->link, params->data, params->len);
}

static void cancel(struct channel *channel, uint32_t id)
{
	buf_reset(&channel->scratch);
	pack_array(&channel->scratch, 1);
	pack_uint(&channel->scratch, id);
	notify(channel, "cancel");
}

static void credit(struct channel *channel, uint32_t id, uint64_t bytes)
{
	buf_reset(&channel->scratch);
	pack_array(&channel->scratch, 2);
	pack_uint(&channel->scratch, id);
	pack_uint(&channel->scratch, bytes);
	notify(channel, "credit");
}

/* Not on the channel, so not through its scratch buffer. */
static struct bytes recall(uint32_t id, uint8_t message[static RECALL_MAX])
{
	struct bytes name = {(const uint8_t *)"recall", 6};
	size_t len = envelope_put_notification(message, name);
	uint32_t number = htobe32(id);

	message[len++] = 0x91; /* [id] */
	message[len++] = 0xce;
	memcpy(message + len, &number, sizeof(number));
	return (struct bytes){message, len + sizeof(number)};
}

static void shut_down(struct channel *channel)
{
	buf_reset(&channel->scratch);
	pack_array(&channel->scratch, 0);
	notify(channel, "shutdown");
}

static void end_session(struct channel *channel, struct bytes session, const char *reason)
{
	buf_reset(&channel->scratch);
	pack_array(&channel->scratch, 2);
	pack_text(&channel->scratch, session);
	pack_str(&channel->scratch, reason);
	notify(channel, "session_end");
}

const struct dialect dialect_poold = {
	.takes_both = true,
	.framing = FRAMING_MSGPACK,
	.on_open = on_open,
	.on_message = on_message,
	.on_no_memory = rpc_lose_message,
	.find_id = rpc_find_id,
	.send = send_request,
	.cancel = cancel,
	.credit = credit,
	.recall = recall,
	.ping = ping,
	.shutdown = shut_down,
	.end_session = end_session,
};
