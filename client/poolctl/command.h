/* The table of commands: name, arguments, help, and the function that runs it. */
#ifndef POOLD_POOLCTL_COMMAND_H
#define POOLD_POOLCTL_COMMAND_H

#include "client/poolctl/since.h"

#include <jansson.h>
#include <poold.h>
#include <stdbool.h>
#include <stdint.h>

#define EVENT_KINDS_MAX 32

/* Bits of `given` and `takes`. */
#define OPTIONS_OF_CALL	    1u
#define OPTIONS_OF_EVENTS   2u
#define OPTIONS_OF_HEALTH   4u
#define OPTIONS_OF_REQUESTS 8u
#define OPTIONS_OF_CANCEL   16u
#define OPTIONS_OF_LOGS	    32u
#define OPTIONS_OF_TOP	    64u
#define OPTIONS_OF_HISTORY  128u
#define OPTION_OWNERS	    8 /* how many bits there are */

struct options {
	const char *socket; /* NULL: libpoold's default */
	bool json;
	bool help;
	bool version;
	uint64_t wait_ms; /* for connecting, and for the daemon's own answers */

	/* Options that only some commands take; `given` is a mask of those on the command line. */
	unsigned given;
	const char *special[OPTION_OWNERS]; /* by its bit: the last one of that owner */
	struct poold_call_options call; /* `call` */
	bool stream;			/* `call` */
	const char *only;		/* `requests`: "queued" or "running"; NULL: all */
	bool yes;			/* `cancel`: do not ask */
	bool follow;			/* `logs`, `events`: go on with new ones */
	uint64_t count;			/* `events`: how many to print; 0: no limit */
	bool has_since;			/* `events`, `history`: --since was given */
	struct since since;
	const char *kinds[EVENT_KINDS_MAX]; /* `events`: those of --kind */
	unsigned kind_count;
	bool live, ready;     /* `health`: what its exit status says */
	bool once;	      /* `top`: print one screen */
	uint64_t interval_ms; /* `top`: between two samples */
};

/* Room for what is wrong with an argument, in words. */
#define FAULT_MAX 512

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
	const char *const
		*actions; /* allowed values of the first argument, ended by NULL; NULL: the
				       first argument has no special meaning */
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
