#include "daemon/io/frontend/connection_open.h"

#include "daemon/io/driver/credit.h"
#include "daemon/io/driver/state.h"
#include "daemon/io/frontend/connection.h"
#include "daemon/io/frontend/connection_answer.h"
#include "daemon/io/frontend/connection_request.h"
#include "daemon/io/frontend/frontend.h"
#include "daemon/io/frontend/peer.h"
#include "daemon/io/frontend/request_parse.h"
#include "daemon/io/frontend/users.h"

#include <stdlib.h>
#include <unistd.h>

static struct connection *of_link(void *owner)
{
	return owner;
}

static void on_message(void *owner, struct chunk *chunk, struct bytes message)
{
	connection_take(of_link(owner), chunk, message);
}

/* What a request gets of which only the beginning came; ERR_NONE: no answer. */
static enum errcode end_code(enum link_end end)
{
	switch (end) {
	case LINK_END_TOO_LARGE:
		return ERR_payload_too_large;
	case LINK_END_NO_MEMORY:
		return ERR_memory_limit;
	case LINK_END_MALFORMED:
		return ERR_invalid_request;
	case LINK_END_OF_FILE:
	case LINK_END_ERROR:
	case LINK_END_STALLED:
	case LINK_END_UNREAD:
		break;
	}
	return ERR_NONE;
}

static enum caller_end caller_end_of(enum link_end end)
{
	switch (end) {
	case LINK_END_TOO_LARGE:
		return CALLER_END_too_large;
	case LINK_END_NO_MEMORY:
		return CALLER_END_memory;
	case LINK_END_MALFORMED:
		return CALLER_END_malformed;
	case LINK_END_STALLED:
		return CALLER_END_stalled;
	case LINK_END_ERROR:
		return CALLER_END_reset;
	case LINK_END_OF_FILE:
	case LINK_END_UNREAD:
		break;
	}
	return CALLER_END_closed;
}

/* Refuses the request of which only the beginning is there, unless one with its id is in flight.
 * False: it has no id. */
static bool refuse_begun_with(struct connection *connection, struct bytes begun, enum errcode code,
			      const char *why)
{
	struct asked asked = {.pool = NO_SLOT};

	if (request_begun(begun, &asked.msgid, &asked.method) < 0)
		return false;
	if (!call_find(&connection->driver->calls, &connection->caller, asked.msgid))
		connection_refuse(connection, &asked, code, "%s", why);
	return true;
}

static void on_end(void *owner, enum link_end end, int error, struct bytes begun)
{
	struct connection *connection = of_link(owner);
	struct driver *driver = connection->driver;
	enum errcode code = end_code(end);

	(void)error;
	if (end == LINK_END_STALLED)
		driver->stats.connections_stalled++;
	if (code == ERR_NONE && connection->is_ending &&
	    (end == LINK_END_OF_FILE || end == LINK_END_UNREAD)) {
		connection_finish(connection, CALLER_END_shutdown);
		return;
	}
	if (code == ERR_NONE) {
		connection_close(connection, caller_end_of(end));
		return;
	}
	if (code != ERR_memory_limit)
		driver->stats.messages_malformed++;
	(void)refuse_begun_with(connection, begun, code, errcode_info(code)->text);
	connection_finish(connection, caller_end_of(end));
}

static bool refuse_begun(struct connection *connection, struct bytes begun)
{
	bool has_id =
		refuse_begun_with(connection, begun, ERR_memory_limit,
				  "memory is short, and this request had not come to its end");

	connection->driver->stats.requests_unfinished += has_id;
	return has_id;
}

static bool on_no_memory(void *owner, struct bytes begun, bool by_system)
{
	/* What others have is waited for; who holds too much meanwhile, the frontend finds. */
	return by_system && refuse_begun(of_link(owner), begun);
}

static void on_written(void *owner)
{
	struct connection *connection = of_link(owner);

	if (connection->is_gone)
		return;
	connection->active_at = loop_now(connection->driver->loop);
	connection->caller.taken = connection->link.written;
	driver_caller_took(connection->driver, &connection->caller);
	/* With less to be read, only who had too much can change. */
	if (connection->has_unread || connection->is_over)
		connection_settle(connection);
}

static void on_memory(void *owner)
{
	connection_settle(of_link(owner));
}

static void on_free(struct link *link)
{
	struct connection *connection = container_of(link, struct connection, link);
	struct frontend *frontend = connection->frontend;

	list_remove(&frontend->connections, &connection->in_connections);
	frontend->control_connections -= connection->is_control_only;
	users_leave(&frontend->users, connection->user);
	frontend->driver->stats.connections_open--;
	free(connection);
	frontend->on_place(frontend->owner);
}

static const struct link_handler link_handler = {
	.on_message = on_message,
	.on_end = on_end,
	.on_no_memory = on_no_memory,
	.on_written = on_written,
	.on_memory = on_memory,
	.on_free = on_free,
};

static void identify(struct connection *connection, int fd)
{
	const struct driver *driver = connection->driver;
	struct peer peer = peer_of(fd, driver->rights.groups, driver->rights.group_count);
	int pidfd = -1;

	connection->caller.uid = peer.uid;
	connection->caller.pid = peer.pid;
	connection->caller.client = (uint32_t)driver->stats.connections_accepted;
	connection->caller.groups = peer.groups;
	if (rights_has_claim(driver, &connection->caller))
		pidfd = peer_pidfd(fd, &peer);
	rights_decide(driver, &connection->caller, pidfd);
	if (pidfd >= 0)
		close(pidfd);
}

int connection_open(struct frontend *frontend, int fd, struct connection **ret)
{
	struct connection *connection = calloc(1, sizeof(*connection));
	struct driver *driver = frontend->driver;
	int r;

	if (!connection)
		return -ENOMEM;
	caller_init(&connection->caller, &connection_caller_ops);
	connection->frontend = frontend;
	connection->driver = driver;
	connection->opened_at = connection->active_at = loop_now(driver->loop);
	identify(connection, fd);
	connection->user = users_enter(&frontend->users, connection->caller.uid);
	if (!connection->user) {
		free(connection);
		return -ENOMEM;
	}
	r = link_open(&connection->link, driver->loop, stream_of_socket(fd), FRAMING_MSGPACK,
		      driver->config->daemon.message_max, &link_handler, connection);
	if (r < 0) {
		users_leave(&frontend->users, connection->user);
		free(connection);
		return r;
	}
	connection->link.kept = &connection->caller.kept;
	connection->link.stall_timeout = driver->config->daemon.stall_timeout;
	list_push_back(&frontend->connections, &connection->in_connections);
	driver_join(driver, &connection->caller);
	if (++driver->stats.connections_open > driver->stats.connections_high)
		driver->stats.connections_high = driver->stats.connections_open;
	driver->stats.connections_accepted++;
	*ret = connection;
	return 0;
}

void connection_refuse_begun(struct connection *connection)
{
	struct link *link = &connection->link;

	if (refuse_begun(connection, link_begun(link)))
		link_skip_begun(link);
	else if (link->in_len < LINK_BEGUN_MAX)
		link_trim_begun(link);
	else
		connection_finish(connection, CALLER_END_memory);
}
