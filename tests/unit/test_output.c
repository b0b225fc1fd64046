#include "daemon/io/worker/output.h"

#include "tests/lib/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINES_MAX 8192

/* An output whose worker's ends are the test's, and what it handed over. */
struct fixture {
	struct loop loop;
	struct output output;
	int ends[OUTPUT_STREAM_COUNT_];
	unsigned firsts;
	char *lines[LINES_MAX]; /* "stream part text" */
	size_t count;
	uint64_t reported;
	unsigned notifications;
};

static void on_first(void *owner)
{
	((struct fixture *)owner)->firsts++;
}

static void on_line(void *owner, enum output_stream stream, struct bytes line, unsigned part)
{
	struct fixture *fixture = owner;

	ck_assert_uint_lt(fixture->count, LINES_MAX);
	ck_assert_int_gt(asprintf(&fixture->lines[fixture->count++], "%s %u %.*s",
				  stream == OUTPUT_STDERR ? "err" : "out", part, (int)line.len,
				  (const char *)line.data),
			 0);
}

static void on_dropped(void *owner, uint64_t count)
{
	struct fixture *fixture = owner;

	fixture->reported += count;
	fixture->notifications++;
}

static const struct output_handler handler = {
	.on_first = on_first, .on_line = on_line, .on_dropped = on_dropped};

static const struct output_limits plain = {.line_max = 64};

static struct fixture *begin(const struct output_limits *limits)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	ck_assert_ptr_nonnull(fixture);
	ck_assert_int_eq(loop_init(&fixture->loop, (size_t)1 << 20), 0);
	output_init(&fixture->output, &fixture->loop, &handler, fixture);
	ck_assert_int_eq(output_open(&fixture->output, limits,
				     1u << OUTPUT_STDOUT | 1u << OUTPUT_STDERR, fixture->ends),
			 0);
	return fixture;
}

static void close_end(struct fixture *fixture, enum output_stream stream)
{
	if (fixture->ends[stream] >= 0)
		close(fixture->ends[stream]);
	fixture->ends[stream] = -1;
}

static void end(struct fixture *fixture)
{
	output_close(&fixture->output);
	ck_assert_uint_eq(fixture->loop.store.bytes, 0);
	close_end(fixture, OUTPUT_STDOUT);
	close_end(fixture, OUTPUT_STDERR);
	for (size_t i = 0; i < fixture->count; i++)
		free(fixture->lines[i]);
	loop_done(&fixture->loop);
	free(fixture);
}

static void write_to(struct fixture *fixture, enum output_stream stream, const char *text,
		     size_t len)
{
	ck_assert_int_eq(write(fixture->ends[stream], text, len), (ssize_t)len);
}

static void say(struct fixture *fixture, enum output_stream stream, const char *text)
{
	write_to(fixture, stream, text, strlen(text));
}

/* One turn of the loop, for what is ready now.  Without EVLOOP_ONCE libevent would go on for as
 * long as events become ready. */
static void turn(struct fixture *fixture)
{
	event_base_loop(fixture->loop.base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
	fixture->loop.now = 0;
}

/* A turn that waits for something to be due. */
static void wait_turn(struct fixture *fixture)
{
	event_base_loop(fixture->loop.base, EVLOOP_ONCE);
	fixture->loop.now = 0;
}

/* Waits until the loop's clock shows this time.  libevent's timers follow a coarser clock, and may
 * be due some milliseconds earlier. */
static void wait_until(usec_t time)
{
	while (loop_clock() < time)
		usleep(1000);
}

static void expect(struct fixture *fixture, size_t count, const char *const lines[])
{
	ck_assert_uint_eq(fixture->count, count);
	for (size_t i = 0; i < count; i++)
		ck_assert_str_eq(fixture->lines[i], lines[i]);
}

START_TEST(streams_are_cut_into_lines)
{
	static const char *const lines[] = {"out 0 one", "out 0 two", "out 0 three"};
	struct fixture *fixture = begin(&plain);

	say(fixture, OUTPUT_STDOUT, "one\n\ntwo\r\nth");
	turn(fixture);
	expect(fixture, 2, lines);
	say(fixture, OUTPUT_STDOUT, "ree\n");
	turn(fixture);
	expect(fixture, 3, lines);
	ck_assert_uint_eq(fixture->firsts, 1);
	end(fixture);
}
END_TEST

START_TEST(a_line_without_an_end_comes_at_the_end)
{
	static const char *const lines[] = {"out 0 half", "err 0 a line"};
	struct fixture *fixture = begin(&plain);

	say(fixture, OUTPUT_STDOUT, "half");
	say(fixture, OUTPUT_STDERR, "a line");
	turn(fixture);
	expect(fixture, 0, NULL);
	output_finish(&fixture->output);
	expect(fixture, 2, lines);
	end(fixture);
}
END_TEST

START_TEST(a_closed_stream_gives_its_last_line)
{
	static const char *const lines[] = {"out 0 half"};
	struct fixture *fixture = begin(&plain);

	say(fixture, OUTPUT_STDOUT, "half");
	close_end(fixture, OUTPUT_STDOUT);
	turn(fixture);
	turn(fixture);
	expect(fixture, 1, lines);
	end(fixture);
}
END_TEST

START_TEST(a_long_line_comes_in_parts)
{
	struct fixture *fixture = begin(&plain);
	char text[64 * 2 + 12], expected[80];

	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\n';
	write_to(fixture, OUTPUT_STDERR, text, sizeof(text));
	say(fixture, OUTPUT_STDERR, "short\n");
	turn(fixture);
	ck_assert_uint_eq(fixture->count, 4);
	for (unsigned part = 1; part <= 2; part++) {
		snprintf(expected, sizeof(expected), "err %u %.64s", part, text);
		ck_assert_str_eq(fixture->lines[part - 1], expected);
	}
	ck_assert_str_eq(fixture->lines[2], "err 3 xxxxxxxxxxx");
	ck_assert_str_eq(fixture->lines[3], "err 0 short");
	end(fixture);
}
END_TEST

START_TEST(a_line_as_long_as_allowed_is_whole)
{
	struct fixture *fixture = begin(&plain);
	char text[66], expected[80];

	memset(text, 'x', sizeof(text));
	text[64] = '\n';
	snprintf(expected, sizeof(expected), "out 0 %.64s", text);
	/* At once, and in two pieces. */
	write_to(fixture, OUTPUT_STDOUT, text, 65);
	turn(fixture);
	write_to(fixture, OUTPUT_STDOUT, text, 10);
	turn(fixture);
	write_to(fixture, OUTPUT_STDOUT, text + 10, 55);
	turn(fixture);
	ck_assert_uint_eq(fixture->count, 2);
	ck_assert_str_eq(fixture->lines[0], expected);
	ck_assert_str_eq(fixture->lines[1], expected);
	end(fixture);
}
END_TEST

START_TEST(no_character_is_cut_in_two)
{
	struct fixture *fixture = begin(&plain);

	for (unsigned i = 0; i < 30; i++)
		say(fixture, OUTPUT_STDOUT, "\xe2\x82\xac");
	say(fixture, OUTPUT_STDOUT, "\n");
	turn(fixture);
	ck_assert_uint_eq(fixture->count, 2);
	ck_assert_uint_eq(strlen(fixture->lines[0]), strlen("out 1 ") + 63);
	ck_assert_uint_eq(strlen(fixture->lines[1]), strlen("out 2 ") + 27);
	end(fixture);
}
END_TEST

START_TEST(a_refused_buffer_splits_the_line)
{
	static const char *const lines[] = {"out 1 half", "out 2 and half"};
	struct fixture *fixture = begin(&plain);

	fixture->loop.store.bytes_max = 0;
	say(fixture, OUTPUT_STDOUT, "half");
	turn(fixture);
	say(fixture, OUTPUT_STDOUT, "and half\n");
	turn(fixture);
	expect(fixture, 2, lines);
	end(fixture);
}
END_TEST

START_TEST(lines_over_the_rate_are_counted)
{
	static const struct output_limits limits = {.line_max = 64, .rate = 2, .burst = 3};
	struct fixture *fixture = begin(&limits);
	usec_t begun = loop_now(&fixture->loop);

	for (unsigned i = 0; i < 20; i++)
		say(fixture, OUTPUT_STDOUT, "again\n");
	turn(fixture);
	ck_assert_uint_eq(fixture->count, 5);
	ck_assert_uint_eq(fixture->output.dropped, 15);
	ck_assert_uint_eq(fixture->reported, 0);
	while (fixture->notifications == 0)
		wait_turn(fixture);
	ck_assert_uint_eq(fixture->reported, 15);
	/* After a second there is credit for two more. */
	wait_until(usec_add(begun, USEC_PER_SEC));
	say(fixture, OUTPUT_STDOUT, "1\n2\n3\n4\n");
	turn(fixture);
	ck_assert_uint_ge(fixture->count, 7);
	output_finish(&fixture->output);
	ck_assert_uint_eq(fixture->reported + fixture->count, 24);
	end(fixture);
}
END_TEST

/* However long it was silent. */
START_TEST(who_was_silent_may_write_no_more_than_the_burst)
{
	static const struct output_limits limits = {.line_max = 64, .rate = 10};
	struct fixture *fixture = begin(&limits);
	usec_t begun = loop_now(&fixture->loop);

	for (unsigned i = 0; i < 10; i++)
		say(fixture, OUTPUT_STDOUT, "first\n");
	turn(fixture);
	ck_assert_uint_eq(fixture->count, 10);
	wait_until(usec_add(begun, 3 * USEC_PER_SEC / 2));
	for (unsigned i = 0; i < 30; i++)
		say(fixture, OUTPUT_STDOUT, "again\n");
	turn(fixture);
	ck_assert_uint_eq(fixture->count, 20);
	ck_assert_uint_eq(fixture->output.dropped, 20);
	output_finish(&fixture->output);
	end(fixture);
}
END_TEST

/* Fills a pipe as full as it gets. */
static size_t flood(int fd)
{
	char text[4096];
	ssize_t len;
	size_t sum = 0;

	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\n';
	fcntl(fd, F_SETFL, O_NONBLOCK);
	while ((len = write(fd, text, sizeof(text))) > 0)
		sum += (size_t)len;
	return sum;
}

START_TEST(a_turn_takes_a_bounded_part_of_a_flood)
{
	static const struct output_limits limits = {.line_max = 64, .rate = 1, .burst = 1};
	struct fixture *fixture = begin(&limits);
	int fd = fixture->ends[OUTPUT_STDERR];
	size_t sum = 0, room;

	ck_assert_int_ge(fcntl(fd, F_SETPIPE_SZ, 1 << 20), 1 << 20);
	room = flood(fd);
	turn(fixture);
	sum = flood(fd);
	ck_assert_uint_gt(sum, 0);
	ck_assert_uint_lt(sum, room / 8);
	/* Left alone for a moment, then read again. */
	turn(fixture);
	while (sum == 0 || fixture->output.tail_len <= room / 8)
		wait_turn(fixture);
	ck_assert_uint_gt(flood(fd), 0);
	/* What is there at the end is taken whole. */
	output_finish(&fixture->output);
	ck_assert_uint_ge(fixture->output.tail_len, room);
	end(fixture);
}
END_TEST

/* Numbered lines: "00000".  A pipe holds as many. */
static void say_numbers(struct fixture *fixture, unsigned from, unsigned to)
{
	static char text[LINES_MAX * 6 + 1];

	for (unsigned i = from; i < to; i++)
		snprintf(text + (i - from) * (size_t)6, 7, "%05u\n", i % 100000);
	write_to(fixture, OUTPUT_STDOUT, text, (to - from) * (size_t)6);
}

static void expect_numbers(const struct fixture *fixture)
{
	for (size_t i = 0; i < fixture->count; i++) {
		char line[32];

		snprintf(line, sizeof(line), "out 0 %05zu", i);
		ck_assert_str_eq(fixture->lines[i], line);
	}
}

START_TEST(many_short_lines_come_in_several_turns)
{
	struct fixture *fixture = begin(&plain);

	say_numbers(fixture, 0, 2000);
	turn(fixture);
	ck_assert_uint_gt(fixture->count, 0);
	ck_assert_uint_lt(fixture->count, 1000);
	say_numbers(fixture, 2000, 2001);
	while (fixture->count < 2001)
		wait_turn(fixture);
	/* And then as ever. */
	say_numbers(fixture, 2001, 2002);
	wait_turn(fixture);
	ck_assert_uint_eq(fixture->count, 2002);
	expect_numbers(fixture);
	ck_assert_uint_eq(fixture->output.dropped, 0);
	end(fixture);
}
END_TEST

START_TEST(what_waits_comes_at_the_end)
{
	struct fixture *fixture = begin(&plain);

	say_numbers(fixture, 0, 2000);
	turn(fixture);
	ck_assert_uint_lt(fixture->count, 2000);
	output_finish(&fixture->output);
	ck_assert_uint_eq(fixture->count, 2000);
	expect_numbers(fixture);
	end(fixture);
	/* As far as it is no flood. */
	fixture = begin(&plain);
	say_numbers(fixture, 0, LINES_MAX);
	output_finish(&fixture->output);
	ck_assert_uint_gt(fixture->count, 2000);
	ck_assert_uint_lt(fixture->count, LINES_MAX);
	ck_assert_uint_eq(fixture->count + fixture->reported, LINES_MAX);
	expect_numbers(fixture);
	end(fixture);
	/* Or it goes with a life that is closed. */
	fixture = begin(&plain);
	say_numbers(fixture, 0, 2000);
	turn(fixture);
	end(fixture);
}
END_TEST

static void expect_tail(struct fixture *fixture, const char *text)
{
	struct buf tail;

	buf_init(&tail, (size_t)16 * 1024);
	output_tail(&fixture->output, &tail);
	ck_assert_int_eq(buf_error(&tail), 0);
	ck_assert_uint_eq(tail.len, strlen(text));
	ck_assert(tail.len == 0 || memcmp(tail.data, text, tail.len) == 0);
	buf_free(&tail);
}

START_TEST(the_end_of_standard_error_is_kept)
{
	struct fixture *fixture = begin(&plain);

	say(fixture, OUTPUT_STDOUT, "not this\n");
	say(fixture, OUTPUT_STDERR, "Traceback\n\n  line\x1b[1m\tb\xff\n");
	output_finish(&fixture->output);
	expect_tail(fixture, "Traceback\n\n  line\\x1b[1m\\tb\\xff");
	end(fixture);
}
END_TEST

START_TEST(a_long_tail_begins_with_a_whole_character)
{
	struct fixture *fixture = begin(&plain);
	char text[OUTPUT_TAIL_MAX + 1];

	for (unsigned i = 0; i < 1000; i++)
		say(fixture, OUTPUT_STDERR, "\xe2\x82\xac");
	output_finish(&fixture->output);
	/* 2048 is 682 characters of three bytes, and two bytes of one more. */
	for (unsigned i = 0; i < 682; i++)
		memcpy(text + (size_t)i * 3, "\xe2\x82\xac", 4);
	expect_tail(fixture, text);
	end(fixture);
}
END_TEST

START_TEST(a_new_life_begins_anew)
{
	struct fixture *fixture = begin(&plain);

	say(fixture, OUTPUT_STDERR, "first life, unfinished");
	turn(fixture);
	close_end(fixture, OUTPUT_STDOUT);
	close_end(fixture, OUTPUT_STDERR);
	ck_assert_int_eq(output_open(&fixture->output, &plain, 1u << OUTPUT_STDERR, fixture->ends),
			 0);
	ck_assert_int_eq(fixture->ends[OUTPUT_STDOUT], -1);
	expect_tail(fixture, "");
	say(fixture, OUTPUT_STDERR, "second\n");
	output_finish(&fixture->output);
	expect_tail(fixture, "second");
	ck_assert_uint_eq(fixture->count, 1);
	ck_assert_str_eq(fixture->lines[0], "err 0 second");
	end(fixture);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		streams_are_cut_into_lines,
		a_line_without_an_end_comes_at_the_end,
		a_closed_stream_gives_its_last_line,
		a_long_line_comes_in_parts,
		a_line_as_long_as_allowed_is_whole,
		no_character_is_cut_in_two,
		a_refused_buffer_splits_the_line,
		lines_over_the_rate_are_counted,
		who_was_silent_may_write_no_more_than_the_burst,
		a_turn_takes_a_bounded_part_of_a_flood,
		many_short_lines_come_in_several_turns,
		what_waits_comes_at_the_end,
		the_end_of_standard_error_is_kept,
		a_long_tail_begins_with_a_whole_character,
		a_new_life_begins_anew,
	};

	return unit_main("output", tests, ARRAY_SIZE(tests));
}
