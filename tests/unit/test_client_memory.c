/* libpoold without memory: each allocation fails in turn.  Whoever called hears of it, nothing is
 * answered wrongly, and with memory the same client or worker goes on. */
#include "client/lib/poold.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/lib/worker_session.h"
#include "tests/lib/played_daemon.h"
#include "tests/lib/shortage.h"
#include "tests/lib/unit.h"
#include "tests/lib/wire.h"

#define BYTES_MAX  ((size_t)16 * 1024 * 1024)
#define ROUNDS_MAX 1000

/* --- A client: the daemon is this test, and answers what it reads ------------------------------
 */

struct world {
	struct played_daemon daemon;
	struct poold_client *client;
	unsigned replies, parts; /* heard by the caller */
	char code[64];		 /* of the latest reply; empty: a result */
	char result[32];	 /* the latest result */
};

static void world_init(struct world *world)
{
	*world = (struct world){0};
	daemon_begins(&world->daemon);
	ck_assert_int_eq(fcntl(world->daemon.listener, F_SETFL, O_NONBLOCK), 0);
}

static void world_done(struct world *world)
{
	poold_client_free(world->client);
	daemon_ends(&world->daemon);
}

/* Answers each request that has come: with two parts and a result, or with an error that has a map
 * of its own. */
static void daemon_answers(struct world *world)
{
	static uint8_t data[1 << 20];
	int newer = accept4(world->daemon.listener, NULL, NULL, SOCK_CLOEXEC);
	const char *line;
	ssize_t len;

	if (newer >= 0) {
		daemon_closes(&world->daemon);
		world->daemon.fd = newer;
	}
	if (world->daemon.fd < 0)
		return;
	len = recv(world->daemon.fd, data, sizeof(data), MSG_DONTWAIT);
	for (line = len > 0 ? wire_text(data, (size_t)len) : NULL; line && *line;
	     line = strchr(line, '\n') + 1) {
		struct buf out;
		unsigned id;
		char text[512] = "", name[32] = "";

		if (sscanf(line, "[0, %u, '%31[^']'", &id, name) != 2)
			continue;
		if (strcmp(name, "poold.hello") == 0)
			snprintf(text, sizeof(text), "[1, %u, nil, {}]", id);
		else if (strstr(line, "'bad'"))
			snprintf(text, sizeof(text),
				 "[1, %u, {'code': 'exception', 'message': 'it is bad', 'type': "
				 "'Bad', 'more': [1, {'a': 'b'}]}, nil]",
				 id);
		else
			snprintf(
				text, sizeof(text),
				"[2, 'poold.chunk', [%u, 'part']] [2, 'poold.chunk', [%u, 'part']] "
				"[1, %u, nil, 'good']",
				id, id, id);
		buf_init(&out, BYTES_MAX);
		wire_put(&out, text);
		/* The client may just have left. */
		(void)!send(world->daemon.fd, out.data, out.len, MSG_NOSIGNAL);
		buf_free(&out);
	}
}

static void on_reply(void *userdata, const struct poold_reply *reply)
{
	struct world *world = userdata;

	world->replies++;
	snprintf(world->code, sizeof(world->code), "%s",
		 reply->error.code ? reply->error.code : "");
	snprintf(world->result, sizeof(world->result), "%.*s", (int)reply->result.len,
		 reply->result.len > 0 ? (const char *)reply->result.data : "");
}

static void on_part(void *userdata, struct poold_bytes part)
{
	struct world *world = userdata;

	world->parts += part.len == 5;
}

static int start(struct world *world, const char *method)
{
	struct poold_call_options options = {
		.session = "s", .timeout_ms = 60000, .on_chunk = on_part, .stream_userdata = world};

	world->replies = world->parts = 0;
	return poold_call_start(world->client, "p", method, (struct poold_bytes){0}, &options,
				on_reply, world, NULL);
}

/* Both sides move until the reply, at most `turns` times. */
static void take_turns(struct world *world, unsigned turns)
{
	for (unsigned i = 0; world->replies == 0 && i < turns; i++) {
		struct pollfd fd = {.fd = poold_fd(world->client), .events = POLLIN};

		shortage_pause(true);
		daemon_answers(world);
		shortage_pause(false);
		poll(&fd, 1, 1);
		/* Its error ends the connection; what was asked is answered all the same. */
		(void)poold_dispatch(world->client, POLLIN | POLLOUT);
	}
}

/* A reply is what the daemon said, or says that something was wrong on this side. */
static void check_reply(const struct world *world, bool failed)
{
	ck_assert_msg(world->replies == 1, "%u replies", world->replies);
	if (strcmp(world->code, "exception") == 0 || (failed && world->code[0]))
		ck_assert_str_ne(world->code, "deadline_exceeded");
	else
		ck_assert_mem_eq(world->result + 1, "good", 4);
}

/* Calls while the k-th allocation fails, and once more.  Returns whether it did. */
static bool call_short(unsigned k, bool lasting, const char *method)
{
	struct world world;
	bool failed;
	int r;

	world_init(&world);
	shortage_begin(k, lasting);
	r = poold_client_new(world.daemon.path, NULL, &world.client);
	if (r == 0)
		r = start(&world, method);
	if (r == 0)
		take_turns(&world, 5);
	failed = shortage_end();
	if (r == 0) {
		take_turns(&world, 10000);
		check_reply(&world, failed);
	} else {
		ck_assert(failed);
		ck_assert_int_eq(r, -ENOMEM);
	}
	if (!world.client)
		ck_assert_int_eq(poold_client_new(world.daemon.path, NULL, &world.client), 0);
	ck_assert_int_eq(start(&world, "good"), 0);
	take_turns(&world, 10000);
	check_reply(&world, false);
	ck_assert_str_eq(world.code, "");
	ck_assert_uint_eq(world.parts, 2);
	world_done(&world);
	return failed;
}

START_TEST(a_client_without_memory)
{
	static const char *const methods[] = {"good", "bad"};

	for (unsigned i = 0; i < 2 * ARRAY_SIZE(methods); i++) {
		unsigned k = 1;

		while (call_short(k, i % 2 == 1, methods[i / 2]))
			ck_assert_uint_lt(++k, ROUNDS_MAX);
		ck_assert_uint_gt(k, 5);
	}
}
END_TEST

/* --- A worker, bytes moved by hand -------------------------------------------------------------
 */

static int stream(struct poold_attempt *attempt, struct poold_writer *result, void *userdata)
{
	struct worker_session *session = userdata;

	poold_write_str(result, "done");
	/* Whoever streams may pass over that a part was lost: the attempt fails all the same. */
	worker_session_chunk(session, (struct poold_bytes){"\xa4part", 5});
	if (worker_session_set_state(session, (struct poold_bytes){"state", 5}) < 0)
		return poold_fail(attempt, POOLD_RETRYABLE, "NoMemory", "the state is lost");
	return 0;
}

static int fails(struct poold_attempt *attempt, struct poold_writer *result, void *userdata)
{
	(void)result;
	(void)userdata;
	return poold_fail(attempt, POOLD_EXCEPTION, "Bad", "it is %s", "bad");
}

/* Feeds a request and answers all that waits.  The first error. */
static int serve(struct worker_session *session, const struct buf *request)
{
	size_t done = 0;
	int r = 0;

	while (r == 0 && done < request->len) {
		uint8_t *room;
		size_t len;

		r = worker_session_space(session, &room, &len);
		if (r < 0)
			return r;
		if (len > request->len - done)
			len = request->len - done;
		memcpy(room, request->data + done, len);
		r = worker_session_took(session, len);
		done += len;
	}
	while (r == 0 && worker_session_has_request(session)) {
		uint32_t id;

		if (worker_session_begins(session, &id))
			worker_session_announce(session, id);
		r = worker_session_answer(session);
	}
	return r;
}

static bool serve_short(unsigned k, bool lasting, const char *text, const char *expected)
{
	struct worker_session session;
	struct buf request;
	struct bytes out;
	bool failed;
	int r;

	buf_init(&request, BYTES_MAX);
	wire_put(&request, text);
	worker_session_init(&session, BYTES_MAX);
	shortage_begin(k, lasting);
	r = worker_session_add(&session, "stream", stream, &session);
	if (r == 0)
		r = worker_session_add(&session, "fails", fails, NULL);
	if (r == 0)
		r = serve(&session, &request);
	failed = shortage_end();
	out = worker_session_output(&session);
	/* Without memory for an answer there is an error, or an answer that is one: no half of it.
	 * Only the announcement may be lost. */
	if (!failed)
		ck_assert_str_eq(wire_text(out.data, out.len), expected);
	else if (r == 0)
		ck_assert(strstr(wire_text(out.data, out.len), "[1, 1, {") ||
			  strstr(wire_text(out.data, out.len), strchr(expected, '\n') + 1));
	else
		ck_assert_int_eq(r, -ENOMEM);
	worker_session_done(&session);
	buf_free(&request);
	return failed;
}

START_TEST(a_worker_without_memory)
{
	static const char *const cases[][2] = {
		{"[0, 1, 'stream', [[], {'stream': true, 'session': 's'}]]",
		 "[2, 'started', [1]]\n[2, 'state', [1, b'state']]\n[1, 1, nil, 'done']\n"},
		{"[0, 1, 'fails', [[], {}]]",
		 "[2, 'started', [1]]\n[1, 1, {'code': 'exception', 'type': 'Bad', "
		 "'message': 'it is bad'}, nil]\n"},
		{"[0, 1, 'nobody', [[], {}]]",
		 "[2, 'started', [1]]\n[1, 1, {'code': 'unknown_method', 'type': "
		 "'UnknownMethod', 'message': 'the worker has no method of that name'}, nil]\n"},
	};

	for (unsigned i = 0; i < 2 * ARRAY_SIZE(cases); i++) {
		const char *const *each = cases[i / 2];
		unsigned k = 1;

		while (serve_short(k, i % 2 == 1, each[0], each[1]))
			ck_assert_uint_lt(++k, ROUNDS_MAX);
		ck_assert_uint_gt(k, 3);
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {a_client_without_memory, a_worker_without_memory};

	return unit_main("client_memory", tests, ARRAY_SIZE(tests));
}
