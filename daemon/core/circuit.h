/*
 * A breaker in its place: that of a whole pool, or of one of its methods; with its timer, and with
 * the operator who changed it manually.
 */
#ifndef POOLD_CORE_CIRCUIT_H
#define POOLD_CORE_CIRCUIT_H

#include "daemon/core/breaker.h"
#include "daemon/core/heap.h"
#include "daemon/core/names.h"

/* Methods of a pool that get a breaker of their own, the first ones called; the others share the
 * pool's. */
#define CIRCUIT_METHODS_MAX 31

/* Who changed something manually. */
struct circuit_operator {
	uint32_t uid;
	int32_t pid;
	usec_t at; /* 0: nobody did */
};

struct circuit {
	struct breaker breaker;
	struct name method; /* its scope is the pool; of length 0: the pool's own */
	uint32_t pool;
	enum breaker_reason reason;	  /* of the last change */
	struct circuit_operator operator; /* of the last change, if that was a manual one */
	unsigned queued;		  /* requests in the queue that will ask it */
	struct heap_entry timer;
};

/* Whether a request that came now would be let through, with those before it in the queue. */
static inline bool circuit_is_willing(const struct circuit *circuit, usec_t now)
{
	const struct breaker *breaker = &circuit->breaker;

	switch (breaker->state) {
	case BREAKER_CLOSED:
	case BREAKER_DISABLED:
	case BREAKER_OBSERVING:
		return true;
	case BREAKER_HALF_OPEN:
		return breaker->probes + circuit->queued < breaker->settings.half_open_requests;
	case BREAKER_OPEN:
		return breaker->open_until <= now &&
		       circuit->queued < breaker->settings.half_open_requests;
	case BREAKER_FORCED_OPEN:
	case BREAKER_STATE_COUNT_:
		break;
	}
	return false;
}

/* Whether all requests are let through. */
static inline bool circuit_is_closed(const struct circuit *circuit)
{
	enum breaker_state state = circuit->breaker.state;

	return state == BREAKER_CLOSED || state == BREAKER_DISABLED || state == BREAKER_OBSERVING;
}

#endif
