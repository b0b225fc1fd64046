/*
 * A circuit: the breaker of a pool, or of one of the pool's methods, with its timer and with the
 * operator who last changed it manually.
 */
#ifndef POOLD_CORE_CIRCUIT_H
#define POOLD_CORE_CIRCUIT_H

#include "daemon/core/breaker.h"
#include "daemon/core/heap.h"
#include "daemon/core/names.h"

/* How many methods of a pool can have a breaker of their own: the first ones that are called.  The
 * other methods share the pool's breaker. */
#define CIRCUIT_METHODS_MAX 31

/* The operator who changed the breaker manually. */
struct circuit_operator {
	uint32_t uid;
	int32_t pid;
	usec_t at; /* 0: nobody did */
};

struct circuit {
	struct breaker breaker;
	struct name method; /* its scope is the pool; length 0: the pool's breaker */
	uint32_t pool;
	enum breaker_reason reason;	    /* of the last change */
	struct circuit_operator changed_by; /* who made the last change, if it was manual */
	unsigned queued;		    /* requests in the queue that need its permit */
	struct heap_entry timer;
};

/* Whether the breaker would admit a request that comes now, after those in the queue. */
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

/* Whether the breaker admits all requests. */
static inline bool circuit_is_closed(const struct circuit *circuit)
{
	enum breaker_state state = circuit->breaker.state;

	return state == BREAKER_CLOSED || state == BREAKER_DISABLED || state == BREAKER_OBSERVING;
}

#endif
