/*
 * Who is behind what goes wrong in a pool: which method, worker or client stands out.
 *
 * It is looked for once a second, in what is counted anyway, and costs the paths of requests nothing.
 * What is found is a candidate: from which value on it is trouble, the rules of alerts say.
 *
 *	failing	the method of which the largest share of requests failed in the last 60 s.  Mistakes
 *		of clients (category request) do not count.
 *	slow	the method that has become slower than it was by the largest factor: by the median of
 *		its runs of the last 10 s, against the time that 99 of 100 runs stayed below in the
 *		15 minutes before.  So neither a mix of methods nor a method with a few long runs is
 *		taken for a slow one.  What was usual is up to 17 s old, and kept while the method
 *		is slow, for 15 minutes at most; then the new time is the usual one.
 *	hung	the attempt that has run for longest, of those that run for longer than is usual: four
 *		times as long as nearly all runs of the method that were answered, or, for a method
 *		that has had no result, the pool's usual time limit.
 *	memory	the worker with the most memory, where the pool limits it.
 *	client	who has more than half of the queued requests: one client (a connection), or one user
 *		beside whom others have some.
 */
#ifndef POOLD_CORE_SUSPECT_H
#define POOLD_CORE_SUSPECT_H

#include "daemon/core/window.h"

struct pool;

/* Requests of a method in the last 60 s without which no share of failures is taken. */
#define SUSPECT_FAILING_MIN 10

/* Runs of a method without which it is not said to be slower than before: of now, and of before. */
#define SUSPECT_NOW_MIN	   5
#define SUSPECT_BEFORE_MIN 50

/* Runs that are shorter than this are not slow, whatever they were before. */
#define SUSPECT_SLOW_MIN (10 * USEC_PER_MSEC)

/* Each is empty (zero) where nobody stands out.  The names of methods stay as long as the pool. */
struct suspects {
	struct {
		struct bytes method;
		uint64_t failed;
		uint64_t ended;	   /* with a result or failed */
		enum errcode code; /* of the last failure */
	} failing;
	struct {
		struct bytes method;
		usec_t median; /* of the last 10 s */
		usec_t usual;  /* 99 of 100 runs were no longer before */
	} slow;
	struct {
		usec_t ran; /* 0: none */
		uint32_t worker;
		struct bytes method; /* empty: unknown */
		usec_t usual;	     /* nearly all runs of the method are shorter; 0: unknown */
	} hung;
	struct {
		uint64_t bytes; /* 0: none */
		uint32_t worker;
	} memory;
	struct {
		unsigned queued; /* 0: none */
		bool is_user;
		uint32_t id; /* the client's, or the user's */
	} client;

	/* What is known of each method from one time to the next. */
	struct {
		usec_t usual;	   /* 99 of 100 runs are no longer; 0: unknown */
		usec_t slow_since; /* 0: it is not slow */
	} methods[WINDOW_METHODS];
};

/* Looks for all of them at `now`; `suspects` is zero at first, and belongs to this pool alone. */
void suspects_find(struct suspects *suspects, const struct pool *pool, usec_t now);

#endif
