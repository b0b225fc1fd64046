#include "client/lib/client_session.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/lib/prop.h"
#include "tests/lib/unit.h"
#include "tests/lib/wire.h"

#define HELLO                                                                                      \
	"[0, 0, 'poold.hello', [{'client': 'test', 'version': '" POOLD_VERSION                     \
	"', 'errors': 'map'}]]\n"
#define LOG_MAX ((size_t)1024 * 1024)

static const struct client_session_limits limits = {
	.response_max = 1024, .output_max = 4096, .in_flight_max = 100};

/* A session, what its callbacks told, and nothing else. */
struct world {
	struct client_session session;
	struct buf log;
};

static void world_init_with(struct world *world, struct client_session_limits some)
{
	client_session_init(&world->session, some, "test");
	buf_init(&world->log, LOG_MAX);
}

static void world_init(struct world *world)
{
	world_init_with(world, limits);
}

static void world_done(struct world *world)
{
	client_session_done(&world->session);
	buf_free(&world->log);
}

/* What was told since the last time, one line an answer. */
static const char *reported(struct world *world)
{
	static char text[64 * 1024];

	ck_assert_uint_lt(world->log.len, sizeof(text));
	if (world->log.len > 0)
		memcpy(text, world->log.data, world->log.len);
	text[world->log.len] = '\0';
	buf_reset(&world->log);
	return text;
}

static const char *executed_names[] = {"no", "maybe", "yes"};

/* Callbacks log into the world; the name of a request is kept in front of it. */
struct asker {
	struct world *world;
	const char *name;
};

static void log_reply(void *userdata, const struct poold_reply *reply)
{
	struct asker *asker = userdata;
	struct buf *log = &asker->world->log;

	buf_printf(log, "%s: ", asker->name);
	if (reply->error.code) {
		ck_assert_int_lt(reply->status, 0);
		ck_assert_uint_eq(reply->result.len, 0);
		buf_printf(log, "%s, executed %s", reply->error.code,
			   executed_names[reply->error.executed]);
	} else {
		ck_assert_int_eq(reply->status, 0);
		buf_printf(log, "%s", wire_text(reply->result.data, reply->result.len));
		log->len--; /* the newline */
	}
	buf_printf(log, "\n");
}

static struct asker *asker(struct world *world, const char *name)
{
	static struct asker askers[256];
	static size_t next;
	struct asker *asker = &askers[next++ % ARRAY_SIZE(askers)];

	*asker = (struct asker){world, name};
	return asker;
}

static int try_start(struct world *world, const char *name, const char *params, usec_t deadline,
		     uint32_t *ret_id)
{
	struct buf buf;
	struct bytes part;

	buf_init(&buf, LOG_MAX);
	wire_put(&buf, params);
	part = (struct bytes){buf.data, buf.len};

	int r = client_session_start(&world->session,
				     &(struct client_start){.method = name,
							    .parts = &part,
							    .part_count = 1,
							    .deadline = deadline,
							    .callback = log_reply,
							    .userdata = asker(world, name)},
				     ret_id);

	buf_free(&buf);
	return r;
}

static uint32_t start_until(struct world *world, const char *name, usec_t deadline)
{
	uint32_t id = UINT32_MAX;

	ck_assert_int_eq(try_start(world, name, "[]", deadline, &id), 0);
	return id;
}

static uint32_t start(struct world *world, const char *name)
{
	return start_until(world, name, USEC_INFINITY);
}

/* Takes up to `max` bytes of what the session wants written. */
static size_t take_output(struct world *world, uint8_t *data, size_t max)
{
	struct iovec slices[4];
	size_t count = client_session_output(&world->session, slices, ARRAY_SIZE(slices));
	size_t len = 0;

	for (size_t i = 0; i < count && len < max; i++) {
		size_t part = slices[i].iov_len < max - len ? slices[i].iov_len : max - len;

		memcpy(data + len, slices[i].iov_base, part);
		len += part;
	}
	if (len > 0)
		client_session_wrote(&world->session, len);
	return len;
}

/* All it wants written, as text. */
static const char *written(struct world *world)
{
	static uint8_t data[64 * 1024];
	size_t len = 0, more;

	while ((more = take_output(world, data + len, sizeof(data) - len)) > 0)
		len += more;
	ck_assert(!client_session_has_output(&world->session));
	return wire_text(data, len);
}

static int feed(struct world *world, const uint8_t *data, size_t len)
{
	int r = 0;

	while (r == 0 && len > 0) {
		uint8_t *room;
		size_t room_len;

		ck_assert_int_eq(client_session_space(&world->session, &room, &room_len), 0);
		ck_assert_uint_gt(room_len, 0);
		if (room_len > len)
			room_len = len;
		memcpy(room, data, room_len);
		r = client_session_took(&world->session, room_len);
		data += room_len;
		len -= room_len;
	}
	return r;
}

static int answer(struct world *world, const char *text)
{
	struct buf buf;

	buf_init(&buf, LOG_MAX);
	wire_put(&buf, text);

	int r = feed(world, buf.data, buf.len);

	buf_free(&buf);
	return r;
}

static void begin(struct world *world)
{
	ck_assert_int_eq(client_session_begin(&world->session), 0);
}

/* A connection on which hello is answered. */
static void greet(struct world *world)
{
	begin(world);
	ck_assert_str_eq(written(world), HELLO);
	ck_assert_int_eq(answer(world, "[1, 0, nil, {'server': 'poold'}]"), 0);
}

static void lose(struct world *world)
{
	client_session_lost(&world->session, -ECONNRESET, "gone");
	client_session_deliver(&world->session);
}

START_TEST(hello_goes_first)
{
	struct world world;

	world_init(&world);
	start(&world, "a");
	begin(&world);
	ck_assert_str_eq(written(&world), "[0, 1, 'poold.hello', [{'client': 'test', 'version': "
					  "'" POOLD_VERSION "', 'errors': 'map'}]]\n"
					  "[0, 0, 'a', []]\n");
	world_done(&world);
}
END_TEST

START_TEST(params_may_come_in_parts)
{
	struct world world;
	uint32_t id;
	const struct bytes parts[] = {
		{(const uint8_t *)"\x92\x01", 2}, {NULL, 0}, {(const uint8_t *)"\xa1x", 2}};
	struct client_start spec = {.method = "m",
				    .parts = parts,
				    .part_count = ARRAY_SIZE(parts),
				    .deadline = USEC_INFINITY,
				    .callback = log_reply,
				    .userdata = asker(&world, "m")};

	world_init(&world);
	ck_assert_int_eq(client_session_start(&world.session, &spec, &id), 0);
	ck_assert_str_eq(written(&world), "[0, 0, 'm', [1, 'x']]\n");
	spec.part_count = 2;
	ck_assert_int_eq(client_session_start(&world.session, &spec, &id), -EINVAL);
	world_done(&world);
}
END_TEST

START_TEST(what_is_no_request_is_refused)
{
	static const char *params[] = {"1", "'text'", "{}", "[] []", ""};
	char long_name[257];
	struct world world;
	uint32_t id;

	world_init(&world);
	for (size_t i = 0; i < ARRAY_SIZE(params); i++)
		ck_assert_int_eq(try_start(&world, "m", params[i], USEC_INFINITY, &id), -EINVAL);
	memset(long_name, 'm', 256);
	long_name[256] = '\0';
	ck_assert_int_eq(try_start(&world, long_name, "[]", USEC_INFINITY, &id), -EINVAL);
	ck_assert_int_eq(try_start(&world, "", "[]", USEC_INFINITY, &id), -EINVAL);
	ck_assert(!client_session_has_output(&world.session));
	ck_assert_str_eq(reported(&world), "");
	world_done(&world);
}
END_TEST

/* Answers of every kind, out of order, among what is to be ignored. */
static const char answers[] = "[1, 3, nil, 'third']"
			      "[2, 'poold.event', [{}]]"
			      "[1, 99, nil, 'unknown id']"
			      "[1, 65537, nil, 'an id of the same slot']"
			      "[1, 1, {'code': 'exception', 'executed': 'yes'}, nil]"
			      "[1, 1, nil, 'a second answer']"
			      "[1, 2, [0, 'queue_full: the queue is full'], nil]"
			      "[1, 4, nil, nil]";
static const char expected[] = "c: 'third'\n"
			       "a: exception, executed yes\n"
			       "b: queue_full, executed maybe\n"
			       "d: nil\n";

START_TEST(answers_may_be_cut_anywhere)
{
	struct world world;
	struct buf bytes;

	buf_init(&bytes, LOG_MAX);
	wire_put(&bytes, answers);
	for (size_t cut = 0; cut <= bytes.len; cut++) {
		world_init(&world);
		greet(&world);
		ck_assert_uint_eq(start(&world, "zero"), 65536);
		ck_assert_uint_eq(start(&world, "a"), 1);
		ck_assert_uint_eq(start(&world, "b"), 2);
		ck_assert_uint_eq(start(&world, "c"), 3);
		ck_assert_uint_eq(start(&world, "d"), 4);
		written(&world);
		ck_assert_int_eq(feed(&world, bytes.data, cut), 0);
		ck_assert_int_eq(feed(&world, bytes.data + cut, bytes.len - cut), 0);
		ck_assert_str_eq(reported(&world), expected);
		world_done(&world);
	}
	buf_free(&bytes);
}
END_TEST

START_TEST(answers_may_come_byte_by_byte)
{
	struct world world;
	struct buf bytes;

	buf_init(&bytes, LOG_MAX);
	wire_put(&bytes, answers);
	world_init(&world);
	greet(&world);
	start(&world, "zero");
	start(&world, "a");
	start(&world, "b");
	start(&world, "c");
	start(&world, "d");
	written(&world);
	for (size_t i = 0; i < bytes.len; i++)
		ck_assert_int_eq(feed(&world, bytes.data + i, 1), 0);
	ck_assert_str_eq(reported(&world), expected);
	buf_free(&bytes);
	world_done(&world);
}
END_TEST

START_TEST(an_answer_before_its_request_is_ignored)
{
	struct world world;

	world_init(&world);
	greet(&world);
	ck_assert_uint_eq(start(&world, "a"), 65536);
	ck_assert_int_eq(answer(&world, "[1, 65536, nil, 1]"), 0);
	ck_assert_str_eq(reported(&world), "");
	ck_assert_str_eq(written(&world), "[0, 65536, 'a', []]\n");
	ck_assert_int_eq(answer(&world, "[1, 65536, nil, 2]"), 0);
	ck_assert_str_eq(reported(&world), "a: 2\n");
	world_done(&world);
}
END_TEST

static void log_chunk(void *userdata, struct poold_bytes value)
{
	struct asker *asker = userdata;

	buf_printf(&asker->world->log, "%s: chunk %s", asker->name,
		   wire_text(value.data, value.len));
}

/* Nor can there be chunks of what has not left whole. */
START_TEST(a_chunk_before_its_request_is_ignored)
{
	struct world world;
	struct bytes part = {(const uint8_t *)"\x90", 1};
	struct client_start spec = {
		.method = "m",
		.parts = &part,
		.part_count = 1,
		.deadline = USEC_INFINITY,
		.callback = log_reply,
		.userdata = asker(&world, "a"),
		.stream = {.on_chunk = log_chunk, .userdata = asker(&world, "a")}};
	uint8_t data[64];
	uint32_t id;

	world_init(&world);
	greet(&world);
	ck_assert_int_eq(client_session_start(&world.session, &spec, &id), 0);
	ck_assert_int_eq(answer(&world, "[2, 'poold.chunk', [65536, 1]]"), 0);
	take_output(&world, data, 3);
	ck_assert_int_eq(answer(&world, "[2, 'poold.chunk', [65536, 2]]"), 0);
	ck_assert_str_eq(reported(&world), "");
	take_output(&world, data, sizeof(data));
	ck_assert_int_eq(answer(&world, "[2, 'poold.chunk', [65536, 3]]"), 0);
	ck_assert_str_eq(reported(&world), "a: chunk 3\n");
	world_done(&world);
}
END_TEST

/* A daemon may refuse a message it has not read to its end, as one that is too large. */
START_TEST(an_answer_may_come_while_its_request_leaves)
{
	struct world world;
	uint8_t data[64];

	world_init(&world);
	greet(&world);
	start(&world, "a");
	start(&world, "b");
	ck_assert_uint_eq(take_output(&world, data, 3), 3);
	ck_assert_int_eq(answer(&world, "[1, 65536, {'code': 'payload_too_large'}, nil]"), 0);
	ck_assert_str_eq(reported(&world), "a: payload_too_large, executed maybe\n");
	size_t rest = take_output(&world, data + 3, sizeof(data) - 3);
	ck_assert_str_eq(wire_text(data, 3 + rest), "[0, 65536, 'a', []]\n[0, 1, 'b', []]\n");
	world_done(&world);
}
END_TEST

START_TEST(bytes_that_are_no_answer)
{
	static const struct {
		const char *bytes;
		size_t len;
		int expected;
	} cases[] = {
		{"\xc1", 1, -EPROTO},			  /* not MessagePack */
		{"\x01", 1, -EPROTO},			  /* no array */
		{"\x90", 1, -EPROTO},			  /* an empty one */
		{"\x94\x03\x01\xc0\xc0", 5, -EPROTO},	  /* no such type */
		{"\x95\x01\x01\xc0\xc0\xc0", 6, -EPROTO}, /* five elements */
		{"\x94\x01\xa1x\xc0\xc0", 6, -EPROTO},	  /* the id is a text */
		{"\x94\x00\x01\xa1m\x90", 6, -EPROTO},	  /* a request of the daemon's */
		{"\xdd\xff\xff\xff\xff", 5, -EOVERFLOW},  /* announces 4 Gi elements */
		{"\x94\x01\x01\xc0\xc6\x00\x00\x04\x00", 9, -EOVERFLOW}, /* 1 KiB and its head */
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct world world;

		world_init(&world);
		greet(&world);
		start(&world, "a");
		written(&world);
		ck_assert_int_eq(feed(&world, (const uint8_t *)cases[i].bytes, cases[i].len),
				 cases[i].expected);
		ck_assert_str_eq(reported(&world), "");
		world_done(&world);
	}
}
END_TEST

START_TEST(the_largest_answer_fits)
{
	static uint8_t zeros[2048];
	struct world world;
	struct buf bytes;

	world_init(&world);
	greet(&world);
	ck_assert_uint_eq(start(&world, "a"), 65536);
	written(&world);
	buf_init(&bytes, LOG_MAX);
	wire_put(&bytes, "[1, 65536, nil]");
	bytes.data[0] = 0x94;
	pack_bin(&bytes, zeros, limits.response_max - bytes.len - 3);
	ck_assert_uint_eq(bytes.len, limits.response_max);
	ck_assert_int_eq(feed(&world, bytes.data, bytes.len), 0);
	ck_assert_uint_gt(world.log.len, 0);
	buf_free(&bytes);
	world_done(&world);
}
END_TEST

START_TEST(a_lost_connection_ends_what_was_sent)
{
	struct world world;

	world_init(&world);
	greet(&world);
	start(&world, "a");
	written(&world);
	start(&world, "b");
	lose(&world);
	ck_assert_str_eq(reported(&world), "a: peer_closed, executed maybe\n");
	begin(&world);
	ck_assert_str_eq(written(&world),
			 "[0, 131072, 'poold.hello', [{'client': 'test', 'version': "
			 "'" POOLD_VERSION "', 'errors': 'map'}]]\n"
			 "[0, 1, 'b', []]\n");
	ck_assert_int_eq(answer(&world, "[1, 1, nil, true]"), 0);
	ck_assert_str_eq(reported(&world), "b: true\n");
	world_done(&world);
}
END_TEST

/* That the daemon closes the connection is for those who come back: any other has its answers first. */
START_TEST(who_does_not_come_back_stays_to_the_end)
{
	struct world world;

	world_init(&world);
	greet(&world);
	start(&world, "a");
	written(&world);
	ck_assert_int_eq(answer(&world, "[2, 'poold.closing', [{'grace_ms': 1000}]]"), 0);
	ck_assert(!client_session_is_left(&world.session));
	start(&world, "b");
	ck_assert_str_eq(written(&world), "[0, 1, 'b', []]\n");
	ck_assert_int_eq(answer(&world, "[1, 65536, nil, 1] [1, 1, nil, 2]"), 0);
	ck_assert(!client_session_is_left(&world.session));
	ck_assert_str_eq(reported(&world), "a: 1\nb: 2\n");
	world_done(&world);
}
END_TEST

/* A request of which the last byte never left can not have been read whole. */
START_TEST(a_half_sent_request_moves_whole)
{
	struct world world;
	uint8_t data[64];

	world_init(&world);
	greet(&world);
	start(&world, "a");
	for (size_t sent = 1; sent < strlen("....a."); sent++) {
		uint32_t id = start(&world, "b");

		written(&world);
		ck_assert_int_eq(client_session_cancel(&world.session, id), 0);
		written(&world);
		lose(&world);
		reported(&world);
		start(&world, "b");
		ck_assert_uint_eq(take_output(&world, data, sent), sent);
		lose(&world);
		ck_assert_str_eq(reported(&world), "");
		ck_assert_str_eq(strstr(written(&world), "'b'"), "'b', []]\n");
		lose(&world);
		ck_assert_str_eq(reported(&world), "b: peer_closed, executed maybe\n");
	}
	world_done(&world);
}
END_TEST

START_TEST(a_request_moves_once)
{
	struct world world;
	uint8_t data[4];

	world_init(&world);
	greet(&world);
	start(&world, "a");
	take_output(&world, data, sizeof(data));
	lose(&world);
	ck_assert_str_eq(reported(&world), "");
	begin(&world);
	lose(&world);
	ck_assert_str_eq(reported(&world), "a: peer_closed, executed no\n");
	ck_assert(!client_session_has_output(&world.session));
	world_done(&world);
}
END_TEST

START_TEST(a_refused_connection_ends_what_waits)
{
	struct world world;

	world_init(&world);
	greet(&world);
	start(&world, "a");
	start(&world, "b");
	lose(&world);
	client_session_refused(&world.session, -ECONNREFUSED, "refused");
	ck_assert_uint_eq(client_session_deadline(&world.session), 0);
	client_session_deliver(&world.session);
	ck_assert_str_eq(reported(&world),
			 "a: connect_failed, executed no\nb: connect_failed, executed no\n");
	ck_assert(!client_session_has_output(&world.session));
	world_done(&world);
}
END_TEST

/* No callback runs of a session that is over, though its requests had ended before. */
START_TEST(what_ended_and_was_not_delivered_is_forgotten)
{
	struct world world;

	world_init(&world);
	start(&world, "a");
	start(&world, "b");
	client_session_refused(&world.session, -ECONNREFUSED, "refused");
	ck_assert_uint_eq(world.session.finished.len, 2);
	ck_assert_str_eq(reported(&world), "");
	world_done(&world);
}
END_TEST

START_TEST(cancel_before_and_after_sending)
{
	struct world world;
	uint8_t data[4];

	world_init(&world);
	greet(&world);
	uint32_t sent = start(&world, "sent");
	written(&world);
	uint32_t half = start(&world, "half");
	take_output(&world, data, sizeof(data));
	uint32_t unsent = start(&world, "unsent");

	ck_assert_int_eq(client_session_cancel(&world.session, unsent), 0);
	ck_assert_int_eq(client_session_cancel(&world.session, unsent), -ENOENT);
	ck_assert_int_eq(client_session_cancel(&world.session, sent), 0);
	ck_assert_int_eq(client_session_cancel(&world.session, half), 0);
	ck_assert_str_eq(reported(&world), "");
	client_session_deliver(&world.session);
	ck_assert_str_eq(reported(&world), "unsent: cancelled, executed no\n");

	const char *text = written(&world);

	ck_assert_ptr_nonnull(
		strstr(text, "[2, 'poold.cancel', [65536]]\n[2, 'poold.cancel', [1]]\n"));
	ck_assert_int_eq(answer(&world,
				"[1, 65536, {'code': 'cancelled', 'executed': 'maybe'}, nil]"
				"[1, 1, nil, 'too late']"),
			 0);
	ck_assert_str_eq(reported(&world), "sent: cancelled, executed maybe\nhalf: 'too late'\n");
	ck_assert_int_eq(client_session_cancel(&world.session, sent), -ENOENT);
	ck_assert_int_eq(client_session_cancel(&world.session, 77), -ENOENT);
	world_done(&world);
}
END_TEST

START_TEST(deadlines)
{
	struct world world;

	world_init(&world);
	greet(&world);
	ck_assert_uint_eq(client_session_deadline(&world.session), USEC_INFINITY);
	uint32_t late = start_until(&world, "late", 300);
	uint32_t soon = start_until(&world, "soon", 100);
	written(&world);
	start_until(&world, "unsent", 200);
	ck_assert_uint_eq(client_session_deadline(&world.session), 100);

	client_session_tick(&world.session, 99);
	client_session_deliver(&world.session);
	ck_assert_str_eq(reported(&world), "");
	client_session_tick(&world.session, 200);
	client_session_deliver(&world.session);
	ck_assert_str_eq(reported(&world), "soon: deadline_exceeded, executed maybe\n"
					   "unsent: deadline_exceeded, executed no\n");
	ck_assert_str_eq(written(&world), "[2, 'poold.cancel', [1]]\n");
	ck_assert_uint_eq(client_session_deadline(&world.session), 300);
	ck_assert_int_eq(client_session_cancel(&world.session, soon), -ENOENT);

	/* The id of the one given up stays in use until its answer comes, which nobody hears. */
	ck_assert_uint_ne(start(&world, "next") & 0xffff, soon);
	written(&world);
	ck_assert_int_eq(answer(&world, "[1, 1, nil, 'too late'][1, 65536, nil, 'in time']"), 0);
	ck_assert_str_eq(reported(&world), "late: 'in time'\n");
	ck_assert_uint_eq(late, 65536);
	ck_assert_uint_eq(start(&world, "again") & 0xffff, 0);
	ck_assert_uint_eq(start(&world, "again") & 0xffff, soon);
	world_done(&world);
}
END_TEST

START_TEST(what_was_given_up_is_lost_in_silence)
{
	struct world world;

	world_init(&world);
	greet(&world);
	start_until(&world, "a", 100);
	written(&world);
	client_session_tick(&world.session, 100);
	lose(&world);
	ck_assert_str_eq(reported(&world), "a: deadline_exceeded, executed maybe\n");
	ck_assert(!client_session_has_output(&world.session));
	world_done(&world);
}
END_TEST

START_TEST(in_flight_is_limited)
{
	struct world world;
	uint32_t id;

	world_init(&world);
	greet(&world);
	for (size_t i = 0; i < limits.in_flight_max; i++)
		id = start(&world, "a");
	ck_assert_int_eq(try_start(&world, "b", "[]", USEC_INFINITY, &id), -EBUSY);
	written(&world);
	ck_assert_int_eq(try_start(&world, "b", "[]", USEC_INFINITY, &id), -EBUSY);
	ck_assert_int_eq(answer(&world, "[1, 1, nil, 1]"), 0);
	start(&world, "b");
	world_done(&world);
}
END_TEST

START_TEST(output_is_limited)
{
	struct world world;
	uint32_t id;

	world_init_with(&world, (struct client_session_limits){.response_max = 1024,
							       .output_max = 100,
							       .in_flight_max = 100});
	greet(&world);
	while (try_start(&world, "method", "['0123456789']", USEC_INFINITY, &id) == 0)
		;
	ck_assert_uint_le(world.session.outbox.bytes, 100);
	ck_assert_int_eq(try_start(&world, "method", "['0123456789']", USEC_INFINITY, &id), -EBUSY);
	written(&world);
	start(&world, "b");
	world_done(&world);
}
END_TEST

START_TEST(the_daemon_names_its_limit)
{
	struct world world;
	uint32_t id;

	world_init(&world);
	begin(&world);
	written(&world);
	ck_assert_int_eq(answer(&world, "[1, 0, nil, {'limits': {'message_max': 40}}]"), 0);
	start(&world, "small");
	ck_assert_int_eq(try_start(&world, "m", "['0123456789012345678901234567890123456789']",
				   USEC_INFINITY, &id),
			 -EMSGSIZE);
	/* The next daemon may have another. */
	lose(&world);
	begin(&world);
	ck_assert_int_eq(try_start(&world, "m", "['0123456789012345678901234567890123456789']",
				   USEC_INFINITY, &id),
			 0);
	world_done(&world);
}
END_TEST

/* A server that is not poold may not know hello, or answer anything. */
START_TEST(any_answer_to_hello_will_do)
{
	static const char *answers_to_hello[] = {
		"[1, 0, 'no such method', nil]",
		"[1, 0, nil, nil]",
		"[1, 0, nil, {'limits': 5}]",
		"[1, 0, nil, {'limits': {'message_max': 'x'}}]",
		"[1, 0, nil, {1: 2, 'limits': {}}]",
	};

	for (size_t i = 0; i < ARRAY_SIZE(answers_to_hello); i++) {
		struct world world;

		world_init(&world);
		begin(&world);
		written(&world);
		ck_assert_int_eq(answer(&world, answers_to_hello[i]), 0);
		ck_assert_uint_eq(world.session.message_max, UINT64_MAX);
		start(&world, "a");
		ck_assert_str_eq(reported(&world), "");
		world_done(&world);
	}
}
END_TEST

static void start_another(void *userdata, const struct poold_reply *reply)
{
	struct world *world = userdata;

	(void)reply;
	for (int i = 0; i < 40; i++)
		start(world, "child");
	ck_assert_int_eq(client_session_cancel(&world->session, start(world, "cancelled")), 0);
}

START_TEST(a_callback_may_start_and_cancel)
{
	struct world world;
	struct bytes part = {(const uint8_t *)"\x90", 1};
	uint32_t id;

	world_init(&world);
	greet(&world);
	ck_assert_int_eq(client_session_start(&world.session,
					      &(struct client_start){.method = "m",
								     .parts = &part,
								     .part_count = 1,
								     .deadline = USEC_INFINITY,
								     .callback = start_another,
								     .userdata = &world},
					      &id),
			 0);
	start(&world, "b");
	written(&world);
	ck_assert_int_eq(answer(&world, "[1, 65536, nil, 1][1, 1, nil, 'b']"), 0);
	ck_assert_str_eq(reported(&world), "b: 'b'\n");
	client_session_deliver(&world.session);
	ck_assert_str_eq(reported(&world), "cancelled: cancelled, executed no\n");
	world_done(&world);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		hello_goes_first,
		params_may_come_in_parts,
		what_is_no_request_is_refused,
		answers_may_be_cut_anywhere,
		answers_may_come_byte_by_byte,
		an_answer_before_its_request_is_ignored,
		a_chunk_before_its_request_is_ignored,
		an_answer_may_come_while_its_request_leaves,
		bytes_that_are_no_answer,
		the_largest_answer_fits,
		a_lost_connection_ends_what_was_sent,
		who_does_not_come_back_stays_to_the_end,
		a_half_sent_request_moves_whole,
		a_request_moves_once,
		a_refused_connection_ends_what_waits,
		what_ended_and_was_not_delivered_is_forgotten,
		cancel_before_and_after_sending,
		deadlines,
		what_was_given_up_is_lost_in_silence,
		in_flight_is_limited,
		output_is_limited,
		the_daemon_names_its_limit,
		any_answer_to_hello_will_do,
		a_callback_may_start_and_cancel,
	};

	return unit_main("client_session", tests, ARRAY_SIZE(tests));
}
