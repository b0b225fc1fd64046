#include "daemon/io/frontend/connection.h"

#include "daemon/io/driver/credit.h"
#include "daemon/io/driver/refusal.h"
#include "daemon/io/driver/state.h"
#include "daemon/io/driver/submit.h"
#include "daemon/io/frontend/frontend.h"
#include "protocol/envelope.h"

#include <sys/socket.h>

/* So many bytes may wait for it to be read before it has too much unread: output_pause, or its share
 * of the memory if that is less. */
static size_t unread_max(const struct connection *connection, size_t share)
{
	size_t pause = connection->driver->config->daemon.output_pause;

	return pause < share ? pause : share;
}

/* Whether it holds no more than anybody may at any time, so that nothing changes for one that is
 * read. */
static bool is_modest(const struct connection *connection, size_t held)
{
	return !connection->has_unread && !connection->is_over &&
	       held <= unread_max(connection, CHUNK_SHARE_MIN);
}

void connection_settle(struct connection *connection)
{
	struct link *link = &connection->link;
	size_t held = connection->caller.kept + outbox_held(&link->out);
	size_t share, unread;

	if (connection->is_gone || is_modest(connection, held))
		return;
	share = chunk_share(&connection->driver->loop->store);
	unread = unread_max(connection, share);
	connection->has_unread = link->out.bytes > (connection->has_unread ? unread / 2 : unread);
	connection->is_over = held > (connection->is_over ? share / 2 : share);
	link_set_reading(link, !connection->has_unread && !connection->is_over);
	driver_hold_caller(connection->driver, &connection->caller, connection->has_unread);
	/* What others give back makes its share larger. */
	if (connection->is_over || (connection->has_unread && unread == share))
		link_await_memory(link);
}

void connection_after_put(struct connection *connection)
{
	connection->caller.put = connection->link.written + connection->link.out.bytes;
	connection_settle(connection);
}

void connection_end_if_over(struct connection *connection)
{
	if (connection->link.out.bytes > connection->driver->config->daemon.output_max)
		link_fail(&connection->link, LINK_END_STALLED);
}

/* It asks nothing more, and gets no answer any more. */
static void leave(struct connection *connection, enum caller_end end)
{
	bool was_gone = connection->is_gone;

	connection->is_gone = true;
	driver_leave(connection->driver, &connection->caller);
	if (!was_gone)
		refusal_report_end(connection->driver, &connection->caller, end);
}

void connection_close(struct connection *connection, enum caller_end end)
{
	leave(connection, end);
	link_close(&connection->link);
}

void connection_notify_closing(struct connection *connection)
{
	static const struct bytes name = {(const uint8_t *)"poold.closing", 13};
	uint8_t head[ENVELOPE_HEAD_MAX + METHOD_LEN_MAX];
	struct buf params;

	if (connection->is_gone || !connection->wants_closing)
		return;
	buf_init(&params, 64);
	pack_array(&params, 1);
	pack_map(&params, 1);
	pack_str(&params, "grace_ms");
	pack_uint(&params, FRONTEND_GRACE_MS);
	if (buf_error(&params) == 0) {
		link_put(&connection->link, head, envelope_put_notification(head, name));
		link_put(&connection->link, params.data, params.len);
		connection_after_put(connection);
	}
	buf_free(&params);
}

void connection_end(struct connection *connection)
{
	if (connection->is_gone)
		return;
	connection->is_ending = true;
	(void)shutdown(connection->link.stream.in, SHUT_RD);
	link_drain(&connection->link);
	if (!connection->is_gone)
		connection_finish(connection, CALLER_END_shutdown);
}

void connection_finish(struct connection *connection, enum caller_end end)
{
	leave(connection, end);
	link_close_when_written(&connection->link);
}
