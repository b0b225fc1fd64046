/*
 * What a worker's state makes of each input: a complete table.
 *
 * An input is an event that names this worker and its present life, or its own timer.  Events of
 * another life, and whatever comes through a channel that is broken, are dropped before the table
 * is asked (engine_input.c).
 */
#ifndef POOLD_CORE_WORKER_INPUT_H
#define POOLD_CORE_WORKER_INPUT_H

#include "daemon/core/worker.h"

enum worker_reaction {
	REACTION_NEVER = 0, /* impossible: the caller has broken its contract */
	REACTION_IGNORED,   /* nothing changes */
	REACTION_VIOLATES,  /* it has broken the protocol, and is ended */
	REACTION_LIVES,	    /* its next health check is put off */
	REACTION_IS_READY,  /* it can take requests */
	REACTION_BEGINS,    /* it begins an attempt; one that it does not have is a violation */
	REACTION_PART,	    /* goes to the client; of an unknown attempt it is a violation */
	REACTION_ANSWERS,   /* a health check or an attempt ends; an unknown one is a violation */
	REACTION_UNSENT,    /* the attempt did not reach it; an unknown one is ignored */
	REACTION_CHANNEL,   /* its channel is of no use: it is ended */
	REACTION_GONE,	    /* its life is over: its requests are tried again or answered */
	REACTION_NO_START,  /* its life is over before it began */
	REACTION_RELEASE,   /* it is ended to free its memory, if it is not the last one */
	REACTION_MEASURED,  /* it is to be replaced if it uses more than max_memory */
	REACTION_KILLED,    /* it gets the signal, and SIGKILL if it stays */
	REACTION_REFUSED,   /* the operator's answer is that there is no such process */
	REACTION_START,	    /* the delay before its start is over */
	REACTION_TOO_LATE,  /* it was not ready in time, and is ended */
	REACTION_CHECK,	    /* a health check, or the end of its idle time, ejection or lifetime */
	REACTION_WATCH,	    /* an attempt takes long or was not given up; or its lifetime is over */
	REACTION_SIGNAL	    /* it has not ended, and gets the next signal */
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

/* What the input does in that state. */
enum worker_reaction worker_reaction(enum worker_state state, enum worker_input input);

#endif
