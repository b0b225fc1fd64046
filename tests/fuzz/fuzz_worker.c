/*
 * A worker's session, on any bytes of a daemon, in pieces of any size.
 *
 *  - what it writes is whole messages, and each is an envelope
 *  - it answers each request it took, once, in order
 *  - states and chunks, too, are whole messages
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "client/lib/worker_session.h"
#include "protocol/envelope.h"
#include "protocol/skip.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define MESSAGE_MAX 4096

static void send_chunk(struct worker_session *session, struct poold_bytes value)
{
	int r = worker_session_chunk(session, value);

	assert(session->attempt.stream == (r == 0));
	if (r == 0)
		assert(skip_value(session->chunk.data, session->chunk.len, session->chunk.len) ==
		       session->chunk.len);
	worker_session_wrote_settled(session);
}

static void on_session_end(void *userdata, struct poold_bytes session, struct poold_bytes reason)
{
	(void)userdata;
	assert(session.len <= MESSAGE_MAX && reason.len <= MESSAGE_MAX);
}

/* Gives the arguments back; fails, streams or hands a state over, where they say so. */
static int handle(struct poold_attempt *attempt, struct poold_writer *result, void *userdata)
{
	const uint8_t *args = attempt->args.data;

	(void)userdata;
	assert(attempt->args.len > 0);
	if (args[0] == 0x04)
		send_chunk(container_of(attempt, struct worker_session, attempt), attempt->args);
	if (args[0] == 0x05 && attempt->session.len > 0)
		assert(poold_attempt_set_state(attempt, attempt->state) == 0);
	if (args[0] == 0x06)
		poold_attempt_set_severity(attempt, POOLD_SEVERITY_MINOR);
	poold_write_raw(result, attempt->args);
	if (args[0] == 0x01)
		return poold_fail(attempt, POOLD_RETRYABLE, "Bad", "%.*s", 100, attempt->method);
	if (args[0] == 0x02)
		poold_write_nil(result);
	return args[0] == 0x03 || args[0] == 0x06;
}

/* Each whole message of the output; how many answers are among them. */
static size_t count_answers(const struct worker_session *session)
{
	struct bytes out = worker_session_output(session);
	size_t answers = 0;

	while (out.len > 0) {
		size_t len = skip_value(out.data, out.len, out.len);
		struct envelope envelope;

		assert(len > 0);
		if (envelope_read(out.data, len, &envelope) < 0)
			abort();
		answers += envelope.type == ENVELOPE_RESPONSE;
		out.data += len;
		out.len -= len;
	}
	return answers;
}

static void answer_all(struct worker_session *session)
{
	while (worker_session_has_request(session)) {
		bool is_request = !session->waiting[session->first].is_session_end;
		uint32_t id;

		if (worker_session_begins(session, &id))
			worker_session_announce(session, id);
		if (worker_session_answer(session) < 0)
			abort();
		assert(count_answers(session) == is_request);
		worker_session_wrote(session);
	}
}

/* The first byte says how large the pieces are, and whether requests pile up. */
static void feed(struct worker_session *session, const uint8_t *data, size_t len)
{
	size_t piece = len > 0 ? (size_t)data[0] + 1 : 1;

	for (size_t at = 1; at < len; at += piece) {
		size_t left = len - at < piece ? len - at : piece;
		uint8_t *room;
		size_t room_len;

		if (worker_session_space(session, &room, &room_len) < 0)
			abort();
		assert(room_len >= left);
		memcpy(room, data + at, left);
		if (worker_session_took(session, left) < 0)
			break;
		if (piece % 2 == 0)
			answer_all(session);
	}
	answer_all(session);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct worker_session session;

	worker_session_init(&session, MESSAGE_MAX);
	session.on_session_end = on_session_end;
	if (worker_session_add(&session, "m", handle, NULL) < 0 ||
	    worker_session_add(&session, "ping", handle, NULL) < 0)
		abort();
	feed(&session, data, len);
	worker_session_done(&session);
	return 0;
}
