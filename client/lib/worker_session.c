#include "client/lib/worker_session.h"

#include "client/lib/worker_attempt.h"
#include "protocol/read.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Limit of the waiting requests; the daemon's prefetch is far below it. */
#define WAITING_MAX 1024
#define FAILURE_MAX ((size_t)64 * 1024)
/* A length in MessagePack has at most 32 bits. */
#define MESSAGE_MAX UINT32_MAX
/* The most memory that an idle worker keeps for its answers. */
#define OUTPUT_KEEP_MAX ((size_t)1024 * 1024)

void worker_session_init(struct worker_session *session, size_t message_max)
{
	*session = (struct worker_session){0};
	inbox_init(&session->inbox, message_max);
	writer_init(&session->output);
	buf_init(&session->failure, FAILURE_MAX);
	buf_init(&session->state, MESSAGE_MAX);
	buf_init(&session->chunk, MESSAGE_MAX);
	session->response_max = MESSAGE_MAX;
}

void worker_session_done(struct worker_session *session)
{
	for (size_t i = 0; i < session->method_count; i++)
		free(session->methods[i].name);
	free(session->methods);
	free(session->waiting);
	inbox_free(&session->inbox);
	buf_free(&session->output.buf);
	buf_free(&session->failure);
	buf_free(&session->state);
	buf_free(&session->chunk);
}

/* The method of that name, or NULL.  A linear search: a worker has few methods. */
static const struct worker_method *find_method(const struct worker_session *session,
					       struct bytes name)
{
	for (size_t i = 0; i < session->method_count; i++) {
		const struct worker_method *method = &session->methods[i];

		if (method->name_len == name.len && memcmp(method->name, name.data, name.len) == 0)
			return method;
	}
	return NULL;
}

int worker_session_add(struct worker_session *session, const char *name, poold_handler handler,
		       void *userdata)
{
	size_t len = strlen(name);
	struct worker_method *methods;
	char *copy;

	if (len == 0 || len > METHOD_LEN_MAX)
		return -EINVAL;
	if (find_method(session, (struct bytes){(const uint8_t *)name, len}))
		return -EEXIST;
	methods = realloc(session->methods, (session->method_count + 1) * sizeof(*methods));
	if (!methods)
		return -ENOMEM;
	session->methods = methods;
	copy = strdup(name);
	if (!copy)
		return -ENOMEM;
	methods[session->method_count].name = copy;
	methods[session->method_count].name_len = len;
	methods[session->method_count].handler = handler;
	methods[session->method_count].userdata = userdata;
	session->method_count++;
	return 0;
}

/* --- Notifications --- */

static void put_notification(struct buf *out, const char *method, uint32_t param_count)
{
	uint8_t head[ENVELOPE_HEAD_MAX + METHOD_LEN_MAX];
	struct bytes name = {(const uint8_t *)method, strlen(method)};

	buf_put(out, head, envelope_put_notification(head, name));
	pack_array(out, param_count);
}

void worker_session_ready(struct worker_session *session, const struct worker_ready *ready)
{
	struct buf *out = &session->output.buf;

	put_notification(out, "ready", 1);
	pack_map(out, 6u + ready->recall + ready->page);
	pack_str(out, "pid");
	pack_int(out, ready->pid);
	pack_str(out, "version");
	pack_str(out, ready->version);
	pack_str(out, "concurrency");
	pack_uint(out, 1);
	pack_str(out, "started");
	pack_bool(out, ready->has_started);
	pack_str(out, "batch");
	pack_bool(out, ready->batch);
	pack_str(out, "credit");
	pack_bool(out, true);
	if (ready->recall) {
		pack_str(out, "recall");
		pack_bool(out, true);
	}
	if (ready->page) {
		pack_str(out, "page");
		pack_bool(out, true);
	}
}

static struct waiting *first_waiting(const struct worker_session *session)
{
	return &session->waiting[session->first];
}

static struct envelope read_waiting(const struct worker_session *session,
				    const struct waiting *waiting)
{
	struct envelope envelope = {0};

	/* This cannot fail: it was read once when it was received. */
	envelope_read(inbox_at(&session->inbox, waiting->position), waiting->len, &envelope);
	return envelope;
}

/* A ping has no params, a request for a method of the worker has two. */
static bool is_ping(const struct envelope *envelope)
{
	struct reader params;
	uint32_t count;

	reader_init(&params, envelope->params.data, envelope->params.len);
	return bytes_equal(envelope->method, "ping") && read_array(&params, &count) == 0 &&
	       count == 0;
}

bool worker_session_next(const struct worker_session *session, uint32_t *ret_id)
{
	const struct waiting *waiting = first_waiting(session);

	*ret_id = waiting->id;
	return !waiting->is_session_end;
}

bool worker_session_begins(const struct worker_session *session, uint32_t *ret_id)
{
	const struct waiting *waiting = first_waiting(session);
	struct envelope envelope;

	if (waiting->is_cancelled || waiting->is_session_end)
		return false;
	envelope = read_waiting(session, waiting);
	*ret_id = waiting->id;
	return !is_ping(&envelope);
}

void worker_session_announce(struct worker_session *session, uint32_t id)
{
	put_notification(&session->output.buf, "started", 1);
	pack_uint(&session->output.buf, id);
}

int worker_session_chunk(struct worker_session *session, struct poold_bytes value)
{
	struct buf *chunk = &session->chunk;

	if (!session->attempt.stream)
		return -EOPNOTSUPP;
	if (chunk->capacity > OUTPUT_KEEP_MAX)
		buf_free(chunk);
	buf_reset(chunk);
	put_notification(chunk, "chunk", 2);
	pack_uint(chunk, session->running_id);
	if (value.len > session->response_max || chunk->len > session->response_max - value.len) {
		session->was_too_large = true;
		attempt_fail_too_large(session, "chunk", chunk->len + value.len);
		return -EMSGSIZE;
	}
	if (!bytes_are_value(bytes_from_public(value)))
		return -EINVAL;
	pack_raw(chunk, bytes_from_public(value));
	return buf_error(chunk);
}

bool worker_session_may_send(const struct worker_session *session)
{
	return !session->has_credit || session->credit > 0;
}

void worker_session_sent(struct worker_session *session, size_t len)
{
	if (session->has_credit)
		session->credit -= (int64_t)len;
}

int worker_session_set_state(struct worker_session *session, struct poold_bytes state)
{
	struct buf *message = &session->state;
	int r;

	if (session->attempt.session.len == 0)
		return -EINVAL;
	buf_reset(message);
	put_notification(message, "state", 2);
	pack_uint(message, session->running_id);
	if (state.len > 0)
		pack_bin(message, state.data, state.len);
	else
		pack_nil(message);
	r = buf_error(message);

	/* A part of a message must not be sent. */
	if (r < 0)
		buf_reset(message);
	return r;
}

/* --- Input --- */

int worker_session_space(struct worker_session *session, uint8_t **ret_data, size_t *ret_len)
{
	return inbox_space(&session->inbox, ret_data, ret_len);
}

static int enqueue(struct worker_session *session, const struct envelope *envelope,
		   uint64_t position, size_t len)
{
	if (session->waiting_count == session->waiting_capacity) {
		size_t capacity = session->waiting_capacity ? 2 * session->waiting_capacity : 64;
		struct waiting *grown = realloc(session->waiting, capacity * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		session->waiting = grown;
		session->waiting_capacity = capacity;
	}
	session->waiting[session->waiting_count++] =
		(struct waiting){.position = position,
				 .len = len,
				 .id = envelope->id,
				 .is_session_end = envelope->type == ENVELOPE_NOTIFICATION};
	return 0;
}

static void on_cancel(struct worker_session *session, struct bytes params)
{
	struct reader reader;
	uint32_t count;
	uint64_t id;

	reader_init(&reader, params.data, params.len);
	if (read_array(&reader, &count) < 0 || count < 1 || read_uint(&reader, &id) < 0)
		return;
	if (session->is_running && session->running_id == id)
		session->is_cancelled = true;
	for (size_t i = session->first; i < session->waiting_count; i++) {
		if (session->waiting[i].id == id)
			session->waiting[i].is_cancelled = true;
	}
}

static void on_credit(struct worker_session *session, struct bytes params)
{
	struct reader reader;
	uint32_t count;
	uint64_t id, bytes;

	reader_init(&reader, params.data, params.len);
	if (read_array(&reader, &count) < 0 || count < 2 || read_uint(&reader, &id) < 0 ||
	    read_uint(&reader, &bytes) < 0)
		return;
	if (session->is_running && session->running_id == id && bytes <= INT32_MAX)
		session->credit += (int64_t)bytes;
}

static int on_message(struct worker_session *session, uint64_t position, size_t len)
{
	struct envelope envelope;

	if (envelope_read(inbox_at(&session->inbox, position), len, &envelope) < 0)
		return -EPROTO;
	switch (envelope.type) {
	case ENVELOPE_REQUEST:
		return enqueue(session, &envelope, position, len);
	case ENVELOPE_NOTIFICATION:
		if (bytes_equal(envelope.method, "cancel"))
			on_cancel(session, envelope.params);
		else if (bytes_equal(envelope.method, "credit"))
			on_credit(session, envelope.params);
		else if (bytes_equal(envelope.method, "shutdown"))
			session->is_shutdown = true;
		else if (bytes_equal(envelope.method, "session_end") && session->on_session_end)
			return enqueue(session, &envelope, position, len);
		return 0;
	case ENVELOPE_RESPONSE:
	default:
		return -EPROTO;
	}
}

/* Releases the bytes before the first waiting request.  Those of the running request are held. */
static void release_read(struct worker_session *session)
{
	if (session->first < session->waiting_count) {
		inbox_release(&session->inbox, first_waiting(session)->position);
		return;
	}
	session->first = 0;
	session->waiting_count = 0;
	inbox_release(&session->inbox, session->inbox.value);
}

int worker_session_took(struct worker_session *session, size_t len)
{
	uint64_t position;
	size_t value_len;
	int r;

	inbox_took(&session->inbox, len);
	while ((r = inbox_next(&session->inbox, &position, &value_len)) > 0) {
		r = on_message(session, position, value_len);
		if (r < 0)
			return r;
	}
	release_read(session);
	return r;
}

void worker_session_skip(struct worker_session *session)
{
	session->first++;
	release_read(session);
}

bool worker_session_has_room(const struct worker_session *session)
{
	return session->waiting_count - session->first < WAITING_MAX &&
	       session->inbox.end - session->inbox.kept <= session->inbox.value_max;
}

bool worker_session_has_request(const struct worker_session *session)
{
	return session->first < session->waiting_count;
}

/* --- Answers --- */

/* Replaces everything written since `mark` by the error. */
static void put_error(struct worker_session *session, size_t mark, uint32_t id)
{
	uint8_t head[ENVELOPE_HEAD_MAX];
	struct buf *out = &session->output.buf;

	writer_truncate(&session->output, mark);
	buf_put(out, head, envelope_put_error(head, id));
	if (buf_error(&session->failure) < 0)
		pack_map(out, 0);
	else
		buf_put(out, session->failure.data, session->failure.len);
	pack_nil(out);
}

/* Inserts the message with the state before the answer, which confirms it. */
static void put_state(struct worker_session *session, size_t mark)
{
	struct buf *out = &session->output.buf;
	size_t answer_len = out->len - mark;
	size_t len = session->state.len;

	if (len == 0)
		return;
	buf_put(out, session->state.data, len);
	if (buf_error(out) < 0) {
		attempt_fail(session, ERR_exception, "StateTooLarge",
			     "no memory for the session's state");
		return;
	}
	memmove(out->data + mark + len, out->data + mark, answer_len);
	memcpy(out->data + mark, session->state.data, len);
}

static void answer_request(struct worker_session *session, const struct waiting *waiting,
			   const struct envelope *envelope)
{
	struct buf *out = &session->output.buf;
	size_t mark = out->len;
	uint8_t head[ENVELOPE_HEAD_MAX];

	session->has_failed = false;
	session->severity = POOLD_SEVERITY_DEFAULT;
	session->settled = mark;
	buf_reset(&session->state);
	buf_put(out, head, envelope_put_result(head, waiting->id));
	if (waiting->is_cancelled)
		attempt_fail(session, ERR_cancelled, "Cancelled", "cancelled before it began");
	else if (is_ping(envelope))
		pack_str(out, "pong");
	else
		attempt_run(session, find_method(session, envelope->method), envelope);
	if (!session->has_failed && out->len - mark > session->response_max)
		attempt_fail_too_large(session, "result", out->len - mark);
	if (!session->has_failed && session->state.len > session->response_max)
		attempt_fail_too_large(session, "session's state", session->state.len);
	if (!session->has_failed)
		put_state(session, mark);
	if (session->has_failed)
		put_error(session, mark, waiting->id);
	if (session->state.capacity > OUTPUT_KEEP_MAX)
		buf_free(&session->state);
}

static void report_session_end(const struct worker_session *session, struct bytes params)
{
	struct reader reader;
	struct bytes name, reason = {0};
	uint32_t count;

	reader_init(&reader, params.data, params.len);
	if (read_array(&reader, &count) < 0 || read_str(&reader, &name) < 0)
		return;
	read_str(&reader, &reason);
	session->on_session_end(session->session_userdata, bytes_to_public(name),
				bytes_to_public(reason));
}

int worker_session_answer(struct worker_session *session)
{
	const struct waiting waiting = *first_waiting(session);
	struct envelope envelope = read_waiting(session, &waiting);

	session->first++;
	if (waiting.is_session_end)
		report_session_end(session, envelope.params);
	else
		answer_request(session, &waiting, &envelope);
	release_read(session);
	return buf_error(&session->output.buf);
}

/* --- Output --- */

static struct bytes unwritten(const struct worker_session *session, size_t end)
{
	const struct buf *out = &session->output.buf;

	if (end == session->written)
		return (struct bytes){0};
	return (struct bytes){out->data + session->written, end - session->written};
}

struct bytes worker_session_output(const struct worker_session *session)
{
	return unwritten(session, session->output.buf.len);
}

struct bytes worker_session_settled(const struct worker_session *session)
{
	return unwritten(session, session->settled);
}

void worker_session_wrote_settled(struct worker_session *session)
{
	session->written = session->settled;
}

void worker_session_wrote(struct worker_session *session)
{
	session->written = 0;
	if (session->output.buf.capacity > OUTPUT_KEEP_MAX)
		buf_free(&session->output.buf);
	else
		buf_reset(&session->output.buf);
}
