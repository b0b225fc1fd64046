/* The planned deeds of the simulated world, earliest first; deeds of the same time happen in the
 * order in which they were planned. */
#ifndef POOLD_SIM_AGENDA_H
#define POOLD_SIM_AGENDA_H

#include "daemon/core/engine.h"

enum deed_kind {
	DEED_ARRIVAL = 0,   /* `client` sends a burst of requests */
	DEED_CANCEL,	    /* a client gives up request `record` */
	DEED_READ,	    /* `client` reads again what waits for it */
	DEED_MEDDLE,	    /* an operator does something */
	DEED_PHASE,	    /* faults begin or stop */
	DEED_WAKE,	    /* a process has started and reads its channel */
	DEED_DELIVER,	    /* `message` reaches a process */
	DEED_PART,	    /* a process sends a part of the answer to its task `message.id` */
	DEED_FINISH,	    /* a process finishes its task `message.id` */
	DEED_SIGNAL,	    /* `signal` reaches a process */
	DEED_DIE,	    /* a process ends */
	DEED_WORKER_EVENTS, /* an event of a process reaches the daemon */
	DEED_RETURN	    /* a client sends its request `record` once more */
};

enum message_kind {
	MESSAGE_REQUEST = 0,
	MESSAGE_CANCEL,
	MESSAGE_RECALL, /* on a way of its own, which is read at any time */
	MESSAGE_PING,
	MESSAGE_SHUTDOWN,
	MESSAGE_EOF /* the daemon closed the channel */
};

/* A message from the daemon to a process. */
struct message {
	enum message_kind kind;
	uint32_t id;
	uint32_t record; /* MESSAGE_REQUEST: which request it is */
};

struct deed {
	enum deed_kind kind;
	usec_t at;
	uint32_t worker; /* the process: WAKE to NEWS */
	uint32_t life;
	union {
		uint32_t record;
		uint32_t client;
		int signal;
		struct message message;
		struct engine_event news;
		struct {
			bool own; /* nobody sent it a signal */
			bool signalled;
			bool unusable;
		} death;
	};
};

struct agenda_place {
	usec_t at;
	uint64_t order;
	uint32_t slot;
};

/* Zeroed memory is an empty agenda.  It keeps its memory from one world to the next. */
struct agenda {
	struct agenda_place *heap;
	struct deed *deeds;
	uint32_t *free_slots;
	uint32_t len;
	uint32_t capacity;
	uint64_t order;
};

void agenda_clear(struct agenda *agenda);
void agenda_free(struct agenda *agenda);
void agenda_add(struct agenda *agenda, const struct deed *deed);

/* Returns the time of the next deed; USEC_INFINITY: there is none. */
usec_t agenda_next(const struct agenda *agenda);

/* Removes and returns the next deed.  There must be one. */
struct deed agenda_take(struct agenda *agenda);

#endif
