/* The options of poolctl's command line. */
#ifndef POOLD_POOLCTL_OPTIONS_H
#define POOLD_POOLCTL_OPTIONS_H

#include "client/poolctl/argument.h"
#include "client/poolctl/since.h"

#include <poold.h>
#include <stdbool.h>
#include <stdint.h>

#define EVENT_KINDS_MAX 32

/* Bits of `given`, and of `takes` in struct command. */
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
	struct poold_call_options call;	    /* `call` */
	bool stream;			    /* `call` */
	const char *only;		    /* `requests`: "queued" or "running"; NULL: all */
	bool yes;			    /* `cancel`: do not ask */
	bool follow;			    /* `logs`, `events`: go on with new ones */
	uint64_t count;			    /* `events`: how many to print; 0: no limit */
	bool has_since;			    /* `events`, `history`: --since was given */
	struct since since;
	const char *kinds[EVENT_KINDS_MAX]; /* `events`: those of --kind */
	unsigned kind_count;
	bool live, ready;     /* `health`: what its exit status says */
	bool once;	      /* `top`: print one screen */
	uint64_t interval_ms; /* `top`: between two samples */
};

/*
 * Reads all options; the other words then begin at argv[optind].  What is wrong first is in
 * `fault`, which is empty if nothing is: the usage that is printed with it is that of the command,
 * which may come later.
 */
void options_read(int argc, char **argv, struct options *options, char fault[FAULT_MAX]);

#endif
