#include "daemon/io/worker/start.h"

#include "daemon/io/config/config.h"
#include "daemon/io/config/config_value.h"
#include "daemon/io/worker/environment.h"
#include "daemon/io/worker/identity.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

/* The streams of a process of the pool whose lines are logged. */
static unsigned logged_streams(const struct config_pool *pool)
{
	if (pool->output != OUTPUT_LOG)
		return 0;
	/* In other dialects standard output is the channel. */
	return pool->dialect == DIALECT_POOLD ? 1u << OUTPUT_STDOUT | 1u << OUTPUT_STDERR
					      : 1u << OUTPUT_STDERR;
}

/* A worker may open its standard output and error anew by their paths (/dev/stderr), which only the
 * owner of a pipe may. */
static void give_away(const int ends[OUTPUT_STREAM_COUNT_], const struct identity *identity)
{
	for (unsigned i = 0; i < OUTPUT_STREAM_COUNT_; i++)
		if (ends[i] >= 0)
			identity_give(identity, ends[i]);
}

int start_output(const struct start *start, struct output *output, int ends[OUTPUT_STREAM_COUNT_])
{
	const struct config_pool *pool = start->pool;
	const struct output_limits limits = {.line_max = pool->output_line_max,
					     .rate = pool->output_rate,
					     .burst = pool->output_burst};

	int r = output_open(output, &limits, logged_streams(pool), ends);

	if (r == 0)
		give_away(ends, start->identity);
	return r;
}

static void close_ends(const int ends[OUTPUT_STREAM_COUNT_])
{
	for (unsigned i = 0; i < OUTPUT_STREAM_COUNT_; i++)
		if (ends[i] >= 0)
			close(ends[i]);
}

static void choose_standard_files(const struct config_pool *pool,
				  const int ends[OUTPUT_STREAM_COUNT_], struct process_spec *spec)
{
	int other = pool->output == OUTPUT_INHERIT ? PROCESS_INHERITED : PROCESS_NULL;
	bool on_channel = pool->dialect != DIALECT_POOLD;

	spec->standard[STDIN_FILENO] = on_channel ? PROCESS_CHANNEL : PROCESS_NULL;
	spec->standard[STDOUT_FILENO] = on_channel		   ? PROCESS_CHANNEL
					: ends[OUTPUT_STDOUT] >= 0 ? ends[OUTPUT_STDOUT]
								   : other;
	spec->standard[STDERR_FILENO] = ends[OUTPUT_STDERR] >= 0 ? ends[OUTPUT_STDERR] : other;
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
static void add_limits(struct process_spec *spec, const struct start *start)
{
	const struct config_pool *pool = start->pool;

	add_limit(spec, "limit_memory", RLIMIT_AS, pool->limit_memory);
	add_limit(spec, "limit_cpu", RLIMIT_CPU, pool->limit_cpu);
	add_limit(spec, "limit_core", RLIMIT_CORE, pool->limit_core);
	add_limit(spec, "limit_processes", RLIMIT_NPROC, pool->limit_processes);
	add_limit(spec, "limit_file_size", RLIMIT_FSIZE, pool->limit_file_size);
	if (pool->limit_files == VALUE_LIMIT_UNSET)
		spec->limits[spec->limit_count++] = (struct process_limit){
			"the limit of open files", RLIMIT_NOFILE, *start->open_files};
	add_limit(spec, "limit_files", RLIMIT_NOFILE, pool->limit_files);
}

static struct process_spec spec_of(const struct start *start)
{
	const struct config_pool *pool = start->pool;
	struct process_spec spec = {
		.argv = pool->argv,
		.directory = pool->directory,
		.identity = start->identity,
		.user = pool->user,
		.group = pool->group,
		.nice = pool->nice,
		.umask = pool->umask == VALUE_LIMIT_UNSET ? -1 : (int)pool->umask,
	};

	add_limits(&spec, start);
	return spec;
}

int start_process(const struct start *start, const struct spawn_context *context,
		  struct process *process, struct output *output,
		  void (*on_exit)(void *owner, const struct process_end *end), void *owner,
		  struct stream *ret_channel)
{
	const struct config_pool *pool = start->pool;
	char **envp = environment_new(start, context);
	struct process_spec spec = spec_of(start);
	int ends[OUTPUT_STREAM_COUNT_];
	int r;

	if (!envp)
		return -ENOMEM;
	spec.envp = envp;
	spec.cgroup = context->cgroup;
	spec.recall = context->recall;
	r = start_output(start, output, ends);
	if (r == 0) {
		choose_standard_files(pool, ends, &spec);
		r = process_spawn(process, start->loop, &spec, on_exit, owner, ret_channel);
		close_ends(ends);
		if (r < 0)
			output_close(output);
	}
	environment_free(envp);
	return r;
}

void start_abandon(struct process *process, struct output *output, struct stream channel)
{
	stream_close(channel);
	process_signal(process, SIGKILL);
	process_forget(process);
	output_close(output);
}
