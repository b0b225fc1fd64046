/* What poolctl prints when something fails, and the exit status that follows from it. */
#ifndef POOLD_POOLCTL_FAILURE_H
#define POOLD_POOLCTL_FAILURE_H

#include "client/poolctl/command.h"
#include "protocol/base.h"

#include <poold.h>

/* Exit statuses in addition to those of sysexits.h. */
#define EXIT_FAILED 1 /* the request failed; health: degraded; doctor: a warning */
#define EXIT_DOWN   2 /* health: down; doctor: a fault */

/* Prints to stderr what is wrong with the command line, and the usage of the command, NULL: of
 * poolctl.  Returns EX_USAGE. */
int failure_usage(const struct command *command, const char *format, ...) PRINTF_LIKE(2, 3);

/* The exit status for the value that a function of libpoold returned: 0 or a negative errno. */
int failure_exit_status(int status);

/* Prints the error of a failed request: to stderr, or with --json to stdout.  Returns the exit
 * status. */
int failure_report(const struct options *options, const struct poold_client *client,
		   const struct poold_reply *reply);

#endif
