/*
 * libpoold: call the pools of poold from C or C++, and write workers for them.
 *
 *   Client  poold_client_new, poold_call; poold_call_start and poold_dispatch for an event loop
 *   Worker  poold_worker_new, poold_worker_add, poold_worker_run
 *   Values  poold_write_* and poold_read_*: arguments and results are MessagePack
 *
 * Functions that can fail return 0 or a negative errno, and touch what they hand back only on
 * success, unless their comment says otherwise.  Text is UTF-8.  Nothing here writes to stdout or
 * stderr, sets a signal handler, starts a thread or ends the process.
 *
 * Threads: a client, a worker, a writer or a reader belongs to one thread at a time.  Different
 * ones share nothing and need no lock.  A client may not be used in both halves of a fork.
 */
#ifndef POOLD_H
#define POOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define POOLD_API		 __attribute__((visibility("default")))
#define POOLD_PRINTF(nth, first) __attribute__((format(printf, nth, first)))

/* Where the daemon listens when neither the caller nor $POOLD_SOCKET says otherwise. */
#define POOLD_SOCKET_DEFAULT "/run/poold/poold.sock"

/* Bytes that somebody else owns.  All zero: none. */
struct poold_bytes {
	const void *data;
	size_t len;
};

/* The library's version, "0.1.0". */
POOLD_API const char *poold_version(void);

/* --- Values ---------------------------------------------------------------------------------- */

/*
 * A writer makes one MessagePack value: arguments for a call, a worker's result.  A list is its
 * header, poold_write_array, and then that many values; a map is poold_write_map and then that
 * many times a key and a value.
 *
 * The writers never fail on the spot: a write that finds no memory spoils the whole, and what takes
 * the bytes then says so.
 */
struct poold_writer;

/* NULL: no memory. */
POOLD_API struct poold_writer *poold_writer_new(void);
/* NULL is fine. */
POOLD_API void poold_writer_free(struct poold_writer *writer);
/* Empties it for the next value. */
POOLD_API void poold_writer_reset(struct poold_writer *writer);
/* 0, or why a write failed: -ENOMEM, -ENOBUFS (over 4 GiB). */
POOLD_API int poold_writer_error(const struct poold_writer *writer);
/* What was written, valid until the next write.  After a failed write: no bytes, which every call
 * refuses as invalid. */
POOLD_API struct poold_bytes poold_writer_bytes(const struct poold_writer *writer);

POOLD_API void poold_write_nil(struct poold_writer *writer);
POOLD_API void poold_write_bool(struct poold_writer *writer, bool value);
POOLD_API void poold_write_int(struct poold_writer *writer, int64_t value);
POOLD_API void poold_write_uint(struct poold_writer *writer, uint64_t value);
POOLD_API void poold_write_double(struct poold_writer *writer, double value);
POOLD_API void poold_write_str(struct poold_writer *writer, const char *text);
POOLD_API void poold_write_str_len(struct poold_writer *writer, const char *text, size_t len);
POOLD_API void poold_write_bin(struct poold_writer *writer, const void *data, size_t len);
POOLD_API void poold_write_array(struct poold_writer *writer, uint32_t count);
POOLD_API void poold_write_map(struct poold_writer *writer, uint32_t pairs);
/* Any bytes as they are: a value that is MessagePack already, or a part of one. */
POOLD_API void poold_write_raw(struct poold_writer *writer, struct poold_bytes value);

/*
 * A reader walks over a MessagePack value in memory.  Every poold_read_* returns 0 and moves on, or
 * stays where it is and returns -EPROTO (the value has another type, or there is none left) or
 * -ERANGE (the number does not fit).  Nothing is copied: text and bytes are slices of the value,
 * without a zero at their end.
 */
struct poold_reader {
	const uint8_t *at;
	const uint8_t *end;
};

enum poold_type {
	POOLD_NIL = 0,
	POOLD_BOOL,
	POOLD_INT, /* poold_read_int, or poold_read_uint where it may be over INT64_MAX */
	POOLD_FLOAT,
	POOLD_STR,
	POOLD_BIN,
	POOLD_ARRAY,
	POOLD_MAP,
	POOLD_EXT,
	POOLD_NONE /* the end of the bytes, or not MessagePack */
};

POOLD_API struct poold_reader poold_reader_init(struct poold_bytes value);
/* The type of the next value, which is not read. */
POOLD_API enum poold_type poold_peek(const struct poold_reader *reader);
POOLD_API int poold_read_nil(struct poold_reader *reader);
POOLD_API int poold_read_bool(struct poold_reader *reader, bool *ret);
POOLD_API int poold_read_int(struct poold_reader *reader, int64_t *ret);
POOLD_API int poold_read_uint(struct poold_reader *reader, uint64_t *ret);
/* A float, or an integer as a double. */
POOLD_API int poold_read_double(struct poold_reader *reader, double *ret);
POOLD_API int poold_read_str(struct poold_reader *reader, struct poold_bytes *ret);
/* A bin, or a str. */
POOLD_API int poold_read_bin(struct poold_reader *reader, struct poold_bytes *ret);
POOLD_API int poold_read_ext(struct poold_reader *reader, int *ret_kind, struct poold_bytes *ret);
/* The header of a list or map; its values come next. */
POOLD_API int poold_read_array(struct poold_reader *reader, uint32_t *ret_count);
POOLD_API int poold_read_map(struct poold_reader *reader, uint32_t *ret_pairs);
/* Any one value, whole, as the bytes it is. */
POOLD_API int poold_read_value(struct poold_reader *reader, struct poold_bytes *ret);
/* Looks a text key up in a map and sets *ret to read its value.  -EPROTO: not a map; -ENOENT: no
 * such key. */
POOLD_API int poold_map_find(struct poold_bytes map, const char *key, struct poold_reader *ret);

/* --- Errors and replies ---------------------------------------------------------------------- */

/* Whether the worker's code may have run for a request that failed. */
enum poold_executed {
	POOLD_EXECUTED_NO = 0,
	POOLD_EXECUTED_MAYBE,
	POOLD_EXECUTED_YES
};

/*
 * Why a request failed.  The daemon's reference lists the codes.  The library itself adds no code:
 * what goes wrong on the client's side is said with
 *
 *   connect_failed      no connection to the daemon; executed no
 *   peer_closed         the connection ended while the request was under way; executed maybe, or no
 *                       where the request never left whole
 *   deadline_exceeded   the daemon did not answer in time; executed maybe
 *   protocol_violation  the daemon's bytes could not be read; executed maybe
 *   response_too_large  an answer was over response_max; executed maybe
 *   queue_full          over in_flight_max or output_max; executed no
 *   payload_too_large   over the daemon's message_max; executed no
 *   invalid_request     the caller's arguments make no request; executed no
 *   cancelled           cancelled before it left; executed no
 *   internal            no memory; executed no, or maybe where the answer was lost by it
 */
struct poold_error {
	const char *code;	/* "attempt_timeout"; NULL: no error */
	const char *category;	/* "timeout_error"; "" when not said */
	const char *severity;	/* "warning", "minor", "major", "critical"; "" when not said */
	const char *message;	/* for people */
	bool retryable;		/* the same request may do better later */
	int64_t retry_after_ms; /* how much later; -1: not known */
	enum poold_executed executed;
	const char *session;	     /* the request's; "" when not said */
	const char *circuit;	     /* "closed", "open", ...: the state of the circuit breaker that
					was asked; "" when not said */
	int64_t queue_depth;	     /* requests that waited in the pool; -1: not said */
	struct poold_bytes attempts; /* a MessagePack list with a map for each attempt {pool,
					worker, code, message, started_ms, run_ms, delay_ms}, a part
					of `map`; none when not said */
	struct poold_bytes map; /* the daemon's whole error map, MessagePack; none for an error of
				   the client's own side */
};

/* The answer to a request: a result or an error, never both. */
struct poold_reply {
	int status;		   /* 0, or the negative errno that poold_call returns */
	struct poold_bytes result; /* one MessagePack value; none when it failed */
	struct poold_error error;  /* error.code is NULL when it succeeded */
	void *memory;		   /* the library's own */
};

/* Gives back what a blocking call filled in.  The reply is then all zero, and may be freed again.
 */
POOLD_API void poold_reply_free(struct poold_reply *reply);

/* --- Client ---------------------------------------------------------------------------------- */

struct poold_client;

/* All zero: the defaults. */
struct poold_client_options {
	uint64_t timeout_ms;	     /* for calls that set none; 0: the pool's own timeout, and no
					limit of the client's */
	uint64_t grace_ms;	     /* how much later than the daemon the client gives up; 1000 */
	uint64_t connect_timeout_ms; /* 5000 */
	size_t response_max;	     /* bytes of one answer; 64 MiB and a little more */
	size_t output_max;	     /* bytes of requests waiting to be written; 128 MiB */
	size_t in_flight_max;	     /* unanswered requests, at most 65535; 1024 */
	const char *name;	     /* told to the daemon, for its log; "libpoold" */
};

/*
 * A client of the daemon that listens at `path`; NULL: $POOLD_SOCKET, else POOLD_SOCKET_DEFAULT.
 * `options` may be NULL.  It does not connect: the first request does.  -EINVAL: the path is empty
 * or too long for a socket, or an option is out of range; -ENOMEM.
 */
POOLD_API int poold_client_new(const char *path, const struct poold_client_options *options,
			       struct poold_client **ret_client);
/* Closes the connection, which cancels what is in flight; no callback runs.  NULL is fine; not from
 * within a callback. */
POOLD_API void poold_client_free(struct poold_client *client);
/* Connects, where a connection is wanted before the first request.  0 also when it is connected
 * already; else why there is none: -ENOENT, -ECONNREFUSED, -EACCES, -EAGAIN (nobody took it within
 * connect_timeout_ms), ... */
POOLD_API int poold_client_connect(struct poold_client *client);
/* The socket's path, as long as the client lives. */
POOLD_API const char *poold_client_path(const struct poold_client *client);

enum poold_choice {
	POOLD_DEFAULT = 0, /* as the pool is configured */
	POOLD_YES,
	POOLD_NO
};

enum poold_priority {
	POOLD_PRIORITY_DEFAULT = 0,
	POOLD_PRIORITY_CRITICAL,
	POOLD_PRIORITY_NORMAL,
	POOLD_PRIORITY_SHEDDABLE
};

/* One chunk of a streamed answer: one MessagePack value, valid until the callback returns. */
typedef void (*poold_chunk_callback)(void *userdata, struct poold_bytes value);
/* The answer begins again: all its chunks so far are void. */
typedef void (*poold_restart_callback)(void *userdata);

/* All zero: the defaults. */
struct poold_call_options {
	uint64_t timeout_ms;	      /* 0: the client's, or else the pool's */
	enum poold_choice idempotent; /* yes: the daemon may run it again after a failure */
	enum poold_priority priority;
	unsigned max_attempts; /* 0: as configured */
	bool meta;	       /* the result becomes a map {result, meta} */
	const char *trace;     /* W3C traceparent, at most 256 bytes; NULL: none */

	const char *session; /* what the request belongs to, 1 to 128 bytes; NULL: nothing */
	enum poold_choice session_create; /* no: a session that the daemon does not know is
					     `session_not_found`; else it begins */
	const char *key; /* 1 to 128 bytes: of all requests with this key one succeeds, and the
			    others get its answer; NULL: none */
	enum poold_choice fallback; /* no: never answered by a pool of the chain behind this one */

	/*
	 * A streamed answer: its chunks come in order, each as soon as it is there, and all before
	 * the reply.  No chunk comes after the reply, whatever that is.  These callbacks may do
	 * what a poold_callback may.
	 */
	poold_chunk_callback on_chunk;	   /* NULL: the worker sends no chunks */
	poold_restart_callback on_restart; /* NULL: once a chunk was sent, the call is not tried
					      again; with it, it may be.  Only with on_chunk */
	void *stream_userdata;		   /* of both */
};

/*
 * Calls `method` of `pool` and waits for the answer.  `args` is one MessagePack value: a list holds
 * positional arguments, a map keyword arguments; no bytes at all (all zero) mean no argument.
 * `options` may be NULL.
 *
 * Always fills *ret_reply, whatever happens: 0 with a result, else with an error.  Give it back
 * with poold_reply_free.  Returns 0, or
 *   -EREMOTEIO  the daemon answered with an error
 *   -ETIMEDOUT  no answer in time; the request was cancelled
 *   -EINVAL     args is not one MessagePack value, a name is empty or too long, or an option is
 *               none
 *   -EMSGSIZE   the request is over the daemon's limit
 *   -EBUSY      over in_flight_max or output_max
 *   -EDEADLK    called from within a callback
 *   -ENOMEM, or what connecting or the connection's end gave (-ENOENT, -ECONNRESET, -EPROTO, ...)
 *
 * A connection that was lost is made again by the next request.  The library sends a request twice
 * only when the first time it provably did not leave whole.
 */
POOLD_API int poold_call(struct poold_client *client, const char *pool, const char *method,
			 struct poold_bytes args, const struct poold_call_options *options,
			 struct poold_reply *ret_reply);

/*
 * The same for one of the daemon's own methods, by its full name: "poold.health".  `params` is a
 * MessagePack list, no bytes at all mean an empty one.  timeout_ms: how long to wait for the
 * answer; 0: the client's timeout_ms, or else without limit.
 */
POOLD_API int poold_request(struct poold_client *client, const char *method,
			    struct poold_bytes params, uint64_t timeout_ms,
			    struct poold_reply *ret_reply);

/*
 * Requests without waiting, for a caller with an event loop of its own.  Around its poll():
 *
 *   poll poold_fd() for poold_events(), at most poold_timeout_ms(), then poold_dispatch()
 *
 * Callbacks run inside poold_dispatch and inside the blocking calls, nowhere else; each request
 * that was started gets exactly one, unless the client is freed first.  The reply is valid until
 * the callback returns.  A callback may start and cancel requests, but neither block on this client
 * nor free it.  Starting a request connects where there is no connection, which waits only while
 * the daemon takes nobody, and then for connect_timeout_ms at most.
 */
typedef void (*poold_callback)(void *userdata, const struct poold_reply *reply);

/* Starts a call; `args` and `options` as for poold_call, and copied.  *ret_id, where it is not
 * NULL, gets what poold_cancel wants.  Fails at once, with no callback, as poold_call does. */
POOLD_API int poold_call_start(struct poold_client *client, const char *pool, const char *method,
			       struct poold_bytes args, const struct poold_call_options *options,
			       poold_callback callback, void *userdata, uint32_t *ret_id);
POOLD_API int poold_request_start(struct poold_client *client, const char *method,
				  struct poold_bytes params, uint64_t timeout_ms,
				  poold_callback callback, void *userdata, uint32_t *ret_id);
/* Gives a request up.  Its callback still comes, with `cancelled`, or with its answer where that
 * was faster.  -ENOENT: no such request is in flight. */
POOLD_API int poold_cancel(struct poold_client *client, uint32_t id);

/* The connection's descriptor, or -1 without one.  Ask again after each dispatch and start: a new
 * connection has another. */
POOLD_API int poold_fd(const struct poold_client *client);
/* What to poll for: POLLIN, with POLLOUT while something waits to be written. */
POOLD_API short poold_events(const struct poold_client *client);
/* How long poll may wait, in milliseconds; -1: for ever. */
POOLD_API int poold_timeout_ms(const struct poold_client *client);
/*
 * Writes, reads and runs callbacks, without waiting; `revents` as poll gave them, 0 after a
 * timeout.  Returns 0, or why the connection was lost: all its requests have had their callbacks
 * then, and the next one connects again.  -EDEADLK: called from within a callback.
 */
POOLD_API int poold_dispatch(struct poold_client *client, short revents);

/*
 * The daemon's events: a breaker opens, a worker ends, a request fails.  `event` is one MessagePack
 * map, valid until the callback returns; the daemon's reference lists the kinds and their keys.
 *
 * A connection gets none before it has asked for some, with a request of "poold.subscribe" whose
 * params are [] or [[kind, ...]]; after a lost connection (poold_dispatch says so) the program asks
 * again.  Events come wherever other callbacks do, and this one may do what they may.  NULL: events
 * are passed over.
 */
typedef void (*poold_event_callback)(void *userdata, struct poold_bytes event);
POOLD_API void poold_set_event_callback(struct poold_client *client, poold_event_callback callback,
					void *userdata);

/* --- Worker ---------------------------------------------------------------------------------- */

struct poold_worker;

/* One try of a request, as the worker sees it. */
struct poold_attempt {
	const char *method;
	struct poold_bytes args;    /* one MessagePack value */
	struct poold_bytes context; /* the daemon's whole map about this request */
	uint64_t request;	    /* the daemon's number of the request; the same in every try */
	uint64_t deadline_ms;	    /* time left when the daemon sent it; 0: not said */
	unsigned number;	    /* 1 for the first try */
	struct poold_bytes session; /* the session's name, UTF-8; none: it belongs to no session */
	struct poold_bytes state; /* of the session, as poold_attempt_set_state gave it last; none:
				     there is none */
	bool stream;		  /* the caller takes chunks */
};

/*
 * Answers one attempt.  It writes its result, one MessagePack value, to `result` and returns 0;
 * nothing written means nil.  To fail it returns what poold_fail or poold_retry_later returned; any
 * other value is an exception too.  `attempt`, with its args, is valid until the handler returns.
 */
typedef int (*poold_handler)(struct poold_attempt *attempt, struct poold_writer *result,
			     void *userdata);

enum poold_failure {
	POOLD_EXCEPTION = 0, /* the work failed */
	POOLD_REJECTED,	     /* the caller is wrong: never tried again */
	POOLD_RETRYABLE,     /* another try may do better */
	POOLD_FATAL	     /* this worker is broken: it is replaced, and poold_worker_run ends */
};

/* Makes the attempt fail; to be returned by the handler.  `type` names the kind of error for
 * programs ("ValueError"), the text is for people and cut at 4 KiB. */
POOLD_API int poold_fail(struct poold_attempt *attempt, enum poold_failure failure,
			 const char *type, const char *format, ...) POOLD_PRINTF(4, 5);
/* The same as POOLD_RETRYABLE, not before `after_ms` from now. */
POOLD_API int poold_retry_later(struct poold_attempt *attempt, uint64_t after_ms, const char *type,
				const char *format, ...) POOLD_PRINTF(4, 5);

enum poold_severity {
	POOLD_SEVERITY_DEFAULT = 0, /* as the daemon's table has it */
	POOLD_SEVERITY_WARNING,
	POOLD_SEVERITY_MINOR,
	POOLD_SEVERITY_MAJOR,
	POOLD_SEVERITY_CRITICAL
};

/* How grave it is if this attempt fails, for people and alerts.  To be called before poold_fail. */
POOLD_API void poold_attempt_set_severity(struct poold_attempt *attempt,
					  enum poold_severity severity);

/*
 * Sends one MessagePack value to the caller ahead of the result, at once; where the daemon takes
 * nothing more, this waits.  `value` is copied, and may lie in the handler's `result`.  -EINVAL:
 * not one MessagePack value; -EOPNOTSUPP: the caller takes no chunks; -ECONNRESET: the daemon is
 * gone; -ENOMEM, -ENOBUFS (over 4 GiB); or what the socket gave.
 */
POOLD_API int poold_attempt_chunk(struct poold_attempt *attempt, struct poold_bytes value);
/*
 * Hands the session's state over to the daemon: any bytes, which are copied; no bytes clear it.
 * Whichever worker serves the session next gets them.  They count only when the attempt succeeds,
 * and of several calls the last one counts.  -EINVAL: the attempt belongs to no session; -ENOMEM,
 * -ENOBUFS.
 */
POOLD_API int poold_attempt_set_state(struct poold_attempt *attempt, struct poold_bytes state);

/* Whether nobody waits for this attempt any more: it was cancelled, or the daemon is gone.  A long
 * handler asks now and then (one system call), and fails in whatever way it likes. */
POOLD_API bool poold_attempt_cancelled(struct poold_attempt *attempt);

/*
 * A session has ended for this worker, which drops what it keeps for it.  `reason` is a text:
 * "closed", "expired", "evicted", or "moved" (it goes on elsewhere).  Both are valid until the
 * callback returns.  It runs between two attempts, never within a handler.
 */
typedef void (*poold_session_end_callback)(void *userdata, struct poold_bytes session,
					   struct poold_bytes reason);

/* All zero: the defaults. */
struct poold_worker_options {
	int fd;	     /* the daemon's socket; 0: the one named by $POOLD_FD */
	bool batch;  /* answer all that one read brought with one write.  Fast for tiny
			requests; a crash may then cost every one of them */
	bool silent; /* do not announce each request before it begins.  Saves a message; after
			a crash the daemon then cannot tell that a request never began.
			`batch` implies it */
	size_t message_max;  /* bytes of one message from the daemon; 64 MiB and a little more */
	const char *version; /* of the worker's own program, for poolctl workers; "" */
	poold_session_end_callback on_session_end; /* NULL: nobody needs to know */
	void *session_userdata;			   /* of on_session_end */
};

/* `options` may be NULL; `version` is copied.  -ENOTCONN: the program was not started by poold;
 * -EINVAL, -ENOMEM. */
POOLD_API int poold_worker_new(const struct poold_worker_options *options,
			       struct poold_worker **ret_worker);
/* Closes the socket.  NULL is fine; not from within a handler. */
POOLD_API void poold_worker_free(struct poold_worker *worker);
/* Lets `handler` answer `method`; the name is copied.  -EEXIST: it is answered already; -EINVAL: an
 * empty or too long name, or called after poold_worker_run; -ENOMEM. */
POOLD_API int poold_worker_add(struct poold_worker *worker, const char *method,
			       poold_handler handler, void *userdata);
/*
 * Says that the worker is ready, and answers requests until the daemon wants no more.  Returns 0
 * after the daemon's `shutdown` or when the daemon is gone; -ENOTRECOVERABLE after a POOLD_FATAL;
 * -EPROTO or -EMSGSIZE when the daemon's bytes could not be read; -ENOMEM; or what the socket gave.
 * In every case the program should end.
 */
POOLD_API int poold_worker_run(struct poold_worker *worker);

#ifdef __cplusplus
}
#endif

#endif
