#include "daemon/io/start.h"

#include <errno.h>
#include <unistd.h>

#include "daemon/io/config.h"
#include "daemon/io/environment.h"

/* The streams of such a process that are lines for the log. */
static unsigned logged_streams(const struct config_pool *pool)
{
	if (pool->output != OUTPUT_LOG)
		return 0;
	/* Where the worker speaks on its standard output, that is no text. */
	return pool->dialect == DIALECT_POOLD ? 1u << OUTPUT_STDOUT | 1u << OUTPUT_STDERR
					      : 1u << OUTPUT_STDERR;
}

int start_output(const struct config_pool *pool, struct output *output,
		 int ends[OUTPUT_STREAM_COUNT_])
{
	const struct output_limits limits = {.line_max = pool->output_line_max,
					     .rate = pool->output_rate,
					     .burst = pool->output_burst};

	return output_open(output, &limits, logged_streams(pool), ends);
}

void start_close_ends(const int ends[OUTPUT_STREAM_COUNT_])
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

int start_process(const struct start *start, unsigned number, struct process *process,
		  struct output *output,
		  void (*on_exit)(void *owner, const struct process_end *end), void *owner,
		  int *ret_channel)
{
	const struct config_pool *pool = start->pool;
	char **envp = environment_new(pool, number, start->mark);
	struct process_spec spec = {.argv = pool->argv,
				    .envp = envp,
				    .directory = pool->directory,
				    .open_files = *start->open_files};
	int ends[OUTPUT_STREAM_COUNT_];
	int r;

	if (!envp)
		return -ENOMEM;
	r = start_output(pool, output, ends);
	if (r == 0) {
		choose_standard_files(pool, ends, &spec);
		r = process_spawn(process, start->loop, &spec, on_exit, owner, ret_channel);
		start_close_ends(ends);
		if (r < 0)
			output_close(output);
	}
	environment_free(envp);
	return r;
}
