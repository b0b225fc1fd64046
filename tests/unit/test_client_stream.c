#include "client/lib/poold.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/lib/played_daemon.h"
#include "tests/lib/unit.h"
#include "tests/lib/wire.h"

/*
 * What comes beside the answers: chunks, restarts, events, and what errors say of sessions and
 * breakers.  The daemon is this test (played_daemon.h).
 */
#define BYTES_MAX ((size_t)1024 * 1024)

struct world {
	struct played_daemon daemon;
	struct poold_client *client;
	struct buf log;
};

static void world_init(struct world *world)
{
	*world = (struct world){0};
	daemon_begins(&world->daemon);
	ck_assert_int_eq(poold_client_new(world->daemon.path, NULL, &world->client), 0);
	ck_assert_int_eq(poold_client_connect(world->client), 0);
	daemon_accepts(&world->daemon);
	buf_init(&world->log, BYTES_MAX);
}

static void world_done(struct world *world)
{
	poold_client_free(world->client);
	daemon_ends(&world->daemon);
	buf_free(&world->log);
}

static void dispatch(struct world *world)
{
	ck_assert_int_eq(poold_dispatch(world->client, POLLIN), 0);
}

/* --- Callbacks that log ------------------------------------------------------------------------
 */

static void log_value(struct world *world, const char *what, struct poold_bytes value)
{
	buf_printf(&world->log, "%s %s", what, wire_text(value.data, value.len));
}

static void log_chunk(void *userdata, struct poold_bytes value)
{
	log_value(userdata, "chunk", value);
}

static void log_restart(void *userdata)
{
	struct world *world = userdata;

	buf_printf(&world->log, "restart\n");
}

static void log_event(void *userdata, struct poold_bytes event)
{
	log_value(userdata, "event", event);
}

static void log_reply(void *userdata, const struct poold_reply *reply)
{
	struct world *world = userdata;

	if (reply->error.code)
		buf_printf(&world->log, "failed %s\n", reply->error.code);
	else
		log_value(world, "result", reply->result);
}

/* What was logged since the last time. */
static const char *reported(struct world *world)
{
	static char text[4096];

	ck_assert_uint_lt(world->log.len, sizeof(text));
	snprintf(text, sizeof(text), "%.*s", (int)world->log.len,
		 world->log.len > 0 ? (const char *)world->log.data : "");
	buf_reset(&world->log);
	return text;
}

static const struct poold_bytes no_args;

static struct poold_call_options streamed(struct world *world)
{
	return (struct poold_call_options){
		.on_chunk = log_chunk, .on_restart = log_restart, .stream_userdata = world};
}

static uint32_t start(struct world *world, const struct poold_call_options *options)
{
	uint32_t id;

	ck_assert_int_eq(
		poold_call_start(world->client, "p", "m", no_args, options, log_reply, world, &id),
		0);
	return id;
}

/* A streamed call that was sent; its id is 1. */
static void start_stream(struct world *world)
{
	struct poold_call_options options = streamed(world);

	ck_assert_uint_eq(start(world, &options), 1);
	daemon_says(&world->daemon, "[1, 0, nil, {}]");
	dispatch(world);
	daemon_heard(&world->daemon);
}

/* --- Options -----------------------------------------------------------------------------------
 */

static const struct {
	struct poold_call_options options;
	const char *sent;
} option_cases[] = {
	{{0}, "[0, 1, 'poold.call', ['p', 'm', nil]]\n"},
	{{.session = "s", .session_create = POOLD_NO},
	 "[0, 1, 'poold.call', ['p', 'm', nil, {'session': 's', 'session_create': false}]]\n"},
	{{.session = "s", .session_create = POOLD_YES},
	 "[0, 1, 'poold.call', ['p', 'm', nil, {'session': 's', 'session_create': true}]]\n"},
	{{.key = "k"}, "[0, 1, 'poold.call', ['p', 'm', nil, {'key': 'k'}]]\n"},
	{{.fallback = POOLD_NO}, "[0, 1, 'poold.call', ['p', 'm', nil, {'fallback': false}]]\n"},
	{{.on_chunk = log_chunk}, "[0, 1, 'poold.call', ['p', 'm', nil, {'stream': true}]]\n"},
	{{.timeout_ms = 5000,
	  .idempotent = POOLD_YES,
	  .priority = POOLD_PRIORITY_NORMAL,
	  .max_attempts = 2,
	  .meta = true,
	  .trace = "t",
	  .session = "s",
	  .session_create = POOLD_NO,
	  .key = "k",
	  .fallback = POOLD_YES,
	  .on_chunk = log_chunk,
	  .on_restart = log_restart},
	 "[0, 1, 'poold.call', ['p', 'm', nil, {'timeout_ms': 5000, 'idempotent': true, "
	 "'priority': 'normal', 'max_attempts': 2, 'meta': true, 'trace': 't', 'session': 's', "
	 "'session_create': false, 'key': 'k', 'fallback': true, 'stream': true, 'restartable': "
	 "true}]]\n"},
};

START_TEST(options_are_sent_when_given)
{
	for (size_t i = 0; i < ARRAY_SIZE(option_cases); i++) {
		struct world world;

		world_init(&world);
		start(&world, &option_cases[i].options);
		dispatch(&world);
		ck_assert_str_eq(daemon_heard(&world.daemon), option_cases[i].sent);
		world_done(&world);
	}
}
END_TEST

START_TEST(options_that_are_none)
{
	char longest[130] = {0};
	const struct poold_call_options refused[] = {
		{.session = ""},
		{.session = longest},
		{.key = ""},
		{.key = longest},
		{.session_create = (enum poold_choice)3},
		{.fallback = (enum poold_choice)3},
		{.on_restart = log_restart},
	};
	struct world world;

	world_init(&world);
	memset(longest, 'x', 129);
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
		ck_assert_int_eq(poold_call_start(world.client, "p", "m", no_args, &refused[i],
						  log_reply, &world, NULL),
				 -EINVAL);
	longest[128] = '\0';
	start(&world, &(struct poold_call_options){.session = longest, .key = longest});
	world_done(&world);
}
END_TEST

/* --- Streams -----------------------------------------------------------------------------------
 */

START_TEST(a_blocking_call_gets_its_chunks)
{
	struct world world;
	struct poold_reply reply;
	struct poold_call_options options;

	world_init(&world);
	options = streamed(&world);
	daemon_says(&world.daemon, "[1, 0, nil, {}] [2, 'poold.chunk', [1, 'one']]"
				   "[2, 'poold.chunk', [1, {'two': [2]}]] [1, 1, nil, 2]");
	ck_assert_int_eq(poold_call(world.client, "p", "m", no_args, &options, &reply), 0);
	ck_assert_str_eq(reported(&world), "chunk 'one'\nchunk {'two': [2]}\n");
	ck_assert_str_eq(wire_text(reply.result.data, reply.result.len), "2\n");
	poold_reply_free(&reply);
	world_done(&world);
}
END_TEST

START_TEST(a_stream_may_be_cut_anywhere)
{
	static const char said[] = "[2, 'poold.chunk', [1, 'a']] [2, 'poold.chunk', [1, nil]]"
				   "[2, 'poold.restart', [1]] [2, 'poold.chunk', [1, 'b']]"
				   "[1, 1, nil, 'end']";
	struct buf bytes;

	buf_init(&bytes, BYTES_MAX);
	wire_put(&bytes, said);
	for (size_t cut = 0; cut <= bytes.len; cut++) {
		struct world world;

		world_init(&world);
		start_stream(&world);
		daemon_says_bytes(&world.daemon, bytes.data, cut);
		dispatch(&world);
		daemon_says_bytes(&world.daemon, bytes.data + cut, bytes.len - cut);
		dispatch(&world);
		ck_assert_str_eq(reported(&world), "chunk 'a'\nchunk nil\nrestart\nchunk 'b'\n"
						   "result 'end'\n");
		world_done(&world);
	}
	buf_free(&bytes);
}
END_TEST

/* Two streams and a plain call: each hears its own. */
START_TEST(chunks_find_their_request)
{
	struct world world, other = {0};
	struct poold_call_options options;

	world_init(&world);
	buf_init(&other.log, BYTES_MAX);
	start_stream(&world);
	options = streamed(&other);
	ck_assert_uint_eq(start(&world, &options), 65536);
	ck_assert_uint_eq(start(&world, NULL), 2);
	dispatch(&world);
	daemon_says(&world.daemon,
		    "[2, 'poold.chunk', [65536, 'other']] [2, 'poold.chunk', [1, 'mine']]"
		    "[2, 'poold.chunk', [2, 'unasked']] [2, 'poold.restart', [2]]"
		    "[2, 'poold.restart', [65536]]");
	dispatch(&world);
	ck_assert_str_eq(reported(&world), "chunk 'mine'\n");
	ck_assert_str_eq(reported(&other), "chunk 'other'\nrestart\n");
	buf_free(&other.log);
	world_done(&world);
}
END_TEST

START_TEST(nothing_comes_after_the_reply)
{
	struct world world;

	world_init(&world);
	start_stream(&world);
	daemon_says(&world.daemon,
		    "[2, 'poold.chunk', [1, 'a']] [1, 1, {'code': 'worker_exited'}, nil]"
		    "[2, 'poold.chunk', [1, 'late']] [2, 'poold.restart', [1]]");
	dispatch(&world);
	ck_assert_str_eq(reported(&world), "chunk 'a'\nfailed worker_exited\n");

	/* Nor to who has the place now. */
	struct poold_call_options options = streamed(&world);

	ck_assert_uint_eq(start(&world, &options), 65537);
	dispatch(&world);
	daemon_says(&world.daemon,
		    "[2, 'poold.chunk', [1, 'late']] [2, 'poold.chunk', [65537, 'new']]");
	dispatch(&world);
	ck_assert_str_eq(reported(&world), "chunk 'new'\n");
	world_done(&world);
}
END_TEST

START_TEST(a_stream_that_was_given_up_is_silent)
{
	struct world world;
	struct poold_reply reply;
	struct poold_call_options options;
	struct poold_client_options impatient = {.grace_ms = 1};
	struct poold_client *client;

	world_init(&world);
	ck_assert_int_eq(poold_client_new(world.daemon.path, &impatient, &client), 0);
	poold_client_free(world.client);
	close(world.daemon.fd);
	world.client = client;
	ck_assert_int_eq(poold_client_connect(client), 0);
	world.daemon.fd = accept4(world.daemon.listener, NULL, NULL, SOCK_CLOEXEC);
	options = streamed(&world);
	options.timeout_ms = 1;
	ck_assert_int_eq(poold_call(client, "p", "m", no_args, &options, &reply), -ETIMEDOUT);
	poold_reply_free(&reply);
	daemon_says(&world.daemon, "[2, 'poold.chunk', [1, 'late']] [2, 'poold.restart', [1]]");
	dispatch(&world);
	ck_assert_str_eq(reported(&world), "");
	world_done(&world);
}
END_TEST

START_TEST(a_stream_ends_with_its_connection)
{
	struct world world;

	world_init(&world);
	start_stream(&world);
	daemon_says(&world.daemon, "[2, 'poold.chunk', [1, 'a']]");
	shutdown(world.daemon.fd, SHUT_WR);
	dispatch(&world);
	ck_assert_int_eq(poold_dispatch(world.client, POLLIN), -ECONNRESET);
	ck_assert_str_eq(reported(&world), "chunk 'a'\nfailed peer_closed\n");
	world_done(&world);
}
END_TEST

/* A restart that nobody asked for is no error either. */
START_TEST(a_stream_need_not_hear_restarts)
{
	struct world world;

	world_init(&world);
	ck_assert_uint_eq(start(&world, &(struct poold_call_options){.on_chunk = log_chunk,
								     .stream_userdata = &world}),
			  1);
	daemon_says(&world.daemon,
		    "[1, 0, nil, {}] [2, 'poold.restart', [1]] [2, 'poold.chunk', [1, 5]]");
	dispatch(&world);
	ck_assert_str_eq(reported(&world), "chunk 5\n");
	world_done(&world);
}
END_TEST

static void start_and_cancel(void *userdata, struct poold_bytes value)
{
	struct world *world = userdata;
	struct poold_reply reply;

	(void)value;
	ck_assert_int_eq(poold_call(world->client, "p", "m", no_args, NULL, &reply), -EDEADLK);
	poold_reply_free(&reply);
	ck_assert_int_eq(poold_cancel(world->client, 1), 0);
	for (int i = 0; i < 40; i++)
		start(world, NULL);
}

START_TEST(a_chunk_may_start_and_cancel)
{
	struct world world;
	struct poold_call_options options = {.on_chunk = start_and_cancel,
					     .stream_userdata = &world};

	world_init(&world);
	ck_assert_uint_eq(start(&world, &options), 1);
	daemon_says(&world.daemon, "[1, 0, nil, {}] [2, 'poold.chunk', [1, 5]]"
				   "[1, 1, {'code': 'cancelled'}, nil]");
	dispatch(&world);
	ck_assert_str_eq(reported(&world), "failed cancelled\n");
	dispatch(&world);
	ck_assert_ptr_nonnull(strstr(daemon_heard(&world.daemon), "[2, 'poold.cancel', [1]]\n"));
	world_done(&world);
}
END_TEST

/* --- Events and the rest -----------------------------------------------------------------------
 */

START_TEST(events_are_heard)
{
	struct world world;
	struct poold_reply reply;

	world_init(&world);
	poold_set_event_callback(world.client, log_event, &world);
	daemon_says(&world.daemon, "[1, 0, nil, {}] [1, 1, nil, {'kinds': ['worker']}]"
				   "[2, 'poold.event', [{'kind': 'worker', 'seq': 1}]]");
	ck_assert_int_eq(poold_request(world.client, "poold.subscribe",
				       (struct poold_bytes){"\x91\x91\xa6worker", 9}, 0, &reply),
			 0);
	poold_reply_free(&reply);
	ck_assert_str_eq(daemon_heard(&world.daemon), "[0, 1, 'poold.subscribe', [['worker']]]\n");
	ck_assert_str_eq(reported(&world), "event {'kind': 'worker', 'seq': 1}\n");
	daemon_says(&world.daemon, "[2, 'poold.event', [{'seq': 2}]]");
	dispatch(&world);
	ck_assert_str_eq(reported(&world), "event {'seq': 2}\n");

	poold_set_event_callback(world.client, NULL, NULL);
	daemon_says(&world.daemon, "[2, 'poold.event', [{'seq': 3}]]");
	dispatch(&world);
	ck_assert_str_eq(reported(&world), "");
	world_done(&world);
}
END_TEST

START_TEST(what_is_no_notice_is_passed_over)
{
	static const char *said[] = {
		"[2, 'poold.chunk', []]",
		"[2, 'poold.chunk', [1]]",
		"[2, 'poold.chunk', ['1', 'x']]",
		"[2, 'poold.chunk', [-1, 'x']]",
		"[2, 'poold.chunk', [4294967297, 'x']]",
		"[2, 'poold.chunk', [3, 'no such id']]",
		"[2, 'poold.chunks', [1, 'x']]",
		"[2, 'poold.restart', []]",
		"[2, 'poold.restart', [nil]]",
		"[2, 'poold.event', []]",
		"[2, 'poold.event', ['x']]",
		"[2, 'poold.event', [[1]]]",
		"[2, 'event', [{}]]",
		"[2, '', []]",
	};
	struct world world;

	world_init(&world);
	poold_set_event_callback(world.client, log_event, &world);
	start_stream(&world);
	for (size_t i = 0; i < ARRAY_SIZE(said); i++) {
		daemon_says(&world.daemon, said[i]);
		dispatch(&world);
		ck_assert_str_eq(reported(&world), "");
	}
	/* More than there is today is no harm. */
	daemon_says(&world.daemon,
		    "[2, 'poold.chunk', [1, 'x', 'more']] [2, 'poold.restart', [1, 2]]"
		    "[2, 'poold.event', [{}, 1]]");
	dispatch(&world);
	ck_assert_str_eq(reported(&world), "chunk 'x'\nrestart\nevent {}\n");
	world_done(&world);
}
END_TEST

START_TEST(errors_tell_of_session_and_breaker)
{
	struct world world;
	struct poold_reply reply;

	world_init(&world);
	daemon_says(&world.daemon,
		    "[1, 0, nil, {}]"
		    "[1, 1, {'code': 'circuit_open', 'session': 's1', 'circuit': 'open', "
		    "'queue_depth': 12, 'attempts': [{'worker': 3}, {'worker': 4}]}, nil]");
	ck_assert_int_eq(poold_call(world.client, "p", "m", no_args, NULL, &reply), -EREMOTEIO);
	ck_assert_str_eq(reply.error.session, "s1");
	ck_assert_str_eq(reply.error.circuit, "open");
	ck_assert_int_eq(reply.error.queue_depth, 12);
	ck_assert_str_eq(wire_text(reply.error.attempts.data, reply.error.attempts.len),
			 "[{'worker': 3}, {'worker': 4}]\n");
	/* They belong to the reply, as all of its map does. */
	ck_assert_ptr_eq((const uint8_t *)reply.error.attempts.data + reply.error.attempts.len,
			 (const uint8_t *)reply.error.map.data + reply.error.map.len);
	poold_reply_free(&reply);

	daemon_says(&world.daemon, "[1, 65537, {'code': 'shed', 'session': 5, 'circuit': nil, "
				   "'queue_depth': -1, 'attempts': {}}, nil]");
	ck_assert_int_eq(poold_call(world.client, "p", "m", no_args, NULL, &reply), -EREMOTEIO);
	ck_assert_str_eq(reply.error.session, "");
	ck_assert_str_eq(reply.error.circuit, "");
	ck_assert_int_eq(reply.error.queue_depth, -1);
	ck_assert_uint_eq(reply.error.attempts.len, 0);
	poold_reply_free(&reply);

	ck_assert_int_eq(poold_call(world.client, "p", "m", no_args,
				    &(struct poold_call_options){.key = ""}, &reply),
			 -EINVAL);
	ck_assert_str_eq(reply.error.session, "");
	ck_assert_str_eq(reply.error.circuit, "");
	ck_assert_int_eq(reply.error.queue_depth, -1);
	poold_reply_free(&reply);
	world_done(&world);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		options_are_sent_when_given,
		options_that_are_none,
		a_blocking_call_gets_its_chunks,
		a_stream_may_be_cut_anywhere,
		chunks_find_their_request,
		nothing_comes_after_the_reply,
		a_stream_that_was_given_up_is_silent,
		a_stream_ends_with_its_connection,
		a_stream_need_not_hear_restarts,
		a_chunk_may_start_and_cancel,
		events_are_heard,
		what_is_no_notice_is_passed_over,
		errors_tell_of_session_and_breaker,
	};

	return unit_main("client_stream", tests, ARRAY_SIZE(tests));
}
