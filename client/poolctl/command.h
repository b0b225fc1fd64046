/* The table of commands: name, arguments, help, and the function that runs it. */
#ifndef POOLD_POOLCTL_COMMAND_H
#define POOLD_POOLCTL_COMMAND_H

#include "client/poolctl/argument.h"
#include "client/poolctl/options.h"

#include <jansson.h>
#include <poold.h>
#include <stdbool.h>

struct command {
	const char *name;
	const char *arguments; /* as the usage line shows them */
	const char *summary;
	const char *help; /* NULL: the summary is enough */
	int arg_min;
	int arg_max;
	unsigned takes;	  /* mask: which special options the command takes */
	int unknown_pool; /* exit status when there is no such pool; 0: as when a request fails */

	/* Runs the command (run.h).  Returns the exit status. */
	int (*run)(const struct command *command, const struct options *options,
		   struct poold_client *client, char **args, int arg_count);

	/* For run_report: */
	const char *method; /* the daemon's; with `actions`, the action is appended */
	/* Allowed values of the first argument, ended by NULL; NULL: the first argument has no
	 * special meaning. */
	const char *const *actions;
	/* Writes the arguments as params; returns false if they are wrong, and then writes to
	 * `fault` what is.  NULL: the method has no params, and the argument is the pool to show. */
	bool (*params)(struct poold_writer *writer, char **args, int arg_count,
		       char fault[FAULT_MAX]);
	void (*show)(const json_t *result, const char *pool); /* show.h; NULL: as JSON */
	/* Judges a result; NULL: always 0.  `pool`: one that exists, or NULL. */
	int (*exit_status)(const struct options *options, const json_t *result, const char *pool);
};

extern const struct command commands[];
extern const size_t command_count;

/* Whether it is one of the command's actions. */
bool command_is_action(const struct command *command, const char *word);

/* Returns NULL if there is no command of that name. */
const struct command *command_find(const char *name);

#endif
