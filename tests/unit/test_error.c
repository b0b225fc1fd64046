#include "protocol/error.h"

#include <check.h>
#include <string.h>

#include <msgpack.h>

#include "protocol/read.h"
#include "protocol/skip.h"
#include "protocol/utf8.h"
#include "tests/lib/prop.h"
#include "tests/lib/unit.h"
#include "tests/lib/values.h"

static struct bytes text(const char *string)
{
	return (struct bytes){(const uint8_t *)string, strlen(string)};
}

/* Compares the whole of a buffer with a value in msgpack-c's own notation, and empties it. */
static void check_value(struct buf *buf, const char *expected)
{
	msgpack_unpacked unpacked;
	char printed[4096];
	size_t length = 0;

	ck_assert_int_eq(buf_error(buf), 0);
	msgpack_unpacked_init(&unpacked);
	ck_assert_int_eq(msgpack_unpack_next(&unpacked, (const char *)buf->data, buf->len, &length),
			 MSGPACK_UNPACK_SUCCESS);
	ck_assert_uint_eq(length, buf->len);
	msgpack_object_print_buffer(printed, sizeof(printed), unpacked.data);
	ck_assert_str_eq(printed, expected);
	msgpack_unpacked_destroy(&unpacked);
	buf_reset(buf);
}

/* What a row says, and nothing else: neither a delay nor a time. */
START_TEST(made_from_the_row)
{
	for (enum errcode code = ERR_NONE + 1; code < ERR_COUNT_; code++) {
		struct error error = error_make(code);

		ck_assert_int_eq(error.code, code);
		ck_assert_int_eq(error.severity, errcode_info(code)->severity);
		ck_assert_int_eq(error.strategy, errcode_info(code)->strategy);
		ck_assert_int_eq(error.executed, EXECUTED_NO);
		ck_assert(!error.is_retryable && !error.message && !error.pool && !error.circuit);
		ck_assert_uint_eq(error.retry_after, USEC_INFINITY);
		ck_assert_uint_eq(error.elapsed, USEC_INFINITY);
		ck_assert_uint_eq(error.queued, USEC_INFINITY);
		ck_assert_uint_eq(error.run, USEC_INFINITY);
		ck_assert_uint_eq(error_count_fields(&error), 7);
	}
}
END_TEST

START_TEST(least_map)
{
	struct error error = error_make(ERR_unknown_pool);
	struct buf buf;

	buf_init(&buf, 4096);
	error_pack_map(&buf, &error);
	check_value(&buf, "{\"code\"=>\"unknown_pool\", \"category\"=>\"request_error\", "
			  "\"severity\"=>\"warning\", \"strategy\"=>\"abandon\", "
			  "\"message\"=>\"there is no such pool\", \"retryable\"=>false, "
			  "\"executed\"=>\"no\"}");
	buf_free(&buf);
}
END_TEST

START_TEST(fullest_map)
{
	static const struct error_attempt attempts[] = {
		{"python", 3, ERR_worker_exited, "it ended", 1500, 20000, 0, 0},
		{"spare", 0, ERR_attempt_timeout, NULL, 121500, 2500, 100000, 0xab},
	};
	static const uint8_t detail[] = {0x81, 0xa6, 's', 'i', 'g', 'n', 'a', 'l', 0x09};
	struct error error = {
		.code = ERR_attempt_timeout,
		.severity = SEVERITY_CRITICAL,
		.strategy = STRATEGY_FAILOVER,
		.message = "no answer from worker 4 in 2.5 ms",
		.is_retryable = true,
		.retry_after = 1001,
		.executed = EXECUTED_MAYBE,
		.request = (uint64_t)1 << 40,
		.pool = "python",
		.adapter = "process",
		.worker = 4,
		.pid = 4711,
		.session = text("s7"),
		.method = text("word_count"),
		.attempt = 2,
		.elapsed = 124000,
		.queued = 1500,
		.run = 0,
		.circuit = "half_open",
		.queue_depth = 17,
		.outcome = "TR",
		.trace = text("an id"),
		.span = 1,
		.attempt_span = 0x1234567890abcdef,
		.attempts = attempts,
		.attempt_count = ARRAY_SIZE(attempts),
		.detail = {detail, sizeof(detail)},
	};
	struct buf buf;

	buf_init(&buf, 4096);
	error_pack_map(&buf, &error);
	check_value(&buf,
		    "{\"code\"=>\"attempt_timeout\", \"category\"=>\"timeout_error\", "
		    "\"severity\"=>\"critical\", \"strategy\"=>\"failover\", "
		    "\"message\"=>\"no answer from worker 4 in 2.5 ms\", \"retryable\"=>true, "
		    "\"retry_after_ms\"=>2, \"executed\"=>\"maybe\", \"request\"=>1099511627776, "
		    "\"pool\"=>\"python\", \"adapter\"=>\"process\", \"worker\"=>4, \"pid\"=>4711, "
		    "\"session\"=>\"s7\", \"method\"=>\"word_count\", \"attempt\"=>2, "
		    "\"elapsed_ms\"=>124.000000, \"queue_ms\"=>1.500000, \"run_ms\"=>0.000000, "
		    "\"circuit\"=>\"half_open\", \"queue_depth\"=>17, \"outcome\"=>\"TR\", "
		    "\"trace\"=>\"an id\", \"span\"=>\"0000000000000001\", "
		    "\"attempt_span\"=>\"1234567890abcdef\", "
		    "\"attempts\"=>["
		    "{\"pool\"=>\"python\", \"worker\"=>3, \"code\"=>\"worker_exited\", "
		    "\"message\"=>\"it ended\", \"started_ms\"=>1.500000, \"run_ms\"=>20.000000, "
		    "\"delay_ms\"=>0.000000}, "
		    "{\"pool\"=>\"spare\", \"code\"=>\"attempt_timeout\", "
		    "\"started_ms\"=>121.500000, \"run_ms\"=>2.500000, \"delay_ms\"=>100.000000, "
		    "\"span\"=>\"00000000000000ab\"}], "
		    "\"detail\"=>{\"signal\"=>9}}");
	buf_free(&buf);
}
END_TEST

/* How many wait in the pool is told with every request, also when none does, and of nothing else.
 */
START_TEST(depth_of_the_queue)
{
	struct error error = error_make(ERR_queue_timeout);
	uint32_t without;

	error.queue_depth = 3;
	without = error_count_fields(&error);
	error.request = 1;
	ck_assert_uint_eq(error_count_fields(&error), without + 2);
	error.queue_depth = 0;
	ck_assert_uint_eq(error_count_fields(&error), without + 2);
}
END_TEST

/* The same pairs in a map that has others before them, as poold.errors tells them. */
START_TEST(fields_for_a_larger_map)
{
	struct error error = error_make(ERR_health_check_failed);
	struct buf buf;

	error.pool = "python";
	error.worker = 2;
	buf_init(&buf, 4096);
	pack_map(&buf, error_count_fields(&error) + 1);
	pack_str(&buf, "at_ms");
	pack_uint(&buf, 5);
	error_pack_fields(&buf, &error);
	check_value(&buf, "{\"at_ms\"=>5, \"code\"=>\"health_check_failed\", "
			  "\"category\"=>\"health_check_error\", \"severity\"=>\"minor\", "
			  "\"strategy\"=>\"backoff_retry\", "
			  "\"message\"=>\"the worker failed a health check\", "
			  "\"retryable\"=>false, \"executed\"=>\"no\", "
			  "\"pool\"=>\"python\", \"worker\"=>2}");
	buf_free(&buf);
}
END_TEST

static void check_line(const struct error *error, const char *expected)
{
	struct buf buf;

	buf_init(&buf, 4096);
	error_format(&buf, error);
	ck_assert_int_eq(buf_error(&buf), 0);
	ck_assert_msg(buf.len == strlen(expected) && memcmp(buf.data, expected, buf.len) == 0,
		      "%.*s", (int)buf.len, (const char *)buf.data);
	buf_free(&buf);
}

/* The line for the log has every field, whether it is known or not, so that a search finds it. */
START_TEST(line_without_context)
{
	struct error error = error_make(ERR_shutting_down);

	check_line(&error,
		   "code=shutting_down category=system_error severity=critical "
		   "strategy=abandon executed=no request=N/A pool=N/A worker=N/A pid=N/A "
		   "session=N/A method=N/A attempt=1 elapsed_ms=N/A queue_ms=N/A "
		   "run_ms=N/A circuit=N/A outcome=N/A arrived_ms=N/A uid=N/A peer_pid=N/A "
		   "client=N/A trace=N/A span=N/A attempt_span=N/A: the daemon is stopping");
	error.pid = -1;
	error.message = "stopping";
	error.executed = EXECUTED_YES;
	check_line(&error, "code=shutting_down category=system_error severity=critical "
			   "strategy=abandon executed=yes request=N/A pool=N/A worker=N/A pid=N/A "
			   "session=N/A method=N/A attempt=1 elapsed_ms=N/A queue_ms=N/A "
			   "run_ms=N/A circuit=N/A outcome=N/A arrived_ms=N/A uid=N/A peer_pid=N/A "
			   "client=N/A trace=N/A span=N/A attempt_span=N/A: stopping");
}
END_TEST

START_TEST(line_with_everything)
{
	struct error error = {
		.code = ERR_worker_killed,
		.severity = SEVERITY_CRITICAL,
		.strategy = STRATEGY_BACKOFF_RETRY,
		.message = "worker 4 was killed",
		.executed = EXECUTED_MAYBE,
		.request = 812,
		.pool = "python",
		.worker = 4,
		.pid = 4711,
		.session = text("cart \xff\n7"),
		.method = text("word_count"),
		.attempt = 3,
		.retry_after = USEC_INFINITY,
		.elapsed = 124000,
		.queued = 1500,
		.run = 0,
		.circuit = "open",
		.outcome = "WA",
		.trace = text("4bf92f3577b34da6a3ce929d0e0e4736"),
		.span = 0xaa,
		.attempt_span = 0xfedcba9876543210,
		.arrived_ms = 1767225600000,
		.peer = &(const struct error_peer){1000, 4800, "cart"},
	};

	check_line(&error, "code=worker_killed category=connection_error severity=critical "
			   "strategy=backoff_retry executed=maybe request=812 pool=python worker=4 "
			   "pid=4711 session=cart ?\n7 method=word_count attempt=3 "
			   "elapsed_ms=124.000 queue_ms=1.500 run_ms=0.000 circuit=open "
			   "outcome=WA arrived_ms=1767225600000 "
			   "uid=1000 peer_pid=4800 client=cart "
			   "trace=4bf92f3577b34da6a3ce929d0e0e4736 span=00000000000000aa "
			   "attempt_span=fedcba9876543210: "
			   "worker 4 was killed");
}
END_TEST

/* A delay is told in whole milliseconds and is never told too short. */
START_TEST(delays)
{
	static const struct {
		usec_t delay;
		uint64_t msec;
	} cases[] = {{0, 0},	{1, 1},	   {999, 1},
		     {1000, 1}, {1001, 2}, {USEC_INFINITY - 1, 18446744073709552}};
	struct buf buf;

	buf_init(&buf, 4096);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct error error = error_make(ERR_shed);
		struct reader reader;
		uint32_t pairs;
		struct bytes key, value;
		uint64_t msec = UINT64_MAX;

		error.retry_after = cases[i].delay;
		error_pack_map(&buf, &error);
		reader_init(&reader, buf.data, buf.len);
		ck_assert_int_eq(read_map(&reader, &pairs), 0);
		for (uint32_t pair = 0; pair < pairs; pair++) {
			ck_assert_int_eq(read_str(&reader, &key), 0);
			if (bytes_equal(key, "retry_after_ms"))
				ck_assert_int_eq(read_uint(&reader, &msec), 0);
			else
				ck_assert_int_eq(read_value(&reader, &value), 0);
		}
		ck_assert_uint_eq(msec, cases[i].msec);
		buf_reset(&buf);
	}
	buf_free(&buf);
}
END_TEST

START_TEST(stock)
{
	struct error error = error_make(ERR_attempt_timeout);
	struct buf buf;

	buf_init(&buf, 4096);
	error_pack_stock(&buf, &error);
	check_value(&buf, "[0, \"attempt_timeout: no answer from the worker in time\"]");
	error.message = "no answer from worker 3 in 30 s";
	error_pack_stock(&buf, &error);
	check_value(&buf, "[0, \"attempt_timeout: no answer from worker 3 in 30 s\"]");
	error.message = "";
	error_pack_stock(&buf, &error);
	check_value(&buf, "[0, \"attempt_timeout: \"]");
	buf_free(&buf);
}
END_TEST

/* Whether every str of the value is valid UTF-8, as strict decoders ask. */
static bool all_text_is_valid(msgpack_object object)
{
	switch (object.type) {
	case MSGPACK_OBJECT_STR: {
		struct bytes string = {(const uint8_t *)object.via.str.ptr, object.via.str.size};

		return utf8_valid_prefix(string) == string.len;
	}
	case MSGPACK_OBJECT_ARRAY:
		for (uint32_t i = 0; i < object.via.array.size; i++)
			if (!all_text_is_valid(object.via.array.ptr[i]))
				return false;
		return true;
	case MSGPACK_OBJECT_MAP:
		for (uint32_t i = 0; i < object.via.map.size; i++)
			if (!all_text_is_valid(object.via.map.ptr[i].key) ||
			    !all_text_is_valid(object.via.map.ptr[i].val))
				return false;
		return true;
	default:
		return true;
	}
}

static bool is_clean_value(const struct buf *buf)
{
	msgpack_unpacked unpacked;
	size_t length = 0;

	msgpack_unpacked_init(&unpacked);

	bool clean = msgpack_unpack_next(&unpacked, (const char *)buf->data, buf->len, &length) ==
			     MSGPACK_UNPACK_SUCCESS &&
		     length == buf->len && all_text_is_valid(unpacked.data);

	msgpack_unpacked_destroy(&unpacked);
	return clean;
}

static struct bytes random_text(struct prop *prop, char *chars, size_t size)
{
	size_t len = (size_t)prop_below(prop, size);

	for (size_t i = 0; i < len; i++)
		chars[i] = (char)(prop_chance(prop, 50) ? prop_between(prop, 1, 255) : 'x');
	chars[len] = '\0';
	return (struct bytes){(const uint8_t *)chars, len};
}

/* Whatever a peer wrote into the texts of an error, a strict decoder takes the map. */
START_TEST(wrong_text_does_not_spoil_the_map)
{
	struct prop_rounds rounds = prop_rounds(2000);
	struct prop prop;

	while (prop_round(&rounds, &prop)) {
		char message[40], session[40], method[40], type[40], traceback[400];
		struct error_attempt attempt = {.pool = "python", .code = ERR_exception};
		struct worker_error worker = {.message = random_text(&prop, message, 40)};
		struct error error = error_make(ERR_exception);
		struct buf detail, buf;

		worker.type = random_text(&prop, type, sizeof(type));
		worker.traceback = random_text(&prop, traceback, sizeof(traceback));
		buf_init(&detail, 4096);
		worker_error_pack_detail(&detail, &worker, (size_t)prop_below(&prop, 100));
		prop_check(&prop, is_clean_value(&detail), "detail");

		error.message = attempt.message = message;
		error.session = random_text(&prop, session, sizeof(session));
		error.method = random_text(&prop, method, sizeof(method));
		error.attempts = &attempt;
		error.attempt_count = 1;
		error.detail = (struct bytes){detail.data, detail.len};
		buf_init(&buf, 8192);
		error_pack_map(&buf, &error);
		prop_check(&prop, is_clean_value(&buf), "map");
		buf_reset(&buf);
		error_pack_stock(&buf, &error);
		prop_check(&prop, is_clean_value(&buf), "stock");
		buf_free(&buf);
		buf_free(&detail);
	}
}
END_TEST

/*
 * A value as a string.  The escapes are octal, since those end after three digits: \200 begins a
 * map, \220 an array, \240 a text, each with its length added.
 */
#define VALUE(string)                                                                              \
	{                                                                                          \
		(const uint8_t *)(string), sizeof(string) - 1                                      \
	}

START_TEST(worker_says_all)
{
	struct bytes value = VALUE("\211"
				   "\244code\250rejected"
				   "\244type\252ValueError"
				   "\247message\247too big"
				   "\251traceback\244line"
				   "\251retryable\303"
				   "\256retry_after_ms\315\001\364"
				   "\245fatal\303"
				   "\250severity\245minor"
				   "\245other\222\001\201\244code\241x");
	struct worker_error error;

	worker_error_read(value, &error);
	ck_assert_int_eq(error.code, ERR_rejected);
	ck_assert(bytes_equal(error.type, "ValueError"));
	ck_assert(bytes_equal(error.message, "too big"));
	ck_assert(bytes_equal(error.traceback, "line"));
	ck_assert(error.has_retryable && error.is_retryable);
	ck_assert(error.is_fatal);
	ck_assert(error.has_severity);
	ck_assert_int_eq(error.severity, SEVERITY_MINOR);
	ck_assert_uint_eq(error.retry_after, 500 * USEC_PER_MSEC);
}
END_TEST

/* "Do not try again" is said, which is not the same as saying nothing. */
START_TEST(worker_says_no)
{
	struct bytes no = VALUE("\201\251retryable\302");
	struct bytes neither = VALUE("\201\251retryable\300");
	struct worker_error error;

	worker_error_read(no, &error);
	ck_assert(error.has_retryable && !error.is_retryable);
	worker_error_read(neither, &error);
	ck_assert(!error.has_retryable && !error.is_retryable);
}
END_TEST

START_TEST(worker_grades)
{
	static const struct {
		struct bytes value;
		bool graded;
		enum errseverity severity;
	} cases[] = {
		{VALUE("\201\250severity\247warning"), true, SEVERITY_WARNING},
		{VALUE("\201\250severity\245minor"), true, SEVERITY_MINOR},
		{VALUE("\201\250severity\245major"), true, SEVERITY_MAJOR},
		{VALUE("\201\250severity\250critical"), true, SEVERITY_CRITICAL},
		{VALUE("\201\250severity\245Minor"), false, SEVERITY_WARNING},
		{VALUE("\201\250severity\244mino"), false, SEVERITY_WARNING},
		{VALUE("\201\250severity\001"), false, SEVERITY_WARNING},
		{VALUE("\200"), false, SEVERITY_WARNING},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct worker_error error;

		worker_error_read(cases[i].value, &error);
		ck_assert_int_eq(error.has_severity, cases[i].graded);
		ck_assert_int_eq(error.severity, cases[i].severity);
	}
}
END_TEST

/* Values of every shape; what they don't say has its default. */
START_TEST(worker_says_less)
{
	static const struct {
		const char *what;
		struct bytes value;
		enum errcode code;
		const char *message;
	} cases[] = {
		{"nothing", {NULL, 0}, ERR_exception, ""},
		{"nil", VALUE("\300"), ERR_exception, ""},
		{"a number", VALUE("\005"), ERR_exception, ""},
		{"a text", VALUE("\243bad"), ERR_exception, "bad"},
		{"a text that ends early", VALUE("\251bad"), ERR_exception, ""},
		{"stock", VALUE("\222\000\243bad"), ERR_exception, "bad"},
		{"stock with a big number", VALUE("\222\321\377\000\243bad"), ERR_exception, "bad"},
		{"two texts", VALUE("\222\241a\243bad"), ERR_exception, ""},
		{"one element", VALUE("\221\243bad"), ERR_exception, ""},
		{"three elements", VALUE("\223\000\243bad\300"), ERR_exception, ""},
		{"an empty map", VALUE("\200"), ERR_exception, ""},
		{"a map of numbers", VALUE("\202\001\002\300\003"), ERR_exception, ""},
		{"a message that is none", VALUE("\201\247message\005"), ERR_exception, ""},
		{"a message after a strange key", VALUE("\202\221\300\300\247message\241m"),
		 ERR_exception, "m"},
		{"a map that ends early", VALUE("\202\247message\241m\244code"), ERR_exception,
		 "m"},
		{"a map of 268 million", VALUE("\337\020\000\000\000\247message\241m"),
		 ERR_exception, "m"},
		{"exception", VALUE("\201\244code\251exception"), ERR_exception, ""},
		{"unknown_method", VALUE("\201\244code\256unknown_method"), ERR_unknown_method, ""},
		{"encode_error", VALUE("\201\244code\254encode_error"), ERR_encode_error, ""},
		{"cancelled", VALUE("\201\244code\251cancelled"), ERR_cancelled, ""},
		{"a code of the daemon's", VALUE("\201\244code\255worker_exited"), ERR_exception,
		 ""},
		{"the daemon's own fault", VALUE("\201\244code\250internal"), ERR_exception, ""},
		{"no code at all", VALUE("\201\244code\245funny"), ERR_exception, ""},
		{"a code that is a number", VALUE("\201\244code\005"), ERR_exception, ""},
		{"an array of errors", VALUE("\221\201\244code\250rejected"), ERR_exception, ""},
		{"an ext", VALUE("\324\001\002"), ERR_exception, ""},
		{"no MessagePack", VALUE("\301"), ERR_exception, ""},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct worker_error error;

		memset(&error, 0xff, sizeof(error));
		worker_error_read(cases[i].value, &error);
		ck_assert_msg(error.code == cases[i].code, "%s: %s", cases[i].what,
			      errcode_name(error.code));
		ck_assert_msg(bytes_equal(error.message, cases[i].message), "%s: another message",
			      cases[i].what);
		ck_assert_uint_eq(error.type.len + error.traceback.len, 0);
		ck_assert(!error.has_retryable && !error.is_retryable && !error.is_fatal &&
			  !error.has_severity);
		ck_assert_uint_eq(error.retry_after, USEC_INFINITY);
	}
}
END_TEST

/* A delay that microseconds cannot hold is still a delay, not "not said". */
START_TEST(longest_delay)
{
	struct bytes value = VALUE("\201\256retry_after_ms\317\377\377\377\377\377\377\377\377");
	struct bytes negative = VALUE("\201\256retry_after_ms\377");
	struct worker_error error;

	worker_error_read(value, &error);
	ck_assert_uint_eq(error.retry_after, USEC_INFINITY - 1);
	worker_error_read(negative, &error);
	ck_assert_uint_eq(error.retry_after, USEC_INFINITY);
}
END_TEST

START_TEST(detail)
{
	struct worker_error error = {
		.type = text("ValueError"),
		.message = text("caf\xc3\xa9 closed"),
		.traceback = text("a line"),
	};
	struct buf buf;

	buf_init(&buf, 4096);
	worker_error_pack_detail(&buf, &error, 100);
	check_value(&buf, "{\"type\"=>\"ValueError\", \"message\"=>\"caf\xc3\xa9 closed\", "
			  "\"traceback\"=>\"a line\"}");
	worker_error_pack_detail(&buf, &error, 4);
	check_value(&buf, "{\"type\"=>\"Valu\", \"message\"=>\"caf\", \"traceback\"=>\"a li\"}");
	worker_error_pack_detail(&buf, &error, 5);
	check_value(&buf, "{\"type\"=>\"Value\", \"message\"=>\"caf\xc3\xa9\", "
			  "\"traceback\"=>\"a lin\"}");
	error.traceback.len = 0;
	error.message = text("wrong: \xff\xc3");
	worker_error_pack_detail(&buf, &error, 100);
	check_value(&buf, "{\"type\"=>\"ValueError\", \"message\"=>\"wrong: ??\"}");
	worker_error_pack_detail(&buf, &error, 0);
	check_value(&buf, "{}");
	buf_free(&buf);
}
END_TEST

/* Reading any value ends, stays inside of it, and gives what can be packed again. */
START_TEST(any_value_is_read)
{
	static const char *const keys[] = {"code",	"type",	     "message",
					   "traceback", "retryable", "retry_after_ms",
					   "fatal",	"severity",  "other"};
	struct prop_rounds rounds = prop_rounds(3000);
	struct prop prop;

	while (prop_round(&rounds, &prop)) {
		msgpack_sbuffer message;
		msgpack_packer pk;
		struct worker_error error;
		uint64_t pairs = prop_below(&prop, 6);

		msgpack_sbuffer_init(&message);
		msgpack_packer_init(&pk, &message, msgpack_sbuffer_write);
		msgpack_pack_map(&pk, (size_t)pairs);
		for (uint64_t i = 0; i < pairs; i++) {
			const char *key = keys[prop_below(&prop, ARRAY_SIZE(keys))];

			msgpack_pack_str_with_body(&pk, key, strlen(key));
			values_pack(&prop, &pk, 1);
		}
		if (prop_chance(&prop, 50))
			message.data[prop_below(&prop, message.size)] = (char)prop_next(&prop);

		struct bytes value = {(uint8_t *)message.data,
				      (size_t)prop_between(&prop, 0, message.size)};
		struct buf buf;

		worker_error_read(value, &error);

		struct bytes slices[] = {error.type, error.message, error.traceback};

		for (size_t i = 0; i < ARRAY_SIZE(slices); i++)
			prop_check(&prop,
				   slices[i].len == 0 || (slices[i].data > value.data &&
							  slices[i].data + slices[i].len <=
								  value.data + value.len),
				   "slice %zu", i);
		buf_init(&buf, 4096);
		worker_error_pack_detail(&buf, &error, 1000);
		prop_check(&prop, buf_error(&buf) == 0 && is_clean_value(&buf), "detail");
		buf_free(&buf);
		msgpack_sbuffer_destroy(&message);
	}
}
END_TEST

/* However small the buffer is, the packers end and the buffer says that it failed. */
START_TEST(no_room)
{
	struct error error = error_make(ERR_internal);
	struct buf whole;

	buf_init(&whole, 4096);
	error_pack_map(&whole, &error);
	for (size_t max = 0; max < whole.len; max++) {
		struct buf buf;

		buf_init(&buf, max);
		error_pack_map(&buf, &error);
		ck_assert_int_ne(buf_error(&buf), 0);
		ck_assert_uint_le(buf.len, max);
		buf_free(&buf);
	}
	buf_free(&whole);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		made_from_the_row,
		least_map,
		fullest_map,
		depth_of_the_queue,
		fields_for_a_larger_map,
		line_without_context,
		line_with_everything,
		delays,
		stock,
		wrong_text_does_not_spoil_the_map,
		worker_says_all,
		worker_says_no,
		worker_grades,
		worker_says_less,
		longest_delay,
		detail,
		any_value_is_read,
		no_room,
	};

	return unit_main("error", tests, ARRAY_SIZE(tests));
}
