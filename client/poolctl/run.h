/* Running a command: asking, printing what came, saying what went wrong. */
#ifndef POOLD_POOLCTL_RUN_H
#define POOLD_POOLCTL_RUN_H

#include "client/poolctl/command.h"

/* Exit statuses beside those of sysexits.h. */
#define EXIT_FAILED 1 /* the request failed; health: degraded */
#define EXIT_DOWN   2 /* health: down */

/* Each runs a command of its kind, as struct command has it. */
int run_report(const struct command *command, const struct options *options,
	       struct poold_client *client, char **args, int arg_count);
int run_call(const struct command *command, const struct options *options,
	     struct poold_client *client, char **args, int arg_count);
int run_events(const struct command *command, const struct options *options,
	       struct poold_client *client, char **args, int arg_count);
int run_stack(const struct command *command, const struct options *options,
	      struct poold_client *client, char **args, int arg_count);

/* Prints the value, a result or one of many, and returns the exit status. */
int print_result(const struct command *command, const struct options *options,
		 struct poold_bytes result, const char *pool);

/* The exit status for what a function of libpoold returned. */
int exit_status_of(int status);
/* Says what went wrong with a request, and returns the exit status. */
int report_failure(const struct options *options, const struct poold_client *client,
		   const struct poold_reply *reply);
/* Says what is wrong with the command line, and returns the exit status; `which` may be NULL. */
int usage_error(const char *what, const char *which);

/* A whole number without a sign; false: it is none. */
bool read_number(const char *text, uint64_t *ret);

#endif
