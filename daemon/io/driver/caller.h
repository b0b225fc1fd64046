/*
 * Who asks: the interface between a call and whoever made it, so that a client's connection, an
 * HTTP request or a timer of the daemon can all ask and be answered.
 *
 * Whoever asks embeds a struct caller and fills it in.  It opens calls (call.h), hands them over
 * (driver_submit), and is answered exactly once for each by `answer` or `error`.  It may subscribe
 * to events (events.h).  Before its memory is freed it must leave (driver_leave).
 */
#ifndef POOLD_IO_DRIVER_CALLER_H
#define POOLD_IO_DRIVER_CALLER_H

#include "daemon/io/base/chunk.h"
#include "protocol/error.h"
#include "protocol/list.h"

/* Bytes of what a client says of itself, with the 0 at the end: more is cut off. */
#define CALLER_NAME_SIZE    64
#define CALLER_VERSION_SIZE 32

struct caller;

/* Why nothing is read from a caller's peer for the moment. */
enum caller_pause {
	CALLER_READ = 0,      /* it is read */
	CALLER_PAUSED_UNREAD, /* it has too much unread output, so its queued requests wait too */
	CALLER_PAUSED_MEMORY, /* it holds more than its share of memory_max */
	CALLER_PAUSE_COUNT_
};

/* The word for it; NULL: it is read. */
const char *caller_pause_name(enum caller_pause pause);

/* END(name, text): why a caller's connection came to its end. */
#define CALLER_ENDS(END)                                                                           \
	END(closed, "its client closed it")                                                        \
	END(reset, "its client was gone before it had read all")                                   \
	END(malformed, "its client sent what is not a message")                                    \
	END(too_large, "its client sent a message over message_max")                               \
	END(duplicate_id, "its client used a message id twice at a time")                          \
	END(stalled, "its client read too little while answers waited for it")                     \
	END(memory, "there was no memory for its messages or answers")                             \
	END(evicted, "it was idle, and its place was needed")                                      \
	END(displaced, "its place, one of control_reserve, was needed")                            \
	END(refused, "all places were taken")                                                      \
	END(shutdown, "the daemon stops")

enum caller_end {
#define END(name, text) CALLER_END_##name,
	CALLER_ENDS(END)
#undef END
	CALLER_END_COUNT_
};

/* "closed" and so on, and the sentence for people. */
const char *caller_end_name(enum caller_end end);
const char *caller_end_text(enum caller_end end);

/* Whether the client was cut off: neither has it gone by itself, nor does the daemon stop. */
bool caller_end_is_cut_off(enum caller_end end);

/* What only the one who embeds a caller knows of it. */
struct caller_view {
	usec_t since;	 /* when it came */
	usec_t active;	 /* the last message of its peer, or the last output that the peer took */
	uint64_t in;	 /* bytes that came from its peer */
	uint64_t out;	 /* bytes that its peer has taken */
	uint64_t unread; /* bytes that wait here for its peer */
	enum caller_pause pause;
	bool is_control_only; /* it has a place of the reserve, from which nothing can be called */
};

/* An answer is one MessagePack value: `value`, in `chunk` unless that is NULL.  Where it is only a part
 * of what the client gets, little stands around it, in no chunk; else these are empty. */
struct caller_answer {
	struct bytes before;
	struct bytes value;
	struct bytes behind;
	struct chunk *chunk;
};

/*
 * What happens to its calls.  `msgid` is the id that the caller gave the call.  Bytes last as long
 * as the function runs, those in a chunk as long as the chunk.  None of these may free the caller
 * or submit a call: they are called while the effects of an event are carried out.
 */
struct caller_ops {
	void (*answer)(struct caller *caller, uint32_t msgid, const struct caller_answer *answer);
	/* The call failed. */
	void (*error)(struct caller *caller, uint32_t msgid, const struct error *error);
	/* A part of the answer to a call with `stream`: a whole MessagePack value in `chunk`. */
	void (*part)(struct caller *caller, uint32_t msgid, struct chunk *chunk,
		     struct bytes value);
	/* The parts so far are void, the answer begins anew: only where the call was made
	 * restartable. */
	void (*restart)(struct caller *caller, uint32_t msgid);
	/* An event that it has subscribed to: a whole map.  False: it has too much unread, and the
	 * event is lost to it.  NULL where the caller never subscribes. */
	bool (*event)(struct caller *caller, struct bytes map);
	/* Fills *ret.  NULL where the caller never joins (driver_join). */
	void (*view)(struct caller *caller, struct caller_view *ret);
};

struct caller {
	const struct caller_ops *ops;
	uint32_t uid; /* of the process that asks, as is `pid` */
	int32_t pid;
	uint32_t client;      /* a number of its own while it lives: clients take turns in queues */
	uint64_t groups;      /* of those that the configuration names, which it is in (rights.h) */
	bool may_control;     /* the daemon: rights_decide, as are the next two */
	bool may_be_critical; /* whether its requests may have the priority `critical` */
	bool is_barred;	      /* it comes from a worker, and so controls nothing at all */
	bool is_unknown;      /* nobody knows whose it is: it reads no text that has an audience */
	bool wants_errors_map;	     /* wants errors as the map of PROTOCOL.md, not as text */
	char name[CALLER_NAME_SIZE]; /* these two: as the client calls itself; "": unknown */
	char version[CALLER_VERSION_SIZE];
	struct list_node in_callers; /* of the driver: driver_join */
	struct list calls;	     /* its open calls, by in_caller */
	uint64_t calls_opened;	     /* calls that it ever made */
	size_t kept;		     /* bytes of memory that they keep */
	/* Bytes that were ever put for its peer, and of these, bytes that it has taken: whoever
	 * embeds it counts both, or leaves both 0. */
	uint64_t put;
	uint64_t taken;
	bool is_held;		    /* it has too much unread: driver_hold_caller */
	struct list unread;	    /* its calls with parts that its peer has not taken */
	struct list_node in_turned; /* until the engine is told of is_held */
	struct list_node in_subscribers;
	unsigned event_kinds; /* that it has subscribed to: a mask of 1u << enum event_kind */
	/* These are of events.c. */
	bool is_behind;	     /* it did not take an event: it gets the next ones from what is kept */
	uint64_t event_seen; /* seq of the last event that it got, or that was none for it */
	uint64_t events_waiting;  /* kept events that it has to get while it is behind */
	uint64_t events_lost;	  /* since the last event that it took */
	struct list_node in_late; /* while it is to be given what it has missed */
};

/* A caller without calls who may ask and not control; the rest is set by whoever embeds it. */
void caller_init(struct caller *caller, const struct caller_ops *ops);

/* What the client says of itself; an empty text leaves what was there. */
void caller_set_name(struct caller *caller, struct bytes name, struct bytes version);

#endif
