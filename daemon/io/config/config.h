/*
 * The configuration: INI files read into plain structs, every value checked.
 *
 * config.def is the one table of options; the parser, the defaults, config_describe, the manual
 * page and the sample file are made from it or held against it.  What is loaded is never changed
 * afterwards.
 */
#ifndef POOLD_IO_CONFIG_CONFIG_H
#define POOLD_IO_CONFIG_CONFIG_H

#include "daemon/core/policy.h"
#include "daemon/core/pool.h"
#include "daemon/io/base/log.h"
#include "daemon/io/config/config_value.h"
#include "protocol/base.h"
#include "protocol/buf.h"

#ifndef POOLD_SYSCONFDIR
#define POOLD_SYSCONFDIR "/etc"
#endif
#define CONFIG_PATH_DEFAULT  POOLD_SYSCONFDIR "/poold/poold.conf"

#define CONFIG_POOLS_MAX     64
#define CONFIG_NAME_MAX	     32	  /* bytes in a pool's name */
#define CONFIG_ARGS_MAX	     256  /* words in a command */
#define CONFIG_ENV_MAX	     64	  /* env.NAME keys of a pool, and names in its env_allow */
#define CONFIG_FALLBACKS_MAX 8	  /* pools in a chain beside the first */
#define CONFIG_DELAYS_MAX    32	  /* in the list of a custom backoff */
#define CONFIG_ANSWERS_MAX   64	  /* of a static pool */
#define CONFIG_METHOD_MAX    255  /* bytes in a method's name */
#define CONFIG_LINE_MAX	     8000 /* bytes in a line */
#define CONFIG_FILE_MAX	     ((size_t)1024 * 1024)
#define CONFIG_FILES_MAX     256 /* files in poold.conf.d */
#define CONFIG_ERRORS_MAX    20	 /* errors told in full; the rest are counted */

/* Whether workers get control groups. */
enum config_cgroups {
	CGROUPS_AUTO = 0,
	CGROUPS_YES,
	CGROUPS_NO,
	CGROUPS_COUNT_
};

/* Section [daemon].  Strings are never NULL. */
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
	char *admin_group;	 /* whose members may control the daemon, or "" */
	unsigned recoveries_max; /* requests that are being recovered at once */
	unsigned sessions_max;
	usec_t session_ttl;	  /* since its last use */
	size_t session_state_max; /* bytes in the state of one */
	size_t session_bytes_max; /* bytes in the states of all */
	unsigned keys_max;	  /* idempotency keys */
	usec_t key_ttl;
	size_t key_bytes_max; /* bytes in the stored answers of all */
	unsigned errors_kept;
	enum config_cgroups cgroups;
	enum log_level log_level;
	enum log_target log_target;
};

/* What is spoken with its workers. */
enum config_dialect {
	DIALECT_POOLD = 0,
	DIALECT_MSGPACK_RPC,
	DIALECT_PACKET4_JSON,
	DIALECT_PACKET4_MSGPACK,
	DIALECT_JSONRPC,
	DIALECT_COUNT_
};

/* What becomes of what its workers write to standard output and standard error. */
enum config_output {
	OUTPUT_LOG = 0,
	OUTPUT_INHERIT,
	OUTPUT_DISCARD,
	OUTPUT_COUNT_
};

enum config_breaker_mode {
	BREAKER_MODE_ON = 0,
	BREAKER_MODE_OBSERVE,
	BREAKER_MODE_OFF,
	BREAKER_MODE_COUNT_
};

/* Section [breaker NAME]; its numbers are those of struct breaker_settings. */
struct config_breaker {
	enum config_breaker_mode mode;
	bool per_method; /* one for each method too */
	unsigned failure_threshold;
	unsigned success_threshold;
	unsigned half_open_requests;
	unsigned minimum_calls;
	unsigned failure_rate;
	unsigned slow_call_rate;
	usec_t slow_call_duration;
	usec_t window;
	usec_t min_outage;
	usec_t failure_run_ttl;
	usec_t open_timeout;
	usec_t open_timeout_max;
	unsigned open_multiplier;
	unsigned open_jitter;
	usec_t probe_timeout;
	bool early_probe;
};

/* Section [retry NAME]. */
struct config_retry {
	enum backoff_kind backoff;
	usec_t base;
	usec_t cap;
	usec_t *delays; /* of the custom backoff; may be NULL when there are none */
	size_t delay_count;
	unsigned budget;	      /* retries */
	unsigned budget_per_success;  /* percent of a retry */
	unsigned budget_per_second;   /* retries */
	unsigned budget_refill_below; /* retries */
};

/* Keys answer and answer.METHOD of a static pool. */
struct config_answer {
	char *method;	  /* NULL: of every method that has none of its own */
	char *text;	  /* JSON, as written */
	struct buf value; /* the same as MessagePack */
};

/*
 * Section [pool NAME], with [breaker NAME] and [retry NAME].  Strings are never NULL, nor are lists
 * of them, which end with a NULL.
 */
struct config_pool {
	const struct config
		*config; /* whose pool it is: who keeps a pool keeps that (config_ref) */
	char *name;
	enum pool_adapter adapter;
	enum config_dialect dialect;
	char *command; /* as written; "" where the adapter is not process */
	char **argv;   /* the command in words; at least one where the adapter is process */
	size_t argc;
	char *address;		  /* see config_address.h; "" where the adapter is not socket */
	char *ready_call;	  /* the method whose answer makes a worker ready, or "" */
	char *ready_params;	  /* its arguments in JSON; "": none */
	char *ready_then;	  /* the notification that follows, or "" */
	char *ready_notification; /* the worker's own that makes it ready, or "" */
	char *ping_call;	  /* the health check; "": any answer to a call of "ping" will do */
	char *cancel_notification;     /* that tells a worker to give a request up, or "" */
	struct config_answer *answers; /* at least one where the adapter is static, else none */
	size_t answer_count;
	struct value_range workers; /* how many; from 1 on */
	unsigned spares;	    /* ready beyond those at work */
	unsigned start_parallel;    /* that start at once */
	usec_t timeout;		    /* of a request that names none */
	usec_t timeout_max;	    /* the longest a request may name */
	usec_t attempt_timeout;	    /* 0: no other than the request's */
	size_t queue_bytes_max;
	unsigned queue_max;
	unsigned prefetch;
	bool prefork; /* only where the adapter is process and the dialect poold */
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
	usec_t max_lifetime; /* these three: 0: never */
	size_t max_memory;
	unsigned max_requests;
	enum session_affinity affinity;
	usec_t slow_after; /* 0: no request is */
	char **fallback;   /* the names of the pools that are tried after this one, in order */
	uint32_t fallbacks[CONFIG_FALLBACKS_MAX]; /* the same as indexes of config.pools */
	size_t fallback_count;
	unsigned fallback_on; /* mask of 1u << enum errcategory, beside what the policy says */
	usec_t return_dwell;
	usec_t return_step;
	struct config_breaker breaker;
	struct config_retry retry;
	char *directory;  /* absolute path, or "": the daemon's own */
	char **env;	  /* "NAME=value" */
	char **env_allow; /* names of the daemon's own variables that workers inherit */
	char *user;	  /* name, or "": the daemon's own */
	char *group;	  /* the same */
	uint64_t umask;	  /* this and the limits: VALUE_LIMIT_UNSET, as the daemon */
	uint64_t limit_memory;
	uint64_t limit_cpu; /* seconds */
	uint64_t limit_core;
	uint64_t limit_files;
	uint64_t limit_processes;
	uint64_t limit_file_size;
	uint64_t memory_max; /* of its control group */
	unsigned cpu_weight; /* of the same; 0: not set */
	int nice;	     /* 0: as the daemon */
	enum config_output output;
	size_t output_line_max; /* bytes */
	unsigned output_rate;	/* lines a second of each worker; 0: no limit */
	unsigned output_burst;	/* lines beyond it */
};

/*
 * A configuration with a count of its references.  Whoever keeps a pointer to it, to one of its
 * pools or to anything in them holds a reference as long as it keeps the pointer.
 */
struct config {
	struct config_daemon daemon;
	struct config_pool *pools; /* in the order in which the files first name them */
	size_t pool_count;
	struct policy policy; /* with what sections [error NAME] changed */
	unsigned references;
	struct config *self; /* the same struct: all who hold it const can still count */
};

/*
 * Reads `path` and then, in the order of their names, the files PATH.d/(name).conf; a later value
 * of a key wins over one from an earlier file.  `path` NULL: CONFIG_PATH_DEFAULT, and where that
 * does not exist (nor its folder) the built-in defaults.  The caller owns one reference to
 * *ret_config.
 *
 * Returns 0; -EINVAL when anything is wrong, and then `errors` has a line of text for each fault
 * ("FILE:LINE: key: what was found, what is allowed"), CONFIG_ERRORS_MAX at most and then their
 * number; -ENOMEM.
 */
int config_load(const char *path, const struct config **ret_config, struct buf *errors);

/* The same from memory; `file` is the name told in errors. */
int config_parse_text(const char *file, struct bytes text, const struct config **ret_config,
		      struct buf *errors);

/* Takes one more reference, which config_unref gives back.  Returns `config`. */
const struct config *config_ref(const struct config *config);

/* Gives one reference back; the last one frees the configuration.  Takes NULL. */
void config_unref(const struct config *config);

/* The pool of that name, or NULL. */
const struct config_pool *config_find_pool(const struct config *config, const char *name);

/* Writes the effective configuration as INI text that config_parse_text reads back to the same. */
void config_dump(const struct config *config, struct buf *out);

/* Writes every option with its type, default, limits and meaning, for people. */
void config_describe(struct buf *out);

#endif
