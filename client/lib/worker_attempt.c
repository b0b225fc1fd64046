#include "client/lib/worker_attempt.h"

#include "protocol/read.h"

#include <errno.h>

/* Stores one pair of the context in the attempt; unknown keys are ignored. */
static void take_field(struct bytes key, struct reader *value, struct worker_session *session)
{
	struct poold_attempt *attempt = &session->attempt;
	struct bytes bytes;
	uint64_t number;

	if (bytes_equal(key, "request")) {
		read_uint(value, &attempt->request);
	} else if (bytes_equal(key, "attempt")) {
		if (read_uint(value, &number) == 0)
			attempt->number = (unsigned)number;
	} else if (bytes_equal(key, "deadline_ms")) {
		read_uint(value, &attempt->deadline_ms);
	} else if (bytes_equal(key, "session")) {
		if (read_str(value, &bytes) == 0)
			attempt->session = bytes_to_public(bytes);
	} else if (bytes_equal(key, "state")) {
		if (read_bin(value, &bytes) == 0)
			attempt->state = bytes_to_public(bytes);
	} else if (bytes_equal(key, "stream")) {
		read_bool(value, &attempt->stream);
	} else if (bytes_equal(key, "credit")) {
		if (read_uint(value, &number) == 0 && number <= INT32_MAX) {
			session->has_credit = true;
			session->credit = (int64_t)number;
		}
	}
}

static void read_context(struct worker_session *session, struct bytes context)
{
	struct reader reader;
	uint32_t pairs = 0;

	session->attempt.context = bytes_to_public(context);
	reader_init(&reader, context.data, context.len);
	read_map(&reader, &pairs);
	for (uint32_t i = 0; i < pairs; i++) {
		struct bytes key, value;
		struct reader inner;

		if (read_str(&reader, &key) < 0 || read_value(&reader, &value) < 0)
			return;
		reader_init(&inner, value.data, value.len);
		take_field(key, &inner, session);
	}
}

/* Splits the params [args, context]. */
static int read_params(struct bytes params, struct worker_session *session)
{
	struct reader reader;
	struct bytes args, context;
	uint32_t count;

	reader_init(&reader, params.data, params.len);
	if (read_array(&reader, &count) < 0 || count < 2 || read_value(&reader, &args) < 0 ||
	    read_value(&reader, &context) < 0)
		return -EPROTO;
	session->attempt.args = bytes_to_public(args);
	read_context(session, context);
	return 0;
}

/* Runs the handler, which appends its result to the output. */
static void run_handler(struct worker_session *session, const struct worker_method *method,
			uint32_t id)
{
	int r;

	session->running_id = id;
	session->is_running = true;
	session->is_cancelled = false;
	session->output.base = session->output.buf.len;
	inbox_hold(&session->inbox);
	r = method->handler(&session->attempt, &session->output, method->userdata);
	inbox_unhold(&session->inbox);
	session->is_running = false;
	if (r == 0 && session->was_too_large)
		session->is_broken = false; /* not all of the answer was sent */
	else if (r == 0)
		session->has_failed = session->is_broken = false;
	else if (!session->has_failed)
		attempt_fail(session, ERR_exception, "HandlerFailed",
			     "the handler failed and did not say why");
}

/* Makes the attempt fail unless the handler wrote one value; if it wrote none, writes nil. */
static void check_result(struct worker_session *session)
{
	struct buf *out = &session->output.buf;
	size_t base = session->output.base;

	if (buf_error(out) == 0 && out->len == base)
		pack_nil(out);
	if (buf_error(out) < 0)
		attempt_fail(session, ERR_exception, "ResultTooLarge",
			     "no memory for the handler's result");
	else if (!bytes_are_value((struct bytes){out->data + base, out->len - base}))
		attempt_fail(session, ERR_exception, "InvalidResult",
			     "the handler's result is not one MessagePack value");
}

void attempt_run(struct worker_session *session, const struct worker_method *method,
		 const struct envelope *envelope)
{
	session->attempt =
		(struct poold_attempt){.size = sizeof(struct poold_attempt), .number = 1};
	session->has_credit = session->was_too_large = false;
	if (!method) {
		attempt_fail(session, ERR_unknown_method, "UnknownMethod",
			     "the worker has no method of that name");
		return;
	}
	session->attempt.method = method->name;
	if (read_params(envelope->params, session) < 0) {
		attempt_fail(session, ERR_exception, "ProtocolError",
			     "the request's params are not [args, context]");
		return;
	}
	run_handler(session, method, envelope->id);
	if (!session->has_failed)
		check_result(session);
}
