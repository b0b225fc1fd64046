/* What comes from the daemon: answers, chunks, events. */
#include "client/lib/client_session_internal.h"

#include "client/lib/client_again.h"
#include "client/lib/notice.h"
#include "client/lib/reply.h"
#include "client/lib/value.h"
#include "protocol/envelope.h"
#include "protocol/read.h"

#include <errno.h>

/* The request is asked again; if that comes to nothing, the caller gets this answer. */
static void refuse(struct client_session *session, struct client_request *request,
		   const struct envelope *envelope)
{
	struct poold_reply refusal = reply_remote_error(envelope->error, &session->texts);

	poold_reply_free(&request->refusal);
	reply_copy(&refusal, &request->refusal);
	session_mark_refused(session, request, 0);
}

/* The daemon will close the connection: what it has not begun to get waits for the next one. */
static void on_closing(struct client_session *session)
{
	if (!session->reconnects)
		return;
	session->is_closing = true;
	for (size_t slot = 0; slot < session->requests.slot_count; slot++) {
		struct client_request *request = session->requests.slots[slot];

		if (request && request->frame && request->until > 0 &&
		    session_is_untouched(session, request))
			session_hold_back(session, request);
	}
}

static void on_response(struct client_session *session, const struct envelope *envelope)
{
	struct client_request *request = client_requests_find(&session->requests, envelope->id);
	bool is_result;
	struct poold_reply reply;
	poold_callback callback;
	void *userdata;
	struct reader error;

	/* Ignore an answer to a request of which no byte was sent: the id is not ours. */
	if (!request || session_is_untouched(session, request))
		return;

	if (request->kept && request->until > 0 && !request->is_abandoned &&
	    again_is_refusal(envelope->error)) {
		refuse(session, request, envelope);
		return;
	}
	callback = request->is_abandoned ? NULL : request->callback;
	userdata = request->userdata;
	session->crowded_out = 0;
	session_release(session, request);
	if (!callback)
		return;
	reader_init(&error, envelope->error.data, envelope->error.len);

	is_result = read_peek(&error) == VALUE_NIL;
	reply = is_result ? reply_result(envelope->result)
			  : reply_remote_error(envelope->error, &session->texts);
	callback(userdata, &reply);
}

/* A chunk or a restart of a streamed answer; ignored if the request was given up. */
static void on_stream(const struct client_session *session, const struct notice *notice)
{
	const struct client_request *request = client_requests_find(&session->requests, notice->id);

	if (!request || request->frame || request->is_abandoned)
		return;
	if (notice->kind == NOTICE_CHUNK && request->stream.on_chunk)
		request->stream.on_chunk(request->stream.userdata, bytes_to_public(notice->value));
	else if (notice->kind == NOTICE_RESTART && request->stream.on_restart)
		request->stream.on_restart(request->stream.userdata);
}

static void on_notification(struct client_session *session, const struct envelope *envelope)
{
	struct notice notice = notice_read(envelope);

	switch (notice.kind) {
	case NOTICE_CHUNK:
	case NOTICE_RESTART:
		on_stream(session, &notice);
		break;
	case NOTICE_EVENT:
		if (session->on_event)
			session->on_event(session->event_userdata, bytes_to_public(notice.value));
		break;
	case NOTICE_CLOSING:
		on_closing(session);
		break;
	case NOTICE_UNKNOWN:
	default:
		break;
	}
}

int client_session_took(struct client_session *session, size_t len)
{
	uint64_t position;
	size_t value_len;
	int r;

	if (len > 0) {
		session->overdue = 0;
		session->tries = 0;
	}
	inbox_took(&session->inbox, len);
	while ((r = inbox_next(&session->inbox, &position, &value_len)) > 0) {
		struct envelope envelope;

		if (envelope_read(inbox_at(&session->inbox, position), value_len, &envelope) < 0 ||
		    envelope.type == ENVELOPE_REQUEST)
			return -EPROTO;
		if (envelope.type == ENVELOPE_RESPONSE)
			on_response(session, &envelope);
		else
			on_notification(session, &envelope);
		inbox_release(&session->inbox, position + value_len);
	}
	return r == -EMSGSIZE ? -EOVERFLOW : r;
}
