#include "daemon/io/frontend/shortage.h"

#include "daemon/io/driver/state.h"
#include "daemon/io/frontend/connection.h"
#include "daemon/io/frontend/connection_open.h"
#include "daemon/io/frontend/frontend.h"

#include <inttypes.h>

/* A half-received request stands still when it took no memory for so long, as no more of it comes; and
 * when it waited so long for memory. */
#define STANDS_AFTER  (250 * USEC_PER_MSEC)
#define STARVES_AFTER USEC_PER_SEC

/* To refuse one that has no more memory than this would gain too little. */
#define WORTH_MIN (2 * CHUNK_SIZE)

/* Refused at a time at most. */
#define REFUSED_MAX 16

/* Between two lines in the log about it. */
#define LOG_INTERVAL (10 * USEC_PER_SEC)

static struct connection *of_node(struct list_node *node)
{
	return list_entry(node, struct connection, in_connections);
}

static bool is_standing(struct connection *connection, usec_t now)
{
	struct link *link = &connection->link;

	if (link->has_grown) {
		link->has_grown = false;
		connection->grown_at = now;
	}
	/* Of one that is paused no more can come. */
	return !connection->is_gone && link->in && link->is_reading &&
	       usec_sub(now, connection->grown_at) >=
		       (link->wanted > 0 ? STARVES_AFTER : STANDS_AFTER);
}

/* The connection with the largest half-received request that stands still and is worth it; NULL:
 * there is none. */
static struct connection *largest_standing(const struct frontend *frontend)
{
	usec_t now = loop_now(frontend->driver->loop);
	struct connection *found = NULL;
	struct list_node *node;
	size_t most = WORTH_MIN;

	list_for_each (node, &frontend->connections) {
		struct connection *connection = of_node(node);

		if (!is_standing(connection, now) || connection->link.in->capacity <= most)
			continue;
		most = connection->link.in->capacity;
		found = connection;
	}
	return found;
}

static struct connection *largest_holder(const struct frontend *frontend)
{
	struct connection *found = NULL;
	struct list_node *node;
	size_t most = 0;

	list_for_each (node, &frontend->connections) {
		size_t held = link_held(&of_node(node)->link);

		if (held > most) {
			most = held;
			found = of_node(node);
		}
	}
	return found;
}

static double mib(size_t bytes)
{
	return (double)bytes / (1 << 20);
}

static void log_largest(struct frontend *frontend)
{
	const struct loop *loop = frontend->driver->loop;
	struct connection *most = largest_holder(frontend);
	const struct link *link;

	if (!most)
		return;
	link = &most->link;
	log_warning(
		"memory is short: %.1f of %.1f MiB (memory_max) are in use; the client with "
		"uid %" PRIu32 ", pid %" PRId32
		" holds the most: %.1f MiB, of which %.1f are answers that it has not read, %.1f "
		"are requests that are not answered yet, and %.1f are a request that it has not "
		"sent to its end",
		mib(loop->store.bytes), mib(loop->store.bytes_max), most->caller.uid,
		most->caller.pid, mib(link_held(link)), mib(outbox_held(&link->out)),
		mib(most->caller.kept), mib(link->in ? link->in->capacity : 0));
}

/* Returns whether there was one. */
static bool refuse_standing(const struct frontend *frontend)
{
	struct connection *standing = largest_standing(frontend);

	if (standing)
		connection_refuse_begun(standing);
	return standing != NULL;
}

static void on_short(void *owner)
{
	struct frontend *frontend = owner;
	struct loop *loop = frontend->driver->loop;

	if (!loop->is_short)
		return;
	if (frontend->short_logged_at == 0 ||
	    usec_sub(loop_now(loop), frontend->short_logged_at) >= LOG_INTERVAL) {
		frontend->short_logged_at = loop_now(loop);
		log_largest(frontend);
	}
	if (loop->hungry > 0)
		refuse_standing(frontend);
	for (unsigned i = 0; i < REFUSED_MAX && chunk_level(&loop->store) >= CHUNK_CROWDED; i++)
		if (!refuse_standing(frontend))
			return;
}

void shortage_watch(struct frontend *frontend)
{
	struct loop *loop = frontend->driver->loop;

	loop->on_short = on_short;
	loop->short_owner = frontend;
}
