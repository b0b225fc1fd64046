/* A configuration on its way from texts to a struct config: who set what, and what is wrong so far.
 */
#ifndef POOLD_IO_CONFIG_DRAFT_H
#define POOLD_IO_CONFIG_DRAFT_H

#include "daemon/io/config.h"
#include "daemon/io/config_fault.h"
#include "daemon/io/config_option.h"

/* Where a section and its values come from. */
struct config_trace {
	struct config_origin head;
	struct config_origin options[OPTION_ID_COUNT_]; /* file NULL: the default */
	struct config_origin env[CONFIG_ENV_MAX];	/* beside config_pool.env */
};

struct config_draft {
	struct config *config;
	struct config_faults faults; /* set `out` before anything is read */
	struct config_trace daemon;
	struct config_trace pools[CONFIG_POOLS_MAX]; /* beside config.pools */
	int error;				     /* 0 or -ENOMEM */

	char *files[CONFIG_FILES_MAX + 1]; /* every name that an origin points at */
	size_t file_count;

	/* The place that is being read.  Keys go nowhere before the first section of a file, and
	 * while a section is faulty. */
	char *file;
	enum {
		KEYS_EARLY = 0,
		KEYS_SKIPPED,
		KEYS_TAKEN
	} keys;
	enum option_section section;
	const char *pool; /* NULL in [daemon] */
	void *values;
	struct config_trace *trace;
};

/* A draft of the built-in defaults.  Returns 0 or -ENOMEM. */
int config_draft_new(struct config_draft **ret_draft);
/* Takes NULL. */
void config_draft_free(struct config_draft *draft);
/* Reads one more text on top; at most CONFIG_FILES_MAX + 1 of them.  What fails is kept in the
 * draft. */
void config_draft_read(struct config_draft *draft, const char *file, struct bytes text);
/* Checks the whole and hands the configuration out.  Returns 0, -EINVAL when there are faults, or
 * -ENOMEM. */
int config_draft_finish(struct config_draft *draft, struct config **ret_config);

/* Adds the faults of values that are right each by itself. */
void config_check(struct config_draft *draft);

#endif
