/*
 * The table of config.def: each option's name, type, default, limits, and the field that holds its
 * value.  config_option.h reads and writes the values.
 */
#ifndef POOLD_IO_CONFIG_CONFIG_TABLE_H
#define POOLD_IO_CONFIG_CONFIG_TABLE_H

#include "daemon/io/config/config.h"

enum option_section {
	SECTION_DAEMON = 0, /* values are in a struct config_daemon */
	SECTION_POOL,	    /* in a struct config_pool */
	SECTION_BREAKER,    /* in its struct config_breaker */
	SECTION_RETRY,	    /* in its struct config_retry */
	SECTION_ERROR,	    /* in a struct policy_row */
	SECTION_HTTP,	    /* in a struct config_http */
	SECTION_ALERT,	    /* in a struct config_alert */
	SECTION_COUNT_
};

enum option_type {
	OPTION_COUNT = 0,
	OPTION_SIZE,
	OPTION_DURATION,
	OPTION_BOOL,
	OPTION_RANGE,
	OPTION_MODE,
	OPTION_PATH,
	OPTION_ADDRESS,
	OPTION_LISTEN,
	OPTION_URL,
	OPTION_GROUP,
	OPTION_USER,
	OPTION_METHOD,
	OPTION_JSON,
	OPTION_NICE,
	OPTION_UMASK,
	OPTION_LIMIT,
	OPTION_REQUESTS,
	OPTION_PERCENTAGE,
	OPTION_THRESHOLD,

	OPTION_COMMAND, /* from here on lists, config_list.h */
	OPTION_VARIABLES,
	OPTION_POOLS,
	OPTION_CATEGORIES,
	OPTION_DURATIONS,

	OPTION_LEVEL, /* from here on one word of several, config_word.h */
	OPTION_TARGET,
	OPTION_FORMAT,
	OPTION_ADAPTER,
	OPTION_DIALECT,
	OPTION_OUTPUT,
	OPTION_CGROUPS,
	OPTION_AFFINITY,
	OPTION_BREAKER_MODE,
	OPTION_CURVE,
	OPTION_SEVERITY,
	OPTION_STRATEGY,
	OPTION_BACKOFF,
	OPTION_FAILOVER,
	OPTION_ALERT_KIND,
	OPTION_ALERT_SEVERITY,
	OPTION_TYPE_COUNT_
};

/* The index of each option in the table: OPTION_DAEMON_socket and so on. */
enum option_id {
#define OPTION(section, key, type, initial, min, max, help) OPTION_##section##_##key,
#include "daemon/io/config/config.def"
#undef OPTION
	OPTION_ID_COUNT_
};

struct option {
	const char *key;
	const char *initial; /* the default as text; NULL: that of each error in errcode.def, or of
				each kind of alert in alert_rule.def */
	const char *help;
	uint64_t min, max;
	size_t offset; /* of the value in its section's struct */
	enum option_section section;
	enum option_type type;
};

const struct option *option_get(enum option_id id);
/* The option of that name, or NULL. */
const struct option *option_find(enum option_section section, const char *key);
enum option_id option_id(const struct option *option);

/* "daemon", "pool" and so on: the first word of the section in a file. */
const char *option_section_name(enum option_section section);

/* Whether there is one section of that kind, without a name: [daemon] and [http]. */
bool option_section_is_single(enum option_section section);

/* The field of the option's value in the struct of its section. */
void *option_field(const struct option *option, void *values);
const void *option_field_read(const struct option *option, const void *values);

#endif
