#include "daemon/io/channel.h"

#include "daemon/io/config.h"
#include "daemon/io/dialect.h"
#include "daemon/io/environment.h"
#include "protocol/buf.h"
#include "protocol/envelope.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The bytes of a message around the arguments and a session's state never exceed this: a method's
 * name, a trace and a few numbers. */
#define AROUND_MAX ((size_t)1024)

/* Bytes that may wait for a worker which goes on asking without reading. */
#define UNREAD_MAX ((size_t)1024 * 1024)

void channel_init(struct channel *channel, struct loop *loop, uint32_t worker, size_t state_max,
		  const struct channel_handler *handler, void *owner)
{
	*channel = (struct channel){
		.loop = loop, .worker = worker, .handler = handler, .owner = owner};
	buf_init(&channel->scratch, AROUND_MAX + state_max);
	endpoint_init(&channel->endpoint);
}

void channel_done(struct channel *channel)
{
	channel_close(channel);
	endpoint_cancel(&channel->endpoint);
	process_forget(&channel->process);
	buf_free(&channel->scratch);
}

/* --- what the worker says --- */

void channel_broken(struct channel *channel, enum errcode code, const char *why)
{
	snprintf(channel->last_why, sizeof(channel->last_why), "%s", why);
	channel->handler->on_broken(channel, code);
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

/* The worker has nothing to ask: it is told so, and goes on unless it floods. */
static void refuse_request(struct channel *channel, uint32_t id)
{
	struct error error = error_make(ERR_unknown_method);
	uint8_t head[ENVELOPE_HEAD_MAX];
	struct buf buf;

	if (channel->link->out.bytes > UNREAD_MAX) {
		channel_broken(channel, ERR_protocol_violation,
			       "it asks and does not read the answers");
		return;
	}
	error.message = "the daemon takes no requests from workers";
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

	if (envelope_read(message.data, message.len, &envelope) < 0)
		channel_broken(channel, ERR_protocol_violation,
			       "its message is not MessagePack-RPC");
	else if (envelope.type == ENVELOPE_RESPONSE)
		take_response(channel, chunk, &envelope);
	else if (envelope.type == ENVELOPE_REQUEST)
		refuse_request(channel, envelope.id);
	else
		channel->dialect->on_notification(channel, chunk, &envelope);
}

/* A server that has hung up is gone: there is no process whose end would tell it. */
static void lose_server(struct channel *channel, const char *why)
{
	snprintf(channel->last_end, sizeof(channel->last_end), "%s", why);
	channel_hang_up(channel);
	channel->handler->on_exit(channel, NULL);
}

static void lose_peer(struct channel *channel, const char *why)
{
	if (channel->connected)
		lose_server(channel, why);
	else
		channel_broken(channel, ERR_peer_closed, why);
}

static void on_end(void *owner, enum link_end end, int error, struct bytes begun)
{
	struct channel *channel = owner;

	(void)begun;
	switch (end) {
	case LINK_END_MALFORMED:
		channel_broken(channel, ERR_decode_error, "its bytes are not MessagePack");
		break;
	case LINK_END_TOO_LARGE:
		channel_broken(channel, ERR_response_too_large, "its message is over response_max");
		break;
	case LINK_END_NO_MEMORY:
		channel_broken(channel, ERR_response_too_large,
			       "there was no memory for its messages");
		break;
	case LINK_END_OF_FILE:
	case LINK_END_STALLED:
		lose_peer(channel, "it closed its channel");
		break;
	case LINK_END_ERROR:
		lose_peer(channel, strerror(-error));
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

static int start_process(struct channel *channel, const struct config_pool *pool, unsigned number,
			 const char *mark, const struct rlimit *open_files)
{
	char **envp = environment_new(pool, number, mark);
	struct process_spec spec = environment_spec(pool, envp, open_files);
	int fd = -1;
	int r;

	if (!envp)
		return -ENOMEM;
	r = process_spawn(&channel->process, channel->loop, &spec, on_exit_of_process, channel,
			  &fd);
	environment_free(envp);
	if (r < 0)
		return r;
	r = open_link(channel, fd, channel->response_max);
	if (r < 0) {
		close(fd);
		process_signal(&channel->process, SIGKILL);
		process_forget(&channel->process);
	}
	return r;
}

/* --- its process, forked --- */

static void on_born(void *owner, pid_t pid)
{
	struct channel *channel = owner;
	int r = process_adopt(&channel->process, channel->loop, pid, on_exit_of_process, channel);

	if (r < 0) {
		channel->birth.on_unborn(channel, r, NULL);
		return;
	}
	channel->last_pid = pid;
	if (channel->birth.signal != 0)
		process_signal(&channel->process, channel->birth.signal);
	channel->handler->on_born(channel);
}

static void on_unborn(void *owner, int error, const struct process_end *end)
{
	struct channel *channel = owner;
	char text[64];

	channel_close(channel);
	if (end)
		process_describe_end(end, text, sizeof(text));
	snprintf(channel->last_end, sizeof(channel->last_end), "%s: %s",
		 end ? "its fork server ended" : "could not be forked",
		 end ? text : strerror(-error));
	if (end)
		channel->handler->on_exit(channel, end);
	else
		channel->handler->on_unreachable(channel, error);
}

static int start_birth(struct channel *channel, unsigned number)
{
	int ends[2];
	int r = process_make_channel(ends);

	if (r < 0)
		return r;
	r = open_link(channel, ends[0], channel->response_max);
	if (r < 0) {
		close(ends[0]);
		close(ends[1]);
		return r;
	}
	channel->birth = (struct birth){.files = {ends[1], -1, -1},
					.on_born = on_born,
					.on_unborn = on_unborn,
					.owner = channel};
	snprintf(channel->birth.additions[0], BIRTH_ADDITION_MAX, "POOLD_WORKER=%u", number);
	r = forkserver_fork(channel->forkserver, &channel->birth);
	if (r < 0)
		channel_close(channel);
	return r;
}

void channel_signal(struct channel *channel, int signal, bool overdue)
{
	if (!birth_is_waiting(&channel->birth)) {
		process_signal(&channel->process, signal);
	} else if (overdue) {
		forkserver_kill(channel->forkserver);
	} else if (forkserver_cancel(channel->forkserver, &channel->birth)) {
		channel_close(channel);
		snprintf(channel->last_end, sizeof(channel->last_end), "it was not started yet");
		channel->unborn = true;
	} else {
		channel->birth.signal = signal;
		if (signal == SIGKILL)
			forkserver_kill(channel->forkserver);
	}
}

static void on_connected(void *owner, int fd, int error)
{
	struct channel *channel = owner;

	if (error == 0)
		error = open_link(channel, fd, channel->response_max);
	if (error == 0) {
		channel->dialect->on_open(channel);
		return;
	}
	if (fd >= 0)
		close(fd);
	snprintf(channel->last_end, sizeof(channel->last_end), "not reached: %s", strerror(-error));
	channel->handler->on_unreachable(channel, error);
}

int channel_start(struct channel *channel, uint32_t life, const struct config_pool *pool,
		  unsigned number, const char *mark, size_t response_max,
		  const struct rlimit *open_files)
{
	int r;

	channel->dialect =
		pool->dialect == DIALECT_MSGPACK_RPC ? &dialect_msgpack_rpc : &dialect_poold;
	channel->connected = pool->adapter == POOL_SOCKET;
	channel->response_max = response_max;
	channel->life = life;
	channel->last_pid = 0;
	channel->stack_signal = 0;
	if (channel->connected)
		r = endpoint_connect(&channel->endpoint, channel->loop, pool->address, on_connected,
				     channel);
	else if (channel->forkserver)
		r = start_birth(channel, number);
	else
		r = start_process(channel, pool, number, mark, open_files);
	if (r < 0)
		return r;
	if (channel->process.pid > 0)
		channel->last_pid = channel->process.pid;
	/* What the engine finds wrong: the channel's own faults come with words of their own. */
	snprintf(channel->last_why, sizeof(channel->last_why),
		 "it spoke of a request that it does not have, or was ready twice");
	return 0;
}

void channel_hang_up(struct channel *channel)
{
	endpoint_cancel(&channel->endpoint);
	channel_close(channel);
}

void channel_close(struct channel *channel)
{
	if (channel->link)
		link_close(channel->link);
	channel->link = NULL;
}

/* --- what the worker is told --- */

void channel_send(struct channel *channel, const struct call *call,
		  const struct channel_request *request)
{
	if (channel->link)
		channel->dialect->send(channel, call, request);
}

void channel_cancel(struct channel *channel, uint32_t id)
{
	if (channel->link)
		channel->dialect->cancel(channel, id);
}

void channel_end_session(struct channel *channel, struct bytes session, const char *reason)
{
	if (channel->link)
		channel->dialect->end_session(channel, session, reason);
}

/* A server is not ours to stop. */
void channel_shutdown(struct channel *channel)
{
	if (channel->link && !channel->connected)
		channel->dialect->shutdown(channel);
}

void channel_ping(struct channel *channel, uint32_t id)
{
	if (channel->link)
		channel->dialect->ping(channel, id);
}

void channel_put_ping(struct channel *channel, uint32_t id)
{
	static const uint8_t no_params = 0x90;
	uint8_t head[ENVELOPE_HEAD_MAX + METHOD_LEN_MAX];

	link_put(channel->link, head,
		 envelope_put_request(head, id, (struct bytes){(const uint8_t *)"ping", 4}));
	link_put(channel->link, &no_params, 1);
}
