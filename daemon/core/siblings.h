/*
 * Compares a worker with its siblings, the other workers of its pool, by method.
 *
 * A worker in a bad state (a lost connection, a full disk of its own) raises at each call and is
 * alive and fast otherwise.  Nothing but its siblings shows that: at the same method they succeed.
 * A bug or an outage that hits all workers alike shows nothing about any of them.
 *
 * For each method the pool counts its recent calls and failures: both are halved when the calls
 * reach 128.  Each worker counts its own part of these, halved at the same time, so that the rest
 * is that of its siblings.  Apart from that it collects evidence against itself.  With m recent
 * calls of its siblings, of which j failed (rounded up by the square root of j, so that chance does
 * not look like a difference), each failure of its own weighs
 *
 *	log2((m + j + 5) / (2 (j + 2)))
 *
 * bits, and each success takes one bit back.  That is how much more likely the call's end is for a
 * worker that fails at half of the calls at which its siblings succeed than for one of them, if
 * these fail at (j + 2) of m + 3 calls.  When nothing is left the evidence begins anew.  So a
 * worker that fails as often as its siblings reaches n bits hardly once in 2^n calls, whatever that
 * share is.
 *
 * Evidence counts only when a sibling has succeeded at the method since the evidence began, or in
 * the time of one call before that, if no sibling has failed after it: the siblings' calls that
 * would show it may all be under way, while the worker fails at one call after the other.  So an
 * outage of all ejects at most the first one that meets it, and not for long.
 *
 * All functions take constant time; nothing is counted at SIBLINGS_NOT.
 */
#ifndef POOLD_CORE_SIBLINGS_H
#define POOLD_CORE_SIBLINGS_H

#include "protocol/base.h"

/* Methods are numbered as in runs.h; SIBLINGS_NOT is no single method. */
#define SIBLINGS_METHODS 33
#define SIBLINGS_NOT	 0

/* Evidence against a worker, in bits, that ejects it: at least five failures.  On probation one
 * failure is enough where the siblings mostly succeed: it was ejected before. */
#define SIBLINGS_SURE	    24
#define SIBLINGS_SUSPICIOUS 2

/* When something happened last. */
struct siblings_last {
	uint32_t worker; /* to whom */
	usec_t at;	 /* 0: it never has */
	usec_t at_else;	 /* to another one than `worker`; 0: it never has */
};

/* The recent calls of a pool at one method. */
struct siblings_method {
	unsigned calls;
	unsigned failures;
	uint32_t halvings;
	struct siblings_last succeeded;
	struct siblings_last failed;
	usec_t run; /* the time that a call takes */
};

struct siblings {
	struct siblings_method methods[SIBLINGS_METHODS];
};

/* The part of one worker at one method. */
struct siblings_share {
	uint16_t recent_calls;
	uint16_t recent_failures;
	uint16_t calls; /* these two: the evidence */
	uint16_t failures;
	uint32_t halvings; /* of siblings_method, when the recent ones were halved last */
	usec_t since;	   /* the first failure of the evidence */
};

/* The worker has succeeded or failed at a call of that method.  `shares` are its own, one for each
 * method; `worker` is its number. */
void siblings_count(struct siblings *siblings, struct siblings_share *shares, unsigned method,
		    uint32_t worker, bool failed, usec_t now);

/* A call of that method takes so long. */
void siblings_set_run(struct siblings *siblings, unsigned method, usec_t run);

/* Whether there are that many bits of evidence against the worker at the method, and a sibling has
 * succeeded at it since the evidence began (see above), or since `from` if that is earlier. */
bool siblings_stands_out(const struct siblings *siblings, const struct siblings_share *shares,
			 unsigned method, uint32_t worker, unsigned bits, usec_t from);

/* Another life of the worker begins: drops the evidence against it. */
void siblings_acquit(struct siblings_share *shares);

/* The worker is ejected: drops the evidence and its part of the recent calls, which says nothing
 * about the others or about what it does later. */
void siblings_expel(struct siblings *siblings, struct siblings_share *shares);

#endif
