/*
 * The error of a failed request, in both of its wire formats, and the error that a worker sends.
 *
 * Fields that are NULL, 0 or USEC_INFINITY (as noted) are left out of the map.  Texts may contain
 * any bytes: they are packed with pack_text (buf.h), so that a strict decoder accepts them.
 */
#ifndef POOLD_PROTOCOL_ERROR_H
#define POOLD_PROTOCOL_ERROR_H

#include "protocol/base.h"
#include "protocol/buf.h"
#include "protocol/errcode.h"

/* One attempt to execute a request, for the list `attempts`. */
struct error_attempt {
	const char *pool;
	uint32_t worker;
	enum errcode code;
	const char *message; /* NULL: left out */
	usec_t started;	     /* since the request was submitted */
	usec_t run;
	usec_t delay;  /* the wait before this attempt */
	uint64_t span; /* W3C span id; 0: left out */
};

/* Who asked. */
struct error_peer {
	uint32_t uid;
	int32_t pid;
	const char *client; /* as it calls itself; "": it does not say */
};

struct error {
	enum errcode code;
	enum errseverity severity;
	enum errstrategy strategy;
	const char *message; /* for people; NULL: the text of errcode.def */
	bool is_retryable;   /* whether the same request may succeed later */
	usec_t retry_after;  /* USEC_INFINITY: not known, left out */
	enum executed executed;
	uint64_t request; /* the daemon's number of the request; 0: left out, as are all below when
			     NULL or 0 */
	const char *pool;
	const char *adapter;
	uint32_t worker; /* workers count from 1 */
	int pid;
	struct bytes session;
	struct bytes method;
	unsigned attempt; /* 0: never sent to a worker */
	usec_t elapsed;	  /* these three: USEC_INFINITY leaves them out */
	usec_t queued;
	usec_t run;
	const char *circuit;
	unsigned queue_depth; /* requests that waited in the pool; only with a `request` */
	const struct error_attempt *attempts;
	size_t attempt_count;
	const char *outcome; /* how it ended, in two letters */
	struct bytes trace;  /* W3C trace id, or the client's own text */
	uint64_t span;	     /* W3C span ids: of the request, and of its last attempt */
	uint64_t attempt_span;
	struct bytes detail; /* a whole MessagePack map, or empty */
	/* These two are for error_format alone. */
	const struct error_peer *peer; /* NULL: unknown */
	uint64_t arrived_ms;	       /* milliseconds since 1970; 0: unknown */
};

/* An error of that code with its row's severity and strategy, and everything else left out. */
struct error error_make(enum errcode code);

/* Packs the error map (PROTOCOL.md, "The error map"). */
void error_pack_map(struct buf *buf, const struct error *error);

/* Packs [0, "CODE: text"], which any MessagePack-RPC client can show. */
void error_pack_stock(struct buf *buf, const struct error *error);

/* The pairs of the error map, for a map that the caller begins and adds to: their number, and the
 * packed pairs. */
uint32_t error_count_fields(const struct error *error);
void error_pack_fields(struct buf *buf, const struct error *error);

/*
 * Appends the error as one line for the log: each field with its name, N/A if it is not known; the
 * attempt is 1 if none was counted.
 */
void error_format(struct buf *buf, const struct error *error);

/* The error that a worker of the poold dialect sends (PROTOCOL.md, "Worker errors"). */
struct worker_error {
	enum errcode code; /* ERR_exception, ERR_rejected, ERR_unknown_method, ERR_encode_error,
			      ERR_cancelled; any other code is read as ERR_exception */
	struct bytes type; /* "ValueError"; may be empty */
	struct bytes message;
	struct bytes traceback;
	struct bytes data;  /* details from the worker: a whole value, or empty */
	bool has_retryable; /* `retryable` was given */
	bool is_retryable;
	bool has_severity; /* `severity` was given */
	enum errseverity severity;
	bool is_fatal;	    /* the worker cannot continue and is to be replaced */
	bool is_recalled;   /* the code was "recalled": see PROTOCOL.md, "recall" */
	usec_t retry_after; /* USEC_INFINITY: not given */
};

/*
 * Reads the error of a worker: the map of PROTOCOL.md, a stock error [number, text], a string, or
 * any other value (then the message is empty).  Unknown keys are ignored.  The slices point into
 * `value`.
 */
void worker_error_read(struct bytes value, struct worker_error *ret);

/* Packs {type, message, traceback, data} for `detail`.  Each text is cut to at most `text_max`
 * bytes at the boundary of a character and made valid UTF-8; empty texts, and data above `text_max`
 * bytes, are left out. */
void worker_error_pack_detail(struct buf *buf, const struct worker_error *error, size_t text_max);

#endif
