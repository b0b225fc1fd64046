/* A configuration on its way from texts to a struct config: who set what, and what is wrong so far.
 */
#ifndef POOLD_IO_CONFIG_CONFIG_DRAFT_H
#define POOLD_IO_CONFIG_CONFIG_DRAFT_H

#include "daemon/io/config/config.h"
#include "daemon/io/config/config_fault.h"
#include "daemon/io/config/config_option.h"

/* Where sections and their values come from: [daemon]; a pool, its breaker and its retries; or one
 * [error NAME]. */
struct config_trace {
	struct config_origin heads[SECTION_COUNT_];	  /* file NULL: no such section */
	struct config_origin options[OPTION_ID_COUNT_];	  /* file NULL: the default */
	struct config_origin env[CONFIG_ENV_MAX];	  /* beside config_pool.env */
	struct config_origin answers[CONFIG_ANSWERS_MAX]; /* beside config_pool.answers */
	bool refused; /* a key of it was: what would follow from what is left is no news */
};

struct config_draft {
	struct config *config;
	struct config_faults faults; /* set `out` before anything is read */
	struct config_trace daemon;
	struct config_trace pools[CONFIG_POOLS_MAX]; /* beside config.pools */
	struct config_trace codes[ERR_COUNT_];	     /* beside config.policy */
	struct config_trace categories[ERRCAT_COUNT_];
	int error; /* 0 or -ENOMEM */

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
	const char *name;	   /* of what the section is about; "" in [daemon] */
	enum errcategory category; /* ERRCAT_COUNT_ where the section is not about one */
	struct policy_row row;	   /* where values of a category are tried */
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
int config_draft_finish(struct config_draft *draft, const struct config **ret_config);

/* Takes one key of the section that is being read (config_key.c). */
void config_draft_key(struct config_draft *draft, unsigned line, const char *key,
		      const char *value);

/* Tells what a pool lacks and what it has too much, as its adapter asks (config_chain.c). */
void config_check_adapters(struct config_draft *draft);
/* Fills in what the pool's dialect has by itself, and tells what it has no use for
 * (config_dialect.c). */
void config_choose_dialect(struct config_draft *draft, size_t i);
/* Finds the pools that fallback names. */
void config_resolve_chains(struct config_draft *draft);

/* Adds the faults of values that are right each by itself (config_check.c). */
void config_check(struct config_draft *draft);

/* The struct of one section; `pool` is of no use for [daemon]. */
void *config_section_values(struct config *config, enum option_section section, size_t pool);

/* How much of a text that was found is shown, in bytes. */
int config_shown(const char *text);
/* "[daemon]", "[pool NAME]" and so on, for printf: a space only where there is a name. */
#define CONFIG_TITLE			 "[%s%s%s]"
#define CONFIG_TITLE_ARGS(section, name) option_section_name(section), *(name) ? " " : "", (name)

#endif
