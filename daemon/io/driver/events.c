#include "daemon/io/driver/events.h"

#include "daemon/io/base/pack_named.h"
#include "daemon/io/driver/driver.h"
#include "daemon/io/frontend/connection.h"

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

void events_init(struct events *events)
{
	*events = (struct events){0};
	list_init(&events->subscribers);
	buf_init(&events->body, EVENT_MAX);
}

void events_done(struct events *events)
{
	buf_free(&events->body);
}

static struct connection *subscriber(struct list_node *node)
{
	return list_entry(node, struct connection, in_subscribers);
}

static void count_wanted(struct events *events)
{
	struct list_node *node;

	events->wanted = 0;
	list_for_each (node, &events->subscribers)
		events->wanted |= subscriber(node)->event_kinds;
}

void events_subscribe(struct events *events, struct connection *connection, unsigned kinds)
{
	if (!list_linked(&connection->in_subscribers))
		list_push_back(&events->subscribers, &connection->in_subscribers);
	connection->event_kinds = kinds;
	count_wanted(events);
}

void events_unsubscribe(struct events *events, struct connection *connection)
{
	if (!list_linked(&connection->in_subscribers))
		return;
	list_remove(&events->subscribers, &connection->in_subscribers);
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
	return &events->body;
}

static void notify(struct driver *driver, struct connection *connection)
{
	const struct events *events = &driver->events;
	struct buf *out = &driver->scratch;

	if (connection->link.out.bytes > driver->config->daemon.output_pause) {
		connection->events_lost++;
		return;
	}
	buf_init(out, 2 * EVENT_MAX);
	pack_array(out, 1);
	pack_map(out, events->pairs + 3 + (connection->events_lost > 0));
	pack_named_str(out, "kind", names[events->kind]);
	pack_named_uint(out, "seq", events->sequence);
	pack_named_uint(out, "at_ms", loop_wall_ms());
	if (connection->events_lost > 0)
		pack_named_uint(out, "lost", connection->events_lost);
	connection->events_lost = 0;
	pack_raw(out, (struct bytes){events->body.data, events->body.len});
	if (buf_error(out) == 0)
		connection_notify(connection, "poold.event", (struct bytes){out->data, out->len});
	buf_free(out);
}

void events_send(struct driver *driver)
{
	struct events *events = &driver->events;
	struct list_node *node;

	if (buf_error(&events->body) < 0)
		return;
	list_for_each (node, &events->subscribers)
		if (subscriber(node)->event_kinds & 1u << events->kind)
			notify(driver, subscriber(node));
}
