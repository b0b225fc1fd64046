#include "client/poolctl/argument.h"
#include "client/poolctl/failure.h"
#include "client/poolctl/run.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

/* Sends the request with the params that were written, prints its result, and frees the writer.  `pool`:
 * the one that they name, or NULL. */
static int ask(const struct command *command, const struct options *options,
	       struct poold_client *client, struct poold_writer *params, const char *pool)
{
	struct poold_reply reply;
	int r = poold_request(client, command->method, poold_writer_bytes(params), options->wait_ms,
			      &reply);

	if (r < 0)
		r = run_report_failure(command, options, client, pool, &reply);
	else
		r = run_print_result(command, options, reply.result, NULL);
	poold_reply_free(&reply);
	poold_writer_free(params);
	return r;
}

/* The params are [{pool, only}], each where it is given. */
int run_requests(const struct command *command, const struct options *options,
		 struct poold_client *client, char **args, int arg_count)
{
	struct poold_writer *params = poold_writer_new();

	if (!params)
		return EX_OSERR;
	poold_write_array(params, 1);
	poold_write_map(params, (arg_count > 0 ? 1u : 0u) + (options->only ? 1u : 0u));
	if (arg_count > 0) {
		poold_write_str(params, "pool");
		poold_write_str(params, args[0]);
	}
	if (options->only) {
		poold_write_str(params, "only");
		poold_write_str(params, options->only);
	}
	return ask(command, options, client, params, arg_count > 0 ? args[0] : NULL);
}

/* Whether whoever sits at the terminal agrees; where nobody does, nobody is asked. */
static bool is_agreed(const struct options *options, uint64_t id)
{
	char answer[16];

	if (options->yes || !isatty(STDIN_FILENO))
		return true;
	fprintf(stderr,
		"Cancel request %llu?  Its client gets the error cancelled"
		" (poold.request_cancel).  [y/N] ",
		(unsigned long long)id);
	fflush(stderr);
	return fgets(answer, sizeof(answer), stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

int run_cancel(const struct command *command, const struct options *options,
	       struct poold_client *client, char **args, int arg_count)
{
	struct poold_writer *params;
	uint64_t id;

	(void)arg_count;
	if (!argument_number(args[0], &id))
		return failure_usage(command, "\"%.100s\" is not the number of a request", args[0]);
	if (!is_agreed(options, id)) {
		fprintf(stderr, "poolctl: nothing was cancelled\n");
		return EXIT_FAILED;
	}
	params = poold_writer_new();
	if (!params)
		return EX_OSERR;
	poold_write_array(params, 1);
	poold_write_uint(params, id);
	return ask(command, options, client, params, NULL);
}
