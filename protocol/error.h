/*
 * The error object: what a failed request answers, in both of its shapes, and the smaller one a
 * worker answers.
 *
 * Fields a caller leaves NULL, 0 or USEC_INFINITY (as noted) are left out of the map.  Texts may
 * hold any bytes, whoever they came from: they are packed by pack_text (buf.h), so that a strict
 * decoder takes the error whatever a peer wrote into it.
 */
#ifndef POOLD_PROTOCOL_ERROR_H
#define POOLD_PROTOCOL_ERROR_H

#include "protocol/base.h"
#include "protocol/buf.h"
#include "protocol/errcode.h"

/* One try of a request, for the list `attempts`. */
struct error_attempt {
	const char *pool;
	uint32_t worker;
	enum errcode code;
	const char *message; /* NULL: left out */
	usec_t started;	     /* since the request came */
	usec_t run;
	usec_t delay; /* waited before it */
};

struct error {
	enum errcode code;
	enum errseverity severity;
	enum errstrategy strategy;
	const char *message; /* for people; NULL: the table's text */
	bool retryable;	     /* whether the same request may do better later */
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
	struct bytes detail; /* a whole MessagePack map, or empty */
};

/* An error of that code with its row's severity and strategy, and everything else left out. */
struct error error_make(enum errcode code);

/* The map of the reference (PROTOCOL.md, "The error map"). */
void error_pack_map(struct buf *buf, const struct error *error);

/* [0, "CODE: text"], the shape that every stock client shows. */
void error_pack_stock(struct buf *buf, const struct error *error);

/* The same as pairs for a map that the caller begins and adds to: how many there are, and their
 * bytes. */
uint32_t error_count_fields(const struct error *error);
void error_pack_fields(struct buf *buf, const struct error *error);

/*
 * One line for a log: every field of the context by its name, so that lines can be searched and
 * compared; N/A for what is not known, and attempt 1 where none was counted.
 */
void error_format(struct buf *buf, const struct error *error);

/* What a worker of the poold dialect says of a request that failed (PROTOCOL.md, "Worker errors").
 */
struct worker_error {
	enum errcode code; /* ERR_exception, ERR_rejected, ERR_unknown_method, ERR_encode_error,
			      ERR_cancelled; anything else is taken as ERR_exception */
	struct bytes type; /* "ValueError"; may be empty */
	struct bytes message;
	struct bytes traceback;
	struct bytes data; /* whatever else it says: a whole value, or empty */
	bool said;	   /* the worker says whether another try may do better: */
	bool retryable;
	bool graded; /* the worker says how grave it is: */
	enum errseverity severity;
	bool fatal;	    /* the worker is broken and wants to be replaced */
	usec_t retry_after; /* USEC_INFINITY: not said */
};

/*
 * Reads a worker's error, whatever its shape: the map of the reference, a stock [number, text], a
 * bare string, or any other value (its text is then empty).  Unknown keys are passed over.  Slices
 * point into `value`.
 */
void worker_error_read(struct bytes value, struct worker_error *ret);

/* {type, message, traceback, data} for `detail`, each text cut to at most `text_max` bytes at a
 * UTF-8 boundary and made valid UTF-8; empty ones are left out, and so is data above `text_max`. */
void worker_error_pack_detail(struct buf *buf, const struct worker_error *error, size_t text_max);

#endif
