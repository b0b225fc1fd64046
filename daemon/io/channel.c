#include "daemon/io/channel.h"

#include "daemon/io/config.h"
#include "daemon/io/dialect.h"
#include "daemon/io/environment.h"
#include "daemon/io/mark.h"
#include "daemon/io/vault.h"
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

	output_catch_up(&channel->output);
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

static void keep_last_words(struct channel *channel)
{
	struct buf words;

	buf_init(&words, LAST_WORDS_MAX);
	output_tail(&channel->output, &words);
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
	keep_last_words(channel);
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

/* What the worker's standard files are to be; the ends of pipes in `ends` are to be closed when it
 * has them. */
static int open_output(struct channel *channel, const struct config_pool *pool,
		       struct process_spec *spec, int ends[OUTPUT_STREAM_COUNT_])
{
	static const int others[] = {
		[OUTPUT_INHERIT] = PROCESS_INHERITED, [OUTPUT_DISCARD] = PROCESS_NULL};
	const struct output_limits limits = {.line_max = pool->output_line_max,
					     .rate = pool->output_rate,
					     .burst = pool->output_burst};
	bool is_logged = pool->output == OUTPUT_LOG;
	unsigned streams = is_logged ? 1u << OUTPUT_STDOUT | 1u << OUTPUT_STDERR : 0;
	int r = output_open(&channel->output, &limits, streams, ends);

	spec->standard[0] = PROCESS_NULL;
	spec->standard[1] = is_logged ? ends[OUTPUT_STDOUT] : others[pool->output];
	spec->standard[2] = is_logged ? ends[OUTPUT_STDERR] : others[pool->output];
	return r;
}

static void close_ends(const int ends[OUTPUT_STREAM_COUNT_])
{
	for (unsigned i = 0; i < OUTPUT_STREAM_COUNT_; i++)
		if (ends[i] >= 0)
			close(ends[i]);
}

static int spawn(struct channel *channel, const struct config_pool *pool, struct process_spec *spec,
		 int *ret_fd)
{
	int ends[OUTPUT_STREAM_COUNT_];
	int r = open_output(channel, pool, spec, ends);

	if (r < 0)
		return r;
	spec->cgroup = channel->cgroup.procs;
	r = process_spawn(&channel->process, channel->loop, spec, on_exit_of_process, channel,
			  ret_fd);
	close_ends(ends);
	if (r < 0)
		output_close(&channel->output);
	return r;
}

/* The same in a control group, where there are any. */
static int spawn_in_cgroup(struct channel *channel, const struct channel_birth *birth,
			   struct process_spec *spec, int *ret_fd)
{
	int r = cgroup_make(channel->cgroups, birth->pool, channel->worker, birth->life,
			    &channel->cgroup);

	if (r < 0) {
		snprintf(channel->process.fault, sizeof(channel->process.fault),
			 "its control group: %s", strerror(-r));
		return r;
	}
	r = spawn(channel, birth->pool, spec, ret_fd);
	cgroup_shut(&channel->cgroup);
	if (r < 0)
		cgroup_end(channel->cgroups, &channel->cgroup);
	return r;
}

static void add_limit(struct process_spec *spec, const char *name, int resource, uint64_t value)
{
	rlim_t most = value == VALUE_LIMIT_NONE ? RLIM_INFINITY : value;
	struct rlimit limit = {.rlim_cur = most, .rlim_max = most};

	if (value == VALUE_LIMIT_UNSET)
		return;
	/* A second between the signal that may be caught and the one that may not. */
	if (resource == RLIMIT_CPU && most != RLIM_INFINITY)
		limit.rlim_max++;
	spec->limits[spec->limit_count++] = (struct process_limit){name, resource, limit};
}

/* The limits of the pool; of open files what the daemon was given, if it says nothing. */
static void add_limits(struct process_spec *spec, const struct channel_birth *birth)
{
	const struct config_pool *pool = birth->pool;

	add_limit(spec, "limit_memory", RLIMIT_AS, pool->limit_memory);
	add_limit(spec, "limit_cpu", RLIMIT_CPU, pool->limit_cpu);
	add_limit(spec, "limit_core", RLIMIT_CORE, pool->limit_core);
	add_limit(spec, "limit_processes", RLIMIT_NPROC, pool->limit_processes);
	add_limit(spec, "limit_file_size", RLIMIT_FSIZE, pool->limit_file_size);
	if (pool->limit_files == VALUE_LIMIT_UNSET)
		spec->limits[spec->limit_count++] = (struct process_limit){
			"the limit of open files", RLIMIT_NOFILE, *birth->open_files};
	add_limit(spec, "limit_files", RLIMIT_NOFILE, pool->limit_files);
}

static struct process_spec spec_of(const struct channel_birth *birth)
{
	const struct config_pool *pool = birth->pool;
	struct process_spec spec = {
		.argv = pool->argv,
		.directory = pool->directory,
		.identity = birth->identity,
		.user = pool->user,
		.group = pool->group,
		.nice = pool->nice,
		.umask = pool->umask == VALUE_LIMIT_UNSET ? -1 : (int)pool->umask,
	};

	add_limits(&spec, birth);
	return spec;
}

static int start_process(struct channel *channel, const struct channel_birth *birth)
{
	struct process_spec spec = spec_of(birth);
	char life[MARK_LIFE_SIZE];
	char **envp;
	int fd = -1;
	int r;

	mark_life(birth->instance, channel->worker, birth->life, life);
	envp = environment_new(birth->pool, birth->number, birth->instance, life, birth->identity);
	if (!envp)
		return -ENOMEM;
	spec.envp = envp;
	steps_begin(&channel->steps, "fork", loop_clock());
	r = spawn_in_cgroup(channel, birth, &spec, &fd);
	add_step(channel, "exec", loop_clock());
	environment_free(envp);
	if (r < 0)
		return r;
	r = open_link(channel, fd, channel->response_max);
	if (r < 0) {
		close(fd);
		process_signal(&channel->process, SIGKILL);
		process_forget(&channel->process);
		output_close(&channel->output);
		cgroup_end(channel->cgroups, &channel->cgroup);
	}
	return r;
}

static void on_connected(void *owner, int fd, int error)
{
	struct channel *channel = owner;

	if (error == 0)
		error = open_link(channel, fd, channel->response_max);
	if (error == 0) {
		add_step(channel, "connected", loop_now(channel->loop));
		channel->dialect->on_open(channel);
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

int channel_start(struct channel *channel, const struct channel_birth *birth)
{
	const struct config_pool *pool = birth->pool;
	int r;

	channel->dialect =
		pool->dialect == DIALECT_MSGPACK_RPC ? &dialect_msgpack_rpc : &dialect_poold;
	channel->connected = pool->adapter == POOL_SOCKET;
	channel->response_max = birth->response_max;
	channel->life = birth->life;
	channel->cgroups = birth->cgroups;
	channel->process.fault[0] = '\0';
	steps_begin(&channel->steps, "connect", loop_now(channel->loop));
	if (channel->connected)
		r = endpoint_connect(&channel->endpoint, channel->loop, pool->address, on_connected,
				     channel);
	else
		r = start_process(channel, birth);
	if (r < 0) {
		describe_failed_start(channel, r);
		return r;
	}
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
