#include "client/worker_session.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/envelope.h"
#include "protocol/errcode.h"
#include "protocol/read.h"

/* What may wait before no more is read.  The daemon's prefetch limits it first. */
#define WAITING_MAX	1024
#define FAILURE_MAX	((size_t)64 * 1024)
#define MESSAGE_LEN_MAX ((size_t)4 * 1024)
/* What an idle worker keeps for its answers. */
#define OUTPUT_KEEP_MAX ((size_t)1024 * 1024)

struct worker_method {
	char *name;
	size_t name_len;
	poold_handler handler;
	void *userdata;
};

void worker_session_init(struct worker_session *session, size_t message_max)
{
	*session = (struct worker_session){0};
	inbox_init(&session->inbox, message_max);
	writer_init(&session->output);
	buf_init(&session->failure, FAILURE_MAX);
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
}

/* The method of that name, or NULL.  A worker has few, so a walk is the fastest way. */
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

	if (len == 0 || len > METHOD_LEN_MAX)
		return -EINVAL;
	if (find_method(session, (struct bytes){(const uint8_t *)name, len}))
		return -EEXIST;

	struct worker_method *methods =
		realloc(session->methods, (session->method_count + 1) * sizeof(*methods));

	if (!methods)
		return -ENOMEM;
	session->methods = methods;

	char *copy = strdup(name);

	if (!copy)
		return -ENOMEM;
	methods[session->method_count].name = copy;
	methods[session->method_count].name_len = len;
	methods[session->method_count].handler = handler;
	methods[session->method_count].userdata = userdata;
	session->method_count++;
	return 0;
}

/* --- What the worker says of its own accord ----------------------------------------------------
 */

static void put_notification(struct worker_session *session, const char *method)
{
	uint8_t head[ENVELOPE_HEAD_MAX + METHOD_LEN_MAX];
	struct bytes name = {(const uint8_t *)method, strlen(method)};

	buf_put(&session->output.buf, head, envelope_put_notification(head, name));
}

void worker_session_ready(struct worker_session *session, const struct worker_ready *ready)
{
	struct buf *out = &session->output.buf;

	put_notification(session, "ready");
	pack_array(out, 1);
	pack_map(out, 5);
	pack_str(out, "pid");
	pack_int(out, ready->pid);
	pack_str(out, "version");
	pack_str(out, ready->version);
	pack_str(out, "concurrency");
	pack_uint(out, 1);
	pack_str(out, "started");
	pack_bool(out, ready->started);
	pack_str(out, "batch");
	pack_bool(out, ready->batch);
}

static struct waiting *first_waiting(const struct worker_session *session)
{
	return &session->waiting[session->first];
}

static struct envelope read_waiting(const struct worker_session *session,
				    const struct waiting *waiting)
{
	struct envelope envelope = {0};

	/* It was read once when it came, so it can be read again. */
	envelope_read(inbox_at(&session->inbox, waiting->position), waiting->len, &envelope);
	return envelope;
}

/* A ping is a request with no params; a method of the user's comes with two. */
static bool is_ping(const struct envelope *envelope)
{
	struct reader params;
	uint32_t count;

	reader_init(&params, envelope->params.data, envelope->params.len);
	return bytes_equal(envelope->method, "ping") && read_array(&params, &count) == 0 &&
	       count == 0;
}

void worker_session_announce(struct worker_session *session)
{
	const struct waiting *waiting = first_waiting(session);
	struct envelope envelope = read_waiting(session, waiting);

	if (waiting->is_cancelled || is_ping(&envelope))
		return;
	put_notification(session, "started");
	pack_array(&session->output.buf, 1);
	pack_uint(&session->output.buf, waiting->id);
}

/* --- What comes in -----------------------------------------------------------------------------
 */

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
		(struct waiting){.position = position, .len = len, .id = envelope->id};
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
		else if (bytes_equal(envelope.method, "shutdown"))
			session->wants_end = true;
		return 0;
	case ENVELOPE_RESPONSE:
	default:
		return -EPROTO;
	}
}

/* The bytes of the first waiting request, and of all after it, are still needed.  Those of the one
 * that runs are held. */
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

bool worker_session_has_room(const struct worker_session *session)
{
	return session->waiting_count - session->first < WAITING_MAX &&
	       session->inbox.end - session->inbox.kept <= session->inbox.value_max;
}

bool worker_session_has_request(const struct worker_session *session)
{
	return session->first < session->waiting_count;
}

/* --- Failing -----------------------------------------------------------------------------------
 */

/* Packs the error map.  A text that is cut in the middle of a character ends in '?'. */
static void pack_failure(struct buf *out, enum errcode code, enum poold_failure failure,
			 uint64_t after_ms, const char *type, const char *message)
{
	bool is_retryable = failure == POOLD_RETRYABLE;
	bool is_fatal = failure == POOLD_FATAL;

	buf_reset(out);
	pack_map(out, 3u + is_retryable + (after_ms > 0) + is_fatal);
	pack_str(out, "code");
	pack_str(out, errcode_name(code));
	pack_str(out, "type");
	pack_text(out, (struct bytes){(const uint8_t *)type, strnlen(type, MESSAGE_LEN_MAX)});
	pack_str(out, "message");
	pack_text(out, (struct bytes){(const uint8_t *)message, strlen(message)});
	if (is_retryable) {
		pack_str(out, "retryable");
		pack_bool(out, true);
	}
	if (after_ms > 0) {
		pack_str(out, "retry_after_ms");
		pack_uint(out, after_ms);
	}
	if (is_fatal) {
		pack_str(out, "fatal");
		pack_bool(out, true);
	}
}

static void fail(struct worker_session *session, enum errcode code, const char *type,
		 const char *message)
{
	pack_failure(&session->failure, code, POOLD_EXCEPTION, 0, type, message);
	session->has_failed = true;
}

static struct worker_session *session_of(struct poold_attempt *attempt)
{
	return container_of(attempt, struct worker_session, attempt);
}

static int fail_formatted(struct poold_attempt *attempt, enum poold_failure failure,
			  uint64_t after_ms, const char *type, const char *format, va_list args)
	__attribute__((format(printf, 5, 0)));

static int fail_formatted(struct poold_attempt *attempt, enum poold_failure failure,
			  uint64_t after_ms, const char *type, const char *format, va_list args)
{
	struct worker_session *session = session_of(attempt);
	enum errcode code = failure == POOLD_REJECTED ? ERR_rejected : ERR_exception;
	char message[MESSAGE_LEN_MAX];

	vsnprintf(message, sizeof(message), format, args);
	pack_failure(&session->failure, code, failure, after_ms, type, message);
	session->has_failed = true;
	session->is_broken = failure == POOLD_FATAL;
	return -1;
}

int poold_fail(struct poold_attempt *attempt, enum poold_failure failure, const char *type,
	       const char *format, ...)
{
	va_list args;

	va_start(args, format);
	int r = fail_formatted(attempt, failure, 0, type, format, args);
	va_end(args);
	return r;
}

int poold_retry_later(struct poold_attempt *attempt, uint64_t after_ms, const char *type,
		      const char *format, ...)
{
	va_list args;

	va_start(args, format);
	int r = fail_formatted(attempt, POOLD_RETRYABLE, after_ms, type, format, args);
	va_end(args);
	return r;
}

/* --- Running -----------------------------------------------------------------------------------
 */

static void read_context(struct poold_attempt *attempt, struct bytes context)
{
	struct reader reader;
	uint32_t pairs = 0;
	uint64_t number = 0;

	attempt->context = bytes_to_public(context);
	reader_init(&reader, context.data, context.len);
	read_map(&reader, &pairs);
	for (uint32_t i = 0; i < pairs; i++) {
		struct bytes key, ignored;

		if (read_str(&reader, &key) < 0)
			return;
		if (bytes_equal(key, "request") && read_uint(&reader, &attempt->request) == 0)
			continue;
		if (bytes_equal(key, "attempt") && read_uint(&reader, &number) == 0) {
			attempt->number = (unsigned)number;
			continue;
		}
		if (bytes_equal(key, "deadline_ms") &&
		    read_uint(&reader, &attempt->deadline_ms) == 0)
			continue;
		if (read_value(&reader, &ignored) < 0)
			return;
	}
}

/* Splits the params [args, context]. */
static int read_params(struct bytes params, struct poold_attempt *attempt)
{
	struct reader reader;
	struct bytes args, context;
	uint32_t count;

	reader_init(&reader, params.data, params.len);
	if (read_array(&reader, &count) < 0 || count < 2 || read_value(&reader, &args) < 0 ||
	    read_value(&reader, &context) < 0)
		return -EPROTO;
	attempt->args = bytes_to_public(args);
	read_context(attempt, context);
	return 0;
}

/* Runs the handler; its result goes where the output ends. */
static void run_handler(struct worker_session *session, const struct worker_method *method,
			uint32_t id)
{
	session->running_id = id;
	session->is_running = true;
	session->is_cancelled = false;
	session->output.base = session->output.buf.len;
	inbox_hold(&session->inbox);

	int r = method->handler(&session->attempt, &session->output, method->userdata);

	inbox_unhold(&session->inbox);
	session->is_running = false;
	if (r == 0)
		session->has_failed = session->is_broken = false;
	else if (!session->has_failed)
		fail(session, ERR_exception, "HandlerFailed",
		     "the handler failed and did not say why");
}

/* Whether the handler left one value or nothing, which becomes nil. */
static void check_result(struct worker_session *session)
{
	struct buf *out = &session->output.buf;
	size_t base = session->output.base;

	if (buf_error(out) == 0 && out->len == base)
		pack_nil(out);
	if (buf_error(out) < 0)
		fail(session, ERR_encode_error, "ResultTooLarge",
		     "no memory for the handler's result");
	else if (!bytes_are_value((struct bytes){out->data + base, out->len - base}))
		fail(session, ERR_encode_error, "InvalidResult",
		     "the handler's result is not one MessagePack value");
}

static void run(struct worker_session *session, const struct envelope *envelope)
{
	const struct worker_method *method = find_method(session, envelope->method);

	session->attempt = (struct poold_attempt){.number = 1};
	if (!method) {
		fail(session, ERR_unknown_method, "UnknownMethod",
		     "the worker has no method of that name");
		return;
	}
	session->attempt.method = method->name;
	if (read_params(envelope->params, &session->attempt) < 0) {
		fail(session, ERR_exception, "ProtocolError",
		     "the request's params are not [args, context]");
		return;
	}
	run_handler(session, method, envelope->id);
	if (!session->has_failed)
		check_result(session);
}

/* Replaces whatever was written since `mark` by the error. */
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

int worker_session_answer(struct worker_session *session)
{
	const struct waiting *first = first_waiting(session);
	const struct waiting waiting = *first;
	struct envelope envelope = read_waiting(session, first);
	struct buf *out = &session->output.buf;
	size_t mark = out->len;
	uint8_t head[ENVELOPE_HEAD_MAX];

	session->first++;
	session->has_failed = false;
	buf_put(out, head, envelope_put_result(head, waiting.id));
	if (waiting.is_cancelled)
		fail(session, ERR_cancelled, "Cancelled", "cancelled before it began");
	else if (is_ping(&envelope))
		pack_str(out, "pong");
	else
		run(session, &envelope);
	if (session->has_failed)
		put_error(session, mark, waiting.id);
	release_read(session);
	return buf_error(out);
}

struct bytes worker_session_output(const struct worker_session *session)
{
	return (struct bytes){session->output.buf.data, session->output.buf.len};
}

void worker_session_wrote(struct worker_session *session)
{
	if (session->output.buf.capacity > OUTPUT_KEEP_MAX)
		buf_free(&session->output.buf);
	else
		buf_reset(&session->output.buf);
}
