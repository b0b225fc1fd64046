/*
 * A configuration between its texts and the finished struct config: its values so far, where each
 * of them was found, and the faults so far.
 */
#ifndef POOLD_IO_CONFIG_CONFIG_DRAFT_H
#define POOLD_IO_CONFIG_CONFIG_DRAFT_H

#include "daemon/io/config/config.h"
#include "daemon/io/config/config_fault.h"
#include "daemon/io/config/config_option.h"

/*
 * Where sections and their values were found: those of [daemon]; of a pool with its breaker and its
 * retries; or of one [error NAME] or [alert NAME].
 */
struct config_origins {
	struct config_origin sections[SECTION_COUNT_];	  /* file NULL: there is no such section */
	struct config_origin options[OPTION_ID_COUNT_];	  /* file NULL: the value is the default */
	struct config_origin env[CONFIG_ENV_MAX];	  /* beside config_pool.env */
	struct config_origin answers[CONFIG_ANSWERS_MAX]; /* beside config_pool.answers */
	bool has_bad_key; /* a key was refused: what follows from its absence is no fault */
};

struct config_draft {
	struct config *config;
	struct config_faults faults;		       /* set `out` before anything is read */
	struct config_faults warnings;		       /* `out` NULL: nobody asked for them */
	struct config_origins daemon;		       /* of [http] too: no option is in both */
	struct config_origins pools[CONFIG_POOLS_MAX]; /* beside config.pools */
	struct config_origins codes[ERR_COUNT_];       /* beside config.policy */
	struct config_origins categories[ERRCAT_COUNT_];
	struct config_origins alerts[ALERT_RULES_MAX]; /* beside config.alerts */
	int error;				       /* 0 or -ENOMEM */

	char *files[CONFIG_FILES_MAX + 1]; /* every name that an origin points at */
	size_t file_count;

	/* The file and the section that are being read. */
	char *file;
	enum {
		KEYS_BEFORE_SECTION = 0, /* no section was found yet: a key is a fault */
		KEYS_SKIPPED,		 /* the section is faulty: keys are not looked at */
		KEYS_READ
	} keys;
	enum option_section section;
	const char *name;	   /* NAME of the section; "" in [daemon] */
	enum errcategory category; /* ERRCAT_COUNT_ in every other section */
	struct policy_row row;	   /* where a value for a category is checked */
	void *values;		   /* the struct of the section */
	struct config_origins *origins;
};

/* A draft of the built-in defaults.  Returns 0 or -ENOMEM. */
int config_draft_new(struct config_draft **ret_draft);
/* Takes NULL. */
void config_draft_free(struct config_draft *draft);

/* Adds a pool with its defaults at the end of the configuration's.  Returns 0 or -ENOMEM. */
int config_draft_add_pool(struct config_draft *draft, const char *name);

/* Adds a rule of alerts at the end of the configuration's, where there is room for it: the built-in
 * one of that kind, or with ALERT_KIND_COUNT_ one of that name.  Returns 0 or -ENOMEM. */
int config_draft_add_alert(struct config *config, enum alert_kind kind, const char *name);

/* The struct of one section; `pool` is ignored for [daemon] and [http]. */
void *config_draft_values(const struct config_draft *draft, enum option_section section,
			  size_t pool);

/* That line of the file that is being read. */
struct config_origin config_draft_origin(const struct config_draft *draft, unsigned line);

/* "[daemon]", "[pool NAME]" and so on, for printf: a space only where there is a name. */
#define CONFIG_TITLE			 "[%s%s%s]"
#define CONFIG_TITLE_ARGS(section, name) option_section_name(section), *(name) ? " " : "", (name)

#endif
