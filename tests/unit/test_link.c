#include "daemon/io/base/link.h"

#include "tests/lib/unit.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ORDER_MAX 64

/* Two links whose peers are the test's, and the order in which their messages came. */
struct fixture {
	struct loop loop;
	struct link links[2];
	int peers[2];
	char order[ORDER_MAX];
	struct link *closed_by_message; /* NULL: none is */
};

static struct fixture *current;

static void note(char what)
{
	size_t len = strlen(current->order);

	ck_assert_uint_lt(len + 1, ORDER_MAX);
	current->order[len] = what;
}

static void on_message(void *owner, struct chunk *chunk, struct bytes message)
{
	(void)owner;
	(void)chunk;
	note((char)message.data[0]);
	if (current->closed_by_message)
		link_close(current->closed_by_message);
}

static void on_end(void *owner, enum link_end end, int error, struct bytes begun)
{
	(void)end;
	(void)error;
	(void)begun;
	note('!');
	link_close(owner);
}

static void on_free(struct link *link)
{
	(void)link;
}

static void on_timer(void *owner)
{
	(void)owner;
	note('t');
}

static void on_turn(void *owner)
{
	struct fixture *fixture = owner;

	note('.');
	loop_leave(&fixture->loop);
}

static const struct link_handler handler = {
	.on_message = on_message, .on_end = on_end, .on_free = on_free};

static void begin(struct fixture *fixture)
{
	*fixture = (struct fixture){0};
	current = fixture;
	ck_assert_int_eq(loop_init(&fixture->loop, (size_t)1 << 20), 0);
	fixture->loop.on_timer = on_timer;
	fixture->loop.on_turn = on_turn;
	fixture->loop.owner = fixture;
	for (size_t i = 0; i < 2; i++) {
		int ends[2];

		ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
		ck_assert_int_eq(link_open(&fixture->links[i], &fixture->loop, ends[0],
					   FRAMING_LINE, 100, &handler, &fixture->links[i]),
				 0);
		fixture->peers[i] = ends[1];
	}
	link_read_last(&fixture->links[0]);
}

static void end(struct fixture *fixture)
{
	for (size_t i = 0; i < 2; i++) {
		link_close(&fixture->links[i]);
		close(fixture->peers[i]);
	}
	loop_done(&fixture->loop);
}

static void say(struct fixture *fixture, size_t i, const char *line)
{
	ck_assert_int_eq(write(fixture->peers[i], line, strlen(line)), (ssize_t)strlen(line));
}

/* One turn of the loop. */
static void expect_in_turn(struct fixture *fixture, const char *order)
{
	memset(fixture->order, 0, sizeof(fixture->order));
	fixture->loop.is_leaving = false;
	event_base_loop(fixture->loop.base, EVLOOP_ONCE);
	loop_run(&fixture->loop);
	ck_assert_str_eq(fixture->order, order);
}

START_TEST(a_link_is_read_after_all_others)
{
	struct fixture fixture;

	begin(&fixture);
	say(&fixture, 0, "a\n");
	say(&fixture, 1, "b\n");
	expect_in_turn(&fixture, "ba.");
	/* So is its end. */
	say(&fixture, 0, "c\n");
	expect_in_turn(&fixture, "c.");
	shutdown(fixture.peers[0], SHUT_WR);
	say(&fixture, 1, "d\n");
	expect_in_turn(&fixture, "d!.");
	end(&fixture);
}
END_TEST

START_TEST(the_timer_comes_after_all_input)
{
	struct fixture fixture;

	begin(&fixture);
	loop_set_timer(&fixture.loop, loop_now(&fixture.loop));
	say(&fixture, 0, "a\n");
	say(&fixture, 1, "b\n");
	expect_in_turn(&fixture, "bat.");
	end(&fixture);
}
END_TEST

START_TEST(a_link_that_is_closed_or_paused_is_not_read)
{
	struct fixture fixture;

	begin(&fixture);
	say(&fixture, 0, "a\n");
	say(&fixture, 1, "b\n");
	fixture.closed_by_message = &fixture.links[0];
	expect_in_turn(&fixture, "b.");
	end(&fixture);

	begin(&fixture);
	link_set_reading(&fixture.links[0], false);
	say(&fixture, 0, "a\n");
	say(&fixture, 1, "b\n");
	expect_in_turn(&fixture, "b.");
	link_set_reading(&fixture.links[0], true);
	expect_in_turn(&fixture, "a.");
	end(&fixture);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_link_is_read_after_all_others,
		the_timer_comes_after_all_input,
		a_link_that_is_closed_or_paused_is_not_read,
	};

	return unit_main("link", tests, ARRAY_SIZE(tests));
}
