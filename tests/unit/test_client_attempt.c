#include "client/lib/poold.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/lib/worker_session.h"
#include "tests/lib/unit.h"
#include "tests/lib/wire.h"

/*
 * What an attempt knows and says beyond its answer: session, state, chunks, severity, and the end
 * of sessions.  The daemon is this test, at the other end of the worker's socket.
 */
#define BYTES_MAX ((size_t)1024 * 1024)

struct world {
	struct poold_worker *worker;
	int daemon_fd;
	struct buf ended; /* sessions, as they were told */
};

static struct world *current;

/* --- Handlers ----------------------------------------------------------------------------------
 */

static void write_bytes(struct poold_writer *writer, struct poold_bytes bytes)
{
	if (bytes.data)
		poold_write_bin(writer, bytes.data, bytes.len);
	else
		poold_write_nil(writer);
}

/* [session, state, stream], as the attempt has them. */
static int inspect(struct poold_attempt *attempt, struct poold_writer *result, void *userdata)
{
	(void)userdata;
	poold_write_array(result, 3);
	write_bytes(result, attempt->session);
	write_bytes(result, attempt->state);
	poold_write_bool(result, attempt->stream);
	return 0;
}

/* The only argument, a text. */
static struct poold_bytes text_arg(const struct poold_attempt *attempt)
{
	struct poold_reader reader = poold_reader_init(attempt->args);
	struct poold_bytes text;
	uint32_t count;

	ck_assert_int_eq(poold_read_array(&reader, &count), 0);
	ck_assert_int_eq(poold_read_str(&reader, &text), 0);
	return text;
}

static bool is_text(struct poold_bytes bytes, const char *text)
{
	return bytes.len == strlen(text) && memcmp(bytes.data, text, bytes.len) == 0;
}

/* Hands over a state in the way that its argument names. */
static int keep(struct poold_attempt *attempt, struct poold_writer *result, void *userdata)
{
	const struct poold_bytes none = {0}, first = {"first", 5}, last = {"last", 4};
	struct poold_bytes way = text_arg(attempt);

	(void)userdata;
	poold_write_str(result, "kept");
	ck_assert_int_eq(poold_attempt_set_state(attempt, first), 0);
	if (is_text(way, "clear"))
		ck_assert_int_eq(poold_attempt_set_state(attempt, none), 0);
	if (is_text(way, "twice"))
		ck_assert_int_eq(poold_attempt_set_state(attempt, last), 0);
	if (is_text(way, "same"))
		ck_assert_int_eq(poold_attempt_set_state(attempt, attempt->state), 0);
	if (is_text(way, "fail"))
		return poold_fail(attempt, POOLD_EXCEPTION, "E", "no");
	if (is_text(way, "spoil"))
		poold_write_nil(result);
	return 0;
}

static int keep_without_session(struct poold_attempt *attempt, struct poold_writer *result,
				void *userdata)
{
	(void)userdata;
	poold_write_int(result, poold_attempt_set_state(attempt, (struct poold_bytes){"x", 1}));
	return 0;
}

/* Streams what it has in its result so far, then goes on with the result. */
static int stream(struct poold_attempt *attempt, struct poold_writer *result, void *userdata)
{
	(void)userdata;
	for (int i = 0; i < 2; i++) {
		poold_write_int(result, i);

		struct poold_bytes value = poold_writer_bytes(result);
		int r = poold_attempt_chunk(attempt, value);

		if (r < 0)
			return poold_fail(attempt, POOLD_EXCEPTION, "E", "chunk: %s", strerror(-r));
		ck_assert(poold_writer_bytes(result).data == value.data);
		ck_assert_int_eq(*(const uint8_t *)value.data, i);
		poold_writer_reset(result);
	}
	ck_assert_int_eq(poold_attempt_chunk(attempt, (struct poold_bytes){0}), -EINVAL);
	ck_assert_int_eq(poold_attempt_chunk(attempt, (struct poold_bytes){"\x92\x01", 2}),
			 -EINVAL);
	ck_assert_int_eq(poold_attempt_chunk(attempt, (struct poold_bytes){"\x01\x01", 2}),
			 -EINVAL);
	poold_write_str(result, "end");
	return 0;
}

/* The daemon goes away while the handler streams. */
static int stream_alone(struct poold_attempt *attempt, struct poold_writer *result, void *userdata)
{
	const struct poold_bytes one = {"\x01", 1};

	(void)result;
	(void)userdata;
	close(current->daemon_fd);
	current->daemon_fd = -1;
	ck_assert_int_eq(poold_attempt_chunk(attempt, one), -ECONNRESET);
	ck_assert(poold_attempt_cancelled(attempt));
	ck_assert_int_eq(poold_attempt_chunk(attempt, one), -ECONNRESET);
	return 0;
}

/* Fails with the severity that its argument names. */
static int fail_with(struct poold_attempt *attempt, struct poold_writer *result, void *userdata)
{
	static const char *const names[] = {"", "warning", "minor", "major", "critical"};
	struct poold_bytes name = text_arg(attempt);

	(void)result;
	(void)userdata;
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		if (is_text(name, names[i]))
			poold_attempt_set_severity(attempt, (enum poold_severity)i);
	}
	if (is_text(name, "none such"))
		poold_attempt_set_severity(attempt, (enum poold_severity)5);
	if (is_text(name, "major"))
		return 1;
	return poold_fail(attempt, POOLD_EXCEPTION, "E", "no");
}

static int fail_fatally(struct poold_attempt *attempt, struct poold_writer *result, void *userdata)
{
	(void)result;
	(void)userdata;
	return poold_fail(attempt, POOLD_FATAL, "E", "dead");
}

/* Reads more while it runs: the end of its own session is not told meanwhile. */
static int read_more(struct poold_attempt *attempt, struct poold_writer *result, void *userdata)
{
	(void)userdata;
	ck_assert(!poold_attempt_cancelled(attempt));
	poold_write_uint(result, current->ended.len);
	return 0;
}

static void log_end(void *userdata, struct poold_bytes session, struct poold_bytes reason)
{
	struct world *world = userdata;

	buf_printf(&world->ended, "%.*s:%.*s ", (int)session.len, (const char *)session.data,
		   (int)reason.len, reason.len > 0 ? (const char *)reason.data : "");
}

/* --- The world ---------------------------------------------------------------------------------
 */

static void world_init(struct world *world, struct poold_worker_options options)
{
	int fds[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	options.fd = fds[1];
	world->daemon_fd = fds[0];
	buf_init(&world->ended, BYTES_MAX);
	ck_assert_int_eq(poold_worker_new(&options, &world->worker), 0);
	poold_worker_add(world->worker, "inspect", inspect, NULL);
	poold_worker_add(world->worker, "keep", keep, NULL);
	poold_worker_add(world->worker, "keep_without_session", keep_without_session, NULL);
	poold_worker_add(world->worker, "stream", stream, NULL);
	poold_worker_add(world->worker, "stream_alone", stream_alone, NULL);
	poold_worker_add(world->worker, "fail", fail_with, NULL);
	poold_worker_add(world->worker, "fatal", fail_fatally, NULL);
	poold_worker_add(world->worker, "read_more", read_more, NULL);
	current = world;
}

static void world_done(struct world *world)
{
	poold_worker_free(world->worker);
	if (world->daemon_fd >= 0)
		close(world->daemon_fd);
	buf_free(&world->ended);
}

static void daemon_says(struct world *world, const char *text)
{
	struct buf buf;

	buf_init(&buf, BYTES_MAX);
	wire_put(&buf, text);
	ck_assert_int_eq(write(world->daemon_fd, buf.data, buf.len), (ssize_t)buf.len);
	buf_free(&buf);
}

#define STOP "[0, 99, 'fatal', [[], {}]]"
#define STOPPED                                                                                    \
	"[1, 99, {'code': 'exception', 'type': 'E', 'message': 'dead', 'fatal': true}, nil]\n"

/* The worker runs until it has answered all, and then ends; what it wrote in between. */
static const char *run(struct world *world, const char *said)
{
	static uint8_t data[64 * 1024];
	static char text[4096];
	ssize_t len;
	char *end;

	daemon_says(world, said);
	daemon_says(world, STOP);
	ck_assert_int_eq(poold_worker_run(world->worker), -ENOTRECOVERABLE);
	len = recv(world->daemon_fd, data, sizeof(data), MSG_DONTWAIT);
	ck_assert_int_gt(len, 0);
	snprintf(text, sizeof(text), "%s", strchr(wire_text(data, (size_t)len), '\n') + 1);
	end = strstr(text, STOPPED);
	ck_assert_msg(end && end[strlen(STOPPED)] == '\0', "%s", text);
	*end = '\0';
	return text;
}

static const struct {
	const char *request;
	const char *answer;
} cases[] = {
	{"[0, 1, 'inspect', [[], {}]]", "[1, 1, nil, [nil, nil, false]]\n"},
	{"[0, 1, 'inspect', [[], {'session': 's', 'state': b'abc', 'stream': true}]]",
	 "[1, 1, nil, [b's', b'abc', true]]\n"},
	{"[0, 1, 'inspect', [[], {'session': 5, 'state': [], 'stream': 'x', 'attempt': 2}]]",
	 "[1, 1, nil, [nil, nil, false]]\n"},

	/* The state goes out before the answer, when there is a result. */
	{"[0, 7, 'keep', [['once'], {'session': 's'}]]",
	 "[2, 'state', [7, b'first']]\n[1, 7, nil, 'kept']\n"},
	{"[0, 7, 'keep', [['twice'], {'session': 's'}]]",
	 "[2, 'state', [7, b'last']]\n[1, 7, nil, 'kept']\n"},
	{"[0, 7, 'keep', [['clear'], {'session': 's', 'state': b'abc'}]]",
	 "[2, 'state', [7, nil]]\n[1, 7, nil, 'kept']\n"},
	{"[0, 7, 'keep', [['same'], {'session': 's', 'state': b'abc'}]]",
	 "[2, 'state', [7, b'abc']]\n[1, 7, nil, 'kept']\n"},
	{"[0, 7, 'keep', [['fail'], {'session': 's'}]]",
	 "[1, 7, {'code': 'exception', 'type': 'E', 'message': 'no'}, nil]\n"},
	{"[0, 7, 'keep', [['spoil'], {'session': 's'}]]",
	 "[1, 7, {'code': 'exception', 'type': 'InvalidResult', 'message': 'the handler's "
	 "result "
	 "is not one MessagePack value'}, nil]\n"},
	/* Nothing is left over for the next attempt. */
	{"[0, 7, 'keep', [['fail'], {'session': 's'}]] [0, 8, 'inspect', [[], {'session': 's'}]]",
	 "[1, 7, {'code': 'exception', 'type': 'E', 'message': 'no'}, nil]\n"
	 "[1, 8, nil, [b's', nil, false]]\n"},
	{"[0, 1, 'keep_without_session', [[], {}]]", "[1, 1, nil, -22]\n"},

	{"[0, 9, 'stream', [[], {'stream': true}]]",
	 "[2, 'chunk', [9, 0]]\n[2, 'chunk', [9, 1]]\n[1, 9, nil, 'end']\n"},
	{"[0, 9, 'stream', [[], {}]]",
	 "[1, 9, {'code': 'exception', 'type': 'E', 'message': 'chunk: Operation not supported'}, "
	 "nil]\n"},

	{"[0, 1, 'fail', [[''], {}]]",
	 "[1, 1, {'code': 'exception', 'type': 'E', 'message': 'no'}, nil]\n"},
	{"[0, 1, 'fail', [['none such'], {}]]",
	 "[1, 1, {'code': 'exception', 'type': 'E', 'message': 'no'}, nil]\n"},
	{"[0, 1, 'fail', [['warning'], {}]] [0, 2, 'fail', [[''], {}]]",
	 "[1, 1, {'code': 'exception', 'type': 'E', 'message': 'no', 'severity': 'warning'}, nil]\n"
	 "[1, 2, {'code': 'exception', 'type': 'E', 'message': 'no'}, nil]\n"},
	{"[0, 1, 'fail', [['minor'], {}]]",
	 "[1, 1, {'code': 'exception', 'type': 'E', 'message': 'no', 'severity': 'minor'}, nil]\n"},
	{"[0, 1, 'fail', [['major'], {}]] [0, 2, 'nobody', [[], {}]]",
	 "[1, 1, {'code': 'exception', 'type': 'HandlerFailed', 'message': 'the handler failed and "
	 "did not say why', 'severity': 'major'}, nil]\n"
	 "[1, 2, {'code': 'unknown_method', 'type': 'UnknownMethod', 'message': 'the worker has no "
	 "method of that name'}, nil]\n"},
	{"[0, 1, 'fail', [['critical'], {}]]",
	 "[1, 1, {'code': 'exception', 'type': 'E', 'message': 'no', 'severity': 'critical'}, "
	 "nil]\n"},
};

START_TEST(one_request_and_what_it_says)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct world world;

		world_init(&world, (struct poold_worker_options){.silent = true});
		ck_assert_str_eq(run(&world, cases[i].request), cases[i].answer);
		world_done(&world);
	}
}
END_TEST

/* In a batch, answers lie unwritten when a chunk goes out; and a state is put between answers. */
START_TEST(all_of_it_in_a_batch)
{
	struct world world;

	world_init(&world, (struct poold_worker_options){.batch = true});
	ck_assert_str_eq(run(&world, "[0, 1, 'inspect', [[], {}]]"
				     "[0, 2, 'keep', [['once'], {'session': 's'}]]"
				     "[0, 3, 'stream', [[], {'stream': true}]]"
				     "[0, 4, 'keep', [['fail'], {'session': 's'}]]"
				     "[0, 5, 'keep', [['twice'], {'session': 's'}]]"
				     "[0, 6, 'inspect', [[], {}]]"),
			 "[1, 1, nil, [nil, nil, false]]\n"
			 "[2, 'state', [2, b'first']]\n[1, 2, nil, 'kept']\n"
			 "[2, 'chunk', [3, 0]]\n[2, 'chunk', [3, 1]]\n[1, 3, nil, 'end']\n"
			 "[1, 4, {'code': 'exception', 'type': 'E', 'message': 'no'}, nil]\n"
			 "[2, 'state', [5, b'last']]\n[1, 5, nil, 'kept']\n"
			 "[1, 6, nil, [nil, nil, false]]\n");
	world_done(&world);
}
END_TEST

/* The daemon sees them while the handler still runs. */
static int look(struct poold_attempt *attempt, struct poold_writer *result, void *userdata)
{
	uint8_t data[1024];
	ssize_t len;

	(void)userdata;
	poold_write_str(result, "not yet");
	ck_assert_int_eq(poold_attempt_chunk(attempt, (struct poold_bytes){"\x05", 1}), 0);
	len = recv(current->daemon_fd, data, sizeof(data), MSG_DONTWAIT);
	ck_assert_int_gt(len, 0);
	ck_assert_ptr_nonnull(strstr(wire_text(data, (size_t)len),
				     "[1, 1, nil, [nil, nil, false]]\n"
				     "[2, 'chunk', [2, 5]]\n"));
	return 0;
}

START_TEST(a_chunk_does_not_wait_for_the_result)
{
	struct world world;
	uint8_t data[64];
	ssize_t len;

	world_init(&world, (struct poold_worker_options){.batch = true});
	poold_worker_add(world.worker, "look", look, NULL);
	daemon_says(&world, "[0, 1, 'inspect', [[], {}]] [0, 2, 'look', [[], {'stream': true}]]"
			    "[2, 'shutdown', []]");
	ck_assert_int_eq(poold_worker_run(world.worker), 0);
	len = recv(world.daemon_fd, data, sizeof(data), MSG_DONTWAIT);
	ck_assert_int_gt(len, 0);
	ck_assert_str_eq(wire_text(data, (size_t)len), "[1, 2, nil, 'not yet']\n");
	world_done(&world);
}
END_TEST

/* Streams as the daemon lets it; each chunk is three bytes, and its credit four. */
static int stream_on_credit(struct poold_attempt *attempt, struct poold_writer *result,
			    void *userdata)
{
	const struct poold_bytes chunk = {"\xa2hi", 3};

	(void)result;
	(void)userdata;
	ck_assert_int_eq(poold_attempt_chunk(attempt, chunk), 0);
	ck_assert_int_eq(poold_attempt_chunk(attempt, chunk), 0);
	daemon_says(current, "[2, 'credit', [9, 100]] [2, 'credit', [2]] [2, 'credit', [2, 1]]"
			     "[2, 'credit', [2, 2]]");
	ck_assert_int_eq(poold_attempt_chunk(attempt, chunk), 0);
	daemon_says(current, "[2, 'credit', [2, 2]] [2, 'cancel', [2]]");
	ck_assert_int_eq(poold_attempt_chunk(attempt, chunk), -ECANCELED);
	ck_assert(poold_attempt_cancelled(attempt));
	return poold_fail(attempt, POOLD_EXCEPTION, "E", "cancelled");
}

START_TEST(a_stream_waits_for_credit)
{
	struct world world;

	world_init(&world, (struct poold_worker_options){.silent = true});
	poold_worker_add(world.worker, "on_credit", stream_on_credit, NULL);
	ck_assert_str_eq(
		run(&world, "[0, 2, 'on_credit', [[], {'stream': true, 'credit': 4}]]"),
		"[2, 'chunk', [2, 'hi']]\n[2, 'chunk', [2, 'hi']]\n"
		"[2, 'chunk', [2, 'hi']]\n"
		"[1, 2, {'code': 'exception', 'type': 'E', 'message': 'cancelled'}, nil]\n");
	world_done(&world);
}
END_TEST

START_TEST(a_stream_to_nobody)
{
	struct world world;

	world_init(&world, (struct poold_worker_options){.silent = true});
	daemon_says(&world, "[0, 1, 'stream_alone', [[], {'stream': true}]]");
	ck_assert_int_eq(poold_worker_run(world.worker), 0);
	world_done(&world);
}
END_TEST

START_TEST(ends_of_sessions_come_in_their_turn)
{
	struct world world;
	struct poold_worker_options options = {.on_session_end = log_end,
					       .session_userdata = &world};

	world_init(&world, options);
	ck_assert_str_eq(run(&world, "[0, 1, 'read_more', [[], {'session': 'a'}]]"
				     "[2, 'session_end', ['a', 'moved']]"
				     "[0, 2, 'read_more', [[], {}]]"
				     "[2, 'session_end', ['b']]"
				     "[2, 'session_end', ['c', 5]]"
				     "[2, 'cancel', [0]]"
				     "[2, 'session_end', [6, 'closed']]"
				     "[2, 'session_end', []]"
				     "[0, 3, 'ping', []]"),
			 "[2, 'started', [1]]\n[1, 1, nil, 0]\n"
			 "[2, 'started', [2]]\n[1, 2, nil, 8]\n"
			 "[1, 3, nil, 'pong']\n[2, 'started', [99]]\n");
	buf_put(&world.ended, "", 1);
	ck_assert_str_eq((const char *)world.ended.data, "a:moved b: c: ");
	world_done(&world);
}
END_TEST

START_TEST(ends_of_sessions_need_not_be_heard)
{
	struct world world;

	world_init(&world, (struct poold_worker_options){.silent = true});
	ck_assert_str_eq(run(&world, "[2, 'session_end', ['a', 'closed']]"
				     "[0, 2, 'inspect', [[], {}]]"),
			 "[1, 2, nil, [nil, nil, false]]\n");
	world_done(&world);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		one_request_and_what_it_says,
		all_of_it_in_a_batch,
		a_chunk_does_not_wait_for_the_result,
		a_stream_to_nobody,
		a_stream_waits_for_credit,
		ends_of_sessions_come_in_their_turn,
		ends_of_sessions_need_not_be_heard,
	};

	return unit_main("client_attempt", tests, ARRAY_SIZE(tests));
}
