/*
 * Whether most of a pool's requests fail: then it is degraded, however well its workers are.
 *
 * It is judged by the requests of the last minute that ended with a result or failed.  Refused and
 * cancelled ones do not count, nor do errors that are the request's own (category request).  The
 * pool is failing when `share` percent of them failed, and `min` at least.  It is not when one
 * client or one user alone has these failures, while enough others succeed.
 *
 * Once failing, a pool stays so while three quarters of that share fail, so that it does not change
 * to and fro, and while anything fails in the minute at all.
 *
 * The minute is six slots of ten seconds, the last one not over yet.  Counting is O(1).
 */
#ifndef POOLD_CORE_FAILING_H
#define POOLD_CORE_FAILING_H

#include "protocol/errcode.h"

#define FAILING_SLOTS  6
#define FAILING_SLOT   (10 * USEC_PER_SEC)
#define FAILING_WINDOW (FAILING_SLOTS * FAILING_SLOT)

struct failing_settings {
	unsigned share; /* percent, at least 1 */
	unsigned min;	/* 0: a pool is never failing */
};

struct failing_tally {
	uint32_t succeeded;
	uint32_t failed;
};

/* Those who may be the only ones with failures: a user and a client (a connection). */
enum failing_suspect {
	FAILING_USER = 0,
	FAILING_CLIENT,
	FAILING_SUSPECTS_
};

struct failing_slot {
	struct failing_tally all;
	struct failing_tally others[FAILING_SUSPECTS_]; /* since that one is the suspect */
};

/* The value that has most of the votes, if one has more than half of them (Boyer and Moore). */
struct failing_vote {
	uint32_t value;
	unsigned votes;
};

struct failing {
	struct failing_settings settings;
	usec_t slot_ends;
	uint32_t succeeded; /* of the slot of now, while nothing failed: not yet in it */
	unsigned place;	    /* the slot of now */
	struct failing_slot slots[FAILING_SLOTS];
	struct failing_vote suspects[FAILING_SUSPECTS_];
	struct failing_vote code;
	bool has_suspects; /* something failed in the window */
	bool is_failing;
	usec_t since; /* when it began to be failing */
};

void failing_init(struct failing *failing, const struct failing_settings *settings, usec_t now);

/* A request of that user and client has ended: with a result (ERR_NONE), or it has failed.  Returns
 * whether is_failing has changed. */
bool failing_count(struct failing *failing, usec_t now, uint32_t user, uint32_t client,
		   enum errcode code);

/* The same of a request that ended with a result; quick while nothing fails. */
static inline bool failing_succeed(struct failing *failing, usec_t now, uint32_t user,
				   uint32_t client)
{
	if (failing->has_suspects || now >= failing->slot_ends)
		return failing_count(failing, now, user, client, ERR_NONE);
	failing->succeeded++;
	return false;
}

/* When failing_tick is due; USEC_INFINITY: nothing changes by time alone. */
usec_t failing_deadline(const struct failing *failing);

/* Judges anew what time has changed.  Returns whether is_failing has changed. */
bool failing_tick(struct failing *failing, usec_t now);

/* The code of most failures. */
enum errcode failing_code(const struct failing *failing);

/* The requests by which it was judged last. */
struct failing_tally failing_sum(const struct failing *failing);

#endif
