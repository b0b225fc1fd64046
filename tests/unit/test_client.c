#include "client/lib/poold.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/lib/played_daemon.h"
#include "tests/lib/unit.h"
#include "tests/lib/wire.h"

#define BYTES_MAX ((size_t)16 * 1024 * 1024)

struct world {
	struct played_daemon daemon;
	struct poold_client *client;
	struct buf log;
};

static void world_init_with(struct world *world, const struct poold_client_options *options)
{
	*world = (struct world){0};
	daemon_begins(&world->daemon);
	buf_init(&world->log, BYTES_MAX);
	ck_assert_int_eq(poold_client_new(world->daemon.path, options, &world->client), 0);
}

static void world_init(struct world *world)
{
	world_init_with(world, NULL);
}

static void world_done(struct world *world)
{
	poold_client_free(world->client);
	daemon_ends(&world->daemon);
	buf_free(&world->log);
}

static void connect_both(struct world *world)
{
	ck_assert_int_eq(poold_client_connect(world->client), 0);
	daemon_accepts(&world->daemon);
}

static void log_reply(void *userdata, const struct poold_reply *reply)
{
	struct world *world = userdata;

	if (reply->error.code)
		buf_printf(&world->log, "%s: %s\n", reply->error.code, reply->error.message);
	else
		buf_printf(&world->log, "%s", wire_text(reply->result.data, reply->result.len));
}

static size_t kept_message_len;

/* Keeps the status of a reply, and the length of its message. */
static void keep_reply(void *userdata, const struct poold_reply *reply)
{
	struct poold_reply *kept = userdata;

	*kept = (struct poold_reply){.status = reply->status ? reply->status : 1};
	kept_message_len = reply->error.message ? strlen(reply->error.message) : 0;
}

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

static uint32_t start(struct world *world, const char *method)
{
	uint32_t id;

	ck_assert_int_eq(
		poold_call_start(world->client, "p", method, no_args, NULL, log_reply, world, &id),
		0);
	return id;
}

/* --- Blocking ----------------------------------------------------------------------------------
 */

START_TEST(a_call_and_its_result)
{
	struct world world;
	struct poold_reply reply;
	struct poold_writer *args = poold_writer_new();
	struct poold_call_options options = {.timeout_ms = 1500,
					     .idempotent = POOLD_NO,
					     .priority = POOLD_PRIORITY_SHEDDABLE,
					     .max_attempts = 3,
					     .meta = true,
					     .trace = "00-ab"};

	world_init(&world);
	connect_both(&world);
	daemon_says(&world.daemon, "[1, 0, nil, {}] [1, 1, nil, [5, 'five']]");
	poold_write_array(args, 2);
	poold_write_int(args, -3);
	poold_write_str(args, "x");
	ck_assert_int_eq(poold_call(world.client, "python", "words", poold_writer_bytes(args),
				    &options, &reply),
			 0);
	ck_assert_int_eq(reply.status, 0);
	ck_assert_ptr_null(reply.error.code);
	ck_assert_str_eq(wire_text(reply.result.data, reply.result.len), "[5, 'five']\n");
	ck_assert_str_eq(daemon_heard(&world.daemon),
			 "[0, 1, 'poold.call', ['python', 'words', [-3, 'x'], {'timeout_ms': 1500, "
			 "'idempotent': false, 'priority': 'sheddable', 'max_attempts': 3, 'meta': "
			 "true, 'trace': '00-ab'}]]\n");
	poold_reply_free(&reply);
	ck_assert_uint_eq(reply.result.len, 0);
	poold_reply_free(&reply);
	poold_writer_free(args);
	world_done(&world);
}
END_TEST

START_TEST(a_request_of_the_daemon_itself)
{
	struct world world;
	struct poold_reply reply;

	world_init(&world);
	connect_both(&world);
	daemon_says(&world.daemon, "[1, 0, nil, {}] [1, 1, nil, {'status': 'ok'}]");
	ck_assert_int_eq(poold_request(world.client, "poold.health", no_args, 0, &reply), 0);
	ck_assert_str_eq(wire_text(reply.result.data, reply.result.len), "{'status': 'ok'}\n");
	ck_assert_str_eq(daemon_heard(&world.daemon), "[0, 1, 'poold.health', []]\n");
	poold_reply_free(&reply);
	daemon_says(&world.daemon, "[1, 65537, 'refused', nil]");
	ck_assert_int_eq(poold_request(world.client, "python.m",
				       (struct poold_bytes){"\x91\x05", 2}, 0, &reply),
			 -EREMOTEIO);
	poold_reply_free(&reply);
	world_done(&world);
}
END_TEST

/* Every shape an error may have, and what the caller sees of it. */
static const struct {
	const char *error;
	const char *code;
	const char *category;
	const char *message;
	bool retryable;
	int64_t retry_after_ms;
	enum poold_executed executed;
	bool has_map;
} errors[] = {
	{"{'code': 'queue_full', 'category': 'resource_error', 'severity': 'critical', 'message': "
	 "'full', 'retryable': true, 'retry_after_ms': 20, 'executed': 'no', 'attempts': [{}]}",
	 "queue_full", "resource_error", "full", true, 20, POOLD_EXECUTED_NO, true},
	{"{'code': 'exception', 'message': 'x', 'executed': 'yes'}", "exception",
	 "application_error", "x", false, -1, POOLD_EXECUTED_YES, true},
	{"{'code': 'of_a_later_version', 'executed': 'perhaps'}", "of_a_later_version", "", "",
	 false, -1, POOLD_EXECUTED_MAYBE, true},
	{"{1: 2, 'code': 5, 'message': nil, 'retry_after_ms': -1, 'retryable': 'x'}", "exception",
	 "application_error", "", false, -1, POOLD_EXECUTED_MAYBE, true},
	{"{'code': '', 'message': 'why'}", "exception", "application_error", "why", false, -1,
	 POOLD_EXECUTED_MAYBE, true},
	{"{'retry_after_ms': 18446744073709551614}", "exception", "application_error", "", false,
	 -1, POOLD_EXECUTED_MAYBE, true},
	{"[0, 'unknown_pool: there is no such pool']", "unknown_pool", "request_error",
	 "there is no such pool", false, -1, POOLD_EXECUTED_MAYBE, false},
	{"[0, 'shed:now']", "shed", "resource_error", "now", false, -1, POOLD_EXECUTED_MAYBE,
	 false},
	{"[0, 'shed:']", "shed", "resource_error", "", false, -1, POOLD_EXECUTED_MAYBE, false},
	{"[1, 'note: of another server']", "exception", "application_error",
	 "note: of another server", false, -1, POOLD_EXECUTED_MAYBE, false},
	{"'text'", "exception", "application_error", "text", false, -1, POOLD_EXECUTED_MAYBE,
	 false},
	{"''", "exception", "application_error", "", false, -1, POOLD_EXECUTED_MAYBE, false},
	{"5", "exception", "application_error", "", false, -1, POOLD_EXECUTED_MAYBE, false},
	{"[]", "exception", "application_error", "", false, -1, POOLD_EXECUTED_MAYBE, false},
	{"[1, 2, 3]", "exception", "application_error", "", false, -1, POOLD_EXECUTED_MAYBE, false},
};

START_TEST(errors_of_every_shape)
{
	struct world world;

	world_init(&world);
	connect_both(&world);
	daemon_says(&world.daemon, "[1, 0, nil, {}]");
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		struct poold_reply reply;
		char answer[512];

		/* Always in the place that the last one left. */
		snprintf(answer, sizeof(answer), "[1, %zu, %s, nil]", (i << 16) + 1,
			 errors[i].error);
		daemon_says(&world.daemon, answer);
		ck_assert_int_eq(poold_call(world.client, "p", "m", no_args, NULL, &reply),
				 -EREMOTEIO);
		ck_assert_str_eq(reply.error.code, errors[i].code);
		ck_assert_str_eq(reply.error.category, errors[i].category);
		ck_assert_str_eq(reply.error.message, errors[i].message);
		ck_assert_int_eq(reply.error.retryable, errors[i].retryable);
		ck_assert_int_eq(reply.error.retry_after_ms, errors[i].retry_after_ms);
		ck_assert_int_eq(reply.error.executed, errors[i].executed);
		ck_assert_int_eq(reply.error.map.len > 0, errors[i].has_map);
		poold_reply_free(&reply);
	}
	world_done(&world);
}
END_TEST

START_TEST(the_map_of_an_error_can_be_read)
{
	struct world world;
	struct poold_reply reply;
	struct poold_reader reader;
	struct poold_bytes detail, type;

	world_init(&world);
	connect_both(&world);
	daemon_says(&world.daemon,
		    "[1, 0, nil, {}] [1, 1, {'code': 'exception', 7: 8, 'detail': {'type': "
		    "'ValueError'}}, nil]");
	poold_call(world.client, "p", "m", no_args, NULL, &reply);
	ck_assert_int_eq(poold_map_find(reply.error.map, "detail", &reader), 0);
	ck_assert_int_eq(poold_read_value(&reader, &detail), 0);
	ck_assert_int_eq(poold_map_find(detail, "type", &reader), 0);
	ck_assert_int_eq(poold_read_str(&reader, &type), 0);
	ck_assert_uint_eq(type.len, 10);
	/* The bytes of the integer 65 are those of the text "A" without its head. */
	ck_assert_int_eq(
		poold_map_find((struct poold_bytes){"\x82\x41\x01\xa1\x41\x02", 6}, "A", &reader),
		0);
	ck_assert_uint_eq(*reader.at, 2);
	ck_assert_int_eq(poold_map_find(reply.error.map, "nothing", &reader), -ENOENT);
	ck_assert_int_eq(poold_map_find(type, "type", &reader), -EPROTO);
	ck_assert_int_eq(poold_map_find(no_args, "type", &reader), -EPROTO);
	poold_reply_free(&reply);
	world_done(&world);
}
END_TEST

static void must_refuse(struct poold_client *client, int expected, const char *code,
			struct poold_bytes args, const struct poold_call_options *options)
{
	struct poold_reply reply;

	ck_assert_int_eq(poold_call(client, "p", "m", args, options, &reply), expected);
	ck_assert_int_eq(reply.status, expected);
	ck_assert_str_eq(reply.error.code, code);
	ck_assert_int_eq(reply.error.executed, POOLD_EXECUTED_NO);
	ck_assert_uint_gt(strlen(reply.error.message), 10);
	poold_reply_free(&reply);
}

START_TEST(calls_that_can_not_be_made)
{
	struct world world;
	struct poold_writer *spoiled = poold_writer_new();
	struct poold_call_options options = {.timeout_ms = UINT64_MAX};

	world_init_with(&world, &(struct poold_client_options){.output_max = 1000});
	must_refuse(world.client, -EINVAL, "invalid_request", poold_writer_bytes(spoiled), NULL);
	must_refuse(world.client, -EINVAL, "invalid_request", (struct poold_bytes){"\x92\x01", 2},
		    NULL);
	must_refuse(world.client, -EINVAL, "invalid_request", (struct poold_bytes){"\x01\x01", 2},
		    NULL);
	must_refuse(world.client, -EINVAL, "invalid_request", no_args, &options);
	for (int i = 0; i < 2000; i++)
		poold_write_nil(spoiled);
	poold_writer_reset(spoiled);
	static const char large[2000];
	poold_write_bin(spoiled, large, sizeof(large));
	must_refuse(world.client, -EBUSY, "queue_full", poold_writer_bytes(spoiled), NULL);
	poold_writer_free(spoiled);
	world_done(&world);
}
END_TEST

static const struct poold_client_options once = {.size = sizeof(once), .no_reconnect = true};

START_TEST(nobody_listens)
{
	struct world world;
	struct poold_reply reply;

	world_init_with(&world, &once);
	close(world.daemon.listener);
	ck_assert_int_eq(poold_call(world.client, "p", "m", no_args, NULL, &reply), -ECONNREFUSED);
	ck_assert_str_eq(reply.error.code, "connect_failed");
	ck_assert_ptr_nonnull(strstr(reply.error.message, world.daemon.path));
	ck_assert_ptr_nonnull(strstr(reply.error.message, "Connection refused"));
	ck_assert(reply.error.retryable);
	poold_reply_free(&reply);

	unlink(world.daemon.path);
	must_refuse(world.client, -ENOENT, "connect_failed", no_args, NULL);
	ck_assert_int_eq(poold_fd(world.client), -1);

	daemon_listens(&world.daemon);
	connect_both(&world);
	daemon_says(&world.daemon, "[1, 0, nil, {}] [1, 1, nil, 'here now']");
	ck_assert_int_eq(poold_call(world.client, "p", "m", no_args, NULL, &reply), 0);
	poold_reply_free(&reply);
	world_done(&world);
}
END_TEST

/* The daemon's backlog is full and it accepts nobody. */
/* A program that has closed its standard input, and may have no other descriptor. */
START_TEST(no_place_above_the_standard_files)
{
	struct world world;
	struct rlimit before, none;

	world_init(&world);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = (struct rlimit){.rlim_cur = 1, .rlim_max = before.rlim_max};
	close(STDIN_FILENO);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	ck_assert_int_eq(poold_client_connect(world.client), -EINVAL);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
	/* What it had is closed again. */
	ck_assert_int_eq(open("/dev/null", O_RDONLY | O_CLOEXEC), STDIN_FILENO);
	ck_assert_int_eq(poold_client_connect(world.client), 0);
	world_done(&world);
}
END_TEST

START_TEST(connecting_has_a_limit)
{
	struct world world;
	struct poold_client *others[16];
	size_t count = 0;

	world_init_with(&world, &(struct poold_client_options){.connect_timeout_ms = 1});
	for (int r = 0; r == 0 && count < ARRAY_SIZE(others); count++) {
		struct poold_client_options options = {.connect_timeout_ms = 1};

		ck_assert_int_eq(poold_client_new(world.daemon.path, &options, &others[count]), 0);
		r = poold_client_connect(others[count]);
		ck_assert(r == 0 || r == -EAGAIN);
	}
	ck_assert_uint_lt(count, ARRAY_SIZE(others));
	ck_assert_int_eq(poold_client_connect(world.client), -EAGAIN);
	must_refuse(world.client, -EAGAIN, "connect_failed", no_args, NULL);
	for (size_t i = 0; i < count; i++)
		poold_client_free(others[i]);
	world_done(&world);
}
END_TEST

static void fill_backlog(struct world *world, struct poold_client **others, size_t max,
			 size_t *ret_count)
{
	struct poold_client_options options = {.connect_timeout_ms = 1};
	size_t count = 0;

	for (int r = 0; r == 0 && count < max; count++) {
		ck_assert_int_eq(poold_client_new(world->daemon.path, &options, &others[count]), 0);
		r = poold_client_connect(others[count]);
	}
	*ret_count = count;
}

START_TEST(the_time_of_a_call_counts_while_it_connects)
{
	struct world world;
	struct poold_client *others[16];
	struct poold_reply reply;
	struct poold_call_options options = {.timeout_ms = 1};
	size_t count;

	world_init_with(&world, &(struct poold_client_options){.grace_ms = 1});
	fill_backlog(&world, others, ARRAY_SIZE(others), &count);
	ck_assert_int_eq(poold_call(world.client, "p", "m", no_args, &options, &reply), -ETIMEDOUT);
	ck_assert_str_eq(reply.error.code, "deadline_exceeded");
	ck_assert_int_eq(reply.error.executed, POOLD_EXECUTED_NO);
	poold_reply_free(&reply);

	/* A call without a timeout waits for a place, and nobody but poll waits for it. */
	ck_assert_int_eq(
		poold_call_start(world.client, "p", "m", no_args, NULL, log_reply, &world, NULL),
		0);
	ck_assert_int_eq(poold_fd(world.client), -1);
	ck_assert_int_ge(poold_timeout_ms(world.client), 0);
	for (size_t i = 0; i < count; i++) {
		poold_client_free(others[i]);
		if (i < count - 1)
			close(accept4(world.daemon.listener, NULL, NULL, SOCK_CLOEXEC));
	}
	while (poold_fd(world.client) < 0) {
		poll(NULL, 0, poold_timeout_ms(world.client));
		ck_assert_int_eq(poold_dispatch(world.client, 0), 0);
	}
	daemon_accepts(&world.daemon);
	world_done(&world);
}
END_TEST

START_TEST(a_dead_connection_is_left)
{
	struct world world;
	struct poold_reply reply;
	struct poold_call_options options = {.timeout_ms = 1};

	world_init_with(&world, &(struct poold_client_options){.grace_ms = 1, .in_flight_max = 4});
	connect_both(&world);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(poold_call(world.client, "p", "m", no_args, &options, &reply),
				 -ETIMEDOUT);
		poold_reply_free(&reply);
	}
	ck_assert_int_eq(poold_fd(world.client), -1);
	daemon_closes(&world.daemon);
	connect_both(&world);
	world_done(&world);
}
END_TEST

START_TEST(a_long_text_of_an_error_is_cut)
{
	struct world world;
	struct poold_reply reply;
	struct buf buf;
	size_t len = 2 * 1024 * 1024;
	char *text = malloc(len);

	ck_assert_ptr_nonnull(text);
	memset(text, 'x', len);
	world_init(&world);
	connect_both(&world);
	ck_assert_int_eq(fcntl(world.daemon.fd, F_SETFL, O_NONBLOCK), 0);
	buf_init(&buf, SIZE_MAX);
	wire_put(&buf, "[1, 0, nil, {'limits': {'message_max': 0}}]");
	pack_array(&buf, 4);
	pack_uint(&buf, 1);
	pack_uint(&buf, 1);
	pack_map(&buf, 2);
	pack_str(&buf, "code");
	pack_str(&buf, "rejected");
	pack_str(&buf, "message");
	pack_str_len(&buf, text, len);
	pack_nil(&buf);
	ck_assert_int_eq(
		poold_call_start(world.client, "p", "m", no_args, NULL, keep_reply, &reply, NULL),
		0);
	reply = (struct poold_reply){0};
	for (size_t sent = 0; !reply.status;) {
		ssize_t n = send(world.daemon.fd, buf.data + sent, buf.len - sent, MSG_NOSIGNAL);

		sent += n > 0 ? (size_t)n : 0;
		poold_dispatch(world.client, POLLIN);
	}
	ck_assert_int_eq(reply.status, -EREMOTEIO);
	ck_assert_uint_eq(kept_message_len, 1024 * 1024);
	buf_free(&buf);
	free(text);
	world_done(&world);
}
END_TEST

START_TEST(options_of_another_version)
{
	struct poold_client *client;
	struct {
		struct poold_client_options known;
		uint64_t later;
	} options = {.known = {.size = sizeof(options), .timeout_ms = 5}};

	ck_assert_int_eq(poold_client_new(NULL, &options.known, &client), 0);
	poold_client_free(client);
	options.later = 1;
	ck_assert_int_eq(poold_client_new(NULL, &options.known, &client), -EINVAL);
	/* Of an older version: what is beyond its end is not looked at. */
	options.known = (struct poold_client_options){
		.size = offsetof(struct poold_client_options, in_flight_max),
		.in_flight_max = SIZE_MAX};
	ck_assert_int_eq(poold_client_new(NULL, &options.known, &client), 0);
	poold_client_free(client);
}
END_TEST

START_TEST(a_daemon_that_does_not_answer)
{
	struct world world;
	struct poold_reply reply;
	struct poold_call_options options = {.timeout_ms = 1};

	world_init_with(&world, &(struct poold_client_options){.grace_ms = 1});
	connect_both(&world);
	ck_assert_int_eq(poold_call(world.client, "p", "m", no_args, &options, &reply), -ETIMEDOUT);
	ck_assert_str_eq(reply.error.code, "deadline_exceeded");
	ck_assert_int_eq(reply.error.executed, POOLD_EXECUTED_MAYBE);
	poold_reply_free(&reply);
	ck_assert_int_eq(poold_request(world.client, "poold.health", no_args, 1, &reply),
			 -ETIMEDOUT);
	poold_reply_free(&reply);
	ck_assert_str_eq(daemon_heard(&world.daemon),
			 "[0, 1, 'poold.call', ['p', 'm', nil, {'timeout_ms': 1}]]\n"
			 "[2, 'poold.cancel', [1]]\n[0, 2, 'poold.health', []]\n");
	world_done(&world);
}
END_TEST

START_TEST(a_client_may_have_a_timeout_of_its_own)
{
	struct world world;
	struct poold_reply reply;

	world_init_with(&world, &(struct poold_client_options){.timeout_ms = 1, .grace_ms = 1});
	connect_both(&world);
	ck_assert_int_eq(poold_call(world.client, "p", "m", no_args, NULL, &reply), -ETIMEDOUT);
	ck_assert_ptr_nonnull(strstr(daemon_heard(&world.daemon), "{'timeout_ms': 1}"));
	poold_reply_free(&reply);
	ck_assert_int_eq(poold_request(world.client, "poold.health", no_args, 0, &reply),
			 -ETIMEDOUT);
	poold_reply_free(&reply);
	world_done(&world);
}
END_TEST

/* Requests given up hold their places until they are answered, and a blocking call looks. */
START_TEST(places_come_back_with_late_answers)
{
	struct world world;
	struct poold_reply reply;
	struct poold_call_options options = {.timeout_ms = 1};

	world_init_with(&world, &(struct poold_client_options){.grace_ms = 1, .in_flight_max = 2});
	connect_both(&world);
	daemon_says(&world.daemon, "[1, 0, nil, {}]");
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(poold_call(world.client, "p", "m", no_args, &options, &reply),
				 -ETIMEDOUT);
		poold_reply_free(&reply);
	}
	must_refuse(world.client, -EBUSY, "queue_full", no_args, &options);
	daemon_says(&world.daemon, "[1, 1, {'code': 'cancelled'}, nil]");
	ck_assert_int_eq(poold_call(world.client, "p", "m", no_args, &options, &reply), -ETIMEDOUT);
	poold_reply_free(&reply);
	world_done(&world);
}
END_TEST

START_TEST(a_connection_lost_in_mid_answer)
{
	struct world world;
	struct poold_reply reply;

	world_init(&world);
	connect_both(&world);
	daemon_says_bytes(&world.daemon, "\x94\x01\x01\xc0\xd9", 5);
	shutdown(world.daemon.fd, SHUT_WR);
	ck_assert_int_eq(poold_call(world.client, "p", "m", no_args, NULL, &reply), -ECONNRESET);
	ck_assert_str_eq(reply.error.code, "peer_closed");
	ck_assert_int_eq(reply.error.executed, POOLD_EXECUTED_MAYBE);
	poold_reply_free(&reply);

	/* What is left of that answer does not get into the next connection. */
	daemon_closes(&world.daemon);
	connect_both(&world);
	daemon_says(&world.daemon, "[1, 65536, nil, 'new'] [1, 65537, nil, 'new']");
	ck_assert_int_eq(poold_call(world.client, "p", "m", no_args, NULL, &reply), 0);
	ck_assert_str_eq(wire_text(reply.result.data, reply.result.len), "'new'\n");
	poold_reply_free(&reply);
	world_done(&world);
}
END_TEST

START_TEST(a_daemon_that_speaks_otherwise)
{
	struct world world;
	struct poold_reply reply;

	world_init_with(&world, &(struct poold_client_options){.response_max = 100});
	connect_both(&world);
	daemon_says_bytes(&world.daemon, "HTTP/1.1 400 Bad Request\r\n", 26);
	ck_assert_int_eq(poold_call(world.client, "p", "m", no_args, NULL, &reply), -EPROTO);
	ck_assert_str_eq(reply.error.code, "protocol_violation");
	poold_reply_free(&reply);
	ck_assert_int_eq(poold_fd(world.client), -1);

	daemon_closes(&world.daemon);
	connect_both(&world);
	daemon_says_bytes(&world.daemon, "\x94\x01\x01\xc0\xc6\x7f\xff\xff\xff", 9);
	ck_assert_int_eq(poold_call(world.client, "p", "m", no_args, NULL, &reply), -EOVERFLOW);
	ck_assert_str_eq(reply.error.code, "response_too_large");
	poold_reply_free(&reply);
	world_done(&world);
}
END_TEST

/* --- Without waiting ---------------------------------------------------------------------------
 */

START_TEST(answers_come_in_any_order)
{
	struct world world;

	world_init(&world);
	ck_assert_int_eq(poold_fd(world.client), -1);
	ck_assert_int_eq(poold_timeout_ms(world.client), -1);
	ck_assert_uint_eq(start(&world, "a"), 1);
	ck_assert_uint_eq(start(&world, "b"), 2);
	daemon_accepts(&world.daemon);
	ck_assert_int_ge(poold_fd(world.client), 0);
	ck_assert_int_eq(poold_events(world.client), POLLIN | POLLOUT);
	ck_assert_int_eq(poold_dispatch(world.client, POLLOUT), 0);
	ck_assert_int_eq(poold_events(world.client), POLLIN);
	ck_assert_str_eq(daemon_heard(&world.daemon), "[0, 1, 'poold.call', ['p', 'a', nil]]\n"
						      "[0, 2, 'poold.call', ['p', 'b', nil]]\n");
	daemon_says(&world.daemon, "[1, 0, nil, {}] [1, 2, nil, 'b'] [1, 1, nil, 'a']");
	ck_assert_str_eq(reported(&world), "");
	ck_assert_int_eq(poold_dispatch(world.client, POLLIN), 0);
	ck_assert_str_eq(reported(&world), "'b'\n'a'\n");
	world_done(&world);
}
END_TEST

START_TEST(a_cancel_is_sent)
{
	struct world world;

	world_init(&world);
	connect_both(&world);
	uint32_t id = start(&world, "a");
	uint32_t unsent;

	poold_dispatch(world.client, 0);
	unsent = start(&world, "b");
	ck_assert_int_eq(poold_cancel(world.client, id), 0);
	ck_assert_int_eq(poold_cancel(world.client, unsent), 0);
	ck_assert_int_eq(poold_cancel(world.client, 99), -ENOENT);
	ck_assert_int_eq(poold_timeout_ms(world.client), 0);
	poold_dispatch(world.client, 0);
	ck_assert_str_eq(reported(&world),
			 "cancelled: the request was cancelled before it was sent\n");
	ck_assert_str_eq(daemon_heard(&world.daemon), "[0, 1, 'poold.call', ['p', 'a', nil]]\n"
						      "[2, 'poold.cancel', [1]]\n");
	world_done(&world);
}
END_TEST

START_TEST(what_never_left_is_sent_again)
{
	struct world world;

	world_init(&world);
	connect_both(&world);
	start(&world, "left");
	poold_dispatch(world.client, 0);
	daemon_closes(&world.daemon);
	start(&world, "stayed");
	ck_assert_int_eq(poold_dispatch(world.client, 0), -ECONNRESET);
	ck_assert_str_eq(reported(&world), "peer_closed: the connection to the daemon ended\n");
	daemon_accepts(&world.daemon);
	ck_assert_int_eq(poold_dispatch(world.client, 0), 0);
	ck_assert_str_eq(daemon_heard(&world.daemon),
			 "[0, 2, 'poold.call', ['p', 'stayed', nil]]\n");
	daemon_says(&world.daemon, "[1, 2, nil, 'done']");
	ck_assert_int_eq(poold_dispatch(world.client, POLLIN), 0);
	ck_assert_str_eq(reported(&world), "'done'\n");
	world_done(&world);
}
END_TEST

START_TEST(what_never_left_and_can_not_be_sent)
{
	struct world world;

	world_init_with(&world, &once);
	connect_both(&world);
	daemon_closes(&world.daemon);
	start(&world, "stayed");
	close(world.daemon.listener);
	ck_assert_int_eq(poold_dispatch(world.client, 0), -ECONNRESET);
	ck_assert_ptr_nonnull(strstr(reported(&world), "connect_failed: cannot connect to "));
	ck_assert_int_eq(poold_timeout_ms(world.client), -1);
	world.daemon.listener = -1;
	world_done(&world);
}
END_TEST

/* A daemon that refuses a message closes with bytes unread; its answer still counts. */
START_TEST(the_last_words_are_heard)
{
	struct world world;
	static const char zeros[4 * 1024 * 1024];
	struct poold_writer *args = poold_writer_new();
	uint32_t id;

	world_init(&world);
	connect_both(&world);
	poold_write_bin(args, zeros, sizeof(zeros));
	ck_assert_int_eq(poold_call_start(world.client, "p", "m", poold_writer_bytes(args), NULL,
					  log_reply, &world, &id),
			 0);
	poold_writer_free(args);
	ck_assert_int_eq(poold_dispatch(world.client, 0), 0);
	ck_assert_int_eq(poold_events(world.client), POLLIN | POLLOUT);
	daemon_says(&world.daemon, "[1, 1, {'code': 'payload_too_large', 'message': 'no'}, nil]");
	daemon_closes(&world.daemon);
	ck_assert_int_eq(poold_dispatch(world.client, 0), -ECONNRESET);
	ck_assert_str_eq(reported(&world), "payload_too_large: no\n");
	ck_assert_int_eq(poold_fd(world.client), -1);
	world_done(&world);
}
END_TEST

/* The connection is there and the daemon has said that it takes messages of 100 bytes. */
static void connect_to_small(struct world *world)
{
	struct poold_reply reply;

	world_init(world);
	connect_both(world);
	daemon_says(&world->daemon, "[1, 0, nil, {'limits': {'message_max': 100}}] [1, 1, nil, 5]");
	ck_assert_int_eq(poold_call(world->client, "p", "m", no_args, NULL, &reply), 0);
	poold_reply_free(&reply);
}

START_TEST(a_request_that_the_daemon_would_not_take)
{
	static const char zeros[200];
	struct poold_writer *args = poold_writer_new();
	struct poold_reply reply;
	struct world world;
	char answer[32];

	connect_to_small(&world);
	poold_write_array(args, 1);
	poold_write_bin(args, zeros, sizeof(zeros));
	ck_assert_int_eq(poold_call(world.client, "p", "m", poold_writer_bytes(args), NULL, &reply),
			 -EMSGSIZE);
	ck_assert_str_eq(reply.error.code, "payload_too_large");
	ck_assert_str_eq(reply.error.message,
			 "the request is larger than the daemon's message_max");
	ck_assert_int_eq((int)reply.error.executed, POOLD_EXECUTED_NO);
	poold_reply_free(&reply);
	ck_assert_int_eq(
		poold_request(world.client, "poold.x", poold_writer_bytes(args), 0, &reply),
		-EMSGSIZE);
	poold_reply_free(&reply);
	/* The connection is as it was. */
	snprintf(answer, sizeof(answer), "[1, %u, nil, 7]", start(&world, "m"));
	ck_assert_int_eq(poold_dispatch(world.client, 0), 0);
	daemon_says(&world.daemon, answer);
	ck_assert_int_eq(poold_dispatch(world.client, POLLIN), 0);
	ck_assert_str_eq(reported(&world), "7\n");
	poold_writer_free(args);
	world_done(&world);
}
END_TEST

START_TEST(a_request_that_waits_for_too_long)
{
	struct poold_reply reply;
	struct world world;

	world_init(&world);
	connect_both(&world);
	ck_assert_int_eq(
		poold_request(world.client, "poold.health", no_args, UINT64_MAX / 1000, &reply),
		-EINVAL);
	ck_assert_str_eq(reply.error.code, "invalid_request");
	poold_reply_free(&reply);
	world_done(&world);
}
END_TEST

static void call_back(void *userdata, const struct poold_reply *reply)
{
	struct world *world = userdata;
	struct poold_reply inner;

	(void)reply;
	ck_assert_int_eq(poold_dispatch(world->client, 0), -EDEADLK);
	ck_assert_int_eq(poold_call(world->client, "p", "m", no_args, NULL, &inner), -EDEADLK);
	ck_assert_str_eq(inner.error.code, "invalid_request");
	poold_reply_free(&inner);
	start(world, "child");
}

START_TEST(a_callback_may_not_wait)
{
	struct world world;

	world_init(&world);
	connect_both(&world);
	ck_assert_int_eq(
		poold_call_start(world.client, "p", "m", no_args, NULL, call_back, &world, NULL),
		0);
	daemon_says(&world.daemon, "[1, 0, nil, {}] [1, 1, nil, 1]");
	ck_assert_int_eq(poold_dispatch(world.client, POLLIN), 0);
	ck_assert_int_eq(poold_events(world.client), POLLIN | POLLOUT);
	world_done(&world);
}
END_TEST

START_TEST(deadlines_wake_the_loop)
{
	struct world world;
	struct poold_call_options options = {.timeout_ms = 1000000};
	uint32_t id;

	world_init_with(&world, &(struct poold_client_options){.grace_ms = 500000});
	connect_both(&world);
	ck_assert_int_eq(
		poold_call_start(world.client, "p", "m", no_args, &options, log_reply, &world, &id),
		0);
	ck_assert_int_le(poold_timeout_ms(world.client), 1500000);
	ck_assert_int_gt(poold_timeout_ms(world.client), 1400000);
	world_done(&world);
}
END_TEST

START_TEST(options_have_limits)
{
	struct poold_client *client = NULL;
	char path[200];

	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	ck_assert_int_eq(poold_client_new(path, NULL, &client), -EINVAL);
	ck_assert_int_eq(poold_client_new("", NULL, &client), -EINVAL);
	ck_assert_int_eq(poold_client_new("x",
					  &(struct poold_client_options){.in_flight_max = 65536},
					  &client),
			 -EINVAL);
	ck_assert_int_eq(poold_client_new("x",
					  &(struct poold_client_options){.grace_ms = UINT64_MAX},
					  &client),
			 -EINVAL);
	ck_assert_ptr_null(client);
	poold_client_free(NULL);

	ck_assert_str_eq(poold_version(), POOLD_VERSION);
}
END_TEST

/* --- Where the daemon is -------------------------------------------------------------------------
 */

/* Where a client without a path looks. */
static void expect_path(const char *path)
{
	struct poold_client *client;

	ck_assert_int_eq(poold_client_new(NULL, NULL, &client), 0);
	ck_assert_str_eq(poold_client_path(client), path);
	poold_client_free(client);
}

static void make_file(const char *path)
{
	FILE *file = fopen(path, "w");

	ck_assert_ptr_nonnull(file);
	fclose(file);
}

START_TEST(the_run_socket_is_used_if_only_we_may_change_it)
{
	char runtime[] = "/tmp/poold-lookup-XXXXXX";
	char folder[64], socket[80], elsewhere[64];
	char long_path[200] = "";
	struct poold_client *client;

	if (access(POOLD_SOCKET_DEFAULT, F_OK) == 0)
		return; /* the machine has a daemon, and that comes first */
	ck_assert_ptr_nonnull(mkdtemp(runtime));
	snprintf(folder, sizeof(folder), "%s/poold", runtime);
	snprintf(elsewhere, sizeof(elsewhere), "%s/elsewhere", runtime);
	snprintf(socket, sizeof(socket), "%s/poold.sock", folder);
	setenv("POOLD_SOCKET", "", 1);
	setenv("XDG_RUNTIME_DIR", runtime, 1);

	expect_path(POOLD_SOCKET_DEFAULT);
	ck_assert_int_eq(mkdir(folder, 0700), 0);
	expect_path(POOLD_SOCKET_DEFAULT);
	make_file(socket);
	expect_path(socket);

	ck_assert_int_eq(chmod(folder, 0750), 0);
	expect_path(POOLD_SOCKET_DEFAULT);
	ck_assert_int_eq(chmod(folder, 0700), 0);
	ck_assert_int_eq(chmod(runtime, 0720), 0);
	expect_path(POOLD_SOCKET_DEFAULT);
	ck_assert_int_eq(chmod(runtime, 0700), 0);
	expect_path(socket);

	ck_assert_int_eq(rename(folder, elsewhere), 0);
	ck_assert_int_eq(symlink(elsewhere, folder), 0);
	expect_path(POOLD_SOCKET_DEFAULT);
	if (geteuid() == 0) {
		ck_assert_int_eq(unlink(folder), 0);
		ck_assert_int_eq(rename(elsewhere, folder), 0);
		ck_assert_int_eq(chown(folder, 65534, 65534), 0);
		expect_path(POOLD_SOCKET_DEFAULT);
		ck_assert_int_eq(rename(folder, elsewhere), 0);
	} else {
		ck_assert_int_eq(unlink(folder), 0);
	}
	setenv("POOLD_SOCKET", "/from/the/environment", 1);
	expect_path("/from/the/environment");
	memset(long_path, 'x', sizeof(long_path) - 1);
	setenv("POOLD_SOCKET", long_path, 1);
	ck_assert_int_eq(poold_client_new(NULL, NULL, &client), -EINVAL);

	snprintf(socket, sizeof(socket), "%s/poold.sock", elsewhere);
	ck_assert_int_eq(unlink(socket), 0);
	ck_assert_int_eq(rmdir(elsewhere), 0);
	ck_assert_int_eq(rmdir(runtime), 0);
}
END_TEST

/* --- Values ------------------------------------------------------------------------------------
 */

START_TEST(values_read_back)
{
	struct poold_writer *writer = poold_writer_new();
	struct poold_reader reader;
	struct poold_bytes slice;
	uint32_t count;
	int64_t number;
	uint64_t large;
	double real;
	bool flag;

	poold_write_map(writer, 3);
	poold_write_str(writer, "a");
	poold_write_int(writer, INT64_MIN);
	poold_write_str_len(writer, "bcd", 1);
	poold_write_uint(writer, UINT64_MAX);
	poold_write_bin(writer, "c", 1);
	poold_write_array(writer, 3);
	poold_write_double(writer, 1.5);
	poold_write_bool(writer, true);
	poold_write_nil(writer);
	ck_assert_int_eq(poold_writer_error(writer), 0);

	reader = poold_reader_init(poold_writer_bytes(writer));
	ck_assert_int_eq(poold_peek(&reader), POOLD_MAP);
	ck_assert_int_eq(poold_read_array(&reader, &count), -EPROTO);
	ck_assert_int_eq(poold_read_map(&reader, &count), 0);
	ck_assert_uint_eq(count, 3);
	ck_assert_int_eq(poold_read_bin(&reader, &slice), 0);
	ck_assert_int_eq(poold_read_uint(&reader, &large), -ERANGE);
	ck_assert_int_eq(poold_read_int(&reader, &number), 0);
	ck_assert_int_eq(number, INT64_MIN);
	ck_assert_int_eq(poold_read_str(&reader, &slice), 0);
	ck_assert_int_eq(poold_read_int(&reader, &number), -ERANGE);
	ck_assert_int_eq(poold_read_uint(&reader, &large), 0);
	ck_assert(large == UINT64_MAX);
	ck_assert_int_eq(poold_read_str(&reader, &slice), -EPROTO);
	ck_assert_int_eq(poold_read_value(&reader, &slice), 0);
	ck_assert_int_eq(poold_read_array(&reader, &count), 0);
	ck_assert_int_eq(poold_read_double(&reader, &real), 0);
	ck_assert(real == 1.5);
	ck_assert_int_eq(poold_read_nil(&reader), -EPROTO);
	ck_assert_int_eq(poold_read_bool(&reader, &flag), 0);
	ck_assert(flag);
	ck_assert_int_eq(poold_read_nil(&reader), 0);
	ck_assert_int_eq(poold_peek(&reader), POOLD_NONE);
	ck_assert_int_eq(poold_read_value(&reader, &slice), -EPROTO);
	poold_writer_free(writer);
	poold_writer_free(NULL);
}
END_TEST

START_TEST(ext_values)
{
	static const struct {
		const char *bytes;
		size_t len;
		int kind;
		size_t data_len;
	} cases[] = {
		{"\xd4\x05\x01", 3, 5, 1},
		{"\xd5\xff\x01\x02", 4, -1, 2},
		{"\xd6\x05\x01\x02\x03\x04", 6, 5, 4},
		{"\xc7\x00\x05", 3, 5, 0},
		{"\xc7\x02\x05\x01\x02", 5, 5, 2},
		{"\xc8\x00\x01\x05\x01", 5, 5, 1},
		{"\xc9\x00\x00\x00\x01\x80\x01", 7, -128, 1},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct poold_reader reader =
			poold_reader_init((struct poold_bytes){cases[i].bytes, cases[i].len});
		struct poold_bytes data;
		int kind;

		ck_assert_int_eq(poold_read_ext(&reader, &kind, &data), 0);
		ck_assert_int_eq(kind, cases[i].kind);
		ck_assert_uint_eq(data.len, cases[i].data_len);
		ck_assert_int_eq(poold_peek(&reader), POOLD_NONE);
		for (size_t len = 0; len < cases[i].len; len++) {
			reader = poold_reader_init((struct poold_bytes){cases[i].bytes, len});
			ck_assert_int_eq(poold_read_ext(&reader, &kind, &data), -EPROTO);
		}
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_call_and_its_result,
		a_request_of_the_daemon_itself,
		errors_of_every_shape,
		the_map_of_an_error_can_be_read,
		calls_that_can_not_be_made,
		nobody_listens,
		no_place_above_the_standard_files,
		connecting_has_a_limit,
		a_daemon_that_does_not_answer,
		a_client_may_have_a_timeout_of_its_own,
		places_come_back_with_late_answers,
		the_time_of_a_call_counts_while_it_connects,
		a_dead_connection_is_left,
		a_long_text_of_an_error_is_cut,
		options_of_another_version,
		a_connection_lost_in_mid_answer,
		a_daemon_that_speaks_otherwise,
		answers_come_in_any_order,
		a_cancel_is_sent,
		what_never_left_is_sent_again,
		what_never_left_and_can_not_be_sent,
		the_last_words_are_heard,
		a_request_that_the_daemon_would_not_take,
		a_request_that_waits_for_too_long,
		a_callback_may_not_wait,
		deadlines_wake_the_loop,
		options_have_limits,
		the_run_socket_is_used_if_only_we_may_change_it,
		values_read_back,
		ext_values,
	};

	return unit_main("client", tests, ARRAY_SIZE(tests));
}
