/* The `run` functions of struct command: they ask the daemon, print its answer, and return
 * poolctl's exit status. */
#ifndef POOLD_POOLCTL_RUN_H
#define POOLD_POOLCTL_RUN_H

#include "client/poolctl/command.h"

/* For every command that sends one request to the daemon and prints the result. */
int run_report(const struct command *command, const struct options *options,
	       struct poold_client *client, char **args, int arg_count);
/* The last errors, and since when there may be some. */
int run_errors(const struct command *command, const struct options *options,
	       struct poold_client *client, char **args, int arg_count);
int run_call(const struct command *command, const struct options *options,
	     struct poold_client *client, char **args, int arg_count);
int run_events(const struct command *command, const struct options *options,
	       struct poold_client *client, char **args, int arg_count);
/* What happened, summed and in order. */
int run_history(const struct command *command, const struct options *options,
		struct poold_client *client, char **args, int arg_count);
int run_requests(const struct command *command, const struct options *options,
		 struct poold_client *client, char **args, int arg_count);
/* Asks first on a terminal. */
int run_cancel(const struct command *command, const struct options *options,
	       struct poold_client *client, char **args, int arg_count);
/* Needs no daemon. */
int run_explain(const struct command *command, const struct options *options,
		struct poold_client *client, char **args, int arg_count);
/* A support bundle: what the daemon says of itself, as one JSON object. */
int run_bundle(const struct command *command, const struct options *options,
	       struct poold_client *client, char **args, int arg_count);
/* The journal's lines about a pool or a worker. */
int run_logs(const struct command *command, const struct options *options,
	     struct poold_client *client, char **args, int arg_count);
/* A screen that is drawn again each second, until it is quit. */
int run_top(const struct command *command, const struct options *options,
	    struct poold_client *client, char **args, int arg_count);
/* The completion for bash. */
int run_completion(const struct command *command, const struct options *options,
		   struct poold_client *client, char **args, int arg_count);
int run_stack(const struct command *command, const struct options *options,
	      struct poold_client *client, char **args, int arg_count);

/* Prints a result as the command shows it, or with --json as JSON; `pool` is the pool that was
 * asked for, NULL: all.  Returns the exit status. */
int run_print_result(const struct command *command, const struct options *options,
		     struct poold_bytes result, const char *pool);

/* Whether there is a pool of that name: returns 0, or the exit status after it was said that there
 * is none, and which one may have been meant. */
int run_check_pool(const struct command *command, const struct options *options,
		   struct poold_client *client, const char *pool);

/* failure_report, with the pools' names where the request named one that does not exist. */
int run_report_failure(const struct command *command, const struct options *options,
		       struct poold_client *client, const char *pool,
		       const struct poold_reply *reply);

#endif
