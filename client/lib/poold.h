/*
 * libpoold: call the pools of poold from C or C++, and write workers for them.
 *
 *   Client  poold_client_new, poold_call; poold_call_start and poold_dispatch for an event loop
 *   Worker  poold_worker_new, poold_worker_add, poold_worker_run
 *   Values  poold_write_* and poold_read_*: arguments and results are MessagePack
 *
 * Functions that can fail return 0 or a negative errno, and set their output parameters (ret_...)
 * only on success, unless their comment says otherwise.  Text is UTF-8.  The library never writes
 * to stdout or stderr, sets a signal handler, starts a thread or ends the process.
 *
 * Pointers must not be NULL unless a comment says that they may be.
 *
 * Signals: nothing that the library writes to a socket raises SIGPIPE.  A blocking function goes on
 * after a signal (EINTR) until it is done or its time is over.  No function may be called from a
 * signal handler.
 *
 * Growth: structs get new members at their end.  Those that the program fills in begin with `size`:
 * sizeof of the struct, or 0 for the members of version 0.1; members beyond `size` count as zero,
 * and -EINVAL says that one beyond those which the library knows is not zero.  In those that the
 * library fills in, `size` is how much of it the library knows.
 *
 * Threads: a client, a worker, a writer or a reader may be used by one thread at a time.  Different
 * objects share nothing and need no lock.  After fork(2), only one of the two processes may use a
 * client.
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

/* The path of the system's daemon, if neither the caller nor $POOLD_SOCKET gives another; where there
 * is no such file, the socket of this user's `poold run` is looked for, see poold(8). */
#define POOLD_SOCKET_DEFAULT "/run/poold/poold.sock"

/* A slice of memory that somebody else owns.  All zero: no bytes. */
struct poold_bytes {
	const void *data;
	size_t len;
};

/* The version of the library: "0.1.0". */
POOLD_API const char *poold_version(void);

/* --- Values ---------------------------------------------------------------------------------- */

/*
 * A writer builds one MessagePack value: the arguments of a call, or the result of a worker.  A
 * list is written with poold_write_array, followed by its values; a map with poold_write_map,
 * followed by its keys and values in turn.
 *
 * The poold_write_* functions return nothing.  After one of them has failed, poold_writer_error
 * returns the error, and poold_call and the like return -EINVAL for the writer's bytes.
 */
struct poold_writer;

/* Creates a writer, to be freed with poold_writer_free.  NULL: out of memory. */
POOLD_API struct poold_writer *poold_writer_new(void);
/* Does nothing if `writer` is NULL. */
POOLD_API void poold_writer_free(struct poold_writer *writer);
/* Empties the writer and clears its error, for the next value. */
POOLD_API void poold_writer_reset(struct poold_writer *writer);
/* 0, or the error of the first write that failed: -ENOMEM, -ENOBUFS (over 4 GiB). */
POOLD_API int poold_writer_error(const struct poold_writer *writer);
/* The value that was written; the bytes belong to the writer and are valid until its next use.
 * After a failed write: an empty slice. */
POOLD_API struct poold_bytes poold_writer_bytes(const struct poold_writer *writer);

POOLD_API void poold_write_nil(struct poold_writer *writer);
POOLD_API void poold_write_bool(struct poold_writer *writer, bool value);
POOLD_API void poold_write_int(struct poold_writer *writer, int64_t value);
POOLD_API void poold_write_uint(struct poold_writer *writer, uint64_t value);
POOLD_API void poold_write_double(struct poold_writer *writer, double value);
/* `text` ends in a zero byte. */
POOLD_API void poold_write_str(struct poold_writer *writer, const char *text);
POOLD_API void poold_write_str_len(struct poold_writer *writer, const char *text, size_t len);
POOLD_API void poold_write_bin(struct poold_writer *writer, const void *data, size_t len);
POOLD_API void poold_write_array(struct poold_writer *writer, uint32_t count);
POOLD_API void poold_write_map(struct poold_writer *writer, uint32_t pairs);
/* Appends bytes unchanged: a value that is MessagePack already, or a part of one. */
POOLD_API void poold_write_raw(struct poold_writer *writer, struct poold_bytes value);

/*
 * A reader decodes a MessagePack value in memory.  Every poold_read_* function returns 0 and
 * advances the reader behind the value, or leaves it where it is and returns -EPROTO (the next
 * value has another type, or there is none left) or -ERANGE (the number does not fit into the
 * type).  Nothing is copied: text and bytes are slices of the encoded value and do not end in a
 * zero byte.
 */
struct poold_reader {
	const uint8_t *at;
	const uint8_t *end;
};

enum poold_type {
	POOLD_NIL = 0,
	POOLD_BOOL,
	POOLD_INT, /* poold_read_int, or poold_read_uint if it may be above INT64_MAX */
	POOLD_FLOAT,
	POOLD_STR,
	POOLD_BIN,
	POOLD_ARRAY,
	POOLD_MAP,
	POOLD_EXT,
	POOLD_NONE /* the end of the bytes, or bytes that are not MessagePack */
};

/* A reader at the begin of `value`, whose bytes must outlive it. */
POOLD_API struct poold_reader poold_reader_init(struct poold_bytes value);
/* The type of the next value; does not advance the reader. */
POOLD_API enum poold_type poold_peek(const struct poold_reader *reader);
POOLD_API int poold_read_nil(struct poold_reader *reader);
POOLD_API int poold_read_bool(struct poold_reader *reader, bool *ret);
POOLD_API int poold_read_int(struct poold_reader *reader, int64_t *ret);
POOLD_API int poold_read_uint(struct poold_reader *reader, uint64_t *ret);
/* Reads a float, or an integer as a double. */
POOLD_API int poold_read_double(struct poold_reader *reader, double *ret);
POOLD_API int poold_read_str(struct poold_reader *reader, struct poold_bytes *ret);
/* Reads bytes (bin), or text (str). */
POOLD_API int poold_read_bin(struct poold_reader *reader, struct poold_bytes *ret);
/* Reads an extension value: its type, -128 to 127, and its bytes. */
POOLD_API int poold_read_ext(struct poold_reader *reader, int *ret_kind, struct poold_bytes *ret);
/* Read the header of a list or map, whose values, or keys and values in turn, come next. */
POOLD_API int poold_read_array(struct poold_reader *reader, uint32_t *ret_count);
POOLD_API int poold_read_map(struct poold_reader *reader, uint32_t *ret_pairs);
/* Reads any value, as a slice of its encoded bytes. */
POOLD_API int poold_read_value(struct poold_reader *reader, struct poold_bytes *ret);
/* Finds the value of a text key in a map and sets *ret to a reader at that value.  -EPROTO: it is
 * not a map; -ENOENT: there is no such key. */
POOLD_API int poold_map_find(struct poold_bytes map, const char *key, struct poold_reader *ret);

/* --- Errors and replies ---------------------------------------------------------------------- */

/* Whether the code of a worker may have been executed for a request that failed. */
enum poold_executed {
	POOLD_EXECUTED_NO = 0,
	POOLD_EXECUTED_MAYBE,
	POOLD_EXECUTED_YES
};

/*
 * Why a request failed.  The codes are those of the daemon (docs/ERRORS.md).  Errors of the
 * client's side have one of these codes:
 *
 *   connect_failed      the client could not connect to the daemon, within the time of the request
 *                       unless no_reconnect is set; executed no
 *   peer_closed         the connection ended before the answer; executed maybe, or no if the
 *                       request was not sent whole
 *   deadline_exceeded   the daemon did not answer in time; executed maybe
 *   protocol_violation  the daemon sent bytes that are not valid messages; executed maybe
 *   response_too_large  an answer was larger than response_max; executed maybe
 *   queue_full          over in_flight_max or output_max; executed no
 *   payload_too_large   the request is larger than the daemon's message_max; executed no
 *   invalid_request     the arguments, a name or an option are not valid; executed no
 *   cancelled           cancelled before it was sent; executed no
 *   internal            out of memory; executed no, or maybe if that lost the answer
 */
struct poold_error {
	size_t size;
	const char *code;	/* "attempt_timeout"; NULL: no error */
	const char *category;	/* "timeout_error"; "": not given */
	const char *severity;	/* "warning", "minor", "major", "critical"; "": not given */
	const char *message;	/* for people */
	bool retryable;		/* the same request may succeed later */
	int64_t retry_after_ms; /* when to retry, in ms from now; -1: not known */
	enum poold_executed executed;
	const char *session;	     /* of the request; "": none, or not given */
	const char *circuit;	     /* state of the circuit breaker: "closed", "open", ...; "": not
					given */
	int64_t queue_depth;	     /* requests that waited in the pool; -1: not given */
	struct poold_bytes attempts; /* a MessagePack list with a map for each attempt {pool,
					worker, code, message, started_ms, run_ms, delay_ms}, a
					slice of `map`; no bytes: not given */
	struct poold_bytes map;	     /* the daemon's whole error map, MessagePack; no bytes for an
					error of the client's side */
	const void *later[4];	     /* room for more members; NULL */
};

/* The answer to a request: a result or an error, never both. */
struct poold_reply {
	size_t size;
	int status;		   /* 0, or the negative errno that poold_call returns */
	struct poold_bytes result; /* one MessagePack value; no bytes if it failed */
	struct poold_error error;  /* error.code is NULL if it succeeded */
	void *memory;		   /* private to the library */
	const void *later[4];	   /* room for more members; NULL */
};

/* Frees the memory of a reply that a blocking call filled in, and makes the reply all zero; it may
 * be freed again. */
POOLD_API void poold_reply_free(struct poold_reply *reply);

/* --- Client ---------------------------------------------------------------------------------- */

struct poold_client;

/* All zero: the defaults. */
struct poold_client_options {
	size_t size;
	uint64_t timeout_ms;	     /* for calls that set none; 0: the daemon applies the timeout
					of the pool, and the client waits without limit */
	uint64_t grace_ms;	     /* how long after the timeout of a call the client still waits
					for the daemon's answer; 0: 1000 */
	uint64_t connect_timeout_ms; /* how long to try to connect for a request that has no
					timeout; with no_reconnect, and for poold_client_connect,
					while the daemon's backlog is full; 0: 5000 */
	size_t response_max;	     /* limit of one answer, in bytes; 0: 64 MiB + 64 KiB */
	size_t output_max;	     /* limit of requests not yet written, in bytes; 0: 128 MiB */
	size_t in_flight_max;	     /* limit of unanswered requests, up to 65535; 0: 1024 */
	const char *name;	     /* of the program, for the daemon's log; NULL: "libpoold" */
	bool no_reconnect;	     /* no request is asked again, see poold_call.  In a struct with
					`size` 0 it is not read */
};

/*
 * Creates a client of the daemon whose socket is at `path`; NULL: $POOLD_SOCKET, or else
 * POOLD_SOCKET_DEFAULT, or else that of this user's `poold run`.  `options` may be NULL.  The
 * client connects with its first request.  It is to be freed with poold_client_free.  -EINVAL: the
 * path is empty or too long for a socket, or an option is out of range; -ENOMEM.
 */
POOLD_API int poold_client_new(const char *path, const struct poold_client_options *options,
			       struct poold_client **ret_client);
/* Closes the connection, which cancels all requests in flight, and frees the client; no callback
 * runs.  Does nothing if `client` is NULL.  Must not be called from a callback. */
POOLD_API void poold_client_free(struct poold_client *client);
/* Connects now instead of with the first request; it does not wait for a daemon.  Returns 0 also if
 * the client is connected already.  Else the error of connect(2): -ENOENT, -ECONNREFUSED, -EACCES,
 * -EAGAIN (the daemon did not accept the connection within connect_timeout_ms), ... */
POOLD_API int poold_client_connect(struct poold_client *client);
/* The path of the socket; valid until the client is freed. */
POOLD_API const char *poold_client_path(const struct poold_client *client);

enum poold_choice {
	POOLD_DEFAULT = 0, /* as configured for the pool */
	POOLD_YES,
	POOLD_NO
};

enum poold_priority {
	POOLD_PRIORITY_DEFAULT = 0,
	POOLD_PRIORITY_CRITICAL,
	POOLD_PRIORITY_NORMAL,
	POOLD_PRIORITY_SHEDDABLE
};

/* A chunk of a streamed answer: one MessagePack value, valid until the callback returns. */
typedef void (*poold_chunk_callback)(void *userdata, struct poold_bytes value);
/* The call is retried and its answer begins again: discard all its chunks so far. */
typedef void (*poold_restart_callback)(void *userdata);

/* All zero: the defaults. */
struct poold_call_options {
	size_t size;
	uint64_t timeout_ms;	      /* 0: that of the client, or else of the pool */
	enum poold_choice idempotent; /* yes: executing it twice does no harm, so the daemon may
					 retry it after a failure */
	enum poold_priority priority;
	unsigned max_attempts; /* 0: as configured */
	bool meta;	       /* the result becomes a map {result, meta} */
	const char *trace;     /* W3C traceparent, at most 256 bytes; NULL: none */

	const char *session;		  /* name of the session, 1 to 128 bytes; NULL: none */
	enum poold_choice session_create; /* no: fail with `session_not_found` if the session does
					     not exist; else it is created */
	const char *key; /* idempotency key, 1 to 128 bytes: of all requests with the same key one
			    succeeds, and the others get its answer; NULL: none */
	enum poold_choice fallback; /* no: do not use the fallback pools of this pool */

	/*
	 * Streaming: on_chunk is called for each chunk in order, as soon as it arrives, and never
	 * after the reply.  These callbacks may do what a poold_callback may.
	 */
	poold_chunk_callback on_chunk;	   /* NULL: the answer is not streamed */
	poold_restart_callback on_restart; /* NULL: the call is not retried after its first chunk.
					      Requires on_chunk */
	void *stream_userdata;		   /* passed to both */

	const char *tracestate; /* W3C tracestate, at most 512 bytes, passed on to the worker with a
				   traceparent; NULL: none */
};

/*
 * Calls `method` of `pool` and waits for the answer.  `args` is one MessagePack value: a list holds
 * positional arguments, a map keyword arguments; all zero means no arguments.  `options` may be
 * NULL.
 *
 * *ret_reply is set in every case: to a result if the function returns 0, else to an error.  It
 * must be freed with poold_reply_free.  Returns 0, or
 *   -EREMOTEIO  the daemon answered with an error
 *   -ETIMEDOUT  no answer in time; the request was cancelled
 *   -EINVAL     args is not one MessagePack value, a name is empty or too long, or an option is out
 *               of range
 *   -EMSGSIZE   the request is larger than the daemon's message_max
 *   -EBUSY      over in_flight_max or output_max
 *   -EDEADLK    called from a callback of this client
 *   -ENOMEM     out of memory
 *   or the error of connecting or of the connection (-ENOENT, -ECONNRESET, -EPROTO, ...)
 *
 * After the connection is lost, the next request connects again.  So that a restart of the daemon
 * loses nothing, the library asks again what certainly was not executed, within the timeout of the
 * request (without one: within connect_timeout_ms), and in these cases only:
 *
 *   - there is no connection: no socket file, or nobody listens (-ENOENT, -ECONNREFUSED)
 *   - the connection ended before the request was written whole
 *   - the daemon answered `shutting_down`, and that nothing was executed
 *
 * It waits at most 10 ms before the first time, and twice as long each time up to a second, drawn at
 * random; a call is asked again with the timeout_ms that is left.  A request keeps its bytes until
 * it is answered.  One that was written whole on a connection that then ended fails with
 * peer_closed, executed maybe, and is never asked again.  A daemon that stops says so before it
 * closes the connection: then requests in flight end on it, and all others wait for the next one.
 * With no_reconnect none of this happens, but that a request moves to a new connection, once, if
 * the old one had ended.
 *
 * A connection may be open and yet dead.  After three requests in a row that were not answered in
 * time, while nothing else came either, it is given up: other requests in flight on it fail with
 * peer_closed, and the next request connects again.  The same happens when three requests in a row
 * had no place because of such unanswered ones.
 */
POOLD_API int poold_call(struct poold_client *client, const char *pool, const char *method,
			 struct poold_bytes args, const struct poold_call_options *options,
			 struct poold_reply *ret_reply);

/*
 * Calls one of the daemon's own methods, by its full name: "poold.health".  `params` is a
 * MessagePack list; all zero means an empty list.  `timeout_ms` is how long to wait for the answer;
 * 0: timeout_ms of the client, or else without limit.  The rest is as for poold_call.
 */
POOLD_API int poold_request(struct poold_client *client, const char *method,
			    struct poold_bytes params, uint64_t timeout_ms,
			    struct poold_reply *ret_reply);

/*
 * Requests that do not block, for a program with an event loop of its own.  In each turn of its
 * loop:
 *
 *   poll poold_fd() for poold_events(), at most poold_timeout_ms(), then call poold_dispatch()
 *
 * Callbacks are called by poold_dispatch and by the blocking functions only.  The callback of each
 * request that was started is called exactly once, unless the client is freed first.  The reply is
 * valid until the callback returns.  A callback may start and cancel requests, but must not call a
 * blocking function of the same client, or free it.  Starting a request connects if there is no
 * connection.  While there is no daemon, or its backlog is full, poold_fd is -1, which poll ignores,
 * poold_dispatch tries again when poold_timeout_ms is over, and nothing ever waits.
 */
typedef void (*poold_callback)(void *userdata, const struct poold_reply *reply);

/* Starts a call; `args` and `options` are as for poold_call, and copied.  *ret_id, unless `ret_id`
 * is NULL, is set to the id for poold_cancel.  Returns 0 or an error of poold_call, but never
 * -EREMOTEIO, -ETIMEDOUT or -EDEADLK; after an error the callback is not called. */
POOLD_API int poold_call_start(struct poold_client *client, const char *pool, const char *method,
			       struct poold_bytes args, const struct poold_call_options *options,
			       poold_callback callback, void *userdata, uint32_t *ret_id);
/* The same for one of the daemon's own methods; parameters as for poold_request. */
POOLD_API int poold_request_start(struct poold_client *client, const char *method,
				  struct poold_bytes params, uint64_t timeout_ms,
				  poold_callback callback, void *userdata, uint32_t *ret_id);
/* Cancels a request.  Its callback is still called, with the error `cancelled`, or with the answer
 * if that came first.  -ENOENT: no such request is in flight. */
POOLD_API int poold_cancel(struct poold_client *client, uint32_t id);

/* The file descriptor of the connection; -1: not connected.  It changes with each new connection,
 * so call this again after each dispatch and start. */
POOLD_API int poold_fd(const struct poold_client *client);
/* The events to poll for: POLLIN, and POLLOUT while output is pending. */
POOLD_API short poold_events(const struct poold_client *client);
/* The longest time that poll may wait, in milliseconds; -1: without limit. */
POOLD_API int poold_timeout_ms(const struct poold_client *client);
/*
 * Writes, reads and calls callbacks, without blocking; `revents` is the result of poll, 0 after a
 * timeout.  Returns 0, or the error that ended the connection: the callbacks of all sent requests
 * have been called then, and the next request connects again.  -EDEADLK: called from a callback.
 */
POOLD_API int poold_dispatch(struct poold_client *client, short revents);

/*
 * Events of the daemon: a circuit breaker opens, a worker ends, a request fails.  `event` is one
 * MessagePack map, valid until the callback returns; protocol/PROTOCOL.md lists the kinds and keys.
 *
 * To get events, a program subscribes with a request of "poold.subscribe" whose params are [] for
 * all kinds or [[kind, ...]].  After the connection was lost (poold_dispatch returns an error) it
 * has to subscribe again.  The callback is called where other callbacks are, and may do what they
 * may.  NULL: events are ignored.
 */
typedef void (*poold_event_callback)(void *userdata, struct poold_bytes event);
POOLD_API void poold_set_event_callback(struct poold_client *client, poold_event_callback callback,
					void *userdata);

/* --- Worker ---------------------------------------------------------------------------------- */

struct poold_worker;

/* One attempt to execute a request, as the worker sees it. */
struct poold_attempt {
	size_t size;
	const char *method;
	struct poold_bytes args;    /* one MessagePack value */
	struct poold_bytes context; /* the daemon's whole map about this request, MessagePack */
	uint64_t request;     /* the daemon's number of the request, the same in each attempt */
	uint64_t deadline_ms; /* time left when the daemon sent it; 0: no limit given */
	unsigned number;      /* of the attempt; 1 is the first */
	struct poold_bytes session; /* name of the session, UTF-8; no bytes: no session */
	struct poold_bytes state;   /* of the session, as stored by poold_attempt_set_state; no
				       bytes: no state */
	bool stream;		    /* poold_attempt_chunk may be used */
};

/*
 * Executes one attempt.  The handler writes its result, one MessagePack value, to `result` and
 * returns 0; if it writes nothing, the result is nil.  To fail, it returns the value of poold_fail
 * or poold_retry_later; any other value than 0 is reported as an exception without a text.
 * `attempt`, with its args, is valid until the handler returns.
 */
typedef int (*poold_handler)(struct poold_attempt *attempt, struct poold_writer *result,
			     void *userdata);

enum poold_failure {
	POOLD_EXCEPTION = 0, /* the method failed */
	POOLD_REJECTED,	     /* the request is wrong: it is not retried */
	POOLD_RETRYABLE,     /* another attempt may succeed */
	POOLD_FATAL	     /* this worker cannot continue: poold_worker_run returns, and the
				daemon replaces the worker */
};

/* Makes the attempt fail.  The handler must return the value of this function.  `type` names the
 * kind of error for programs ("ValueError"); the formatted text is for people.  Both are cut at 4
 * KiB. */
POOLD_API int poold_fail(struct poold_attempt *attempt, enum poold_failure failure,
			 const char *type, const char *format, ...) POOLD_PRINTF(4, 5);
/* The same with POOLD_RETRYABLE; the daemon retries after `after_ms` at the earliest. */
POOLD_API int poold_retry_later(struct poold_attempt *attempt, uint64_t after_ms, const char *type,
				const char *format, ...) POOLD_PRINTF(4, 5);

enum poold_severity {
	POOLD_SEVERITY_DEFAULT = 0, /* that of the error code, or as configured */
	POOLD_SEVERITY_WARNING,
	POOLD_SEVERITY_MINOR,
	POOLD_SEVERITY_MAJOR,
	POOLD_SEVERITY_CRITICAL
};

/* Sets the severity of the error, for people and alerts.  To be called before poold_fail. */
POOLD_API void poold_attempt_set_severity(struct poold_attempt *attempt,
					  enum poold_severity severity);

/*
 * Sends a chunk, one MessagePack value, to the caller at once; blocks while the daemon does not
 * read, or the caller reads more slowly than this sends.  `value` is copied, and may be a part of
 * the handler's `result`.  Returns 0, or
 *   -ECANCELED   the request was cancelled meanwhile; the chunk is not sent
 *   -EINVAL      `value` is not one MessagePack value
 *   -EOPNOTSUPP  the caller did not ask for a stream
 *   -EMSGSIZE    the chunk is larger than the daemon's response_max; the attempt fails with that,
 *                whatever the handler returns
 *   -ECONNRESET  the daemon has closed the socket
 *   -ENOMEM, -ENOBUFS (over 4 GiB), or another error of the socket
 */
POOLD_API int poold_attempt_chunk(struct poold_attempt *attempt, struct poold_bytes value);
/*
 * Stores the state of the session at the daemon: any bytes, which are copied; no bytes clear it.
 * The worker that serves the next request of the session gets them.  They are stored only if the
 * attempt succeeds; of several calls the last one counts.  -EINVAL: the attempt belongs to no
 * session; -ENOMEM, -ENOBUFS (over 4 GiB).
 */
POOLD_API int poold_attempt_set_state(struct poold_attempt *attempt, struct poold_bytes state);

/*
 * Whether the attempt was cancelled, or the daemon has closed the socket.  A handler that runs for
 * long should call this from time to time (one system call), and then return with any error.  A
 * result is still used if the request has a key or a session, so it must be a whole one.
 */
POOLD_API bool poold_attempt_cancelled(struct poold_attempt *attempt);

/*
 * A session has ended for this worker, which should free what it keeps for the session.  `reason`
 * is a text: "closed", "expired", "evicted", or "moved" (to another worker).  Both are valid until
 * the callback returns.  It is called between two attempts, never while a handler runs.
 */
typedef void (*poold_session_end_callback)(void *userdata, struct poold_bytes session,
					   struct poold_bytes reason);

/* All zero: the defaults. */
struct poold_worker_options {
	size_t size;
	int fd;	     /* the socket to the daemon; 0: the one that $POOLD_FD names */
	bool batch;  /* answer all requests of one read with one write.  Faster for very small
			requests, but a crash may affect all of them */
	bool silent; /* do not notify the daemon when a request begins.  Saves a message, but after
			a crash the daemon cannot know that a request had not begun.  Implied by
			`batch` */
	size_t message_max; /* limit of one message from the daemon, in bytes; 0: 64 MiB + 64 KiB */
	const char *version; /* of the worker's program, sent to the daemon; NULL: "" */
	poold_session_end_callback on_session_end; /* NULL: not called */
	void *session_userdata;			   /* passed to on_session_end */
};

/* Creates a worker, to be freed with poold_worker_free, which takes ownership of the socket.
 * `options` may be NULL; `version` is copied.  -ENOTCONN: the program was not started by poold;
 * -EINVAL: $POOLD_FD is not a number; -ENOMEM. */
POOLD_API int poold_worker_new(const struct poold_worker_options *options,
			       struct poold_worker **ret_worker);
/* Closes the socket and frees the worker.  Does nothing if `worker` is NULL.  Must not be called
 * from a handler. */
POOLD_API void poold_worker_free(struct poold_worker *worker);
/* Registers `handler` for `method`; the name is copied.  -EEXIST: the method has a handler already;
 * -EINVAL: the name is empty or too long, or poold_worker_run was called already; -ENOMEM. */
POOLD_API int poold_worker_add(struct poold_worker *worker, const char *method,
			       poold_handler handler, void *userdata);
/*
 * Reports to the daemon that the worker is ready, and answers requests until the daemon ends it.
 * Returns 0 after the daemon's `shutdown`, or when the daemon has closed the socket;
 * -ENOTRECOVERABLE after a POOLD_FATAL; -EPROTO: the daemon sent bytes that are not valid messages;
 * -EMSGSIZE: a message is larger than message_max; -ENOMEM; or another error of the socket.  The
 * program should exit in every case.
 */
POOLD_API int poold_worker_run(struct poold_worker *worker);

#ifdef __cplusplus
}
#endif

#endif
