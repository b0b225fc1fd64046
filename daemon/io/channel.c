#include "daemon/io/channel.h"

#include "daemon/core/worker.h"

#include "daemon/io/config.h"
#include "daemon/io/environment.h"
#include "protocol/buf.h"
#include "protocol/envelope.h"
#include "protocol/read.h"

#include <endian.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The bytes of a channel message around the arguments never exceed this: a method's name, a trace
 * and a few numbers. */
#define AROUND_MAX 1024

/* Bytes that may wait for a worker which goes on asking without reading. */
#define UNREAD_MAX ((size_t)1024 * 1024)

void channel_init(struct channel *channel, struct loop *loop, uint32_t worker,
		  const struct channel_handler *handler, void *owner)
{
	*channel = (struct channel){
		.loop = loop, .worker = worker, .handler = handler, .owner = owner};
	buf_init(&channel->scratch, AROUND_MAX);
}

void channel_done(struct channel *channel)
{
	channel_close(channel);
	process_forget(&channel->process);
	buf_free(&channel->scratch);
}

/* --- what the worker says --- */

static void broken(struct channel *channel, enum errcode code, const char *why)
{
	snprintf(channel->last_why, sizeof(channel->last_why), "%s", why);
	channel->handler->on_broken(channel, code);
}

/* Reads the map of `ready`; unknown keys are passed over. */
static int read_ready(struct bytes params, unsigned *ret_concurrency, bool *ret_announces,
		      bool *ret_batches)
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
		uint64_t concurrency;
		int r = 0;

		if (read_str(&reader, &key) < 0)
			return -EPROTO;
		if (bytes_equal(key, "concurrency")) {
			r = read_uint(&reader, &concurrency);
			if (r == 0)
				*ret_concurrency = concurrency > WORKER_ATTEMPTS_MAX
							   ? WORKER_ATTEMPTS_MAX
							   : (unsigned)concurrency;
		} else if (bytes_equal(key, "started")) {
			r = read_bool(&reader, ret_announces);
		} else if (bytes_equal(key, "batch")) {
			r = read_bool(&reader, ret_batches);
		} else {
			r = read_value(&reader, &value);
		}
		if (r < 0)
			return -EPROTO;
	}
	return 0;
}

static void take_ready(struct channel *channel, struct bytes params)
{
	unsigned concurrency = 1;
	bool announces = false, batches = false;

	if (read_ready(params, &concurrency, &announces, &batches) < 0)
		broken(channel, ERR_protocol_violation, "its ready notification is not valid");
	else
		channel->handler->on_ready(channel, concurrency, announces, batches);
}

static void take_started(struct channel *channel, struct bytes params)
{
	struct reader reader;
	uint32_t count;
	uint64_t id;

	reader_init(&reader, params.data, params.len);
	if (read_array(&reader, &count) < 0 || count < 1 || read_uint(&reader, &id) < 0 ||
	    id > UINT32_MAX)
		broken(channel, ERR_protocol_violation, "its started notification is not valid");
	else
		channel->handler->on_began(channel, (uint32_t)id);
}

static void take_response(struct channel *channel, struct chunk *chunk,
			  const struct envelope *envelope)
{
	struct channel_answer answer = {.chunk = chunk, .result = envelope->result};

	answer.failed = envelope->error.data[0] != 0xc0;
	if (answer.failed)
		worker_error_read(envelope->error, &answer.error);
	channel->handler->on_answer(channel, envelope->id, &answer);
}

/* Workers ask nothing of the daemon; one that does is told so and goes on, unless it floods. */
static void refuse_request(struct channel *channel, uint32_t id)
{
	struct error error = {.code = ERR_unknown_method,
			      .message = "the daemon takes no requests from workers"};
	uint8_t head[ENVELOPE_HEAD_MAX];
	struct buf buf;

	if (channel->link->out.bytes > UNREAD_MAX) {
		broken(channel, ERR_protocol_violation, "it asks and does not read the answers");
		return;
	}
	buf_init(&buf, AROUND_MAX);
	buf_put(&buf, head, envelope_put_error(head, id));
	error_pack_stock(&buf, &error);
	pack_nil(&buf);
	if (buf_error(&buf) == 0)
		link_put(channel->link, buf.data, buf.len);
	buf_free(&buf);
}

static void on_message(void *owner, struct chunk *chunk, struct bytes message)
{
	struct channel *channel = owner;
	struct envelope envelope;

	if (envelope_read(message.data, message.len, &envelope) < 0) {
		broken(channel, ERR_protocol_violation, "its message is not MessagePack-RPC");
		return;
	}
	if (envelope.type == ENVELOPE_RESPONSE)
		take_response(channel, chunk, &envelope);
	else if (envelope.type == ENVELOPE_REQUEST)
		refuse_request(channel, envelope.id);
	else if (bytes_equal(envelope.method, "started"))
		take_started(channel, envelope.params);
	else if (bytes_equal(envelope.method, "ready"))
		take_ready(channel, envelope.params);
}

static void on_end(void *owner, enum link_end end, int error, struct bytes begun)
{
	struct channel *channel = owner;

	(void)begun;
	switch (end) {
	case LINK_END_MALFORMED:
		broken(channel, ERR_decode_error, "its bytes are not MessagePack");
		break;
	case LINK_END_TOO_LARGE:
		broken(channel, ERR_response_too_large, "its message is over response_max");
		break;
	case LINK_END_NO_MEMORY:
		broken(channel, ERR_response_too_large, "there was no memory for its messages");
		break;
	case LINK_END_OF_FILE:
	case LINK_END_STALLED:
		broken(channel, ERR_peer_closed, "it closed its channel");
		break;
	case LINK_END_ERROR:
		broken(channel, ERR_peer_closed, strerror(-error));
		break;
	}
}

static void on_buried(struct link *link)
{
	free(link);
}

static const struct link_handler link_handler = {
	.on_message = on_message, .on_end = on_end, .on_buried = on_buried};

/* --- its process --- */

static void on_exit_of_process(void *owner, const struct process_end *end)
{
	struct channel *channel = owner;

	process_describe_end(end, channel->last_end, sizeof(channel->last_end));
	if (channel->link)
		link_drain(channel->link);
	channel_close(channel);
	channel->handler->on_exit(channel, end);
}

static int open_link(struct channel *channel, int fd, size_t response_max)
{
	struct link *link = malloc(sizeof(*link));
	int r;

	if (!link)
		return -ENOMEM;
	r = link_open(link, channel->loop, fd, response_max, &link_handler, channel);
	if (r < 0)
		free(link);
	else
		channel->link = link;
	return r;
}

int channel_start(struct channel *channel, uint32_t life, const struct config_pool *pool,
		  unsigned number, const char *mark, size_t response_max,
		  const struct rlimit *open_files)
{
	char **envp = environment_new(pool, number, mark);
	struct process_spec spec = {.argv = pool->argv,
				    .envp = envp,
				    .directory = pool->directory,
				    .open_files = *open_files};
	int fd = -1;
	int r;

	if (!envp)
		return -ENOMEM;
	r = process_spawn(&channel->process, channel->loop, &spec, on_exit_of_process, channel,
			  &fd);
	environment_free(envp);
	if (r < 0)
		return r;
	r = open_link(channel, fd, response_max);
	if (r < 0) {
		close(fd);
		process_signal(&channel->process, SIGKILL);
		process_forget(&channel->process);
		return r;
	}
	channel->life = life;
	channel->last_pid = channel->process.pid;
	/* What the engine finds wrong: the channel's own faults come with words of their own. */
	snprintf(channel->last_why, sizeof(channel->last_why),
		 "it spoke of a request that it does not have, or was ready twice");
	return 0;
}

void channel_close(struct channel *channel)
{
	if (channel->link)
		link_close(channel->link);
	channel->link = NULL;
}

/* --- what the worker is told --- */

/*
 * The context map as it nearly always is, with room for its numbers: packing it anew for every
 * request would cost as much as all the rest of sending it.
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

static void put_context(struct channel *channel, const struct call *call,
			const struct channel_request *request)
{
	uint8_t context[sizeof(context_template)];
	uint64_t number = htobe64(call->number);
	uint32_t attempt = htobe32(request->attempt);
	uint32_t deadline = htobe32(request->deadline_ms);

	memcpy(context, context_template, sizeof(context));
	context[0] = (uint8_t)(0x83 + (request->priority != NULL) + (call->trace.len > 0));
	memcpy(context + CONTEXT_REQUEST, &number, sizeof(number));
	memcpy(context + CONTEXT_ATTEMPT, &attempt, sizeof(attempt));
	memcpy(context + CONTEXT_DEADLINE, &deadline, sizeof(deadline));
	link_put(channel->link, context, sizeof(context));
}

/* What only some requests have. */
static void put_extras(struct channel *channel, const struct call *call,
		       const struct channel_request *request)
{
	struct buf *buf = &channel->scratch;

	buf_reset(buf);
	if (request->priority) {
		pack_str(buf, "priority");
		pack_str(buf, request->priority);
	}
	if (call->trace.len > 0) {
		pack_str(buf, "trace");
		pack_text(buf, call->trace);
	}
	if (buf_error(buf) == 0)
		link_put(channel->link, buf->data, buf->len);
	else
		link_fail(channel->link, LINK_END_NO_MEMORY);
}

void channel_send(struct channel *channel, const struct call *call,
		  const struct channel_request *request)
{
	uint8_t head[ENVELOPE_HEAD_MAX + METHOD_LEN_MAX + 1];
	size_t len;

	if (!channel->link)
		return;
	len = envelope_put_request(head, request->id, call->method);
	head[len++] = 0x92; /* [args, context] */
	link_put(channel->link, head, len);
	link_put_shared(channel->link, call->chunk, call->args);
	put_context(channel, call, request);
	if (request->priority || call->trace.len > 0)
		put_extras(channel, call, request);
}

static void tell(struct channel *channel, const char *method, const uint32_t *id)
{
	struct bytes name = {(const uint8_t *)method, strlen(method)};
	uint8_t head[ENVELOPE_HEAD_MAX + METHOD_LEN_MAX];
	struct buf *buf = &channel->scratch;

	if (!channel->link)
		return;
	link_put(channel->link, head, envelope_put_notification(head, name));
	buf_reset(buf);
	pack_array(buf, id ? 1 : 0);
	if (id)
		pack_uint(buf, *id);
	if (buf_error(buf) == 0)
		link_put(channel->link, buf->data, buf->len);
}

void channel_cancel(struct channel *channel, uint32_t id)
{
	tell(channel, "cancel", &id);
}

void channel_shutdown(struct channel *channel)
{
	tell(channel, "shutdown", NULL);
}

void channel_ping(struct channel *channel, uint32_t id)
{
	static const uint8_t no_params = 0x90;
	uint8_t head[ENVELOPE_HEAD_MAX + METHOD_LEN_MAX];

	if (!channel->link)
		return;
	link_put(channel->link, head,
		 envelope_put_request(head, id, (struct bytes){(const uint8_t *)"ping", 4}));
	link_put(channel->link, &no_params, 1);
}
