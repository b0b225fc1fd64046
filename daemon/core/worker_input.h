/*
 * How a worker reacts to each input in each state: a complete table.
 *
 * An input is an event that names this worker and its present life, or its own timer.
 * engine_input.c drops events of another life, and messages from a broken channel, before it reads
 * the table.
 */
#ifndef POOLD_CORE_WORKER_INPUT_H
#define POOLD_CORE_WORKER_INPUT_H

#include "daemon/core/worker.h"

enum worker_reaction {
	REACTION_NEVER = 0, /* impossible: the caller has broken its contract */
	REACTION_IGNORED,   /* nothing changes */
	REACTION_VIOLATES,  /* the worker broke the protocol and is ended */
	REACTION_LIVES,	    /* only its health check: this one may pass, the next is postponed */
	REACTION_IS_READY,  /* the worker can take requests */
	REACTION_BEGINS,    /* an attempt begins; an unknown one breaks the protocol */
	REACTION_PART,	    /* part of an answer; for an unknown attempt it breaks the protocol */
	REACTION_HOLDS,	    /* the clocks of an attempt stop or go on; an unknown one is ignored */
	REACTION_ANSWERS,   /* a health check or attempt ends; an unknown one breaks the protocol */
	REACTION_UNSENT,    /* the attempt could not be sent; an unknown one is ignored */
	REACTION_CHANNEL,   /* its channel is broken: the worker is ended */
	REACTION_GONE,	    /* the process ended: its requests are tried again or answered */
	REACTION_NO_START,  /* the process could not be started */
	REACTION_RELEASE,   /* the worker is ended to free memory, unless it is the last one */
	REACTION_MEASURED,  /* the worker is replaced if it uses more than max_memory */
	REACTION_KILLED,    /* the worker gets the signal, and SIGKILL after kill_grace */
	REACTION_REFUSED,   /* the operator is answered that there is no such process */
	REACTION_START,	    /* the delay before its start is over */
	REACTION_TOO_LATE,  /* init_timeout is over: the worker is ended */
	REACTION_CHECK,	    /* a health check is due; or idle time, ejection or lifetime is over */
	REACTION_WATCH,	    /* an attempt is slow or was not given up; or the lifetime is over */
	REACTION_SIGNAL	    /* the worker has not ended: it gets the next signal */
};

/* INPUT(NAME, the reaction in each state, in the order of WORKER_STATES) */
/* clang-format off */
	/*                  TERMINATED          READY               DEGRADED            TERMINATING
	 *                            INITIALIZING        BUSY                DRAINING */
#define WORKER_INPUTS(INPUT)                                                                       \
	INPUT(READY,        IGNORED,  IS_READY, VIOLATES, VIOLATES, VIOLATES, VIOLATES, IGNORED)   \
	INPUT(BEGAN,        IGNORED,  VIOLATES, VIOLATES, BEGINS,   VIOLATES, BEGINS,   BEGINS)    \
	INPUT(ALIVE,        IGNORED,  LIVES,    LIVES,    LIVES,    LIVES,    LIVES,    LIVES)     \
	INPUT(CHUNK,        IGNORED,  VIOLATES, VIOLATES, PART,     VIOLATES, PART,     PART)      \
	INPUT(HELD,         IGNORED,  IGNORED,  IGNORED,  HOLDS,    IGNORED,  HOLDS,    HOLDS)     \
	INPUT(ANSWERED,     IGNORED,  VIOLATES, ANSWERS,  ANSWERS,  ANSWERS,  ANSWERS,  ANSWERS)   \
	INPUT(SEND_FAILED,  IGNORED,  IGNORED,  IGNORED,  UNSENT,   IGNORED,  UNSENT,   UNSENT)    \
	INPUT(BROKE,        IGNORED,  CHANNEL,  CHANNEL,  CHANNEL,  CHANNEL,  CHANNEL,  CHANNEL)   \
	INPUT(EXITED,       IGNORED,  GONE,     GONE,     GONE,     GONE,     GONE,     GONE)      \
	INPUT(SPAWN_FAILED, IGNORED,  NO_START, NEVER,    NEVER,    NEVER,    NEVER,    NO_START)  \
	INPUT(PRESSURE,     IGNORED,  IGNORED,  RELEASE,  IGNORED,  IGNORED,  IGNORED,  IGNORED)   \
	INPUT(MEMORY,       IGNORED,  IGNORED,  MEASURED, MEASURED, MEASURED, IGNORED,  IGNORED)   \
	INPUT(KILL,         REFUSED,  KILLED,   KILLED,   KILLED,   KILLED,   KILLED,   KILLED)    \
	INPUT(DUE,          START,    TOO_LATE, CHECK,    WATCH,    CHECK,    WATCH,    SIGNAL)
/* clang-format on */

enum worker_input {
#define INPUT(name, ...) INPUT_##name,
	WORKER_INPUTS(INPUT)
#undef INPUT
	INPUT_COUNT_
};

/* Returns the reaction of a worker in that state to the input. */
enum worker_reaction worker_reaction(enum worker_state state, enum worker_input input);

#endif
