#include "client/poolctl/argument.h"
#include "client/poolctl/failure.h"
#include "client/poolctl/run.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

/* Room for a field of the journal with its value. */
#define FIELD_MAX 128

/* Becomes journalctl, which matches the lines that have all of these fields.  Without POOLD_WORKER
 * they are those of the whole pool. */
int run_logs(const struct command *command, const struct options *options,
	     struct poold_client *client, char **args, int arg_count)
{
	char pool[FIELD_MAX], worker[FIELD_MAX];
	const char *words[10] = {"journalctl", "SYSLOG_IDENTIFIER=poold", pool};
	unsigned count = 3;
	uint64_t number;

	(void)client;
	if ((size_t)snprintf(pool, sizeof(pool), "POOLD_POOL=%s", args[0]) >= sizeof(pool))
		return failure_usage(command, "\"%.100s\" is not the name of a pool", args[0]);
	if (arg_count > 1) {
		if (!argument_number(args[1], &number))
			return failure_usage(command, "\"%.100s\" is not " ARGUMENT_WORKER,
					     args[1]);
		snprintf(worker, sizeof(worker), "POOLD_WORKER=%s", args[1]);
		words[count++] = worker;
	}
	if (options->json)
		words[count++] = "--output=json";
	if (options->follow)
		words[count++] = "--follow";
	fflush(stdout);
	execvp(words[0], (char *const *)(uintptr_t)words);
	if (errno == ENOENT)
		fprintf(stderr, "poolctl: there is no journalctl here; see log_target in "
				"poold.conf(5) for where the daemon's log goes\n");
	else
		fprintf(stderr, "poolctl: journalctl cannot be run: %s\n", strerror(errno));
	return EX_UNAVAILABLE;
}
