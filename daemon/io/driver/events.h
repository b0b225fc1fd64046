/*
 * Events: notifications of what happens, sent to those callers that have subscribed.
 *
 * What an event says of somebody's request (a message, the name of a session) has an audience
 * (rights.h): other subscribers get the event without those pairs.
 *
 * Nobody waits for a subscriber: while it has too much unread output, events are dropped and
 * counted, and the next event that it gets says how many were dropped.
 */
#ifndef POOLD_IO_DRIVER_EVENTS_H
#define POOLD_IO_DRIVER_EVENTS_H

#include "daemon/io/driver/rights.h"
#include "protocol/buf.h"
#include "protocol/list.h"

struct caller;

/* EVENT(NAME): the kinds, as PROTOCOL.md has them. */
#define EVENT_KINDS(EVENT)                                                                         \
	EVENT(breaker)                                                                             \
	EVENT(failover)                                                                            \
	EVENT(recovery)                                                                            \
	EVENT(health)                                                                              \
	EVENT(worker)                                                                              \
	EVENT(session)                                                                             \
	EVENT(error)                                                                               \
	EVENT(stall)                                                                               \
	EVENT(alert)

enum event_kind {
#define EVENT(name) EVENT_KIND_##name,
	EVENT_KINDS(EVENT)
#undef EVENT
	EVENT_KIND_COUNT_
};

struct events {
	const struct driver *driver;
	struct list subscribers; /* callers, by in_subscribers */
	uint64_t sequence;
	unsigned wanted; /* kinds that anybody has subscribed to, as a mask of 1u << kind */
	struct buf body; /* of the event that is being made */
	enum event_kind kind;
	uint32_t pairs;
	struct buf secret; /* the pairs for `audience` alone */
	uint32_t secret_pairs;
	struct audience audience;
};

void events_init(struct events *events, const struct driver *driver);
void events_done(struct events *events);

const char *event_kind_name(enum event_kind kind);

/* The caller gets events of these kinds (a mask) from now on, and of no others. */
void events_subscribe(struct events *events, struct caller *caller, unsigned kinds);
/* It gets none any more; nothing happens where it had not subscribed. */
void events_unsubscribe(struct events *events, struct caller *caller);

/*
 * Begins an event of that many pairs beside those that all events have.  Returns where the pairs
 * are to be packed, and events_send must follow; NULL: nobody has subscribed to it.
 */
struct buf *events_begin(struct events *events, enum event_kind kind, uint32_t pairs);
/* The same for so many more pairs of the event that has begun, which only that audience gets; once
 * in an event.  Never NULL. */
struct buf *events_restrict(struct events *events, const struct audience *audience, uint32_t pairs);
void events_send(struct events *events);

#endif
