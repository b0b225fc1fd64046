#include "client/lib/client_session.h"

#include "client/lib/client_again.h"
#include "client/lib/notice.h"
#include "client/lib/reply.h"
#include "client/lib/value.h"
#include "protocol/envelope.h"
#include "protocol/read.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* So many requests in a row that the daemon did not answer in time, while it sent nothing else
 * either, and the connection is given up. */
#define OVERDUE_MAX 3
/* Limit of the parts that make up the params of one request. */
#define PARTS_MAX 4

static struct bytes text_bytes(const char *text)
{
	return (struct bytes){(const uint8_t *)text, strlen(text)};
}

void client_session_init(struct client_session *session, struct client_session_limits limits,
			 const char *name)
{
	*session = (struct client_session){
		.output_max = limits.output_max,
		.in_flight_max = limits.in_flight_max,
		.next_deadline = USEC_INFINITY,
		.message_max = UINT64_MAX,
		.reconnects = limits.reconnects,
		.random = limits.seed | 1,
		.name = name,
	};
	inbox_init(&session->inbox, limits.response_max);
	buf_init(&session->texts, SIZE_MAX);
	outbox_init(&session->outbox);
	list_init(&session->finished);
	/* One slot more than requests may be in flight, for hello. */
	client_requests_init(&session->requests, limits.in_flight_max + 1);
}

/* --- The life of a request --- */

static void request_free_if_done(struct client_request *request)
{
	if (request->has_slot || request->is_finished)
		return;
	frame_free(request->kept);
	poold_reply_free(&request->refusal);
	free(request);
}

/* Removes the request from the table: no answer to it will come, or it has come. */
static void release(struct client_session *session, struct client_request *request)
{
	if (request->frame)
		outbox_drop(&session->outbox, request->frame);
	if (request->is_abandoned)
		session->abandoned--;
	if (request->is_refused)
		session->to_ask_again--;
	client_requests_remove(&session->requests, request);
	request_free_if_done(request);
}

static void finish(struct client_session *session, struct client_request *request,
		   struct poold_reply outcome)
{
	request->outcome = outcome;
	request->is_finished = true;
	request->deadline = USEC_INFINITY;
	list_push_back(&session->finished, &request->in_finished);
}

/* The finished request whose callback is next, or NULL. */
static struct client_request *first_finished(const struct client_session *session)
{
	struct list_node *node = list_first(&session->finished);

	return node ? list_entry(node, struct client_request, in_finished) : NULL;
}

void client_session_deliver(struct client_session *session)
{
	struct client_request *request;

	while ((request = first_finished(session))) {
		poold_callback callback = request->callback;
		void *userdata = request->userdata;
		struct poold_reply outcome = request->outcome;

		list_remove(&session->finished, &request->in_finished);
		request->is_finished = false;
		request_free_if_done(request);
		callback(userdata, &outcome);
		poold_reply_free(&outcome);
	}
}

static void free_finished(struct client_request *request)
{
	poold_reply_free(&request->outcome);
	request->is_finished = false;
	request_free_if_done(request);
}

void client_session_done(struct client_session *session)
{
	struct list_node *node, *after;

	outbox_done(&session->outbox);
	for (size_t slot = 0; slot < session->requests.slot_count; slot++) {
		if (session->requests.slots[slot])
			release(session, session->requests.slots[slot]);
	}
	list_for_each_safe (node, after, &session->finished)
		free_finished(list_entry(node, struct client_request, in_finished));
	inbox_free(&session->inbox);
	buf_free(&session->texts);
	client_requests_done(&session->requests);
}

static bool params_are_list(const struct bytes *parts, size_t part_count)
{
	struct skip skip;
	struct reader reader;
	enum skip_result result = SKIP_MORE;
	size_t taken;

	reader_init(&reader, parts[0].data, parts[0].len);
	if (read_peek(&reader) != VALUE_ARRAY)
		return false;
	skip_init(&skip, UINT64_MAX);
	for (size_t i = 0; i < part_count; i++) {
		if (parts[i].len == 0)
			continue;
		if (result != SKIP_MORE)
			return false;
		result = skip_feed(&skip, parts[i].data, parts[i].len, &taken);
		if (result == SKIP_DONE && taken < parts[i].len)
			return false;
	}
	return result == SKIP_DONE;
}

/* The whole message: envelope and params.  NULL: out of memory. */
static struct frame *request_frame(uint32_t id, const struct client_start *start)
{
	uint8_t head[ENVELOPE_HEAD_MAX + METHOD_LEN_MAX];
	struct bytes parts[1 + PARTS_MAX];

	parts[0].data = head;
	parts[0].len = envelope_put_request(head, id, text_bytes(start->method));
	memcpy(&parts[1], start->parts, start->part_count * sizeof(parts[0]));
	return frame_new(parts, 1 + start->part_count);
}

/* Creates the request and its frame, which is not in the outbox yet. */
static int request_new(struct client_session *session, const struct client_start *start,
		       struct client_request **ret, struct frame **ret_frame)
{
	struct client_request *request = calloc(1, sizeof(*request));
	struct frame *frame;
	int r;

	if (!request)
		return -ENOMEM;
	request->deadline = start->deadline;
	request->until = session->reconnects ? start->until : 0;
	request->callback = start->callback;
	request->userdata = start->userdata;
	request->stream = start->stream;

	r = client_requests_add(&session->requests, request);
	if (r < 0) {
		free(request);
		return r;
	}
	frame = request_frame(request->id, start);
	if (!frame) {
		release(session, request);
		return -ENOMEM;
	}
	*ret = request;
	*ret_frame = frame;
	return 0;
}

static int check_start(const struct client_session *session, const struct client_start *start)
{
	size_t method_len = strlen(start->method);
	size_t len = ENVELOPE_HEAD_MAX + method_len;

	for (size_t i = 0; i < start->part_count; i++)
		len += start->parts[i].len;
	assert(start->part_count <= PARTS_MAX);
	if (method_len == 0 || method_len > METHOD_LEN_MAX ||
	    !params_are_list(start->parts, start->part_count))
		return -EINVAL;
	if (len > session->message_max)
		return -EMSGSIZE;
	if (client_requests_count(&session->requests) >= session->in_flight_max ||
	    session->outbox.bytes + len > session->output_max)
		return -EBUSY;
	return 0;
}

static void send_request(struct client_session *session, struct client_request *request,
			 struct frame *frame)
{
	outbox_add(&session->outbox, frame, &request->frame,
		   request->until > 0 ? &request->kept : NULL);
}

static void mark_refused(struct client_session *session, struct client_request *request, usec_t due)
{
	request->is_refused = true;
	request->due = due;
	session->to_ask_again++;
	session->next_deadline = 0;
}

/* Takes back a request of which nothing was written, for the next connection. */
static void hold_back(struct client_session *session, struct client_request *request)
{
	outbox_take_back(&session->outbox, request->frame);
	mark_refused(session, request, 1);
}

int client_session_start(struct client_session *session, const struct client_start *start,
			 uint32_t *ret_id)
{
	struct client_request *request;
	struct frame *frame;
	int r = check_start(session, start);

	/* Nobody but the daemon, by answering, could make room. */
	if (r == -EBUSY && session->abandoned > 0 &&
	    session->abandoned == client_requests_count(&session->requests))
		session->crowded_out++;
	if (r < 0)
		return r;
	r = request_new(session, start, &request, &frame);
	if (r < 0)
		return r;
	send_request(session, request, frame);
	if (session->is_closing)
		hold_back(session, request);
	if (request->deadline < session->next_deadline)
		session->next_deadline = request->deadline;
	*ret_id = request->id;
	return 0;
}

/* Sends poold.cancel.  Without memory for it, the daemon ends the request at its deadline. */
static void send_cancel(struct client_session *session, uint32_t id)
{
	uint8_t head[ENVELOPE_HEAD_MAX + METHOD_LEN_MAX];
	struct frame *frame = NULL;
	struct bytes parts[2];
	struct buf params;

	buf_init(&params, 16);
	pack_array(&params, 1);
	pack_uint(&params, id);
	parts[0].data = head;
	parts[0].len = envelope_put_notification(head, text_bytes("poold.cancel"));
	parts[1] = (struct bytes){params.data, params.len};
	if (buf_error(&params) == 0)
		frame = frame_new(parts, ARRAY_SIZE(parts));
	buf_free(&params);
	if (frame)
		outbox_add(&session->outbox, frame, NULL, NULL);
}

/* Whether the daemon has nothing of it, or has refused it. */
static bool is_untouched(const struct client_session *session, const struct client_request *request)
{
	return request->is_refused ||
	       (request->frame && !outbox_has_begun(&session->outbox, request->frame));
}

int client_session_cancel(struct client_session *session, uint32_t id)
{
	struct client_request *request = client_requests_find(&session->requests, id);

	if (!request || request->is_abandoned)
		return -ENOENT;
	if (is_untouched(session, request)) {
		finish(session, request,
		       reply_local_error(-ECANCELED, POOLD_EXECUTED_NO,
					 "the request was cancelled before it was sent"));
		release(session, request);
	} else {
		request->until = 0;
		send_cancel(session, id);
	}
	return 0;
}

bool client_session_is_dead(const struct client_session *session)
{
	return session->overdue >= OVERDUE_MAX || session->crowded_out >= OVERDUE_MAX;
}

usec_t client_session_deadline(const struct client_session *session)
{
	return list_empty(&session->finished) ? session->next_deadline : 0;
}

/* Finishes a refused request with its refusal. */
static void end_refused(struct client_session *session, struct client_request *request)
{
	struct poold_reply outcome = request->refusal;

	if (!outcome.error.code)
		outcome = reply_local_error(
			-ETIMEDOUT, POOLD_EXECUTED_NO,
			"the daemon was stopping, and the time was over before the next one came");
	request->refusal = (struct poold_reply){0};
	finish(session, request, outcome);
	release(session, request);
}

static void ask_again(struct client_session *session, struct client_request *request, usec_t now)
{
	struct frame *frame = request->kept;
	struct frame *renewed =
		request->until < USEC_INFINITY ? again_renew(frame, request->until - now) : NULL;

	request->kept = NULL;
	request->is_refused = false;
	session->to_ask_again--;
	if (renewed)
		frame_free(frame);
	send_request(session, request, renewed ? renewed : frame);
}

/* Does with a refused request what its time has come for.  Returns when to come back. */
static usec_t tick_refused(struct client_session *session, struct client_request *request,
			   usec_t now)
{
	usec_t next = request->until < request->deadline ? request->until : request->deadline;

	if (request->due == 0)
		request->due = now + again_pause(&session->random, request->tries++);
	if (next <= now) {
		end_refused(session, request);
		return USEC_INFINITY;
	}
	if (!session->is_connected || session->is_closing)
		return next;
	if (request->due > now)
		return request->due < next ? request->due : next;
	ask_again(session, request, now);
	return request->deadline;
}

static void give_up(struct client_session *session, struct client_request *request)
{
	if (is_untouched(session, request)) {
		finish(session, request,
		       reply_local_error(-ETIMEDOUT, POOLD_EXECUTED_NO,
					 "the deadline passed before the request could be sent"));
		release(session, request);
		return;
	}
	send_cancel(session, request->id);
	request->is_abandoned = true;
	session->abandoned++;
	session->overdue++;
	finish(session, request,
	       reply_local_error(-ETIMEDOUT, POOLD_EXECUTED_MAYBE,
				 "the daemon did not answer in time"));
}

static usec_t earlier(usec_t first, usec_t second)
{
	return first < second ? first : second;
}

void client_session_tick(struct client_session *session, usec_t now)
{
	usec_t earliest = USEC_INFINITY;

	if (now < session->next_deadline)
		return;
	for (size_t slot = 0; slot < session->requests.slot_count; slot++) {
		struct client_request *request = session->requests.slots[slot];

		if (!request)
			continue;
		if (request->is_refused)
			earliest = earlier(earliest, tick_refused(session, request, now));
		else if (request->deadline <= now)
			give_up(session, request);
		else
			earliest = earlier(earliest, request->deadline);
	}
	session->next_deadline = earliest;
}

/* --- Connections --- */

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
	r = r < 0 ? r : request_new(session, &start, &request, &frame);
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
		finish(session, request, outcome);
	} else if (request->frame && request->has_moved && request->until == 0 &&
		   !request->is_abandoned) {
		outcome.error.executed = POOLD_EXECUTED_NO;
		finish(session, request, outcome);
	} else if (request->frame && !is_hello(request) && !request->is_abandoned) {
		request->has_moved = true;
		return;
	}
	release(session, request);
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
		finish(session, request, outcome);
		release(session, request);
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
			earliest = earlier(earliest, request->until);
			continue;
		}
		finish(session, request, outcome);
		release(session, request);
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

/* --- Bytes out and in --- */

bool client_session_has_output(const struct client_session *session)
{
	return !outbox_is_empty(&session->outbox);
}

size_t client_session_output(const struct client_session *session, struct iovec *slices, size_t max)
{
	return outbox_slices(&session->outbox, slices, max);
}

void client_session_wrote(struct client_session *session, size_t len)
{
	outbox_wrote(&session->outbox, len);
}

int client_session_space(struct client_session *session, uint8_t **ret_data, size_t *ret_len)
{
	return inbox_space(&session->inbox, ret_data, ret_len);
}

/* The request is asked again; if that comes to nothing, the caller gets this answer. */
static void refuse(struct client_session *session, struct client_request *request,
		   const struct envelope *envelope)
{
	struct poold_reply refusal = reply_remote_error(envelope->error, &session->texts);

	poold_reply_free(&request->refusal);
	reply_copy(&refusal, &request->refusal);
	mark_refused(session, request, 0);
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
		    is_untouched(session, request))
			hold_back(session, request);
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
	if (!request || is_untouched(session, request))
		return;

	if (request->kept && request->until > 0 && !request->is_abandoned &&
	    again_is_refusal(envelope->error)) {
		refuse(session, request, envelope);
		return;
	}
	callback = request->is_abandoned ? NULL : request->callback;
	userdata = request->userdata;
	session->crowded_out = 0;
	release(session, request);
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
