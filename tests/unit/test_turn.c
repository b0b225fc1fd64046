/* What a turn of the loop hands over: of one link, of several, and of those that are stopped. */
#include "daemon/io/base/link.h"

#include "tests/lib/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LINKS 3

static const uint8_t zeros[4 * 1024];

/* How long a slow handler takes for a message. */
#define SLOW (usec_t)100
/* Two turns take half of that. */
#define STALLED (5 * USEC_PER_MSEC)

/* Links on lines of text, and what came of each. */
struct fixture {
	struct loop loop;
	struct link links[LINKS];
	int peers[LINKS];
	unsigned count[LINKS];
	bool has_ended[LINKS];
	char last[LINKS][32];
	usec_t takes;	   /* for each message */
	size_t answer;	   /* bytes that are put for each */
	unsigned turns;	   /* of the loop */
	unsigned turn_max; /* most messages of a turn, of all links */
	unsigned in_turn;
};

static struct fixture *current;

static size_t index_of(const struct link *link)
{
	return (size_t)(link - current->links);
}

static void spin(usec_t time)
{
	usec_t until = loop_clock() + time;

	while (time > 0 && loop_clock() < until)
		;
}

/* A number is the next one; the others are orders. */
static void on_message(void *owner, struct chunk *chunk, struct bytes message)
{
	size_t i = index_of(owner);

	(void)chunk;
	snprintf(current->last[i], sizeof(current->last[i]), "%.*s", (int)message.len,
		 (const char *)message.data);
	current->count[i]++;
	current->in_turn++;
	spin(current->takes);
	if (current->answer > 0)
		link_put(owner, zeros, current->answer);
	if (strcmp(current->last[i], "pause") == 0)
		link_set_reading(owner, false);
	else if (strcmp(current->last[i], "close") == 0)
		link_close(owner);
	else if (strcmp(current->last[i], "finish") == 0)
		link_close_when_written(owner);
}

static void on_end(void *owner, enum link_end end, int error, struct bytes begun)
{
	(void)end;
	(void)error;
	(void)begun;
	current->has_ended[index_of(owner)] = true;
	link_close(owner);
}

static void on_free(struct link *link)
{
	(void)link;
}

static void on_timer(void *owner)
{
	(void)owner;
}

static void on_turn(void *owner)
{
	struct fixture *fixture = owner;

	fixture->turns++;
	if (fixture->in_turn > fixture->turn_max)
		fixture->turn_max = fixture->in_turn;
	fixture->in_turn = 0;
	loop_leave(&fixture->loop);
}

static const struct link_handler handler = {
	.on_message = on_message, .on_end = on_end, .on_free = on_free};

static void begin(struct fixture *fixture)
{
	*fixture = (struct fixture){0};
	current = fixture;
	ck_assert_int_eq(loop_init(&fixture->loop, (size_t)1 << 26), 0);
	fixture->loop.on_timer = on_timer;
	fixture->loop.on_turn = on_turn;
	fixture->loop.owner = fixture;
	for (size_t i = 0; i < LINKS; i++) {
		int ends[2];

		ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
		ck_assert_int_eq(link_open(&fixture->links[i], &fixture->loop,
					   stream_of_socket(ends[0]), FRAMING_LINE, 100, &handler,
					   &fixture->links[i]),
				 0);
		fixture->peers[i] = ends[1];
	}
}

/* The loop's end asserts that no chunk is left. */
static void end(struct fixture *fixture)
{
	for (size_t i = 0; i < LINKS; i++) {
		link_close(&fixture->links[i]);
		close(fixture->peers[i]);
	}
	loop_done(&fixture->loop);
}

/* In one write: so many lines, then the text. */
static void say(struct fixture *fixture, size_t i, unsigned lines, const char *text)
{
	static char buffer[1 << 17];
	size_t len = 0;

	for (unsigned k = 0; k < lines; k++)
		len += (size_t)snprintf(buffer + len, sizeof(buffer) - len, "%u\n", k);
	len += (size_t)snprintf(buffer + len, sizeof(buffer) - len, "%s", text);
	ck_assert_uint_lt(len, sizeof(buffer));
	ck_assert_int_eq(write(fixture->peers[i], buffer, len), (ssize_t)len);
}

/* One turn; it does not wait. */
static void turn(struct fixture *fixture)
{
	fixture->loop.is_leaving = false;
	event_base_loop(fixture->loop.base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
	loop_run(&fixture->loop);
}

static unsigned sum_of_counts(const struct fixture *fixture)
{
	unsigned sum = 0;

	for (size_t i = 0; i < LINKS; i++)
		sum += fixture->count[i];
	return sum;
}

/* Turns until nothing comes any more. */
static void turn_until_quiet(struct fixture *fixture)
{
	unsigned before;

	do {
		before = sum_of_counts(fixture);
		turn(fixture);
	} while (link_has_backlog(&fixture->loop) || sum_of_counts(fixture) > before);
}

/* Two turns beside a flood of the first link; the third link has something to say before the second one only. */
static void flood(struct fixture *fixture, unsigned *ret_first)
{
	begin(fixture);
	fixture->takes = SLOW;
	say(fixture, 0, 1000, "");
	say(fixture, 1, 1, "");
	turn(fixture);
	*ret_first = fixture->count[0];
	say(fixture, 2, fixture->count[1], "");
	turn(fixture);
}

START_TEST(a_flood_waits_for_others)
{
	struct fixture fixture;
	unsigned first;
	usec_t begun = loop_clock();

	flood(&fixture, &first);
	/* A turn is over after a time, and with it what it may read: once more, where this process was not run meanwhile. */
	for (unsigned tries = 0; tries < 50 && loop_clock() - begun > STALLED; tries++) {
		end(&fixture);
		begun = loop_clock();
		flood(&fixture, &first);
	}
	ck_assert_uint_gt(first, 0);
	ck_assert_uint_lt(first, 100);
	ck_assert_uint_eq(fixture.count[1], 1);
	/* Whoever comes later is served in the next turn. */
	ck_assert_uint_eq(fixture.count[2], 1);
	ck_assert_uint_lt(fixture.count[0], 200);
	turn_until_quiet(&fixture);
	ck_assert_uint_eq(fixture.count[0], 1000);
	ck_assert_str_eq(fixture.last[0], "999");
	ck_assert_uint_lt(fixture.turn_max, 100);
	end(&fixture);
}
END_TEST

START_TEST(those_that_are_read_last_have_a_share_of_their_own)
{
	struct fixture fixture;

	begin(&fixture);
	fixture.takes = SLOW;
	link_read_last(&fixture.links[0]);
	say(&fixture, 0, 1000, "");
	say(&fixture, 1, 1000, "");
	turn_until_quiet(&fixture);
	ck_assert_uint_eq(fixture.count[0], 1000);
	ck_assert_uint_eq(fixture.count[1], 1000);
	ck_assert_uint_lt(fixture.turn_max, 200);
	end(&fixture);
}
END_TEST

START_TEST(two_floods_take_turns)
{
	struct fixture fixture;

	begin(&fixture);
	fixture.takes = SLOW;
	say(&fixture, 0, 1000, "");
	say(&fixture, 1, 1000, "");
	while (fixture.count[0] < 500)
		turn(&fixture);
	ck_assert_uint_gt(fixture.count[1], 300);
	ck_assert_uint_lt(fixture.count[1], 700);
	turn_until_quiet(&fixture);
	ck_assert_uint_eq(fixture.count[0] + fixture.count[1], 2000);
	end(&fixture);
}
END_TEST

/* What costs no time costs units; and a message that is begun behind the flood is not lost. */
START_TEST(cheap_messages_come_in_slices_too)
{
	struct fixture fixture;
	struct slice slice;
	unsigned count = 0;

	begin(&fixture);
	slice = slice_of(&fixture.loop.turn, SLICE_UNITS);
	while (!slice_charge(&slice, 3))
		count++;
	ck_assert_uint_eq(count, SLICE_UNITS - 1);
	slice = slice_of(&fixture.loop.turn, SLICE_UNITS);
	ck_assert(slice_charge(&slice, (uint64_t)1 << 20));
	say(&fixture, 0, 5000, "half");
	turn_until_quiet(&fixture);
	ck_assert_uint_eq(fixture.count[0], 5000);
	ck_assert_uint_eq(link_begun(&fixture.links[0]).len, 4);
	say(&fixture, 0, 0, " whole\n");
	turn_until_quiet(&fixture);
	ck_assert_str_eq(fixture.last[0], "half whole");
	end(&fixture);
}
END_TEST

/* Short questions with long answers: a unit for each of them, and for each KiB. */
START_TEST(answers_are_charged_to_who_asks)
{
	struct fixture fixture;

	begin(&fixture);
	fixture.answer = sizeof(zeros);
	say(&fixture, 0, 5000, "");
	link_drain(&fixture.links[0]);
	ck_assert_uint_eq(fixture.count[0], DRAIN_UNITS / 5 + 1);
	end(&fixture);
}
END_TEST

/* Each of them asks little, and all of them together too much. */
START_TEST(a_turn_ends_though_many_ask)
{
	struct fixture fixture;

	begin(&fixture);
	fixture.takes = TURN_CLIENTS / 5;
	for (size_t i = 0; i < LINKS; i++)
		say(&fixture, i, 8, "");
	turn_until_quiet(&fixture);
	ck_assert_uint_eq(sum_of_counts(&fixture), 8 * LINKS);
	ck_assert_uint_lt(fixture.turn_max, 8 * LINKS);
	end(&fixture);
}
END_TEST

START_TEST(a_link_that_stops_keeps_the_rest_of_the_batch)
{
	struct fixture fixture;

	begin(&fixture);
	say(&fixture, 0, 3, "pause\nnext\npause\nlast\nhalf");
	shutdown(fixture.peers[0], SHUT_WR);
	turn_until_quiet(&fixture);
	ck_assert_uint_eq(fixture.count[0], 4);
	turn_until_quiet(&fixture);
	ck_assert_uint_eq(fixture.count[0], 4);
	link_set_reading(&fixture.links[0], true);
	ck_assert(link_has_backlog(&fixture.loop));
	turn_until_quiet(&fixture);
	ck_assert_uint_eq(fixture.count[0], 6);
	ck_assert_str_eq(fixture.last[0], "pause");
	/* It may be stopped again before its turn has come. */
	link_set_reading(&fixture.links[0], true);
	link_set_reading(&fixture.links[0], false);
	ck_assert(!link_has_backlog(&fixture.loop));
	link_set_reading(&fixture.links[0], true);
	turn(&fixture);
	ck_assert_str_eq(fixture.last[0], "last");
	ck_assert(!fixture.has_ended[0]);
	turn(&fixture);
	ck_assert(fixture.has_ended[0]);
	end(&fixture);
}
END_TEST

START_TEST(the_end_comes_behind_the_rest)
{
	struct fixture fixture;

	begin(&fixture);
	fixture.takes = SLOW;
	say(&fixture, 0, 200, "");
	close(fixture.peers[0]);
	fixture.peers[0] = dup(fixture.peers[1]);
	while (!fixture.has_ended[0])
		turn(&fixture);
	ck_assert_uint_eq(fixture.count[0], 200);
	end(&fixture);
}
END_TEST

START_TEST(a_closed_link_drops_its_rest)
{
	struct fixture fixture;

	begin(&fixture);
	say(&fixture, 0, 1, "close\nnever\n");
	say(&fixture, 1, 1, "finish\nnever\n");
	say(&fixture, 2, 1, "pause\nnever\n");
	turn_until_quiet(&fixture);
	link_close(&fixture.links[2]);
	turn_until_quiet(&fixture);
	for (size_t i = 0; i < LINKS; i++)
		ck_assert_uint_eq(fixture.count[i], 2);
	end(&fixture);
	/* While it waits for its turn. */
	begin(&fixture);
	fixture.takes = SLOW;
	say(&fixture, 0, 1000, "");
	turn(&fixture);
	ck_assert(link_has_backlog(&fixture.loop));
	link_close(&fixture.links[0]);
	ck_assert(!link_has_backlog(&fixture.loop));
	end(&fixture);
}
END_TEST

START_TEST(a_link_is_drained_at_once_and_not_for_ever)
{
	struct fixture fixture;

	begin(&fixture);
	say(&fixture, 0, 1, "pause\nnext\n");
	turn(&fixture);
	say(&fixture, 0, 2000, "last\n");
	link_drain(&fixture.links[0]);
	ck_assert_uint_eq(fixture.count[0], 2 + 1 + 2001);
	ck_assert_str_eq(fixture.last[0], "last");
	say(&fixture, 1, 20000, "");
	link_drain(&fixture.links[1]);
	ck_assert_uint_eq(fixture.count[1], DRAIN_UNITS);
	end(&fixture);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_flood_waits_for_others,
		those_that_are_read_last_have_a_share_of_their_own,
		two_floods_take_turns,
		cheap_messages_come_in_slices_too,
		answers_are_charged_to_who_asks,
		a_turn_ends_though_many_ask,
		a_link_that_stops_keeps_the_rest_of_the_batch,
		the_end_comes_behind_the_rest,
		a_closed_link_drops_its_rest,
		a_link_is_drained_at_once_and_not_for_ever,
	};

	return unit_main("turn", tests, ARRAY_SIZE(tests));
}
