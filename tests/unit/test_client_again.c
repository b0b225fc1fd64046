#include "client/lib/client_again.h"

#include "client/lib/client_session.h"
#include "client/lib/outbox.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/lib/unit.h"
#include "tests/lib/wire.h"

#define REFUSAL "{'code': 'shutting_down', 'executed': 'no', 'message': 'stopping'}"
#define MS	USEC_PER_MSEC

/* A session that asks again, and what became of its requests. */
struct world {
	struct client_session session;
	usec_t now;
	char log[4096];
};

static void world_init(struct world *world)
{
	*world = (struct world){.now = USEC_PER_SEC};
	client_session_init(&world->session,
			    (struct client_session_limits){.response_max = 4096,
							   .output_max = 4096,
							   .in_flight_max = 100,
							   .reconnects = true,
							   .seed = 7},
			    "test");
}

static void on_reply(void *userdata, const struct poold_reply *reply)
{
	struct world *world = userdata;
	size_t len = strlen(world->log);

	snprintf(world->log + len, sizeof(world->log) - len, "%s %d\n",
		 reply->error.code ? reply->error.code : "result", (int)reply->error.executed);
}

/* A call with this timeout; 0: none. */
static uint32_t start(struct world *world, usec_t timeout)
{
	struct buf params;
	struct bytes part;
	uint32_t id;

	buf_init(&params, 4096);
	wire_put(&params, timeout > 0
				  ? "['p', 'm', [], {'meta': true, 'timeout_ms': 2000, 'key': 'k'}]"
				  : "['p', 'm', []]");
	part = (struct bytes){params.data, params.len};
	ck_assert_int_eq(
		client_session_start(
			&world->session,
			&(struct client_start){
				.method = "poold.call",
				.parts = &part,
				.part_count = 1,
				.deadline = timeout > 0 ? world->now + timeout + 1000 * MS
							: USEC_INFINITY,
				.until = timeout > 0 ? world->now + timeout : USEC_INFINITY,
				.callback = on_reply,
				.userdata = world},
			&id),
		0);
	buf_free(&params);
	return id;
}

static const char *written(struct world *world)
{
	static uint8_t data[16 * 1024];
	struct iovec slice;
	size_t len = 0;

	while (client_session_output(&world->session, &slice, 1) > 0) {
		memcpy(data + len, slice.iov_base, slice.iov_len);
		len += slice.iov_len;
		client_session_wrote(&world->session, slice.iov_len);
	}
	return wire_text(data, len);
}

static void answer(struct world *world, const char *text)
{
	struct buf buf;
	uint8_t *room;
	size_t len;

	buf_init(&buf, 4096);
	wire_put(&buf, text);
	ck_assert_int_eq(client_session_space(&world->session, &room, &len), 0);
	ck_assert_uint_ge(len, buf.len);
	memcpy(room, buf.data, buf.len);
	ck_assert_int_eq(client_session_took(&world->session, buf.len), 0);
	buf_free(&buf);
}

static void pass(struct world *world, usec_t span)
{
	world->now += span;
	client_session_tick(&world->session, world->now);
	client_session_deliver(&world->session);
}

/* A connection with answered hello, which asks to be told before it is closed. */
static void greet(struct world *world)
{
	ck_assert_int_eq(client_session_begin(&world->session), 0);
	client_session_tick(&world->session, world->now);
	ck_assert_ptr_nonnull(strstr(written(world), "'closing': true"));
	answer(world, "[1, 0, nil, {}]");
}

START_TEST(what_is_refused_is_asked_again_with_less_time)
{
	struct world world;
	uint32_t id;

	world_init(&world);
	greet(&world);
	id = start(&world, 2000 * MS);
	ck_assert_uint_eq(id, 65536);
	written(&world);
	world.now += 500 * MS;
	answer(&world, "[1, 65536, " REFUSAL ", nil]");
	ck_assert_str_eq(world.log, "");
	pass(&world, 0);
	pass(&world, 20 * MS);
	ck_assert_str_eq(written(&world), "[0, 65536, 'poold.call', ['p', 'm', [], {'meta': true, "
					  "'timeout_ms': 1480, 'key': 'k'}]]\n");
	answer(&world, "[1, 65536, nil, 5]");
	ck_assert_str_eq(world.log, "result 0\n");
	client_session_done(&world.session);
}
END_TEST

START_TEST(the_refusal_is_told_when_the_time_is_over)
{
	struct world world;
	unsigned asked = 0;

	world_init(&world);
	greet(&world);
	start(&world, 2000 * MS);
	for (unsigned i = 0; i < 2100; i++) {
		if (strstr(written(&world), "poold.call")) {
			asked++;
			answer(&world, "[1, 65536, " REFUSAL ", nil]");
		}
		pass(&world, MS);
	}
	ck_assert_str_eq(world.log, "shutting_down 0\n");
	ck_assert_uint_gt(asked, 4);
	ck_assert_uint_lt(asked, 60);
	client_session_done(&world.session);
}
END_TEST

START_TEST(no_other_error_is_asked_again)
{
	static const char *const errors[] = {
		"{'code': 'queue_full', 'executed': 'no'}",
		"{'code': 'shed', 'executed': 'no'}",
		"{'code': 'circuit_open', 'executed': 'no'}",
		"{'code': 'peer_closed', 'executed': 'no'}",
		"{'code': 'shutting_down', 'executed': 'maybe'}",
		"{'code': 'shutting_down'}",
		"{'executed': 'no', 'message': 'shutting_down'}",
		"[0, 'shutting_down: stopping']",
		"'shutting_down'",
		"{}",
		"5",
	};

	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		struct world world;
		char text[200];

		world_init(&world);
		greet(&world);
		start(&world, 2000 * MS);
		written(&world);
		snprintf(text, sizeof(text), "[1, 65536, %s, nil]", errors[i]);
		answer(&world, text);
		ck_assert_str_ne(world.log, "");
		pass(&world, 1500 * MS);
		ck_assert_str_eq(written(&world), "");
		client_session_done(&world.session);
	}
}
END_TEST

START_TEST(what_was_cancelled_is_not_asked_again)
{
	struct world world;
	uint32_t id;

	world_init(&world);
	greet(&world);
	id = start(&world, 2000 * MS);
	written(&world);
	answer(&world, "[1, 65536, " REFUSAL ", nil]");
	ck_assert_int_eq(client_session_cancel(&world.session, id), 0);
	client_session_deliver(&world.session);
	ck_assert_str_eq(world.log, "cancelled 0\n");
	ck_assert_int_eq(client_session_cancel(&world.session, id), -ENOENT);
	/* The cancel was on its way when the daemon refused it. */
	id = start(&world, 2000 * MS);
	written(&world);
	ck_assert_int_eq(client_session_cancel(&world.session, id), 0);
	ck_assert_ptr_nonnull(strstr(written(&world), "poold.cancel"));
	answer(&world, "[1, 131072, " REFUSAL ", nil]");
	ck_assert_str_eq(world.log, "cancelled 0\nshutting_down 0\n");
	client_session_done(&world.session);
}
END_TEST

START_TEST(a_half_sent_request_moves_more_than_once)
{
	struct world world;
	struct iovec slices[2];

	world_init(&world);
	start(&world, 2000 * MS);
	for (unsigned i = 0; i < 5; i++) {
		ck_assert_int_eq(client_session_begin(&world.session), 0);
		ck_assert_uint_eq(client_session_output(&world.session, slices, 2), 2);
		client_session_wrote(&world.session, slices[0].iov_len + slices[1].iov_len - 1);
		client_session_lost(&world.session, -ECONNRESET, "gone");
		pass(&world, 0);
		ck_assert_str_eq(world.log, "");
		ck_assert(client_session_wants_connection(&world.session));
	}
	ck_assert_int_eq(client_session_begin(&world.session), 0);
	ck_assert_ptr_nonnull(strstr(written(&world), "[0, 0, 'poold.call'"));
	client_session_lost(&world.session, -ECONNRESET, "gone");
	pass(&world, 0);
	ck_assert_str_eq(world.log, "peer_closed 1\n");
	client_session_done(&world.session);
}
END_TEST

START_TEST(nobody_there)
{
	struct world world;
	usec_t next;

	world_init(&world);
	start(&world, 100 * MS);
	start(&world, 0);
	next = client_session_unreachable(&world.session, world.now, false, -ENOENT, "none");
	ck_assert_uint_eq(next, world.now + 100 * MS);
	pass(&world, 100 * MS);
	ck_assert_str_eq(world.log, "");
	next = client_session_unreachable(&world.session, world.now, false, -ENOENT, "none");
	ck_assert_uint_eq(next, USEC_INFINITY);
	pass(&world, 0);
	ck_assert_str_eq(world.log, "connect_failed 0\n");
	client_session_unreachable(&world.session, world.now, true, -ENOENT, "none");
	pass(&world, 0);
	ck_assert_str_eq(world.log, "connect_failed 0\nconnect_failed 0\n");
	ck_assert(!client_session_wants_connection(&world.session));
	client_session_done(&world.session);
}
END_TEST

START_TEST(a_connection_that_will_be_closed)
{
	struct world world;

	world_init(&world);
	greet(&world);
	start(&world, 2000 * MS);
	written(&world);
	start(&world, 2000 * MS); /* not written yet */
	answer(&world, "[2, 'poold.closing', [{'grace_ms': 1000}]]");
	start(&world, 0); /* for the next connection */
	pass(&world, 10 * MS);
	ck_assert_str_eq(written(&world), "");
	ck_assert(!client_session_is_left(&world.session));
	answer(&world, "[1, 65536, nil, 'the first']");
	ck_assert(client_session_is_left(&world.session));
	client_session_lost(&world.session, -ECONNRESET, "left");
	ck_assert(client_session_wants_connection(&world.session));
	ck_assert_int_eq(client_session_begin(&world.session), 0);
	pass(&world, 0);
	ck_assert_str_eq(world.log, "result 0\n");
	ck_assert_ptr_nonnull(strstr(written(&world), "'timeout_ms': 1990"));
	client_session_done(&world.session);
}
END_TEST

START_TEST(pauses)
{
	uint64_t random = 1;

	for (unsigned tries = 0; tries < 40; tries++) {
		usec_t limit = tries < 7 ? 10 * MS << tries : USEC_PER_SEC;
		usec_t least = USEC_INFINITY, most = 0;

		for (unsigned i = 0; i < 300; i++) {
			usec_t pause = again_pause(&random, tries);

			least = pause < least ? pause : least;
			most = pause > most ? pause : most;
		}
		ck_assert_uint_le(most, limit);
		ck_assert_uint_gt(most, limit / 2);
		ck_assert_uint_lt(least, limit / 2);
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		what_is_refused_is_asked_again_with_less_time,
		the_refusal_is_told_when_the_time_is_over,
		no_other_error_is_asked_again,
		what_was_cancelled_is_not_asked_again,
		a_half_sent_request_moves_more_than_once,
		nobody_there,
		a_connection_that_will_be_closed,
		pauses,
	};

	return unit_main("client_again", tests, ARRAY_SIZE(tests));
}
