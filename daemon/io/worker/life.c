#include "daemon/io/worker/life.h"

#include "daemon/io/base/slot_store.h"
#include "daemon/io/config/config.h"
#include "daemon/io/worker/dialect_shared.h"
#include "daemon/io/worker/dialects.h"
#include "daemon/io/worker/process_tag.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct output_handler output_handler;
static void on_closed(struct channel *channel, const char *why);

/* The life holds a reference to the configuration of its pool. */
static void choose_pool(struct life *life, const struct config_pool *pool)
{
	const struct config_pool *earlier = life->pool;

	if (pool)
		config_ref(pool->config);
	if (earlier)
		config_unref(earlier->config);
	life->pool = pool;
}

void life_init(struct life *life, struct loop *loop, uint32_t worker, size_t state_max,
	       const struct life_handler *handler, const struct channel_handler *on_channel,
	       void *owner)
{
	*life = (struct life){.loop = loop,
			      .worker = worker,
			      .handler = handler,
			      .owner = owner,
			      .cgroup.procs = -1};
	channel_init(&life->channel, loop, state_max, on_channel, owner);
	life->channel.on_closed = on_closed;
	output_init(&life->output, loop, &output_handler, life);
	endpoint_init(&life->endpoint);
}

void life_done(struct life *life)
{
	channel_done(&life->channel);
	begun_page_close(&life->page);
	endpoint_cancel(&life->endpoint);
	process_forget(&life->process);
	output_close(&life->output);
	if (life->cgroups)
		cgroup_end(life->cgroups, &life->cgroup);
	bytes_free(&life->last_stderr);
	choose_pool(life, NULL);
}

static void add_step(struct life *life, const char *name, usec_t now)
{
	steps_add(&life->steps, (struct bytes){(const uint8_t *)name, strlen(name)}, now);
}

static int open_channel(struct life *life, struct stream stream, size_t response_max)
{
	return channel_adopt(&life->channel, stream, life->pool, dialect_get(life->pool->dialect),
			     response_max);
}

/* Makes the recall socket of a worker that may know what to do with it, with its page as the first
 * message there, and returns the worker's end, or -1: without one the worker does without. */
static int open_recall(struct life *life)
{
	int ends[2];

	/* Not where nothing ever waits at a busy worker. */
	if (!dialect_get(life->pool->dialect)->recall || life->pool->prefetch == 0 ||
	    process_make_channel(ends) < 0)
		return -1;
	life->channel.recall = ends[0];
	begun_page_open(&life->page, ends[0]);
	return ends[1];
}

/* Nothing that the worker says or stores is read any more. */
static void close_channel(struct life *life)
{
	channel_close(&life->channel);
	begun_page_close(&life->page);
}

/* --- its standard output and error --- */

/* The name of what the daemon waits for until a worker without poold's dialect is ready; NULL: for
 * nothing. */
static const char *awaited(const struct config_pool *pool, char name[STEP_NAME_MAX + 1])
{
	const char *kind = *pool->ready_call ? "ready_call" : "ready_notification";
	const char *what = *pool->ready_call ? pool->ready_call : pool->ready_notification;

	if (!*what)
		return NULL;
	snprintf(name, STEP_NAME_MAX + 1, "%s %s", kind, what);
	return name;
}

static void on_first_output(void *owner)
{
	struct life *life = owner;
	char name[STEP_NAME_MAX + 1];

	/* What it is waited for says more. */
	if (awaited(life->pool, name))
		return;
	add_step(life, "output", loop_now(life->loop));
}

static void on_output_line(void *owner, enum output_stream stream, struct bytes line, unsigned part)
{
	struct life *life = owner;

	life->handler->on_output(life, stream, line, part);
}

static void on_output_dropped(void *owner, uint64_t count)
{
	struct life *life = owner;

	life->handler->on_output_dropped(life, count);
}

static const struct output_handler output_handler = {
	.on_first = on_first_output, .on_line = on_output_line, .on_dropped = on_output_dropped};

/* An escape makes four bytes of one. */
#define LAST_STDERR_MAX ((size_t)OUTPUT_TAIL_MAX * 4)

static void keep_last_stderr(struct life *life, const struct output *output)
{
	struct buf text;

	buf_init(&text, LAST_STDERR_MAX);
	output_tail(output, &text);
	bytes_free(&life->last_stderr);
	if (buf_error(&text) == 0)
		life->last_stderr = bytes_copy((struct bytes){text.data, text.len});
	buf_free(&text);
}

/* --- its control group --- */

/* Makes one, where there are any. */
static int open_cgroup(struct life *life)
{
	int r = cgroup_make(life->cgroups, life->pool, life->worker, life->number, &life->cgroup);

	if (r < 0)
		snprintf(life->process.fault, sizeof(life->process.fault), "its control group: %s",
			 strerror(-r));
	return r;
}

/* Kills all that the worker started. */
static void end_cgroup(struct life *life)
{
	int r = cgroup_out_of_memory(life->cgroups, &life->cgroup);

	life->knows_memory = r >= 0;
	life->last_out_of_memory = r > 0;
	cgroup_end(life->cgroups, &life->cgroup);
}

/* --- its end --- */

bool life_has_reason(const struct life *life)
{
	switch (life->channel.broken_by) {
	case ERR_NONE:
		return life->channel.was_cut_off;
	case ERR_peer_closed:
		return life->channel.was_cut_off || life->has_closed;
	default:
		return true;
	}
}

static void describe_end(struct life *life, const struct process_end *end)
{
	bool has_why = life_has_reason(life);
	char words[PROCESS_FAULT_MAX];

	process_describe_end(end, words, sizeof(words));
	snprintf(life->last_end, sizeof(life->last_end), "%s%s%s%s",
		 has_why ? life->channel.last_why : "", has_why ? "; it ended with " : "", words,
		 life->last_out_of_memory ? ", out of memory" : "");
}

void life_blame(struct life *life, const struct process_end *end, const char *why)
{
	life->channel.broken_by = ERR_protocol_violation;
	snprintf(life->channel.last_why, sizeof(life->channel.last_why), "%s", why);
	describe_end(life, end);
}

void life_describe_exit(const struct life *life, char out[static LIFE_EXIT_MAX])
{
	if (life->last_cause == CAUSE_NONE)
		snprintf(out, LIFE_EXIT_MAX, "%s", life->last_end);
	else
		snprintf(out, LIFE_EXIT_MAX, "%s: %s", worker_cause_text(life->last_cause),
			 life->last_end);
}

static void on_process_exit(void *owner, const struct process_end *end)
{
	struct life *life = owner;

	end_cgroup(life);
	if (life->channel.link) {
		output_read(&life->output);
		link_drain(life->channel.link);
	}
	channel_close(&life->channel);
	describe_end(life, end);
	output_finish(&life->output);
	keep_last_stderr(life, &life->output);
	life->handler->on_exit(life, end);
	begun_page_close(&life->page);
}

static void close_connection(struct life *life)
{
	endpoint_cancel(&life->endpoint);
	channel_close(&life->channel);
}

/* A server that closes its connection has ended this life: there is no process whose end would be
 * noticed. */
static void on_closed(struct channel *channel, const char *why)
{
	struct life *life = life_of(channel);

	if (!life->is_connected) {
		dialect_broken(channel, ERR_peer_closed, why);
		return;
	}
	close_connection(life);
	snprintf(life->last_end, sizeof(life->last_end), "%s", why);
	life->handler->on_exit(life, NULL);
}

void life_hang_up(struct life *life)
{
	bool has_why;

	close_connection(life);
	has_why = life_has_reason(life);
	snprintf(life->last_end, sizeof(life->last_end), "%s%s",
		 has_why ? life->channel.last_why : "", has_why ? "; hung up" : "hung up");
}

/* --- a process of its own --- */

static int start_own(struct life *life, const struct start *start, unsigned worker_number,
		     size_t response_max)
{
	struct spawn_context context = {.number = worker_number};
	char tag[PROCESS_TAG_LIFE_SIZE];
	struct stream stream;
	int r;

	r = open_cgroup(life);
	if (r < 0)
		return r;
	process_tag_life(start->instance, life->worker, life->number, tag);
	context.tag = tag;
	context.cgroup = life->cgroup.procs;
	context.recall = open_recall(life);
	r = start_process(start, &context, &life->process, &life->output, on_process_exit, life,
			  &stream);
	if (context.recall >= 0)
		close(context.recall);
	cgroup_shut(&life->cgroup);
	if (r == 0) {
		add_step(life, "exec", loop_clock());
		r = open_channel(life, stream, response_max);
		if (r < 0)
			start_abandon(&life->process, &life->output, stream);
	}
	if (r < 0) {
		close_channel(life);
		cgroup_end(life->cgroups, &life->cgroup);
	}
	return r;
}

/* --- a process that a fork server starts --- */

/* A fork server knows nothing of control groups: the daemon puts the new process into its own. */
static void enter_cgroup(struct life *life)
{
	if (open_cgroup(life) == 0 && life->cgroup.procs >= 0)
		dprintf(life->cgroup.procs, "%d", (int)life->process.pid);
	cgroup_shut(&life->cgroup);
}

static void on_forked(void *owner, pid_t pid)
{
	struct life *life = owner;
	int r = process_adopt(&life->process, life->loop, pid, on_process_exit, life);

	if (r < 0) {
		life->fork_request.on_not_forked(life, r, NULL);
		return;
	}
	life->last_pid = pid;
	add_step(life, "forked", loop_now(life->loop));
	enter_cgroup(life);
	if (life->fork_request.signal != 0)
		process_signal(&life->process, life->fork_request.signal);
	life->handler->on_forked(life);
}

static void on_not_forked(void *owner, int error, const struct process_end *end)
{
	struct life *life = owner;
	char text[64];

	close_channel(life);
	output_close(&life->output);
	if (end) {
		process_describe_end(end, text, sizeof(text));
		keep_last_stderr(life, &life->forkserver->output);
	}
	snprintf(life->last_end, sizeof(life->last_end), "%s: %s",
		 end ? "its fork server ended" : "could not be forked",
		 end ? text : strerror(-error));
	if (end)
		life->handler->on_exit(life, end);
	else
		life->handler->on_unreachable(life, error);
}

/* Makes the descriptors that the new process is given: its channel, its recall socket, and what it
 * writes to. */
static int open_fork_request(struct life *life, const struct start *start, size_t response_max)
{
	struct fork_request *fork_request = &life->fork_request;
	int ends[2];
	int r = process_make_channel(ends);

	if (r < 0)
		return r;
	fork_request->files[0] = ends[1];
	r = open_channel(life, stream_of_socket(ends[0]), response_max);
	if (r < 0) {
		close(ends[0]);
		return r;
	}
	fork_request->files[FORK_REQUEST_RECALL] = open_recall(life);
	return start_output(start, &life->output, fork_request->files + 1);
}

static int start_forked(struct life *life, const struct start *start, unsigned worker_number,
			size_t response_max)
{
	struct fork_request *fork_request = &life->fork_request;
	char tag[PROCESS_TAG_LIFE_SIZE];
	int r;

	process_tag_life(start->instance, life->worker, life->number, tag);
	*fork_request = (struct fork_request){.files = {-1, -1, -1, -1},
					      .on_forked = on_forked,
					      .on_not_forked = on_not_forked,
					      .owner = life};
	snprintf(fork_request->additions[0], FORK_REQUEST_ADDITION_MAX, "POOLD_WORKER=%u",
		 worker_number);
	snprintf(fork_request->additions[1], FORK_REQUEST_ADDITION_MAX, PROCESS_TAG_LIFE "=%s",
		 tag);
	r = open_fork_request(life, start, response_max);
	if (r < 0)
		fork_request_close(fork_request);
	else
		r = forkserver_fork(life->forkserver, fork_request);
	if (r == 0)
		return 0;
	close_channel(life);
	output_close(&life->output);
	return r;
}

/* --- a connection to a server --- */

static void on_connected(void *owner, int fd, int error)
{
	struct life *life = owner;

	if (error == 0)
		error = open_channel(life, stream_of_socket(fd), life->channel.response_max);
	if (error == 0) {
		add_step(life, "connected", loop_now(life->loop));
		life_open_channel(life);
		return;
	}
	if (fd >= 0)
		close(fd);
	snprintf(life->last_end, sizeof(life->last_end), "not reached: %s", strerror(-error));
	life->handler->on_unreachable(life, error);
}

/* --- any of them --- */

static void describe_failed_start(struct life *life, int error)
{
	const char *fault = life->process.fault;

	if (life->is_connected)
		snprintf(life->last_end, sizeof(life->last_end), "not reached: %s",
			 strerror(-error));
	else
		snprintf(life->last_end, sizeof(life->last_end), LIFE_NOT_STARTED "%s",
			 *fault ? fault : strerror(-error));
}

static const char *first_step(const struct life *life)
{
	if (life->is_connected)
		return "connect";
	return life->forkserver ? "fork server" : "fork";
}

static void begin(struct life *life, const struct start *start)
{
	choose_pool(life, start->pool);
	life->is_connected = start->pool->adapter == POOL_SOCKET;
	life->is_opened = life->was_signalled = life->has_closed = false;
	channel_forget(&life->channel);
	life->unsaid_count = 0;
	life->last_pid = 0;
	life->process.fault[0] = '\0';
	steps_begin(&life->steps, first_step(life), loop_clock());
}

int life_start(struct life *life, const struct start *start, unsigned worker_number,
	       size_t response_max)
{
	int r;

	begin(life, start);
	life->channel.response_max = response_max;
	if (life->is_connected)
		r = endpoint_connect(&life->endpoint, life->loop, start->pool->address,
				     on_connected, life);
	else if (life->forkserver)
		r = start_forked(life, start, worker_number, response_max);
	else
		r = start_own(life, start, worker_number, response_max);
	if (r < 0) {
		describe_failed_start(life, r);
		return r;
	}
	if (life->process.pid > 0)
		life->last_pid = life->process.pid;
	return 0;
}

void life_open_channel(struct life *life)
{
	char name[STEP_NAME_MAX + 1];

	if (awaited(life->pool, name))
		add_step(life, name, loop_now(life->loop));
	channel_open(&life->channel);
}

void life_cancel_start(struct life *life)
{
	snprintf(life->last_end, sizeof(life->last_end), "it was not started yet");
	life->cancelled_before_start = true;
}

void life_signal(struct life *life, int signal, bool overdue)
{
	if (!life->was_signalled) {
		channel_check_input(&life->channel);
		life->has_closed = life->channel.broken_by == ERR_peer_closed;
		life->was_signalled = true;
	}
	if (!fork_request_is_waiting(&life->fork_request)) {
		process_signal(&life->process, signal);
	} else if (overdue) {
		forkserver_kill(life->forkserver);
	} else if (forkserver_cancel(life->forkserver, &life->fork_request)) {
		close_channel(life);
		output_close(&life->output);
		life_cancel_start(life);
	} else {
		life->fork_request.signal = signal;
		if (signal == SIGKILL)
			forkserver_kill(life->forkserver);
	}
}

void life_shutdown(struct life *life)
{
	if (!life->is_connected)
		channel_shutdown(&life->channel);
}
