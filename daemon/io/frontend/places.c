#include "daemon/io/frontend/places.h"

#include "daemon/io/driver/state.h"
#include "daemon/io/frontend/connection.h"
#include "daemon/io/frontend/frontend.h"
#include "daemon/io/frontend/users.h"

#include <sys/ioctl.h>

/* Candidates that turn out to have something unread, before the search is given up. */
#define TRIES_MAX 8

static const struct config_daemon *config_of(const struct frontend *frontend)
{
	return &frontend->driver->config->daemon;
}

static bool is_open(const struct connection *connection)
{
	return !connection->is_gone && !connection->link.is_closed;
}

/* As far as the daemon knows without asking the system. */
static bool is_idle(const struct connection *connection)
{
	return is_open(connection) && !connection->is_control_only &&
	       list_empty(&connection->caller.calls) && connection->caller.event_kinds == 0 &&
	       link_is_idle(&connection->link);
}

/* Whether its client has sent something that was not read yet. */
static bool has_unread(const struct connection *connection)
{
	int bytes = 0;

	return ioctl(connection->link.stream.in, FIONREAD, &bytes) < 0 || bytes > 0;
}

/* --- idle connections --- */

/* Of whose connections one is looked for. */
enum whose {
	OF_LARGER_USERS,
	OF_THE_SAME_USER
};

static bool is_of(const struct connection *other, const struct connection *connection,
		  enum whose whose)
{
	if (whose == OF_THE_SAME_USER)
		return other->user == connection->user;
	/* Which still has as many when the one has lost a connection and the other has it. */
	return other->user != connection->user &&
	       other->user->connections > connection->user->connections;
}

static bool is_better(const struct connection *a, const struct connection *b)
{
	if (!b || a->user->connections != b->user->connections)
		return !b || a->user->connections > b->user->connections;
	return a->active_at < b->active_at;
}

static struct connection *find_best(const struct connection *connection, enum whose whose)
{
	struct connection *best = NULL;
	struct list_node *node;

	list_for_each (node, &connection->frontend->connections) {
		struct connection *other = list_entry(node, struct connection, in_connections);

		if (other != connection && is_idle(other) && is_of(other, connection, whose) &&
		    is_better(other, best))
			best = other;
	}
	return best;
}

static struct connection *find_idle(const struct connection *connection, enum whose whose)
{
	for (unsigned i = 0; i < TRIES_MAX; i++) {
		struct connection *found = find_best(connection, whose);

		if (!found || !has_unread(found))
			return found;
		found->active_at = loop_now(connection->driver->loop);
	}
	return NULL;
}

static bool close_idle(struct connection *connection, enum whose whose, const char *limit)
{
	struct connection *other = find_idle(connection, whose);
	struct frontend *frontend = connection->frontend;
	unsigned held;

	if (!other)
		return false;
	frontend->driver->stats.connections_evicted++;
	if (log_limit_pass(&frontend->evicted_limit, loop_now(frontend->driver->loop), &held))
		log_notice("%s is reached: an idle connection of uid %u was closed for a new one "
			   "of uid %u (%u times before)",
			   limit, other->caller.uid, connection->caller.uid, held);
	connection_close(other, CALLER_END_evicted);
	return true;
}

/* --- those that have left --- */

/* How many connections there are.  One that was closed stays in the list until the turn ends. */
struct taken {
	unsigned all;
	unsigned clients; /* outside of the reserve */
	unsigned of_user; /* of the user of the new one */
};

static struct taken count_open(const struct connection *connection)
{
	struct taken taken = {0};
	struct list_node *node;

	list_for_each (node, &connection->frontend->connections) {
		const struct connection *other =
			list_entry(node, struct connection, in_connections);

		if (other->link.is_closed)
			continue;
		taken.all++;
		taken.clients += !other->is_control_only;
		taken.of_user += other->user == connection->user;
	}
	return taken;
}

/* Ends the connections of those that have left, but not that one (NULL: any).  Only the newest are looked
 * at, which costs little however many there are: of the others the end was ready to be read in the turns
 * before. */
static void end_left(const struct frontend *frontend, const struct connection *but)
{
	struct link *links[LINK_LEFT_MAX];
	struct list_node *node = list_last(&frontend->connections);
	unsigned count = 0;

	for (; node && node != &frontend->connections.head && count < LINK_LEFT_MAX;
	     node = node->prev) {
		struct connection *other = list_entry(node, struct connection, in_connections);

		if (other != but && is_open(other))
			links[count++] = &other->link;
	}
	link_read_left(links, count);
}

/* --- the reserve --- */

static void enter_reserve(struct connection *connection)
{
	connection->is_control_only = true;
	connection->frontend->control_connections++;
}

/* The oldest one in the reserve whose rights are these. */
static struct connection *find_reserved(const struct frontend *frontend, bool may_control)
{
	struct list_node *node;

	list_for_each (node, &frontend->connections) {
		struct connection *other = list_entry(node, struct connection, in_connections);

		if (is_open(other) && other->is_control_only &&
		    other->caller.may_control == may_control)
			return other;
	}
	return NULL;
}

static bool close_reserved(const struct connection *connection)
{
	struct frontend *frontend = connection->frontend;
	struct connection *other = find_reserved(frontend, false);

	if (!other && connection->caller.may_control)
		other = find_reserved(frontend, true);
	if (!other)
		return false;
	frontend->driver->stats.connections_refused++;
	connection_close(other, CALLER_END_displaced);
	return true;
}

static enum places_verdict refuse(struct connection *connection, const char *limit)
{
	struct frontend *frontend = connection->frontend;
	unsigned held;

	frontend->driver->stats.connections_refused++;
	if (log_limit_pass(&frontend->refused_limit, loop_now(frontend->driver->loop), &held))
		log_warning("%s is reached and no connection is idle: a new one of uid %u was "
			    "closed (%u times before)",
			    limit, connection->caller.uid, held);
	connection_close(connection, CALLER_END_refused);
	return PLACES_REFUSED;
}

static enum places_verdict give_reserved(struct connection *connection, const char *limit,
					 const struct taken *taken)
{
	bool is_full = taken->all > config_of(connection->frontend)->connections_max;

	if (is_full && !close_reserved(connection))
		return refuse(connection, limit);
	enter_reserve(connection);
	return is_full ? PLACES_MADE : PLACES_FREE;
}

/* --- both --- */

/* Its user has more than one user may have.  Whoever may control gets in nevertheless. */
static enum places_verdict give_beyond_limit(struct connection *connection,
					     const struct taken *taken)
{
	static const char limit[] = "connections_per_uid";

	if (close_idle(connection, OF_THE_SAME_USER, limit))
		return PLACES_MADE;
	return connection->caller.may_control ? give_reserved(connection, limit, taken)
					      : refuse(connection, limit);
}

static bool is_beyond_limit(const struct config_daemon *config, const struct taken *taken)
{
	return config->connections_per_uid > 0 && taken->of_user > config->connections_per_uid;
}

static bool has_place(const struct config_daemon *config, const struct taken *taken)
{
	return taken->clients <= config->connections_max - config->control_reserve &&
	       taken->all <= config->connections_max;
}

enum places_verdict places_give(struct connection *connection)
{
	static const char limit[] = "connections_max";
	const struct frontend *frontend = connection->frontend;
	const struct config_daemon *config = config_of(frontend);
	/* With those that were closed in this turn. */
	struct taken taken = {
		.all = frontend->connections.len,
		.clients = frontend->connections.len - frontend->control_connections,
		.of_user = connection->user->connections,
	};

	if (is_beyond_limit(config, &taken) || !has_place(config, &taken)) {
		end_left(frontend, connection);
		taken = count_open(connection);
	}
	if (is_beyond_limit(config, &taken))
		return give_beyond_limit(connection, &taken);
	if (has_place(config, &taken))
		return PLACES_FREE;
	if (close_idle(connection, OF_LARGER_USERS, limit) ||
	    close_idle(connection, OF_THE_SAME_USER, limit))
		return PLACES_MADE;
	return give_reserved(connection, limit, &taken);
}

/* Whether one was closed, or may be closed for another. */
static bool has_loose(const struct frontend *frontend)
{
	struct list_node *node;

	list_for_each (node, &frontend->connections) {
		const struct connection *connection =
			list_entry(node, struct connection, in_connections);

		if (connection->link.is_closed || is_idle(connection) ||
		    (connection->is_control_only && is_open(connection)))
			return true;
	}
	return false;
}

bool places_may_accept(struct frontend *frontend)
{
	if (frontend->connections.len < config_of(frontend)->connections_max || has_loose(frontend))
		return true;
	end_left(frontend, NULL);
	return has_loose(frontend);
}
