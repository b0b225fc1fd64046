/* The commands: one table of what each is called, takes and does. */
#ifndef POOLD_POOLCTL_COMMAND_H
#define POOLD_POOLCTL_COMMAND_H

#include <jansson.h>
#include <poold.h>
#include <stdbool.h>
#include <stdint.h>

struct options {
	const char *socket;
	bool json;
	bool help;
	bool version;
	uint64_t wait_ms;

	/* For some commands only; `given` has the bits of those that were. */
	unsigned given;
	struct poold_call_options call; /* of `call` */
	bool stream;
	uint64_t count; /* of `events`; 0: without end */
};

/* Bits of `given` and `takes`. */
#define OPTIONS_OF_CALL	  1u
#define OPTIONS_OF_EVENTS 2u

struct command {
	const char *name;
	const char *arguments;
	const char *summary;
	const char *help; /* NULL: the summary says it all */
	int arg_min;
	int arg_max;
	unsigned takes; /* which of the options that some commands take */

	/* Runs it and returns the exit status. */
	int (*run)(const struct command *command, const struct options *options,
		   struct poold_client *client, char **args, int arg_count);

	/* For those that ask the daemon once (run_report). */
	const char *method;	    /* of the daemon; with actions, the action follows */
	const char *const *actions; /* what the first argument may be, NULL at the end; NULL: it is
				       an argument like the others */
	/* Writes the arguments as params; false: they are none.  NULL: there are no params, and the
	 * argument is the pool that is wanted. */
	bool (*params)(struct poold_writer *writer, char **args, int arg_count);
	void (*show)(const json_t *result, const char *pool);	    /* for people; NULL: as JSON */
	int (*exit_status)(const json_t *result, const char *pool); /* NULL: 0 */
};

extern const struct command commands[];
extern const size_t command_count;

/* NULL: there is none of that name. */
const struct command *find_command(const char *name);

#endif
