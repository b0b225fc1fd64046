/*
 * The configuration: INI files read into plain structs, every value checked.
 *
 * config.def is the one table of options; the parser, the defaults, config_describe, the manual
 * page and the sample file are made from it or held against it.  What is loaded is never changed
 * afterwards.
 */
#ifndef POOLD_IO_CONFIG_H
#define POOLD_IO_CONFIG_H

#include "daemon/io/config_value.h"
#include "daemon/io/log.h"
#include "protocol/base.h"
#include "protocol/buf.h"

#ifndef POOLD_SYSCONFDIR
#define POOLD_SYSCONFDIR "/etc"
#endif
#define CONFIG_PATH_DEFAULT POOLD_SYSCONFDIR "/poold/poold.conf"

#define CONFIG_POOLS_MAX    64
#define CONFIG_NAME_MAX	    32	 /* bytes in a pool's name */
#define CONFIG_ARGS_MAX	    256	 /* words in a command */
#define CONFIG_ENV_MAX	    64	 /* env.NAME keys of a pool, and names in its env_allow */
#define CONFIG_LINE_MAX	    8000 /* bytes in a line */
#define CONFIG_FILE_MAX	    ((size_t)1024 * 1024)
#define CONFIG_FILES_MAX    256 /* files in poold.conf.d */
#define CONFIG_ERRORS_MAX   20	/* errors told in full; the rest are counted */

/* Section [daemon]. Strings are never NULL. */
struct config_daemon {
	char *socket;	      /* absolute path */
	unsigned socket_mode; /* permission bits */
	unsigned connections_max;
	unsigned control_reserve; /* of connections_max, kept for control and health */
	unsigned in_flight_max;	  /* requests of one connection */
	unsigned requests_max;	  /* requests of the whole daemon */
	unsigned workers_max;	  /* workers of all pools */
	size_t message_max;	  /* bytes in a client's message */
	size_t response_max;	  /* bytes in a worker's message */
	size_t output_pause;  /* unread bytes of answers at which a connection is no longer read */
	size_t output_max;    /* unread bytes of answers at which a connection is closed */
	usec_t stall_timeout; /* a peer that takes no byte for so long is closed */
	size_t memory_max;    /* bytes in all buffers */
	usec_t drain_timeout;
	usec_t start_timeout;
	enum log_level log_level;
	enum log_target log_target;
};

/* Section [pool NAME]. Strings and lists are never NULL; lists end with a NULL. */
struct config_pool {
	char *name;
	char *command; /* as written */
	char **argv;   /* the command in words; at least one */
	size_t argc;
	struct value_range workers; /* how many; from 1 on */
	usec_t timeout;		    /* of a request that names none */
	usec_t timeout_max;	    /* the longest a request may name */
	unsigned queue_max;
	size_t queue_bytes_max;
	unsigned prefetch;
	bool idempotent;
	unsigned max_crash_retries;
	usec_t init_timeout;
	usec_t ping_interval; /* 0: no pings */
	usec_t ping_timeout;
	usec_t idle_timeout;
	usec_t kill_grace;
	usec_t cancel_grace;
	usec_t restart_delay;
	usec_t restart_delay_max;
	char *directory;  /* absolute path, or "": the daemon's own */
	char **env;	  /* "NAME=value" */
	char **env_allow; /* names of the daemon's own variables that workers inherit */
};

struct config {
	struct config_daemon daemon;
	struct config_pool *pools; /* in the order of the files */
	size_t pool_count;
};

/*
 * Reads `path` and then, in the order of their names, the files PATH.d/(name).conf; a later value
 * of a key wins over one from an earlier file.  `path` NULL: CONFIG_PATH_DEFAULT, and where that
 * does not exist (nor its folder) the built-in defaults.  The caller frees *ret_config.
 *
 * Returns 0; -EINVAL when anything is wrong, and then `errors` has a line of text for each fault
 * ("FILE:LINE: key: what was found, what is allowed"), CONFIG_ERRORS_MAX at most and then their
 * number; -ENOMEM.
 */
int config_load(const char *path, struct config **ret_config, struct buf *errors);

/* The same from memory; `file` is the name told in errors. */
int config_parse_text(const char *file, struct bytes text, struct config **ret_config,
		      struct buf *errors);

/* Takes NULL. */
void config_free(struct config *config);

/* The pool of that name, or NULL. */
const struct config_pool *config_find_pool(const struct config *config, const char *name);

/* Writes the effective configuration as INI text that config_parse_text reads back to the same. */
void config_dump(const struct config *config, struct buf *out);

/* Writes every option with its type, default, limits and meaning, for people. */
void config_describe(struct buf *out);

#endif
