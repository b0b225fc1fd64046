#include "client/lib/client_session_internal.h"

#include "client/lib/client_again.h"
#include "client/lib/reply.h"
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

void session_release(struct client_session *session, struct client_request *request)
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

void session_finish(struct client_session *session, struct client_request *request,
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
			session_release(session, session->requests.slots[slot]);
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

int session_new_request(struct client_session *session, const struct client_start *start,
			struct client_request **ret_request, struct frame **ret_frame)
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
		session_release(session, request);
		return -ENOMEM;
	}
	*ret_request = request;
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

void session_mark_refused(struct client_session *session, struct client_request *request,
			  usec_t due)
{
	request->is_refused = true;
	request->due = due;
	session->to_ask_again++;
	session->next_deadline = 0;
}

void session_hold_back(struct client_session *session, struct client_request *request)
{
	outbox_take_back(&session->outbox, request->frame);
	session_mark_refused(session, request, 1);
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
	r = session_new_request(session, start, &request, &frame);
	if (r < 0)
		return r;
	send_request(session, request, frame);
	if (session->is_closing)
		session_hold_back(session, request);
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

bool session_is_untouched(const struct client_session *session,
			  const struct client_request *request)
{
	return request->is_refused ||
	       (request->frame && !outbox_has_begun(&session->outbox, request->frame));
}

int client_session_cancel(struct client_session *session, uint32_t id)
{
	struct client_request *request = client_requests_find(&session->requests, id);

	if (!request || request->is_abandoned)
		return -ENOENT;
	if (session_is_untouched(session, request)) {
		session_finish(session, request,
			       reply_local_error(-ECANCELED, POOLD_EXECUTED_NO,
						 "the request was cancelled before it was sent"));
		session_release(session, request);
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
	session_finish(session, request, outcome);
	session_release(session, request);
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
	if (session_is_untouched(session, request)) {
		session_finish(
			session, request,
			reply_local_error(-ETIMEDOUT, POOLD_EXECUTED_NO,
					  "the deadline passed before the request could be sent"));
		session_release(session, request);
		return;
	}
	send_cancel(session, request->id);
	request->is_abandoned = true;
	session->abandoned++;
	session->overdue++;
	session_finish(session, request,
		       reply_local_error(-ETIMEDOUT, POOLD_EXECUTED_MAYBE,
					 "the daemon did not answer in time"));
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
			earliest = usec_min(earliest, tick_refused(session, request, now));
		else if (request->deadline <= now)
			give_up(session, request);
		else
			earliest = usec_min(earliest, request->deadline);
	}
	session->next_deadline = earliest;
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
