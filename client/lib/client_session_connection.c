/* How a session begins on a connection, and what becomes of its requests when that is lost or none
 * can be made. */
#include "client/lib/client_session_internal.h"

#include "client/lib/client_again.h"
#include "client/lib/reply.h"

/* Takes the daemon's limit of a message from its answer; a server without poold.hello has none. */
static void on_hello(void *userdata, const struct poold_reply *reply)
{
	struct client_session *session = userdata;
	struct poold_reader limits, value;
	struct poold_bytes map;
	uint64_t message_max;

	if (reply->status < 0 || poold_map_find(reply->result, "limits", &limits) < 0 ||
	    poold_read_value(&limits, &map) < 0 || poold_map_find(map, "message_max", &value) < 0 ||
	    poold_read_uint(&value, &message_max) < 0 || message_max == 0)
		return;
	session->message_max = message_max;
}

static bool is_hello(const struct client_request *request)
{
	return request->callback == on_hello;
}

int client_session_begin(struct client_session *session)
{
	struct bytes part;
	struct client_start start = {.method = "poold.hello",
				     .parts = &part,
				     .part_count = 1,
				     .deadline = USEC_INFINITY,
				     .callback = on_hello,
				     .userdata = session};
	struct client_request *request;
	struct frame *frame;
	struct buf params;
	int r;

	buf_init(&params, 1024);
	pack_array(&params, 1);
	pack_map(&params, session->reconnects ? 4 : 3);
	pack_str(&params, "client");
	pack_str(&params, session->name);
	pack_str(&params, "version");
	pack_str(&params, poold_version());
	pack_str(&params, "errors");
	pack_str(&params, "map");
	if (session->reconnects) {
		pack_str(&params, "closing");
		pack_bool(&params, true);
	}
	part = (struct bytes){params.data, params.len};
	r = buf_error(&params);
	r = r < 0 ? r : session_new_request(session, &start, &request, &frame);
	buf_free(&params);
	if (r < 0)
		return r;
	session->message_max = UINT64_MAX;
	session->is_connected = true;
	session->is_closing = false;
	if (session->to_ask_again > 0)
		session->next_deadline = 0;
	outbox_add_first(&session->outbox, frame, &request->frame);
	return 0;
}

/* Handles the loss of the connection for one request: a request that was sent finishes with
 * `outcome`; one that was not stays waiting, but finishes when that happens for the second time. */
static void lose(struct client_session *session, struct client_request *request,
		 struct poold_reply outcome)
{
	if (request->is_refused)
		return;
	if (!request->frame && !is_hello(request) && !request->is_abandoned) {
		session_finish(session, request, outcome);
	} else if (request->frame && request->has_moved && request->until == 0 &&
		   !request->is_abandoned) {
		outcome.error.executed = POOLD_EXECUTED_NO;
		session_finish(session, request, outcome);
	} else if (request->frame && !is_hello(request) && !request->is_abandoned) {
		request->has_moved = true;
		return;
	}
	session_release(session, request);
}

void client_session_lost(struct client_session *session, int status, const char *message)
{
	struct poold_reply outcome = reply_local_error(status, POOLD_EXECUTED_MAYBE, message);

	session->is_connected = false;
	session->is_closing = false;
	session->overdue = 0;
	session->crowded_out = 0;
	inbox_free(&session->inbox);
	outbox_restart(&session->outbox);
	for (size_t slot = 0; slot < session->requests.slot_count; slot++) {
		if (session->requests.slots[slot])
			lose(session, session->requests.slots[slot], outcome);
	}
}

void client_session_refused(struct client_session *session, int status, const char *message)
{
	struct poold_reply outcome = reply_local_error(status, POOLD_EXECUTED_NO, message);

	for (size_t slot = 0; slot < session->requests.slot_count; slot++) {
		struct client_request *request = session->requests.slots[slot];

		if (!request)
			continue;
		session_finish(session, request, outcome);
		session_release(session, request);
	}
}

usec_t client_session_unreachable(struct client_session *session, usec_t now, bool is_over,
				  int status, const char *message)
{
	struct poold_reply outcome = reply_local_error(status, POOLD_EXECUTED_NO, message);
	usec_t earliest = USEC_INFINITY;

	for (size_t slot = 0; slot < session->requests.slot_count; slot++) {
		struct client_request *request = session->requests.slots[slot];

		if (!request)
			continue;
		if (request->until > now && (request->until < USEC_INFINITY || !is_over)) {
			earliest = usec_min(earliest, request->until);
			continue;
		}
		session_finish(session, request, outcome);
		session_release(session, request);
	}
	return earliest;
}

bool client_session_wants_connection(const struct client_session *session)
{
	return client_session_has_output(session) || session->to_ask_again > 0;
}

bool client_session_is_left(const struct client_session *session)
{
	return session->is_closing && !client_session_has_output(session) &&
	       client_requests_count(&session->requests) == session->to_ask_again;
}

usec_t client_session_pause(struct client_session *session)
{
	return again_pause(&session->random, session->tries++);
}
