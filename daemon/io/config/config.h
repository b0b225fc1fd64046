/*
 * The configuration: INI files read into plain structs, every value checked.
 *
 * config.def is the one table of options: the parser, the defaults and config_describe are made
 * from it, the manual page and the sample file are compared with it.  A loaded configuration never
 * changes.
 */
#ifndef POOLD_IO_CONFIG_CONFIG_H
#define POOLD_IO_CONFIG_CONFIG_H

#include "daemon/core/alert_rule.h"
#include "daemon/core/policy.h"
#include "daemon/core/pool.h"
#include "daemon/io/base/log.h"
#include "daemon/io/config/config_value.h"
#include "protocol/base.h"
#include "protocol/buf.h"

#define CONFIG_POOLS_MAX     64
#define CONFIG_NAME_MAX	     32	  /* bytes in a pool's name */
#define CONFIG_ARGS_MAX	     256  /* words in a command */
#define CONFIG_ENV_MAX	     64	  /* env.NAME keys of a pool, and names in its env_allow */
#define CONFIG_FALLBACKS_MAX 8	  /* pools in `fallback` */
#define CONFIG_DELAYS_MAX    32	  /* delays of a custom backoff */
#define CONFIG_ANSWERS_MAX   64	  /* answers of a static pool */
#define CONFIG_METHOD_MAX    255  /* bytes in a method's name */
#define CONFIG_LINE_MAX	     8000 /* bytes in a line */
#define CONFIG_FILE_MAX	     ((size_t)1024 * 1024)
#define CONFIG_FILES_MAX     256 /* files in poold.conf.d */
#define CONFIG_ERRORS_MAX    20	 /* errors with a line of text; the others are counted */

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
	unsigned connections_per_uid; /* 0: no limit of its own */
	unsigned control_reserve;     /* of connections_max, for control and health only */
	unsigned in_flight_max;	      /* unanswered requests of one connection */
	unsigned requests_max;	      /* unanswered requests of the whole daemon */
	unsigned requests_per_uid;    /* unanswered requests of one user; 0: no limit of its own */
	unsigned workers_max;	      /* workers of all pools */
	size_t message_max;	      /* bytes in a client's message */
	size_t response_max;	      /* bytes in a worker's message */
	size_t output_pause;	      /* bytes waiting for a client: nothing more is read from it */
	size_t output_max;	      /* bytes waiting for a client: its connection is closed */
	usec_t stall_timeout;	      /* a client that reads nothing for this long is closed */
	size_t memory_max;	      /* bytes in all buffers */
	usec_t drain_timeout;
	usec_t start_timeout;
	char *admin_group;	 /* its members may control the daemon; "": no group */
	char *critical_group;	 /* its members' requests may be critical, besides admins' */
	char *call_group;	 /* its members may call the pools; "": everybody may */
	bool core_dumps;	 /* the daemon may be dumped, and traced by its own user */
	unsigned recoveries_max; /* requests that are recovered at once */
	unsigned sessions_max;
	usec_t session_ttl;	  /* after its last use */
	bool sessions_shared;	  /* by all users */
	size_t session_state_max; /* bytes in the state of one session */
	size_t session_bytes_max; /* bytes in the states of all sessions */
	unsigned keys_max;	  /* idempotency keys */
	usec_t key_ttl;
	size_t key_bytes_max; /* bytes in the kept answers of all keys */
	unsigned errors_kept;
	char *state_directory; /* absolute path; "": the service manager's */
	unsigned events_kept;
	bool alerts;	     /* no: no rule is evaluated */
	char *alert_command; /* absolute path, or "" */
	char *alert_url;     /* see config_url.h; "": none */
	usec_t alert_timeout;
	enum config_cgroups cgroups;
	enum log_level log_level;
	enum log_target log_target;
	enum log_format log_format; /* of lines on standard error */
	unsigned log_requests;	    /* which get a line: see value_parse_requests */
};

/* Section [http].  Strings are never NULL. */
struct config_http {
	char *listen; /* see config_listen_parse; "": nobody listens */
	bool texts;   /* whether who asks may read texts: messages of errors, sessions, commands */
};

/* The protocol between the daemon and the workers of a pool. */
enum config_dialect {
	DIALECT_POOLD = 0,
	DIALECT_MSGPACK_RPC,
	DIALECT_PACKET4_JSON,
	DIALECT_PACKET4_MSGPACK,
	DIALECT_JSONRPC,
	DIALECT_COUNT_
};

/* Where standard output and standard error of the workers go. */
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

/* Section [breaker NAME]; the numbers are those of struct breaker_settings. */
struct config_breaker {
	enum config_breaker_mode mode;
	bool per_method; /* each method has a circuit breaker too */
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
	usec_t *delays; /* of the custom backoff; may be NULL when delay_count is 0 */
	size_t delay_count;
	unsigned budget;	      /* retries */
	unsigned budget_per_success;  /* percent of a retry */
	unsigned budget_per_second;   /* retries */
	unsigned budget_refill_below; /* retries */
};

/* Keys answer and answer.METHOD of a static pool. */
struct config_answer {
	char *method;	  /* NULL: for each method that has no answer of its own */
	char *text;	  /* JSON, as in the file */
	struct buf value; /* the same as MessagePack */
};

/*
 * Section [pool NAME], with [breaker NAME] and [retry NAME].  Strings are never NULL, nor are lists
 * of them, which end with a NULL.
 */
struct config_pool {
	const struct config *config; /* that the pool is in: keep a reference to it */
	char *name;
	size_t name_len; /* each request is compared with it */
	enum pool_adapter adapter;
	enum config_dialect dialect;
	char *command; /* as in the file; "" where the adapter is not process */
	char **argv;   /* the words of the command; at least one where that is set */
	size_t argc;
	char *address;		     /* see config_address.h; "" where the adapter is not socket */
	char *ready_call;	     /* the method whose answer makes a worker ready, or "" */
	char *ready_params;	     /* arguments of ready_call in JSON, or "" */
	char *ready_then;	     /* the notification after that answer, or "" */
	char *ready_notification;    /* the worker's notification that it is ready, or "" */
	char *ping_call;	     /* health check; "": any answer to "ping" passes */
	char *cancel_notification;   /* asks a worker to give a request up, or "" */
	char *progress_notification; /* the worker's, about a request's progress, or "" */
	struct config_answer *answers; /* at least one where the adapter is static, else none */
	size_t answer_count;
	struct value_range workers; /* at least 1 */
	unsigned spares;	    /* workers kept ready beyond the busy ones */
	unsigned start_parallel;    /* workers that start at the same time */
	usec_t timeout;		    /* of a request that gives none */
	usec_t timeout_max;	    /* the longest that a request gets */
	usec_t attempt_timeout;	    /* 0: the time that the request has left */
	size_t queue_bytes_max;
	bool admission;
	unsigned queue_max;
	unsigned queue_per_uid; /* of one user; 0: no other limit */
	unsigned prefetch;
	unsigned prefetch_max; /* not below prefetch */
	char *call_group;      /* its members may call the pool; "": as that of the daemon says */
	char *admin_group;     /* its members may control the pool; "": no group */
	bool control;	       /* its workers may control the daemon, if their user may */
	bool keys_shared;      /* by all users */
	bool prefork;	       /* only where the adapter is process and the dialect poold */
	bool idempotent;
	unsigned max_crash_retries;
	usec_t init_timeout;
	usec_t ping_interval; /* 0: no health checks */
	usec_t ping_timeout;
	usec_t idle_timeout;
	usec_t kill_grace;
	usec_t cancel_grace;
	usec_t restart_delay;
	usec_t restart_delay_max;
	usec_t max_lifetime; /* for this and the next two 0: never */
	size_t max_memory;
	unsigned max_requests;
	enum session_affinity affinity;
	usec_t slow_after; /* 0: never */
	unsigned slo;	   /* thousandths of a percent */
	unsigned degraded_share;
	unsigned degraded_min;
	char **fallback; /* the names of the pools that are tried after this one, in order */
	uint32_t fallbacks[CONFIG_FALLBACKS_MAX]; /* the same as indexes of config.pools */
	size_t fallback_count;
	unsigned fallback_on; /* mask of 1u << enum errcategory, besides the policy */
	usec_t no_worker_wait;
	usec_t return_dwell;
	usec_t return_step;
	struct config_breaker breaker;
	struct config_retry retry;
	char *directory;  /* absolute path; "": the daemon's */
	char **env;	  /* "NAME=value" */
	char **env_allow; /* names of the daemon's variables that workers inherit */
	char *user;	  /* name; "": the daemon's */
	char *group;	  /* the same */
	uint64_t umask;	  /* VALUE_LIMIT_UNSET here and in the limits: the daemon's */
	uint64_t limit_memory;
	uint64_t limit_cpu; /* seconds */
	uint64_t limit_core;
	uint64_t limit_files;
	uint64_t limit_processes;
	uint64_t limit_file_size;
	uint64_t memory_max; /* memory.max of the control group */
	unsigned cpu_weight; /* cpu.weight of the control group; 0: not set */
	int nice;	     /* 0: the daemon's */
	enum config_output output;
	size_t output_line_max; /* bytes */
	unsigned output_rate;	/* lines per second of each worker; 0: no limit */
	unsigned output_burst;	/* lines beyond output_rate */
};

/*
 * A rule of alerts: a built-in one, with what [alert NAME] changes, or one of the configuration's
 * own.  The fields that begin with rule_ are the keys.
 */
struct config_alert {
	char *name;
	bool is_built_in;
	uint64_t pools; /* as a mask of 1 << index in config.pools; 0: all */
	enum alert_kind rule_kind;
	char **rule_pool; /* names, ended by a NULL */
	enum alert_severity rule_severity;
	struct value_threshold rule_threshold;
	usec_t rule_for;
	unsigned rule_min;
	unsigned rule_resolve_level;
	usec_t rule_resolve_after;
	usec_t rule_cooldown;
	bool rule_enabled;
};

struct config_sources;

/*
 * A configuration with a count of its references.  Whoever keeps a pointer to it, to one of its
 * pools or to anything in them holds a reference for as long as it keeps the pointer.
 */
struct config {
	struct config_daemon daemon;
	struct config_http http;
	struct config_pool *pools; /* in the order in which the files first name them */
	size_t pool_count;
	struct config_alert *alerts; /* the built-in rules by their kind, then the others */
	size_t alert_count;
	struct policy policy;		/* that of errcode.def with the changes of [error NAME] */
	struct config_sources *sources; /* where its values were found; NULL: in no file */
	unsigned references;
	struct config *self; /* this struct, so that const holders can count too */
};

/*
 * Reads `path` and then, in the order of their names, the files PATH.d/(name).conf; a later value
 * of a key replaces one from an earlier file.  `path` NULL: config_path_default(), and where
 * neither that nor its folder exists the built-in defaults.  The caller owns one reference to
 * *ret_config.
 *
 * Returns 0; -EINVAL when anything is wrong, and then `errors` has a line of text for each fault
 * ("FILE:LINE: key: what was found, what is allowed"), CONFIG_ERRORS_MAX at most, and then the
 * number of the others; -ENOMEM.
 */
int config_load(const char *path, const struct config **ret_config, struct buf *errors);

/* The same; `warnings` gets a line for what is allowed and will most likely not work on this
 * machine: a program, folder, user or group that is missing, times that don't fit together. */
int config_load_checked(const char *path, const struct config **ret_config, struct buf *errors,
			struct buf *warnings);

/* The file that is read where no other is asked for. */
const char *config_path_default(void);

/* Takes one more reference, which config_unref gives back.  Returns `config`. */
const struct config *config_ref(const struct config *config);

/* Gives one reference back; the last one frees the configuration.  Takes NULL. */
void config_unref(const struct config *config);

/* The pool of that name, or NULL. */
const struct config_pool *config_find_pool(const struct config *config, const char *name);

/* Writes the configuration as INI text that config_load reads back to the same. */
void config_dump(const struct config *config, struct buf *out);

/* Writes every option with its type, default, limits and meaning, for people. */
void config_describe(struct buf *out);

#endif
