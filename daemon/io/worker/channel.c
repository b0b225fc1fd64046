#include "daemon/io/worker/channel.h"

#include "daemon/io/base/slot_store.h"
#include "daemon/io/config/config.h"
#include "daemon/io/worker/dialect.h"
#include "daemon/io/worker/process_tag.h"
#include "protocol/buf.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The bytes of a message around the arguments and a session's state never exceed this: a method's
 * name, a trace and a few numbers. */
#define AROUND_MAX ((size_t)1024)

static const struct output_handler output_handler;

void channel_init(struct channel *channel, struct loop *loop, uint32_t worker, size_t state_max,
		  const struct channel_handler *handler, void *owner)
{
	*channel = (struct channel){.loop = loop,
				    .worker = worker,
				    .handler = handler,
				    .owner = owner,
				    .cgroup.procs = -1};
	buf_init(&channel->scratch, AROUND_MAX + state_max);
	output_init(&channel->output, loop, &output_handler, channel);
	endpoint_init(&channel->endpoint);
}

/* A reference to the configuration of the pool of its last start; `pool` NULL: to none. */
static void keep_config(const struct channel *channel, const struct config_pool *pool)
{
	if (pool)
		config_ref(pool->config);
	if (channel->pool)
		config_unref(channel->pool->config);
}

void channel_done(struct channel *channel)
{
	channel_close(channel);
	endpoint_cancel(&channel->endpoint);
	process_forget(&channel->process);
	output_close(&channel->output);
	if (channel->cgroups)
		cgroup_end(channel->cgroups, &channel->cgroup);
	bytes_free(&channel->last_stderr);
	buf_free(&channel->scratch);
	keep_config(channel, NULL);
	channel->pool = NULL;
}

/* --- what the worker says --- */

void channel_broken(struct channel *channel, enum errcode code, const char *why)
{
	snprintf(channel->last_why, sizeof(channel->last_why), "%s", why);
	channel->handler->on_broken(channel, code);
}

static void on_message(void *owner, struct chunk *chunk, struct bytes message)
{
	struct channel *channel = owner;

	/* What it wrote before it answered belongs to the request that it answers. */
	output_catch_up(&channel->output);
	channel->dialect->on_message(channel, chunk, message);
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
	case LINK_END_MALFORMED: /* only MessagePack can be that before it is read */
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

static void on_free(struct link *link)
{
	free(link);
}

static const struct link_handler link_handler = {
	.on_message = on_message, .on_end = on_end, .on_free = on_free};

/* --- what it writes beside that --- */

static void add_step(struct channel *channel, const char *name, usec_t now)
{
	steps_add(&channel->steps, (struct bytes){(const uint8_t *)name, strlen(name)}, now);
}

static void on_first_output(void *owner)
{
	struct channel *channel = owner;

	add_step(channel, "output", loop_now(channel->loop));
}

static void on_output_line(void *owner, enum output_stream stream, struct bytes line, unsigned part)
{
	struct channel *channel = owner;

	channel->handler->on_output(channel, stream, line, part);
}

static void on_output_dropped(void *owner, uint64_t count)
{
	struct channel *channel = owner;

	channel->handler->on_output_dropped(channel, count);
}

static const struct output_handler output_handler = {
	.on_first = on_first_output, .on_line = on_output_line, .on_dropped = on_output_dropped};

/* --- its process --- */

/* Escapes make four bytes of one. */
#define LAST_WORDS_MAX ((size_t)OUTPUT_TAIL_MAX * 4)

static void keep_last_words(struct channel *channel, const struct output *output)
{
	struct buf words;

	buf_init(&words, LAST_WORDS_MAX);
	output_tail(output, &words);
	bytes_free(&channel->last_stderr);
	if (buf_error(&words) == 0)
		channel->last_stderr = bytes_copy((struct bytes){words.data, words.len});
	buf_free(&words);
}

/* All that it started ends with it. */
static void end_cgroup(struct channel *channel)
{
	int r = cgroup_out_of_memory(channel->cgroups, &channel->cgroup);

	channel->knows_memory = r >= 0;
	channel->last_out_of_memory = r > 0;
	cgroup_end(channel->cgroups, &channel->cgroup);
}

static void on_exit_of_process(void *owner, const struct process_end *end)
{
	struct channel *channel = owner;

	end_cgroup(channel);
	process_describe_end(end, channel->last_end, sizeof(channel->last_end));
	if (channel->last_out_of_memory)
		snprintf(channel->last_end + strlen(channel->last_end),
			 sizeof(channel->last_end) - strlen(channel->last_end), ", out of memory");
	if (channel->link)
		link_drain(channel->link);
	channel_close(channel);
	output_finish(&channel->output);
	keep_last_words(channel, &channel->output);
	channel->handler->on_exit(channel, end);
}

static void choose_pool(struct channel *channel, const struct config_pool *pool,
			size_t response_max)
{
	keep_config(channel, pool);
	channel->pool = pool;
	channel->dialect = dialect_get(pool->dialect);
	channel->connected = pool->adapter == POOL_SOCKET;
	channel->response_max = response_max;
	channel->ready = channel->opened = false;
	channel->unsaid_count = 0;
}

static int open_link(struct channel *channel, int fd)
{
	return link_new(channel->loop, fd, channel->dialect->framing, channel->response_max,
			&link_handler, channel, &channel->link);
}

int channel_adopt(struct channel *channel, int fd, const struct config_pool *pool,
		  size_t response_max)
{
	choose_pool(channel, pool, response_max);
	return open_link(channel, fd);
}

void channel_open(struct channel *channel)
{
	if (channel->link)
		channel->dialect->on_open(channel);
}

/* Where there are any. */
static int open_cgroup(struct channel *channel)
{
	int r = cgroup_make(channel->cgroups, channel->pool, channel->worker, channel->life,
			    &channel->cgroup);

	if (r < 0)
		snprintf(channel->process.fault, sizeof(channel->process.fault),
			 "its control group: %s", strerror(-r));
	return r;
}

static int start_own(struct channel *channel, const struct start *start, unsigned number)
{
	struct spawn_context life = {.number = number};
	char mark[PROCESS_TAG_LIFE_SIZE];
	int fd = -1;
	int r;

	r = open_cgroup(channel);
	if (r < 0)
		return r;
	process_tag_life(start->instance, channel->worker, channel->life, mark);
	life.mark = mark;
	life.cgroup = channel->cgroup.procs;
	r = start_process(start, &life, &channel->process, &channel->output, on_exit_of_process,
			  channel, &fd);
	cgroup_shut(&channel->cgroup);
	if (r < 0) {
		cgroup_end(channel->cgroups, &channel->cgroup);
		return r;
	}
	add_step(channel, "exec", loop_clock());
	r = open_link(channel, fd);
	if (r < 0) {
		close(fd);
		process_signal(&channel->process, SIGKILL);
		process_forget(&channel->process);
		output_close(&channel->output);
		cgroup_end(channel->cgroups, &channel->cgroup);
	}
	return r;
}

/* --- its process, forked --- */

/* A fork server does not know of groups: the daemon puts its child there. */
static void enter_cgroup(struct channel *channel)
{
	if (open_cgroup(channel) == 0 && channel->cgroup.procs >= 0)
		dprintf(channel->cgroup.procs, "%d", (int)channel->process.pid);
	cgroup_shut(&channel->cgroup);
}

static void on_forked(void *owner, pid_t pid)
{
	struct channel *channel = owner;
	int r = process_adopt(&channel->process, channel->loop, pid, on_exit_of_process, channel);

	if (r < 0) {
		channel->fork_request.on_not_forked(channel, r, NULL);
		return;
	}
	channel->last_pid = pid;
	add_step(channel, "forked", loop_now(channel->loop));
	enter_cgroup(channel);
	if (channel->fork_request.signal != 0)
		process_signal(&channel->process, channel->fork_request.signal);
	channel->handler->on_forked(channel);
}

static void on_not_forked(void *owner, int error, const struct process_end *end)
{
	struct channel *channel = owner;
	char text[64];

	channel_close(channel);
	output_close(&channel->output);
	if (end) {
		process_describe_end(end, text, sizeof(text));
		keep_last_words(channel, &channel->forkserver->output);
	}
	snprintf(channel->last_end, sizeof(channel->last_end), "%s: %s",
		 end ? "its fork server ended" : "could not be forked",
		 end ? text : strerror(-error));
	if (end)
		channel->handler->on_exit(channel, end);
	else
		channel->handler->on_unreachable(channel, error);
}

/* The descriptors that the worker to be forked is given: its channel, and what it writes to. */
static int open_fork_request(struct channel *channel)
{
	struct fork_request *fork_request = &channel->fork_request;
	int ends[2];
	int r = process_make_channel(ends);

	if (r < 0)
		return r;
	fork_request->files[0] = ends[1];
	r = open_link(channel, ends[0]);
	if (r < 0) {
		close(ends[0]);
		return r;
	}
	return start_output(channel->pool, &channel->output, fork_request->files + 1);
}

static int start_forked(struct channel *channel, const char *instance, unsigned number)
{
	char life[PROCESS_TAG_LIFE_SIZE];
	int r;

	process_tag_life(instance, channel->worker, channel->life, life);
	channel->fork_request = (struct fork_request){.files = {-1, -1, -1},
						      .on_forked = on_forked,
						      .on_not_forked = on_not_forked,
						      .owner = channel};
	snprintf(channel->fork_request.additions[0], FORK_REQUEST_ADDITION_MAX, "POOLD_WORKER=%u",
		 number);
	snprintf(channel->fork_request.additions[1], FORK_REQUEST_ADDITION_MAX,
		 PROCESS_TAG_LIFE "=%s", life);
	r = open_fork_request(channel);
	if (r < 0)
		fork_request_close(&channel->fork_request);
	else
		r = forkserver_fork(channel->forkserver, &channel->fork_request);
	if (r == 0)
		return 0;
	channel_close(channel);
	output_close(&channel->output);
	return r;
}

void channel_unstart(struct channel *channel)
{
	snprintf(channel->last_end, sizeof(channel->last_end), "it was not started yet");
	channel->cancelled_before_start = true;
}

void channel_signal(struct channel *channel, int signal, bool overdue)
{
	if (!fork_request_is_waiting(&channel->fork_request)) {
		process_signal(&channel->process, signal);
	} else if (overdue) {
		forkserver_kill(channel->forkserver);
	} else if (forkserver_cancel(channel->forkserver, &channel->fork_request)) {
		channel_close(channel);
		output_close(&channel->output);
		channel_unstart(channel);
	} else {
		channel->fork_request.signal = signal;
		if (signal == SIGKILL)
			forkserver_kill(channel->forkserver);
	}
}

static void on_connected(void *owner, int fd, int error)
{
	struct channel *channel = owner;

	if (error == 0)
		error = open_link(channel, fd);
	if (error == 0) {
		add_step(channel, "connected", loop_now(channel->loop));
		channel_open(channel);
		return;
	}
	if (fd >= 0)
		close(fd);
	snprintf(channel->last_end, sizeof(channel->last_end), "not reached: %s", strerror(-error));
	channel->handler->on_unreachable(channel, error);
}

static void describe_failed_start(struct channel *channel, int error)
{
	const char *fault = channel->process.fault;

	if (channel->connected)
		snprintf(channel->last_end, sizeof(channel->last_end), "not reached: %s",
			 strerror(-error));
	else
		snprintf(channel->last_end, sizeof(channel->last_end), "could not be started: %s",
			 *fault ? fault : strerror(-error));
}

int channel_start(struct channel *channel, const struct start *start, unsigned number,
		  size_t response_max)
{
	int r;

	choose_pool(channel, start->pool, response_max);
	channel->last_pid = 0;
	channel->stack_signal = 0;
	channel->process.fault[0] = '\0';
	steps_begin(&channel->steps,
		    channel->connected	  ? "connect"
		    : channel->forkserver ? "fork server"
					  : "fork",
		    loop_clock());
	if (channel->connected)
		r = endpoint_connect(&channel->endpoint, channel->loop, start->pool->address,
				     on_connected, channel);
	else if (channel->forkserver)
		r = start_forked(channel, start->instance, number);
	else
		r = start_own(channel, start, number);
	if (r < 0) {
		describe_failed_start(channel, r);
		return r;
	}
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

const char *channel_send(struct channel *channel, const struct call *call,
			 const struct channel_request *request)
{
	return channel->link ? channel->dialect->send(channel, call, request) : NULL;
}

void channel_cancel(struct channel *channel, uint32_t id)
{
	if (channel->link && channel->dialect->cancel)
		channel->dialect->cancel(channel, id);
}

void channel_end_session(struct channel *channel, struct bytes session, const char *reason)
{
	if (channel->link && channel->dialect->end_session)
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
