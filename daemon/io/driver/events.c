#include "daemon/io/driver/events.h"

#include "daemon/io/base/loop.h"
#include "daemon/io/base/pack_named.h"
#include "daemon/io/driver/caller.h"

#define EVENT_MAX ((size_t)64 * 1024)

/* The bytes of a ring: most events need less than EVENT_BYTES, and the largest one always fits. */
#define EVENT_BYTES    ((size_t)512)
#define RING_BYTES_MIN (4 * EVENT_MAX)

static const struct {
	const char *name;
	enum event_kept kept;
	const char *message_id; /* "": none */
} kinds[EVENT_KIND_COUNT_] = {
#define EVENT(kind, kept, message_id, keys, when) {#kind, EVENT_KEPT_##kept, message_id},
#include "daemon/io/driver/event.def"
#undef EVENT
};

const char *event_kind_name(enum event_kind kind)
{
	return kinds[kind].name;
}

unsigned event_kinds_unnamed(void)
{
	unsigned mask = 0;

	for (unsigned i = 0; i < EVENT_KIND_COUNT_; i++)
		if (kinds[i].kept != EVENT_KEPT_SPANS)
			mask |= 1u << i;
	return mask;
}

const char *event_message_id(enum event_kind kind)
{
	return *kinds[kind].message_id ? kinds[kind].message_id : NULL;
}

int events_init(struct events *events, const struct driver *driver, unsigned kept)
{
	size_t size = kept * EVENT_BYTES;
	int r = 0;

	*events = (struct events){.driver = driver, .epoch = loop_wall_ms()};
	list_init(&events->subscribers);
	list_init(&events->late);
	buf_init(&events->body, EVENT_MAX);
	buf_init(&events->secret, EVENT_MAX);
	for (unsigned i = 0; i < ARRAY_SIZE(events->packed); i++)
		buf_init(&events->packed[i].map, 3 * EVENT_MAX);
	for (unsigned i = 0; r == 0 && i < EVENT_KEPT_COUNT_; i++)
		r = event_ring_init(&events->rings[i], kept,
				    size > RING_BYTES_MIN ? size : RING_BYTES_MIN);
	return r;
}

void events_done(struct events *events)
{
	buf_free(&events->body);
	buf_free(&events->secret);
	for (unsigned i = 0; i < ARRAY_SIZE(events->packed); i++)
		buf_free(&events->packed[i].map);
	for (unsigned i = 0; i < EVENT_KEPT_COUNT_; i++)
		event_ring_done(&events->rings[i]);
}

/* --- who has subscribed --- */

static struct caller *subscriber(struct list_node *node)
{
	return list_entry(node, struct caller, in_subscribers);
}

static void count_wanted(struct events *events)
{
	struct list_node *node;

	events->wanted = 0;
	list_for_each (node, &events->subscribers)
		events->wanted |= subscriber(node)->event_kinds;
}

static void be_late(struct events *events, struct caller *caller)
{
	if (!list_linked(&caller->in_late))
		list_push_back(&events->late, &caller->in_late);
}

static void be_in_time(struct events *events, struct caller *caller)
{
	caller->is_behind = false;
	if (list_linked(&caller->in_late))
		list_remove(&events->late, &caller->in_late);
}

void events_subscribe(struct events *events, struct caller *caller, unsigned kinds_wanted)
{
	if (!list_linked(&caller->in_subscribers))
		list_push_back(&events->subscribers, &caller->in_subscribers);
	be_in_time(events, caller);
	caller->event_kinds = kinds_wanted;
	caller->event_seen = events->sequence;
	caller->events_waiting = 0;
	caller->events_lost = 0;
	count_wanted(events);
}

/* Whether that ring keeps any of these kinds. */
static bool keeps_any(enum event_kept kept, unsigned kinds_wanted)
{
	for (unsigned i = 0; i < EVENT_KIND_COUNT_; i++)
		if ((kinds_wanted & 1u << i) && kinds[i].kept == kept)
			return true;
	return false;
}

/* How many of these kinds with a larger seq are kept. */
static uint64_t count_kept(const struct events *events, uint64_t seq, unsigned kinds_wanted)
{
	uint64_t count = 0;

	for (unsigned i = 0; i < EVENT_KEPT_COUNT_; i++)
		count += event_ring_count(&events->rings[i], seq, kinds_wanted);
	return count;
}

/* How many of these kinds with a larger seq are gone; where that is not known, how many at most. */
static uint64_t count_gone(const struct events *events, uint64_t seq, unsigned kinds_wanted)
{
	uint64_t gone = 0;

	for (unsigned i = 0; i < EVENT_KEPT_COUNT_; i++) {
		const struct event_ring *ring = &events->rings[i];
		uint64_t span = ring->gone_seq > seq ? ring->gone_seq - seq : 0;

		if (keeps_any((enum event_kept)i, kinds_wanted))
			gone += span < ring->gone ? span : ring->gone;
	}
	return gone;
}

uint64_t events_subscribe_since(struct events *events, struct caller *caller, unsigned kinds_wanted,
				uint64_t seq)
{
	uint64_t lost;

	events_subscribe(events, caller, kinds_wanted);
	if (seq > events->sequence)
		seq = 0;
	lost = count_gone(events, seq, kinds_wanted);
	caller->event_seen = seq;
	caller->events_waiting = count_kept(events, seq, kinds_wanted);
	caller->is_behind = true;
	be_late(events, caller);
	return lost;
}

void events_unsubscribe(struct events *events, struct caller *caller)
{
	if (!list_linked(&caller->in_subscribers))
		return;
	be_in_time(events, caller);
	list_remove(&events->subscribers, &caller->in_subscribers);
	count_wanted(events);
}

/* --- sending --- */

static void pack_head(const struct events *events, enum event_kind kind, uint32_t pairs,
		      uint64_t seq, uint64_t at_ms, struct buf *out)
{
	pack_map(out, pairs + 4);
	pack_named_str(out, "kind", kinds[kind].name);
	pack_named_uint(out, "seq", seq);
	pack_named_uint(out, "at_ms", at_ms);
	pack_named_uint(out, "epoch", events->epoch);
}

/* The whole map, with the secret pairs or without.  It is packed once for all who get it so. */
static const struct buf *pack_event(struct events *events, const struct event_record *record,
				    bool is_whole)
{
	struct event_packed *packed = &events->packed[is_whole];

	if (packed->seq == record->seq)
		return &packed->map;
	packed->seq = record->seq;
	buf_reset(&packed->map);
	pack_head(events, (enum event_kind)record->kind,
		  record->pairs + (is_whole ? record->secret_pairs : 0), record->seq, record->at_ms,
		  &packed->map);
	pack_raw(&packed->map, record->open);
	if (is_whole)
		pack_raw(&packed->map, record->secret);
	return &packed->map;
}

static bool give(struct caller *caller, const struct buf *map)
{
	return buf_error(map) == 0 &&
	       caller->ops->event(caller, (struct bytes){map->data, map->len});
}

static bool send_record(struct events *events, struct caller *caller,
			const struct event_record *record)
{
	bool is_whole = record->secret_pairs > 0 &&
			rights_may_see(events->driver, caller, &record->audience);

	if (!is_whole && record->pairs == 0)
		return true;
	return give(caller, pack_event(events, record, is_whole));
}

/* `seq`: of the last of those that are lost. */
static bool send_gap(struct events *events, struct caller *caller, uint64_t seq)
{
	struct buf map;
	bool is_sent;

	buf_init(&map, EVENT_MAX);
	pack_head(events, EVENT_KIND_gap, 1, seq, loop_wall_ms(), &map);
	pack_named_uint(&map, "lost", caller->events_lost);
	is_sent = give(caller, &map);
	buf_free(&map);
	return is_sent;
}

/* --- those who are behind --- */

/* The next one that is kept and that it wants, or NULL. */
static const struct event_record *next_for(const struct events *events, const struct caller *caller)
{
	const struct event_record *next = NULL;

	for (unsigned i = 0; i < EVENT_KEPT_COUNT_; i++) {
		const struct event_record *found = event_ring_after(
			&events->rings[i], caller->event_seen, caller->event_kinds);

		if (found && (!next || found->seq < next->seq))
			next = found;
	}
	return next;
}

/* Counts what it waits for and is not kept any more. */
static void count_lost(struct events *events, struct caller *caller)
{
	bool is_overrun = false;
	uint64_t kept;

	for (unsigned i = 0; i < EVENT_KEPT_COUNT_; i++)
		is_overrun |= events->rings[i].gone_seq > caller->event_seen;
	if (!is_overrun)
		return;
	kept = count_kept(events, caller->event_seen, caller->event_kinds);
	caller->events_lost += caller->events_waiting - kept;
	caller->events_waiting = kept;
}

/* Gives it what it takes.  Returns whether it is not behind any more. */
static bool catch_up(struct events *events, struct caller *caller)
{
	const struct event_record *next;

	count_lost(events, caller);
	next = next_for(events, caller);
	if (caller->events_lost > 0) {
		uint64_t last = next ? next->seq - 1 : events->sequence;

		if (!send_gap(events, caller, last))
			return false;
		caller->events_lost = 0;
		caller->event_seen = last;
	}
	for (; next; next = next_for(events, caller)) {
		if (!send_record(events, caller, next))
			return false;
		caller->events_waiting--;
		caller->event_seen = next->seq;
	}
	return true;
}

void events_read(struct events *events, struct caller *caller)
{
	if (caller->event_seen > events->sequence)
		caller->event_seen = 0;
	caller->events_lost = count_gone(events, caller->event_seen, caller->event_kinds);
	caller->events_waiting = count_kept(events, caller->event_seen, caller->event_kinds);
	if (catch_up(events, caller))
		caller->event_seen = events->sequence;
}

void events_caller_took(struct events *events, struct caller *caller)
{
	if (caller->is_behind)
		be_late(events, caller);
}

void events_catch_up(struct events *events)
{
	for (unsigned left = events->late.len; left > 0 && !list_empty(&events->late); left--) {
		struct list_node *node = list_first(&events->late);
		struct caller *caller = list_entry(node, struct caller, in_late);

		/* It comes back to the list when it has read, or with the next event. */
		list_remove(&events->late, node);
		caller->is_behind = !catch_up(events, caller);
	}
}

/* --- an event --- */

static struct buf *begin(struct events *events, enum event_kind kind, uint32_t pairs)
{
	events->record =
		(struct event_record){.seq = events->sequence, .kind = kind, .pairs = pairs};
	buf_reset(&events->body);
	buf_reset(&events->secret);
	return &events->body;
}

bool events_is_wanted(const struct events *events, enum event_kind kind)
{
	return events->rings[kinds[kind].kept].max > 0 || (events->wanted & 1u << kind);
}

struct buf *events_begin(struct events *events, enum event_kind kind, uint32_t pairs)
{
	events->sequence++;
	events->is_passing = false;
	if (!events_is_wanted(events, kind))
		return NULL;
	return begin(events, kind, pairs);
}

struct buf *events_begin_passing(struct events *events, enum event_kind kind, uint32_t pairs)
{
	if (!(events->wanted & 1u << kind))
		return NULL;
	events->sequence++;
	events->is_passing = true;
	return begin(events, kind, pairs);
}

struct buf *events_restrict(struct events *events, const struct audience *audience, uint32_t pairs)
{
	events->record.audience = *audience;
	events->record.secret_pairs = pairs;
	return &events->secret;
}

static void send_to(struct events *events, struct caller *caller)
{
	if (!caller->is_behind && send_record(events, caller, &events->record))
		return;
	if (!caller->is_behind)
		caller->event_seen = events->record.seq - 1;
	caller->is_behind = true;
	if (events->is_passing)
		caller->events_lost++;
	else
		caller->events_waiting++;
	/* Of any other it is said when its peer has read: events_caller_took. */
	if (caller->put == caller->taken)
		be_late(events, caller);
}

void events_send(struct events *events)
{
	struct event_record *record = &events->record;
	struct list_node *node, *after;

	if (buf_error(&events->body) < 0 || buf_error(&events->secret) < 0)
		return;
	record->at_ms = loop_wall_ms();
	record->open = (struct bytes){events->body.data, events->body.len};
	record->secret = (struct bytes){events->secret.data, events->secret.len};
	if (!events->is_passing)
		event_ring_add(&events->rings[kinds[record->kind].kept], record);
	list_for_each_safe (node, after, &events->subscribers)
		if (subscriber(node)->event_kinds & 1u << record->kind)
			send_to(events, subscriber(node));
}
