/*
 * A client's session, on any bytes of a daemon, in pieces of any size.
 *
 *  - each request has exactly one callback in the end, whatever came
 *  - a reply holds a result, which is a whole value, or an error, never both
 *  - a chunk is a whole value and comes before its reply; so is an event, and it is a map
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/lib/client_session.h"
#include "client/lib/value.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define REQUESTS     4
#define RESPONSE_MAX 4096

static unsigned reported[REQUESTS];

static void on_reply(void *userdata, const struct poold_reply *reply)
{
	unsigned *count = userdata;

	++*count;
	assert(*count == 1);
	if (reply->status == 0) {
		assert(!reply->error.code);
		assert(bytes_are_value(bytes_from_public(reply->result)));
	} else {
		assert(reply->error.code && reply->error.category && reply->error.severity);
		assert(reply->error.message && reply->result.len == 0);
		assert(strlen(reply->error.message) <= RESPONSE_MAX + 100);
		assert(reply->error.session && reply->error.circuit);
		assert(reply->error.queue_depth >= -1);
	}
}

static void on_chunk(void *userdata, struct poold_bytes value)
{
	const unsigned *count = userdata;

	assert(*count == 0);
	assert(bytes_are_value(bytes_from_public(value)));
}

static void on_restart(void *userdata)
{
	const unsigned *count = userdata;

	assert(*count == 0);
}

static void on_event(void *userdata, struct poold_bytes event)
{
	struct poold_reader reader = poold_reader_init(event);

	(void)userdata;
	assert(poold_peek(&reader) == POOLD_MAP);
	assert(bytes_are_value(bytes_from_public(event)));
}

static void write_all(struct client_session *session)
{
	struct iovec slices[8];
	size_t count;

	while ((count = client_session_output(session, slices, 8)) > 0) {
		for (size_t i = 0; i < count; i++)
			client_session_wrote(session, slices[i].iov_len);
	}
}

/* The first byte says how large the pieces are. */
static void feed(struct client_session *session, const uint8_t *data, size_t len)
{
	size_t piece = len > 0 ? (size_t)data[0] + 1 : 1;

	for (size_t at = 1; at < len; at += piece) {
		size_t left = len - at < piece ? len - at : piece;
		uint8_t *room;
		size_t room_len;

		if (client_session_space(session, &room, &room_len) < 0)
			abort();
		assert(room_len >= left);
		memcpy(room, data + at, left);
		if (client_session_took(session, left) < 0)
			return;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const uint8_t empty_list = 0x90;
	const struct bytes part = {&empty_list, 1};
	struct client_session session;
	uint32_t id;

	memset(reported, 0, sizeof(reported));
	client_session_init(&session,
			    (struct client_session_limits){.response_max = RESPONSE_MAX,
							   .output_max = 4096,
							   .in_flight_max = REQUESTS},
			    "fuzz");
	session.on_event = on_event;
	for (size_t i = 0; i < REQUESTS; i++) {
		struct client_start start = {.method = "m",
					     .parts = &part,
					     .part_count = 1,
					     .deadline = 1000,
					     .callback = on_reply,
					     .userdata = &reported[i],
					     .stream = {on_chunk, on_restart, &reported[i]}};

		if (client_session_start(&session, &start, &id) < 0)
			abort();
	}
	if (client_session_begin(&session) < 0)
		abort();
	write_all(&session);
	feed(&session, data, len);
	client_session_tick(&session, len % 2 == 0 ? 1000 : 999);
	client_session_lost(&session, -ECONNRESET, "gone");
	client_session_refused(&session, -ENOENT, "refused");
	client_session_deliver(&session);
	for (size_t i = 0; i < REQUESTS; i++)
		assert(reported[i] == 1);
	client_session_done(&session);
	return 0;
}
