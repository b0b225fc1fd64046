#include "client/lib/poold.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/lib/worker_session.h"
#include "daemon/io/worker/begun_page.h"
#include "daemon/io/worker/descriptors.h"
#include "tests/lib/prop.h"
#include "tests/lib/unit.h"
#include "tests/lib/wire.h"

#define BYTES_MAX ((size_t)16 * 1024 * 1024)

/* --- Handlers ----------------------------------------------------------------------------------
 */

static int echo(struct poold_attempt *attempt, struct poold_writer *result, void *userdata)
{
	(void)userdata;
	poold_write_raw(result, attempt->args);
	return 0;
}

/* What the handler was told, as a list. */
static int inspect(struct poold_attempt *attempt, struct poold_writer *result, void *userdata)
{
	poold_write_array(result, 5);
	poold_write_str(result, attempt->method);
	poold_write_uint(result, attempt->request);
	poold_write_uint(result, attempt->number);
	poold_write_uint(result, attempt->deadline_ms);
	poold_write_str(result, userdata);
	return 0;
}

static int nothing(struct poold_attempt *attempt, struct poold_writer *result, void *userdata)
{
	(void)attempt;
	(void)result;
	(void)userdata;
	return 0;
}

static int two_values(struct poold_attempt *attempt, struct poold_writer *result, void *userdata)
{
	(void)attempt;
	(void)userdata;
	poold_write_int(result, 1);
	poold_write_int(result, 2);
	return 0;
}

static int half_a_value(struct poold_attempt *attempt, struct poold_writer *result, void *userdata)
{
	(void)attempt;
	(void)userdata;
	poold_write_array(result, 2);
	poold_write_int(result, 1);
	return 0;
}

static int starts_over(struct poold_attempt *attempt, struct poold_writer *result, void *userdata)
{
	(void)attempt;
	(void)userdata;
	poold_write_str(result, "not this");
	poold_writer_reset(result);
	ck_assert_uint_eq(poold_writer_bytes(result).len, 0);
	poold_write_str(result, "this");
	ck_assert_uint_eq(poold_writer_bytes(result).len, 5);
	return 0;
}

/* Fails in the way that its first argument names, after it wrote something. */
static int fails(struct poold_attempt *attempt, struct poold_writer *result, void *userdata)
{
	struct poold_reader reader = poold_reader_init(attempt->args);
	struct poold_bytes way;
	uint32_t count;

	(void)userdata;
	poold_write_str(result, "written before it failed");
	ck_assert_int_eq(poold_read_array(&reader, &count), 0);
	ck_assert_int_eq(poold_read_str(&reader, &way), 0);
	if (memcmp(way.data, "exc", 3) == 0)
		return poold_fail(attempt, POOLD_EXCEPTION, "ValueError", "%d is bad", 5);
	if (memcmp(way.data, "rej", 3) == 0)
		return poold_fail(attempt, POOLD_REJECTED, "TypeError", "no");
	if (memcmp(way.data, "ret", 3) == 0)
		return poold_fail(attempt, POOLD_RETRYABLE, "Busy", "again");
	if (memcmp(way.data, "lat", 3) == 0)
		return poold_retry_later(attempt, 250, "Busy", "later");
	if (memcmp(way.data, "fat", 3) == 0)
		return poold_fail(attempt, POOLD_FATAL, "Broken", "dead");
	if (memcmp(way.data, "utf", 3) == 0)
		return poold_fail(attempt, POOLD_EXCEPTION, "Bad\xff", "\xc3");
	if (memcmp(way.data, "for", 3) == 0) {
		poold_fail(attempt, POOLD_FATAL, "Forgotten", "the handler went on");
		return 0;
	}
	return 7;
}

static void add_all(struct worker_session *session)
{
	static char reported[] = "userdata";

	ck_assert_int_eq(worker_session_add(session, "echo", echo, NULL), 0);
	ck_assert_int_eq(worker_session_add(session, "ping", echo, NULL), 0);
	ck_assert_int_eq(worker_session_add(session, "inspect", inspect, reported), 0);
	ck_assert_int_eq(worker_session_add(session, "nothing", nothing, NULL), 0);
	ck_assert_int_eq(worker_session_add(session, "two_values", two_values, NULL), 0);
	ck_assert_int_eq(worker_session_add(session, "half_a_value", half_a_value, NULL), 0);
	ck_assert_int_eq(worker_session_add(session, "starts_over", starts_over, NULL), 0);
	ck_assert_int_eq(worker_session_add(session, "fails", fails, NULL), 0);
}

/* --- The session, bytes moved by hand ----------------------------------------------------------
 */

static int feed(struct worker_session *session, const uint8_t *data, size_t len)
{
	int r = 0;

	while (r == 0 && len > 0) {
		uint8_t *room;
		size_t room_len;

		ck_assert_int_eq(worker_session_space(session, &room, &room_len), 0);
		if (room_len > len)
			room_len = len;
		memcpy(room, data, room_len);
		r = worker_session_took(session, room_len);
		data += room_len;
		len -= room_len;
	}
	return r;
}

static int feed_text(struct worker_session *session, const char *text)
{
	struct buf buf;

	buf_init(&buf, BYTES_MAX);
	wire_put(&buf, text);

	int r = feed(session, buf.data, buf.len);

	buf_free(&buf);
	return r;
}

/* Answers all that waits; the answers as text. */
static const char *answers(struct worker_session *session)
{
	while (worker_session_has_request(session))
		ck_assert_int_eq(worker_session_answer(session), 0);

	struct bytes out = worker_session_output(session);
	const char *text = wire_text(out.data, out.len);

	worker_session_wrote(session);
	return text;
}

static const struct {
	const char *request;
	const char *answer;
} cases[] = {
	{"[0, 1, 'echo', [[1, 'x', nil], {}]]", "[1, 1, nil, [1, 'x', nil]]\n"},
	{"[0, 4294967295, 'echo', [nil, nil]]", "[1, 4294967295, nil, nil]\n"},
	{"[0, 1, 'ping', []]", "[1, 1, nil, 'pong']\n"},
	{"[0, 1, 'ping', ['of the user', {}]]", "[1, 1, nil, 'of the user']\n"},
	{"[0, 1, 'inspect', [[], {'request': 7, 'attempt': 2, 'deadline_ms': 900}]]",
	 "[1, 1, nil, ['inspect', 7, 2, 900, 'userdata']]\n"},
	{"[0, 1, 'inspect', [[], {'new': [1], 'deadline_ms': 9, 'priority': 'x', 'request': 5}]]",
	 "[1, 1, nil, ['inspect', 5, 1, 9, 'userdata']]\n"},
	{"[0, 1, 'inspect', [[], {'request': 'x', 'attempt': nil, 3: 4}]]",
	 "[1, 1, nil, ['inspect', 0, 1, 0, 'userdata']]\n"},
	{"[0, 1, 'inspect', [[], nil]]", "[1, 1, nil, ['inspect', 0, 1, 0, 'userdata']]\n"},
	{"[0, 1, 'nothing', [[], {}]]", "[1, 1, nil, nil]\n"},
	{"[0, 1, 'starts_over', [[], {}]]", "[1, 1, nil, 'this']\n"},
	{"[0, 1, 'two_values', [[], {}]]",
	 "[1, 1, {'code': 'exception', 'type': 'InvalidResult', 'message': "
	 "'the handler's result is not one MessagePack value'}, nil]\n"},
	{"[0, 1, 'half_a_value', [[], {}]]",
	 "[1, 1, {'code': 'exception', 'type': 'InvalidResult', 'message': "
	 "'the handler's result is not one MessagePack value'}, nil]\n"},
	{"[0, 1, 'nobody', [[], {}]]",
	 "[1, 1, {'code': 'unknown_method', 'type': 'UnknownMethod', 'message': "
	 "'the worker has no method of that name'}, nil]\n"},
	{"[0, 1, 'echo', [1]]", "[1, 1, {'code': 'exception', 'type': 'ProtocolError', 'message': "
				"'the request's params are not [args, context]'}, nil]\n"},
	{"[0, 1, 'fails', [['exc'], {}]]",
	 "[1, 1, {'code': 'exception', 'type': 'ValueError', 'message': '5 is bad'}, nil]\n"},
	{"[0, 1, 'fails', [['rej'], {}]]",
	 "[1, 1, {'code': 'rejected', 'type': 'TypeError', 'message': 'no'}, nil]\n"},
	{"[0, 1, 'fails', [['ret'], {}]]",
	 "[1, 1, {'code': 'exception', 'type': 'Busy', 'message': 'again', 'retryable': true}, "
	 "nil]\n"},
	{"[0, 1, 'fails', [['lat'], {}]]",
	 "[1, 1, {'code': 'exception', 'type': 'Busy', 'message': 'later', 'retryable': true, "
	 "'retry_after_ms': 250}, nil]\n"},
	{"[0, 1, 'fails', [['utf'], {}]]",
	 "[1, 1, {'code': 'exception', 'type': 'Bad?', 'message': '?'}, nil]\n"},
	{"[0, 1, 'fails', [['other'], {}]]",
	 "[1, 1, {'code': 'exception', 'type': 'HandlerFailed', 'message': "
	 "'the handler failed and did not say why'}, nil]\n"},
	{"[0, 1, 'fails', [['forgotten'], {}]]", "[1, 1, nil, 'written before it failed']\n"},
};

START_TEST(one_request_one_answer)
{
	struct worker_session session;

	worker_session_init(&session, 1024);
	add_all(&session);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		ck_assert_int_eq(feed_text(&session, cases[i].request), 0);
		ck_assert_str_eq(answers(&session), cases[i].answer);
		ck_assert(!session.is_broken);
	}
	worker_session_done(&session);
}
END_TEST

/* All the cases in one stream, cut in two at every byte. */
START_TEST(requests_may_be_cut_anywhere)
{
	struct buf stream, expected;

	buf_init(&stream, BYTES_MAX);
	buf_init(&expected, BYTES_MAX);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		wire_put(&stream, cases[i].request);
		buf_put(&expected, cases[i].answer, strlen(cases[i].answer));
	}
	buf_put(&expected, "", 1);
	for (size_t cut = 0; cut <= stream.len; cut++) {
		struct worker_session session;

		worker_session_init(&session, 1024);
		add_all(&session);
		ck_assert_int_eq(feed(&session, stream.data, cut), 0);
		while (cut % 2 == 0 && worker_session_has_request(&session))
			ck_assert_int_eq(worker_session_answer(&session), 0);
		ck_assert_int_eq(feed(&session, stream.data + cut, stream.len - cut), 0);
		ck_assert_str_eq(answers(&session), (const char *)expected.data);
		worker_session_done(&session);
	}
	buf_free(&stream);
	buf_free(&expected);
}
END_TEST

START_TEST(a_fatal_error_says_so)
{
	struct worker_session session;

	worker_session_init(&session, 1024);
	add_all(&session);
	ck_assert_int_eq(feed_text(&session, "[0, 1, 'fails', [['fatal'], {}]]"), 0);
	ck_assert_str_eq(answers(&session), "[1, 1, {'code': 'exception', 'type': 'Broken', "
					    "'message': 'dead', 'fatal': true}, nil]\n");
	ck_assert(session.is_broken);
	worker_session_done(&session);
}
END_TEST

START_TEST(a_result_over_the_limit_is_an_error)
{
	struct worker_session session;

	worker_session_init(&session, 1024);
	session.response_max = 20;
	add_all(&session);
	ck_assert_int_eq(feed_text(&session, "[0, 1, 'echo', ['0123456789abcde', {}]]"), 0);
	ck_assert_str_eq(answers(&session), "[1, 1, nil, '0123456789abcde']\n");
	ck_assert_int_eq(feed_text(&session, "[0, 1, 'echo', ['0123456789abcdef', {}]]"), 0);
	ck_assert_str_eq(answers(&session),
			 "[1, 1, {'code': 'response_too_large', 'type': 'ResponseTooLarge', "
			 "'message': 'the result has 21 bytes, and response_max of the daemon is "
			 "20'}, nil]\n");
	ck_assert(!session.is_broken);
	worker_session_done(&session);
}
END_TEST

/* A handler that sends one chunk: a text of `len` bytes, its head included. */
struct teller {
	struct worker_session *session;
	size_t len;
	int r; /* of worker_session_chunk */
};

static int tells(struct poold_attempt *attempt, struct poold_writer *result, void *userdata)
{
	struct teller *teller = userdata;
	uint8_t chunk[32] = {(uint8_t)(0xa0 + teller->len - 1)};

	(void)result;
	ck_assert(&teller->session->attempt == attempt);
	ck_assert_uint_le(teller->len, sizeof(chunk));
	teller->r = worker_session_chunk(teller->session, (struct poold_bytes){chunk, teller->len});
	return 0;
}

/* What follows when a request of that number sends a chunk of that length; *ret_message is the
 * length of its message. */
static const char *told(const char *number, size_t len, int *ret_r, size_t *ret_message)
{
	struct worker_session session;
	struct teller teller = {.session = &session, .len = len};
	const char *said;
	char request[80];

	worker_session_init(&session, 1024);
	session.response_max = 30;
	ck_assert_int_eq(worker_session_add(&session, "tell", tells, &teller), 0);
	snprintf(request, sizeof(request), "[0, %s, 'tell', [nil, {'stream': true}]]", number);
	ck_assert_int_eq(feed_text(&session, request), 0);
	said = answers(&session);
	*ret_r = teller.r;
	*ret_message = session.chunk.len;
	worker_session_done(&session);
	return said;
}

START_TEST(a_part_over_the_limit_fails_whatever_the_handler_returns)
{
	/* The number of the request, which is a part of the message, and the bytes around the value
	 * with it. */
	static const struct {
		const char *number;
		size_t around;
	} numbers[] = {{"1", 10}, {"200", 11}, {"300", 12}, {"70000", 14}};

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		size_t fits = 30 - numbers[i].around, message;
		char error[200];
		int r;

		snprintf(error, sizeof(error), "[1, %s, nil, nil]\n", numbers[i].number);
		for (size_t len = fits - 1; len <= fits; len++) {
			ck_assert_str_eq(told(numbers[i].number, len, &r, &message), error);
			ck_assert_int_eq(r, 0);
			ck_assert_uint_eq(message, len + numbers[i].around);
		}
		snprintf(error, sizeof(error),
			 "[1, %s, {'code': 'response_too_large', 'type': 'ResponseTooLarge', "
			 "'message': 'the chunk has 31 bytes, and response_max of the daemon is "
			 "30'}, nil]\n",
			 numbers[i].number);
		ck_assert_str_eq(told(numbers[i].number, fits + 1, &r, &message), error);
		ck_assert_int_eq(r, -EMSGSIZE);
	}
}
END_TEST

START_TEST(a_cancel_overtakes_what_waits)
{
	struct worker_session session;

	worker_session_init(&session, 1024);
	add_all(&session);
	ck_assert_int_eq(feed_text(&session, "[0, 1, 'echo', ['a', {}]]"
					     "[0, 2, 'echo', ['b', {}]]"
					     "[0, 3, 'echo', ['c', {}]]"
					     "[2, 'cancel', [2]]"
					     "[2, 'cancel', [99]]"
					     "[2, 'cancel', ['x']]"
					     "[2, 'cancel', []]"
					     "[2, 'of a later version', [1]]"),
			 0);
	ck_assert_str_eq(answers(&session),
			 "[1, 1, nil, 'a']\n"
			 "[1, 2, {'code': 'cancelled', 'type': 'Cancelled', 'message': 'cancelled "
			 "before it began'}, nil]\n"
			 "[1, 3, nil, 'c']\n");
	worker_session_done(&session);
}
END_TEST

START_TEST(bytes_that_are_no_request)
{
	static const struct {
		const char *bytes;
		size_t len;
		int expected;
	} bad[] = {
		{"\xc1", 1, -EPROTO},
		{"\x00", 1, -EPROTO},
		{"\x94\x00\x01\xa1m\xc0", 6, -EPROTO}, /* params are no list */
		{"\x94\x01\x01\xc0\xc0", 5, -EPROTO},  /* a response */
		{"\xdd\xff\xff\xff\xff", 5, -EMSGSIZE},
		{"\xc6\x00\x00\x04\x00", 5, -EMSGSIZE},
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct worker_session session;

		worker_session_init(&session, 1024);
		ck_assert_int_eq(feed(&session, (const uint8_t *)bad[i].bytes, bad[i].len),
				 bad[i].expected);
		worker_session_done(&session);
	}
}
END_TEST

START_TEST(methods_have_names_of_their_own)
{
	struct worker_session session;
	char name[257];

	worker_session_init(&session, 1024);
	memset(name, 'm', 256);
	name[256] = '\0';
	ck_assert_int_eq(worker_session_add(&session, name, echo, NULL), -EINVAL);
	ck_assert_int_eq(worker_session_add(&session, "", echo, NULL), -EINVAL);
	name[255] = '\0';
	ck_assert_int_eq(worker_session_add(&session, name, echo, NULL), 0);
	ck_assert_int_eq(worker_session_add(&session, name, nothing, NULL), -EEXIST);
	worker_session_done(&session);
}
END_TEST

/* Requests of all sizes, taken in and answered in any order of steps: each is answered once, in
 * order, unharmed, while the memory they lie in is moved and grown. */
START_TEST(any_order_of_reading_and_answering)
{
	struct prop_rounds rounds = prop_rounds(100);
	struct prop prop;

	while (prop_round(&rounds, &prop)) {
		struct worker_session session;
		struct buf stream, expected;
		size_t at = 0;

		worker_session_init(&session, BYTES_MAX);
		add_all(&session);
		buf_init(&stream, BYTES_MAX);
		buf_init(&expected, BYTES_MAX);
		for (unsigned i = 0; i < 50; i++) {
			static uint8_t payload[100000];
			size_t len =
				(size_t)prop_below(&prop, prop_chance(&prop, 10) ? 100000 : 50);

			memset(payload, (int)i, len);
			wire_put(&stream, "[0, 7, 'echo']");
			stream.data[stream.len - 8] = 0x94;
			pack_array(&stream, 2);
			pack_bin(&stream, payload, len);
			pack_nil(&stream);
			buf_put(&expected, "\x94\x01\x07\xc0", 4);
			pack_bin(&expected, payload, len);
		}
		while (at < stream.len || worker_session_has_request(&session)) {
			size_t left = stream.len - at;
			size_t len =
				(size_t)prop_below(&prop, prop_chance(&prop, 50) ? 100 : 200000);

			if (prop_chance(&prop, 50) && worker_session_has_request(&session)) {
				ck_assert_int_eq(worker_session_answer(&session), 0);
			} else if (left > 0) {
				len = len < left ? len : left;
				ck_assert_int_eq(feed(&session, stream.data + at, len), 0);
				at += len;
			}
		}
		struct bytes out = worker_session_output(&session);

		prop_check(&prop,
			   out.len == expected.len && memcmp(out.data, expected.data, out.len) == 0,
			   "answers differ");
		worker_session_done(&session);
		buf_free(&stream);
		buf_free(&expected);
	}
}
END_TEST

/* --- The worker on a socket --------------------------------------------------------------------
 */

/* A worker and the daemon's end of its socket. */
struct world {
	struct poold_worker *worker;
	int daemon_fd;
};

static struct world *current;
static int worker_fd;

static void world_init(struct world *world, struct poold_worker_options options)
{
	int fds[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	options.fd = worker_fd = fds[1];
	options.version = "9";
	world->daemon_fd = fds[0];
	ck_assert_int_eq(poold_worker_new(&options, &world->worker), 0);
	ck_assert_int_eq(poold_worker_add(world->worker, "echo", echo, NULL), 0);
	ck_assert_int_eq(poold_worker_add(world->worker, "fails", fails, NULL), 0);
	current = world;
}

static void world_done(struct world *world)
{
	poold_worker_free(world->worker);
	close(world->daemon_fd);
}

static void daemon_says_bytes(struct world *world, const void *data, size_t len)
{
	ck_assert_int_eq(write(world->daemon_fd, data, len), (ssize_t)len);
}

static void daemon_says(struct world *world, const char *text)
{
	struct buf buf;

	buf_init(&buf, BYTES_MAX);
	wire_put(&buf, text);
	daemon_says_bytes(world, buf.data, buf.len);
	buf_free(&buf);
}

/* The daemon says no more; what it has said can still be read. */
static void daemon_ends(struct world *world)
{
	ck_assert_int_eq(shutdown(world->daemon_fd, SHUT_WR), 0);
}

/* What the worker wrote, after its `ready`. */
static const char *worker_said(struct world *world, const char *flags)
{
	static uint8_t data[1024 * 1024];
	static char ready[200];
	ssize_t len = recv(world->daemon_fd, data, sizeof(data), MSG_DONTWAIT);
	const char *text;

	ck_assert_int_gt(len, 0);
	text = wire_text(data, (size_t)len);
	snprintf(ready, sizeof(ready),
		 "[2, 'ready', [{'pid': %d, 'version': '9', 'concurrency': 1, %s}]]\n",
		 (int)getpid(), flags);
	ck_assert_msg(strncmp(text, ready, strlen(ready)) == 0, "%s is not %s", text, ready);
	return text + strlen(ready);
}

#define ANNOUNCING "'started': true, 'batch': false, 'credit': true"
#define SILENT	   "'started': false, 'batch': false, 'credit': true"
#define PAGING	   SILENT ", 'recall': true, 'page': true"
#define BATCHING   "'started': false, 'batch': true, 'credit': true"

/* The fatal error at the end is how these tests stop a worker that has answered all before it. */
#define STOP(id) "[0, " id ", 'fails', [['fatal'], {}]]"
#define STOPPED(id)                                                                                \
	"[1, " id ", {'code': 'exception', 'type': 'Broken', 'message': 'dead', 'fatal': "         \
	"true}, nil]\n"

START_TEST(a_worker_announces_what_it_begins)
{
	struct world world;

	world_init(&world, (struct poold_worker_options){0});
	daemon_says(&world, "[0, 1, 'echo', ['a', {}]] [0, 2, 'ping', []] [0, 3, 'echo', ['b', {}]]"
			    "[2, 'cancel', [3]]" STOP("4"));
	ck_assert_int_eq(poold_worker_run(world.worker), -ENOTRECOVERABLE);
	ck_assert_str_eq(worker_said(&world, ANNOUNCING),
			 "[2, 'started', [1]]\n"
			 "[1, 1, nil, 'a']\n"
			 "[1, 2, nil, 'pong']\n"
			 "[1, 3, {'code': 'cancelled', 'type': 'Cancelled', 'message': 'cancelled "
			 "before it began'}, nil]\n"
			 "[2, 'started', [4]]\n" STOPPED("4"));
	ck_assert_int_eq(poold_worker_add(world.worker, "late", echo, NULL), -EINVAL);
	world_done(&world);
}
END_TEST

START_TEST(a_silent_worker_does_not)
{
	struct world world;

	world_init(&world, (struct poold_worker_options){.silent = true});
	daemon_says(&world, "[0, 1, 'echo', ['a', {}]] [0, 2, 'echo', ['b', {}]]" STOP("3"));
	ck_assert_int_eq(poold_worker_run(world.worker), -ENOTRECOVERABLE);
	ck_assert_str_eq(worker_said(&world, SILENT),
			 "[1, 1, nil, 'a']\n[1, 2, nil, 'b']\n" STOPPED("3"));
	world_done(&world);
}
END_TEST

START_TEST(a_batch_is_answered_whole)
{
	struct world world;

	world_init(&world, (struct poold_worker_options){.batch = true});
	daemon_says(&world, "[0, 1, 'echo', ['a', {}]] [0, 2, 'echo', ['b', {}]]"
			    "[0, 3, 'ping', []] [2, 'shutdown', []]");
	ck_assert_int_eq(poold_worker_run(world.worker), 0);
	ck_assert_str_eq(worker_said(&world, BATCHING),
			 "[1, 1, nil, 'a']\n[1, 2, nil, 'b']\n[1, 3, nil, 'pong']\n");
	world_done(&world);
}
END_TEST

START_TEST(shutdown_begins_nothing_more)
{
	struct world world;

	world_init(&world, (struct poold_worker_options){0});
	daemon_says(&world, "[0, 1, 'echo', ['a', {}]] [2, 'shutdown', []]");
	ck_assert_int_eq(poold_worker_run(world.worker), 0);
	ck_assert_str_eq(worker_said(&world, ANNOUNCING), "");
	world_done(&world);
}
END_TEST

START_TEST(half_a_message_then_the_end)
{
	struct world world;

	world_init(&world, (struct poold_worker_options){0});
	daemon_says(&world, "[0, 1, 'echo', ['a', {}]]");
	daemon_says_bytes(&world,
			  "\x94\x00\x02\xa4"
			  "ec",
			  6);
	daemon_ends(&world);
	ck_assert_int_eq(poold_worker_run(world.worker), 0);
	ck_assert_str_eq(worker_said(&world, ANNOUNCING),
			 "[2, 'started', [1]]\n[1, 1, nil, 'a']\n");
	world_done(&world);
}
END_TEST

START_TEST(a_daemon_that_is_gone)
{
	struct world world;

	world_init(&world, (struct poold_worker_options){0});
	close(world.daemon_fd);
	ck_assert_int_eq(poold_worker_run(world.worker), 0);
	poold_worker_free(world.worker);
}
END_TEST

/* Takes all that the worker writes until it has seen `len` bytes, then tells it to stop. */
static _Noreturn void be_a_slow_daemon(struct world *world, size_t len)
{
	static uint8_t data[64 * 1024];
	struct pollfd ready = {.fd = world->daemon_fd, .events = POLLIN};

	/* What it wrote first; it waits for a request now, or will. */
	poll(&ready, 1, -1);
	daemon_says(world, "[0, 1, 'long', [[], {}]]");
	for (size_t seen = 0; seen < len;) {
		ssize_t n = read(world->daemon_fd, data, sizeof(data));

		if (n <= 0)
			_exit(1);
		seen += (size_t)n;
	}
	daemon_says(world, "[2, 'shutdown', []]");
	_exit(0);
}

#define LONG_LEN ((size_t)8 * 1024 * 1024)

static int say_long(struct poold_attempt *attempt, struct poold_writer *result, void *userdata)
{
	(void)attempt;
	poold_write_bin(result, userdata, LONG_LEN);
	return 0;
}

/* Somebody has made the socket one that does not block: the worker waits all the same. */
START_TEST(a_socket_that_does_not_block)
{
	struct world world;
	uint8_t *data = calloc(1, LONG_LEN);
	int fd, status;
	pid_t daemon;

	ck_assert_ptr_nonnull(data);
	world_init(&world, (struct poold_worker_options){0});
	fd = worker_fd;
	ck_assert_int_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	ck_assert_int_eq(poold_worker_add(world.worker, "long", say_long, data), 0);
	daemon = fork();
	if (daemon == 0)
		be_a_slow_daemon(&world, LONG_LEN);
	ck_assert_int_eq(poold_worker_run(world.worker), 0);
	ck_assert_int_eq(waitpid(daemon, &status, 0), daemon);
	ck_assert_int_eq(status, 0);
	world_done(&world);
	free(data);
}
END_TEST

START_TEST(garbage_ends_the_worker)
{
	struct world world;

	world_init(&world, (struct poold_worker_options){.message_max = 100});
	daemon_says_bytes(&world, "\xc1", 1);
	ck_assert_int_eq(poold_worker_run(world.worker), -EPROTO);
	world_done(&world);
	world_init(&world, (struct poold_worker_options){.message_max = 100});
	daemon_says_bytes(&world, "\xc6\xff\xff\xff\xff", 5);
	ck_assert_int_eq(poold_worker_run(world.worker), -EMSGSIZE);
	world_done(&world);
}
END_TEST

START_TEST(a_fatal_error_ends_the_worker)
{
	struct world world;

	world_init(&world, (struct poold_worker_options){0});
	daemon_says(&world, STOP("1") "[0, 2, 'echo', ['never', {}]]");
	ck_assert_int_eq(poold_worker_run(world.worker), -ENOTRECOVERABLE);
	ck_assert_str_eq(worker_said(&world, ANNOUNCING), "[2, 'started', [1]]\n" STOPPED("1"));
	world_done(&world);
}
END_TEST

/* Its own cancel, and that of the next, come while it runs. */
static int is_cancelled(struct poold_attempt *attempt, struct poold_writer *result, void *userdata)
{
	(void)userdata;
	poold_write_array(result, 2);
	poold_write_bool(result, poold_attempt_cancelled(attempt));
	daemon_says(current, "[2, 'cancel', [1]] [0, 3, 'echo', ['c', {}]] [2, 'cancel', [2]]");
	poold_write_bool(result, poold_attempt_cancelled(attempt));
	return 0;
}

static int asks(struct poold_attempt *attempt, struct poold_writer *result, void *userdata)
{
	(void)userdata;
	poold_write_bool(result, poold_attempt_cancelled(attempt));
	return 0;
}

START_TEST(a_handler_can_ask_whether_it_is_cancelled)
{
	struct world world;

	world_init(&world, (struct poold_worker_options){.silent = true});
	ck_assert_int_eq(poold_worker_add(world.worker, "is_cancelled", is_cancelled, NULL), 0);
	ck_assert_int_eq(poold_worker_add(world.worker, "asks", asks, NULL), 0);
	daemon_says(&world, "[0, 1, 'is_cancelled', [[], {}]]" STOP(
				    "2") "[0, 5, 'asks', [[], {}]]" STOP("4"));
	ck_assert_int_eq(poold_worker_run(world.worker), -ENOTRECOVERABLE);
	ck_assert_str_eq(worker_said(&world, SILENT),
			 "[1, 1, nil, [false, true]]\n"
			 "[1, 2, {'code': 'cancelled', 'type': 'Cancelled', 'message': 'cancelled "
			 "before it began'}, nil]\n"
			 "[1, 5, nil, false]\n" STOPPED("4"));
	world_done(&world);
}
END_TEST

/* The daemon ends while the handler runs. */
static int is_alone(struct poold_attempt *attempt, struct poold_writer *result, void *userdata)
{
	(void)userdata;
	daemon_ends(current);
	poold_write_bool(result, poold_attempt_cancelled(attempt));
	return 0;
}

START_TEST(a_handler_sees_the_daemon_go)
{
	struct world world;

	world_init(&world, (struct poold_worker_options){.silent = true});
	ck_assert_int_eq(poold_worker_add(world.worker, "is_alone", is_alone, NULL), 0);
	daemon_says(&world, "[0, 1, 'is_alone', [[], {}]] [0, 2, 'echo', ['b', {}]]");
	ck_assert_int_eq(poold_worker_run(world.worker), 0);
	world_done(&world);
}
END_TEST

/* Garbage that is read while the handler runs is not lost on the worker. */
static int reads_garbage(struct poold_attempt *attempt, struct poold_writer *result, void *userdata)
{
	(void)userdata;
	(void)result;
	daemon_says_bytes(current, "\xc1\x01", 2);
	ck_assert(poold_attempt_cancelled(attempt));
	ck_assert(poold_attempt_cancelled(attempt));
	return 0;
}

START_TEST(garbage_within_a_handler_ends_the_worker)
{
	struct world world;

	world_init(&world, (struct poold_worker_options){.silent = true});
	ck_assert_int_eq(poold_worker_add(world.worker, "garbage", reads_garbage, NULL), 0);
	daemon_says(&world, "[0, 1, 'garbage', [[], {}]]");
	ck_assert_int_eq(poold_worker_run(world.worker), -EPROTO);
	world_done(&world);
}
END_TEST

/* Much more comes in than there was memory for, and the arguments stay where they are. */
static int keeps_args(struct poold_attempt *attempt, struct poold_writer *result, void *userdata)
{
	static uint8_t block[32 * 1024];
	const uint8_t *args = attempt->args.data;

	(void)userdata;
	for (unsigned i = 0; i < 16; i++) {
		daemon_says_bytes(current, "\x93\x02\xa4skip\x91\xc5\x80\x00", 11);
		daemon_says_bytes(current, block, sizeof(block));
		ck_assert(!poold_attempt_cancelled(attempt));
	}
	daemon_ends(current);
	ck_assert_ptr_eq(attempt->args.data, args);
	poold_write_raw(result, attempt->args);
	return 0;
}

START_TEST(arguments_stay_while_more_is_read)
{
	struct world world;

	world_init(&world, (struct poold_worker_options){.silent = true});
	ck_assert_int_eq(poold_worker_add(world.worker, "keeps_args", keeps_args, NULL), 0);
	daemon_says(&world, "[0, 1, 'keeps_args', ['the arguments', {}]]");
	ck_assert_int_eq(poold_worker_run(world.worker), 0);
	ck_assert_str_eq(worker_said(&world, SILENT), "[1, 1, nil, 'the arguments']\n");
	world_done(&world);
}
END_TEST

/* --- Requests that are given back ---------------------------------------------------------------
 */

static int recall_fd; /* the daemon's end */

static void open_recall(int *ret_theirs)
{
	char number[16];
	int fds[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	snprintf(number, sizeof(number), "%d", fds[1]);
	setenv("POOLD_RECALL_FD", number, 1);
	recall_fd = fds[0];
	*ret_theirs = fds[1];
}

static unsigned count_recalled(int fd)
{
	static uint8_t data[4096];
	ssize_t len = recv(fd, data, sizeof(data), MSG_PEEK);
	const uint8_t *at = data, *end = data + (len > 0 ? len : 0);
	unsigned count = 0;

	while ((at = memmem(at, (size_t)(end - at), "recalled", 8))) {
		count++;
		at += 8;
	}
	return count;
}

/* Runs until two requests were given back, of those that the daemon asks for meanwhile. */
static int is_asked_for_others(struct poold_attempt *attempt, struct poold_writer *result,
			       void *userdata)
{
	struct buf buf;

	(void)attempt;
	(void)result;
	(void)userdata;
	buf_init(&buf, BYTES_MAX);
	wire_put(&buf, "[2, 'recall', [1]] [2, 'recall', [2]] [2, 'news', []] [2, 'recall', []]"
		       "[2, 'recall', ['x']] [2, 'recall', [2]] [2, 'recall', [9]]");
	ck_assert_int_eq(write(recall_fd, buf.data, buf.len), (ssize_t)buf.len);
	buf_free(&buf);
	while (count_recalled(current->daemon_fd) < 2)
		sched_yield();
	return 0;
}

START_TEST(what_has_not_begun_is_given_back)
{
	struct world world;
	int theirs;

	open_recall(&theirs);
	world_init(&world, (struct poold_worker_options){0});
	ck_assert_int_eq(fcntl(theirs, F_GETFD), FD_CLOEXEC);
	poold_worker_add(world.worker, "wait", is_asked_for_others, NULL);
	daemon_says(&world, "[0, 1, 'wait', [[], {}]] [0, 2, 'echo', ['b', {}]]"
			    "[0, 3, 'echo', ['c', {}]] [2, 'cancel', [2]]"
			    "[0, 9, 'echo', ['d', {}]]" STOP("10"));
	ck_assert_int_eq(poold_worker_run(world.worker), -ENOTRECOVERABLE);
	ck_assert_str_eq(worker_said(&world, ANNOUNCING ", 'recall': true"),
			 "[2, 'started', [1]]\n"
			 "[1, 2, {'code': 'recalled'}, nil]\n"
			 "[1, 9, {'code': 'recalled'}, nil]\n"
			 "[1, 1, nil, nil]\n"
			 "[2, 'started', [3]]\n"
			 "[1, 3, nil, 'c']\n"
			 "[2, 'started', [10]]\n" STOPPED("10"));
	world_done(&world);
	close(recall_fd);
	ck_assert_int_eq(fcntl(theirs, F_GETFD), -1);
}
END_TEST

static struct begun_page daemons_page;

/* Returns what stands in the page, and whether the answer to the request before was written. */
static int looks_at_the_page(struct poold_attempt *attempt, struct poold_writer *result,
			     void *userdata)
{
	static uint8_t data[4096];
	ssize_t len = recv(current->daemon_fd, data, sizeof(data), MSG_PEEK);

	(void)attempt;
	(void)userdata;
	poold_write_array(result, 2);
	poold_write_uint(result, begun_page_read(&daemons_page));
	poold_write_bool(result, memmem(data, (size_t)len, "before", 6) != NULL);
	return 0;
}

START_TEST(what_begins_is_stored_in_its_page)
{
	struct world world;
	int theirs;

	open_recall(&theirs);
	begun_page_open(&daemons_page, recall_fd);
	ck_assert(begun_page_is_open(&daemons_page));
	world_init(&world, (struct poold_worker_options){0});
	poold_worker_add(world.worker, "look", looks_at_the_page, NULL);
	daemon_says(&world, "[0, 1, 'echo', ['before', {}]] [0, 2, 'ping', []]"
			    "[0, 3, 'look', [[], {}]] [0, 4, 'echo', ['c', {}]]"
			    "[2, 'cancel', [4]] [0, 5, 'nothing', [[], {}]]"
			    "[0, 6, 'look', [[], {}]]" STOP("10"));
	ck_assert_int_eq(poold_worker_run(world.worker), -ENOTRECOVERABLE);
	ck_assert_str_eq(worker_said(&world, PAGING),
			 "[1, 1, nil, 'before']\n"
			 "[1, 2, nil, 'pong']\n"
			 "[1, 3, nil, [3, true]]\n"
			 "[1, 4, {'code': 'cancelled', 'type': 'Cancelled', 'message': "
			 "'cancelled before it began'}, nil]\n"
			 "[1, 5, {'code': 'unknown_method', 'type': 'UnknownMethod', 'message': "
			 "'the worker has no method of that name'}, nil]\n"
			 "[1, 6, nil, [6, true]]\n" STOPPED("10"));
	ck_assert_uint_eq(begun_page_read(&daemons_page), 10);
	world_done(&world);
	begun_page_close(&daemons_page);
	close(recall_fd);
}
END_TEST

/* A file that can't be mapped is no page: what begins is said, as without one. */
START_TEST(a_page_that_is_none_is_left)
{
	struct world world;
	struct buf message;
	int theirs, ends[2];

	open_recall(&theirs);
	ck_assert_int_eq(pipe(ends), 0);
	buf_init(&message, BYTES_MAX);
	wire_put(&message, "[2, 'page', []]");
	ck_assert_int_eq(
		descriptors_send(recall_fd, (struct bytes){message.data, message.len}, ends, 1), 0);
	buf_free(&message);
	world_init(&world, (struct poold_worker_options){0});
	daemon_says(&world, STOP("1"));
	ck_assert_int_eq(poold_worker_run(world.worker), -ENOTRECOVERABLE);
	ck_assert_str_eq(worker_said(&world, ANNOUNCING ", 'recall': true"),
			 "[2, 'started', [1]]\n" STOPPED("1"));
	world_done(&world);
	close(ends[0]);
	close(ends[1]);
	close(recall_fd);
}
END_TEST

/* What a worker that says nothing, or answers in batches, has begun can't be told by one number. */
START_TEST(not_every_worker_takes_a_page)
{
	static const struct poold_worker_options others[] = {{.silent = true}, {.batch = true}};

	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		struct world world;
		int theirs;

		open_recall(&theirs);
		begun_page_open(&daemons_page, recall_fd);
		world_init(&world, others[i]);
		daemon_says(&world, STOP("1"));
		ck_assert_int_eq(poold_worker_run(world.worker), -ENOTRECOVERABLE);
		ck_assert_uint_eq(begun_page_read(&daemons_page), 0);
		world_done(&world);
		begun_page_close(&daemons_page);
		close(recall_fd);
	}
}
END_TEST

/* A worker that does not say what it begins, or has no such socket, offers nothing. */
START_TEST(not_every_worker_gives_back)
{
	struct world world;
	int theirs;

	open_recall(&theirs);
	world_init(&world, (struct poold_worker_options){.silent = true});
	daemon_says(&world, STOP("1"));
	ck_assert_int_eq(poold_worker_run(world.worker), -ENOTRECOVERABLE);
	ck_assert_str_eq(worker_said(&world, SILENT), STOPPED("1"));
	world_done(&world);
	close(recall_fd);

	setenv("POOLD_RECALL_FD", "2", 1);
	world_init(&world, (struct poold_worker_options){0});
	daemon_says(&world, STOP("1"));
	ck_assert_int_eq(poold_worker_run(world.worker), -ENOTRECOVERABLE);
	ck_assert_str_eq(worker_said(&world, ANNOUNCING), "[2, 'started', [1]]\n" STOPPED("1"));
	world_done(&world);
}
END_TEST

START_TEST(a_worker_knows_where_it_was_started)
{
	struct poold_worker *worker;

	unsetenv("POOLD_FD");
	ck_assert_int_eq(poold_worker_new(NULL, &worker), -ENOTCONN);
	setenv("POOLD_FD", "", 1);
	ck_assert_int_eq(poold_worker_new(NULL, &worker), -ENOTCONN);
	setenv("POOLD_FD", "five", 1);
	ck_assert_int_eq(poold_worker_new(NULL, &worker), -EINVAL);
	setenv("POOLD_FD", "-1", 1);
	ck_assert_int_eq(poold_worker_new(NULL, &worker), -EINVAL);
	setenv("POOLD_FD", "99999999999", 1);
	ck_assert_int_eq(poold_worker_new(NULL, &worker), -EINVAL);
	setenv("POOLD_FD", "1000", 1);
	ck_assert_int_eq(poold_worker_new(NULL, &worker), -ENOTCONN);
	poold_worker_free(NULL);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		one_request_one_answer,
		requests_may_be_cut_anywhere,
		a_fatal_error_says_so,
		a_result_over_the_limit_is_an_error,
		a_part_over_the_limit_fails_whatever_the_handler_returns,
		a_cancel_overtakes_what_waits,
		bytes_that_are_no_request,
		methods_have_names_of_their_own,
		any_order_of_reading_and_answering,
		a_worker_announces_what_it_begins,
		a_silent_worker_does_not,
		a_batch_is_answered_whole,
		shutdown_begins_nothing_more,
		half_a_message_then_the_end,
		a_daemon_that_is_gone,
		a_socket_that_does_not_block,
		garbage_ends_the_worker,
		a_fatal_error_ends_the_worker,
		a_handler_can_ask_whether_it_is_cancelled,
		a_handler_sees_the_daemon_go,
		garbage_within_a_handler_ends_the_worker,
		arguments_stay_while_more_is_read,
		a_worker_knows_where_it_was_started,
		what_has_not_begun_is_given_back,
		what_begins_is_stored_in_its_page,
		a_page_that_is_none_is_left,
		not_every_worker_takes_a_page,
		not_every_worker_gives_back,
	};

	return unit_main("client_worker", tests, ARRAY_SIZE(tests));
}
