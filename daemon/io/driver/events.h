/*
 * Events: notifications of what happens, sent to those callers that have subscribed.
 *
 * Each event has a number, `seq`, from 1 at the start of the daemon, and the time of that start,
 * `epoch`, so that a restart is seen.  The last ones are kept (event_ring.h), in three rings, so that
 * errors of thousands of requests do not push out what happened to pools and workers, nor spans
 * either of them.  A subscriber may begin with what was kept since an event that it knows.  Who looks
 * now and then need not subscribe: events_read.
 *
 * What an event says of somebody's request (a message, the name of a session) has an audience
 * (rights.h): other subscribers get the event without those pairs, now and later.  Of an event all of
 * whose pairs are restricted so they get nothing.
 *
 * Nobody waits for a subscriber: one with too much unread output is behind, and gets its events
 * from what is kept once it has read.  What is not kept any more then it has lost: an event `gap`
 * in its place says how many those were.
 */
#ifndef POOLD_IO_DRIVER_EVENTS_H
#define POOLD_IO_DRIVER_EVENTS_H

#include "daemon/io/driver/event_ring.h"
#include "daemon/io/driver/rights.h"
#include "protocol/buf.h"
#include "protocol/list.h"

struct caller;

enum event_kind {
#define EVENT(kind, kept, message_id, keys, when) EVENT_KIND_##kind,
#include "daemon/io/driver/event.def"
#undef EVENT
	EVENT_KIND_COUNT_
};

/* Which ring keeps it. */
enum event_kept {
	EVENT_KEPT_REQUESTS = 0,
	EVENT_KEPT_STATE,
	EVENT_KEPT_SPANS,
	EVENT_KEPT_COUNT_
};

/* An event as it is sent, with its secret pairs or without. */
struct event_packed {
	struct buf map;
	uint64_t seq; /* 0: none */
};

struct events {
	const struct driver *driver;
	struct list subscribers; /* callers, by in_subscribers */
	struct list late;	 /* those of them that may take what they have missed, by in_late */
	uint64_t epoch;		 /* when the daemon started, in milliseconds since 1970 */
	uint64_t sequence;	 /* of the last event */
	struct event_ring rings[EVENT_KEPT_COUNT_];
	unsigned wanted; /* kinds that anybody has subscribed to, as a mask of 1u << kind */
	/* The event that is being made. */
	struct event_record record;
	bool is_passing;
	struct buf body;
	struct buf secret;
	struct event_packed packed[2]; /* by whether it is whole */
};

/* `kept`: how many of each ring are kept.  Returns 0 or -ENOMEM. */
int events_init(struct events *events, const struct driver *driver, unsigned kept);
void events_done(struct events *events);

const char *event_kind_name(enum event_kind kind);
/* The kinds that who names none gets, as a mask: all but spans. */
unsigned event_kinds_unnamed(void);
/* Of its entry in the journal's catalog, systemd/poold.catalog; NULL: it is not logged. */
const char *event_message_id(enum event_kind kind);

/* The caller gets events of these kinds (a mask) from now on, and of no others. */
void events_subscribe(struct events *events, struct caller *caller, unsigned kinds);
/*
 * The same, but it first gets those with a larger seq, at the end of this turn of the loop; all that
 * are kept, if there is none with that seq yet.  Returns how many are gone; where that is not known
 * any more, how many they are at most.
 */
uint64_t events_subscribe_since(struct events *events, struct caller *caller, unsigned kinds,
				uint64_t seq);
/*
 * Gives a caller that has not subscribed, once, as many as it takes of the kept events that follow
 * the one that it has seen last (`event_seen`, whatever it was before) and are of its `event_kinds`;
 * first a `gap` where some of them are gone.  Then `event_seen` says how far it has come.  So nothing
 * is made or kept for it between two such times.
 */
void events_read(struct events *events, struct caller *caller);
/* It gets none any more; nothing happens where it had not subscribed. */
void events_unsubscribe(struct events *events, struct caller *caller);

/* The caller's peer has taken some of its output. */
void events_caller_took(struct events *events, struct caller *caller);
/* At the end of a turn: those who are behind get what they take. */
void events_catch_up(struct events *events);

/* Whether anybody has subscribed to that kind, or it is kept. */
bool events_is_wanted(const struct events *events, enum event_kind kind);

/*
 * Begins an event of that many pairs beside those that all events have.  Returns where the pairs
 * are to be packed, and events_send must follow; NULL: nobody has subscribed to it, and none is
 * kept.
 */
struct buf *events_begin(struct events *events, enum event_kind kind, uint32_t pairs);
/* The same for one that comes with requests that succeed: it is not kept. */
struct buf *events_begin_passing(struct events *events, enum event_kind kind, uint32_t pairs);
/* The same for so many more pairs of the event that has begun, which only that audience gets; once
 * in an event.  Never NULL. */
struct buf *events_restrict(struct events *events, const struct audience *audience, uint32_t pairs);
void events_send(struct events *events);

#endif
