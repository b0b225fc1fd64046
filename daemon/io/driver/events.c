#include "daemon/io/driver/events.h"

#include "daemon/io/base/loop.h"
#include "daemon/io/base/pack_named.h"
#include "daemon/io/driver/caller.h"

#define EVENT_MAX ((size_t)64 * 1024)

static const char *const names[EVENT_KIND_COUNT_] = {
#define EVENT(name) #name,
	EVENT_KINDS(EVENT)
#undef EVENT
};

const char *event_kind_name(enum event_kind kind)
{
	return names[kind];
}

void events_init(struct events *events, const struct driver *driver)
{
	*events = (struct events){.driver = driver};
	list_init(&events->subscribers);
	buf_init(&events->body, EVENT_MAX);
	buf_init(&events->secret, EVENT_MAX);
}

void events_done(struct events *events)
{
	buf_free(&events->body);
	buf_free(&events->secret);
}

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

void events_subscribe(struct events *events, struct caller *caller, unsigned kinds)
{
	if (!list_linked(&caller->in_subscribers))
		list_push_back(&events->subscribers, &caller->in_subscribers);
	caller->event_kinds = kinds;
	count_wanted(events);
}

void events_unsubscribe(struct events *events, struct caller *caller)
{
	if (!list_linked(&caller->in_subscribers))
		return;
	list_remove(&events->subscribers, &caller->in_subscribers);
	count_wanted(events);
}

struct buf *events_begin(struct events *events, enum event_kind kind, uint32_t pairs)
{
	events->sequence++;
	if (!(events->wanted & 1u << kind))
		return NULL;
	events->kind = kind;
	events->pairs = pairs;
	buf_reset(&events->body);
	buf_reset(&events->secret);
	events->secret_pairs = 0;
	return &events->body;
}

struct buf *events_restrict(struct events *events, const struct audience *audience, uint32_t pairs)
{
	events->audience = *audience;
	events->secret_pairs = pairs;
	return &events->secret;
}

/* Packs the whole event as this subscriber gets it: only it has lost so many before. */
static void pack_event(const struct events *events, const struct caller *caller, struct buf *out)
{
	uint64_t lost = caller->events_lost;
	bool is_whole = events->secret_pairs > 0 &&
			rights_may_see(events->driver, caller, &events->audience);

	pack_map(out, events->pairs + 3 + (lost > 0) + (is_whole ? events->secret_pairs : 0));
	pack_named_str(out, "kind", names[events->kind]);
	pack_named_uint(out, "seq", events->sequence);
	pack_named_uint(out, "at_ms", loop_wall_ms());
	if (lost > 0)
		pack_named_uint(out, "lost", lost);
	pack_raw(out, (struct bytes){events->body.data, events->body.len});
	if (is_whole)
		pack_raw(out, (struct bytes){events->secret.data, events->secret.len});
}

static void send_to(const struct events *events, struct caller *caller)
{
	struct buf map;

	buf_init(&map, 3 * EVENT_MAX);
	pack_event(events, caller, &map);
	if (buf_error(&map) == 0 && caller->ops->event(caller, (struct bytes){map.data, map.len}))
		caller->events_lost = 0;
	else
		caller->events_lost++;
	buf_free(&map);
}

void events_send(struct events *events)
{
	struct list_node *node;

	if (buf_error(&events->body) < 0 || buf_error(&events->secret) < 0)
		return;
	list_for_each (node, &events->subscribers)
		if (subscriber(node)->event_kinds & 1u << events->kind)
			send_to(events, subscriber(node));
}
