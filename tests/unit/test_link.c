#include "daemon/io/base/link.h"

#include "tests/lib/unit.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define ORDER_MAX 64
#define KIB	  ((size_t)1024)
#define MIB	  (1024 * KIB)

/* Two links whose peers are the test's, and the order in which their messages came. */
struct fixture {
	struct loop loop;
	struct link links[2];
	int peers[2];
	char order[ORDER_MAX];
	char begun[LINK_BEGUN_MAX + 1]; /* at the last end of a link */
	struct link *closed_by_message; /* NULL: none is */
	struct link *paused_by_message;
	bool is_keeping;
	struct chunk *kept[ORDER_MAX]; /* of its messages, while is_keeping */
	size_t kept_count;
	size_t kept_bytes; /* of those messages */
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
	if (current->is_keeping) {
		ck_assert_uint_lt(current->kept_count, ORDER_MAX);
		current->kept[current->kept_count++] = chunk_ref(chunk);
		current->kept_bytes += message.len;
	}
	note((char)message.data[0]);
	if (current->closed_by_message)
		link_close(current->closed_by_message);
	if (current->paused_by_message)
		link_set_reading(current->paused_by_message, false);
}

static void on_end(void *owner, enum link_end end, int error, struct bytes begun)
{
	(void)end;
	(void)error;
	snprintf(current->begun, sizeof(current->begun), "%.*s", (int)begun.len,
		 begun.len > 0 ? (const char *)begun.data : "");
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

static void begin_with(struct fixture *fixture, enum framing_kind framing, size_t memory_max,
		       uint64_t message_max)
{
	*fixture = (struct fixture){0};
	current = fixture;
	ck_assert_int_eq(loop_init(&fixture->loop, memory_max), 0);
	fixture->loop.on_timer = on_timer;
	fixture->loop.on_turn = on_turn;
	fixture->loop.owner = fixture;
	for (size_t i = 0; i < 2; i++) {
		int ends[2];

		ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
		ck_assert_int_eq(link_open(&fixture->links[i], &fixture->loop,
					   stream_of_socket(ends[0]), framing, message_max,
					   &handler, &fixture->links[i]),
				 0);
		fixture->peers[i] = ends[1];
	}
	link_read_last(&fixture->links[0]);
}

static void begin(struct fixture *fixture)
{
	begin_with(fixture, FRAMING_LINE, MIB, 100);
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

static void turn(struct fixture *fixture)
{
	memset(fixture->order, 0, sizeof(fixture->order));
	fixture->loop.is_leaving = false;
	event_base_loop(fixture->loop.base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
	loop_run(&fixture->loop);
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
	say(&fixture, 0, "c\n");
	say(&fixture, 1, "d\n");
	fixture.paused_by_message = &fixture.links[0];
	expect_in_turn(&fixture, "d.");
	fixture.paused_by_message = NULL;
	link_set_reading(&fixture.links[0], true);
	expect_in_turn(&fixture, "c.");
	end(&fixture);
}
END_TEST

START_TEST(what_comes_before_the_first_turn_is_no_standstill)
{
	struct fixture fixture;

	begin(&fixture);
	loop_now(&fixture.loop);
	usleep(150 * USEC_PER_MSEC);
	fixture.loop.on_turn(&fixture);
	loop_run(&fixture.loop);
	say(&fixture, 1, "a\n");
	expect_in_turn(&fixture, "a.");
	ck_assert_uint_eq(fixture.loop.stalled, 0);
	end(&fixture);
}
END_TEST

/* Who sends half of a large message has its slice too: the copies that its buffer costs as it grows
 * count, though no message comes. */
START_TEST(a_link_with_half_of_a_large_message_waits_behind_others)
{
	static char piece[64 * 1024];
	struct fixture fixture;
	size_t sent = 0;

	memset(piece, 'x', sizeof(piece));
	begin_with(&fixture, FRAMING_LINE, 32 * MIB, 8 * MIB);
	while (!fixture.links[1].is_heavy) {
		ck_assert_uint_lt(sent, 4 * MIB);
		sent += sizeof(piece);
		ck_assert_int_eq(write(fixture.peers[1], piece, sizeof(piece)), sizeof(piece));
		expect_in_turn(&fixture, ".");
	}
	say(&fixture, 0, "a\n");
	say(&fixture, 1, "b\n");
	turn(&fixture);
	ck_assert_int_eq(fixture.order[0], 'a');
	while (!strchr(fixture.order, 'x'))
		turn(&fixture);
	end(&fixture);
}
END_TEST

/* --- without memory --- */

static bool wait_for_memory(void *owner, struct bytes begun, bool by_system)
{
	(void)owner;
	(void)begun;
	(void)by_system;
	return false;
}

static const struct link_handler patient = {.on_message = on_message,
					    .on_end = on_end,
					    .on_no_memory = wait_for_memory,
					    .on_free = on_free};

/* The second link has half of a message, and no memory for more of it.  Returns what has all of it. */
static struct chunk *begin_starving(struct fixture *fixture)
{
	static char half[100 * 1024];
	struct chunk *others;

	memset(half, 'x', sizeof(half));
	begin_with(fixture, FRAMING_LINE, MIB, MIB / 2);
	fixture->links[1].handler = &patient;
	others = chunk_new(&fixture->loop.store, MIB - 64 * KIB);
	ck_assert_ptr_nonnull(others);
	ck_assert_int_eq(write(fixture->peers[1], half, sizeof(half)), sizeof(half));
	while (fixture->links[1].wanted == 0)
		turn(fixture);
	return others;
}

START_TEST(a_link_without_memory_goes_on_when_there_is_some)
{
	struct fixture fixture;
	struct chunk *others = begin_starving(&fixture);

	turn(&fixture);
	ck_assert_uint_gt(fixture.links[1].wanted, 0);
	chunk_unref(others);
	say(&fixture, 1, "\n");
	for (unsigned i = 0; i < 100 && !strchr(fixture.order, 'x'); i++)
		turn(&fixture);
	ck_assert_str_eq(fixture.order, "x.");
	end(&fixture);
}
END_TEST

/* Nobody comes back to what was not read of a peer that is gone: it must not be taken for silence. */
START_TEST(what_is_not_heard_at_the_end_is_told)
{
	struct fixture fixture;
	struct chunk *others = begin_starving(&fixture);

	say(&fixture, 1, "\nb\n");
	memset(fixture.order, 0, sizeof(fixture.order));
	link_drain(&fixture.links[1]);
	ck_assert_str_eq(fixture.order, "!");
	chunk_unref(others);
	end(&fixture);
}
END_TEST

/* --- large messages --- */

static void begin_keeping(struct fixture *fixture)
{
	begin_with(fixture, FRAMING_MSGPACK, 64 * MIB, 32 * MIB);
	fixture->is_keeping = true;
}

static void end_keeping(struct fixture *fixture)
{
	while (fixture->kept_count > 0)
		chunk_unref(fixture->kept[--fixture->kept_count]);
	end(fixture);
}

static bool has_more(const struct fixture *fixture)
{
	int unread = 0;

	ck_assert_int_eq(ioctl(fixture->links[1].stream.in, FIONREAD, &unread), 0);
	return unread > 0 || link_has_backlog(&fixture->loop);
}

/* Has the second link read these bytes, all of them, and calls `look` after each turn. */
static void send_all(struct fixture *fixture, const uint8_t *data, size_t len,
		     void (*look)(struct fixture *fixture))
{
	while (len > 0 || has_more(fixture)) {
		ssize_t n = write(fixture->peers[1], data, len < 64 * KIB ? len : 64 * KIB);

		if (n > 0) {
			data += n;
			len -= (size_t)n;
		}
		turn(fixture);
		if (look)
			look(fixture);
	}
}

/* The beginning of a bin of `len` bytes. */
static size_t put_head(uint8_t *out, size_t len)
{
	out[0] = 0xc6;
	framing_put_head(out + 1, (uint32_t)len);
	return 5;
}

/* The whole of one, of zeros. */
static uint8_t *make_bin(size_t len)
{
	uint8_t *bin = calloc(1, len + 5);

	ck_assert_ptr_nonnull(bin);
	put_head(bin, len);
	return bin;
}

static unsigned times_grown;

static void no_more_than_has_come_allows(struct fixture *fixture)
{
	struct link *link = &fixture->links[1];

	times_grown += link->has_grown;
	link->has_grown = false;
	if (!link->in || link->in->capacity <= CHUNK_SIZE)
		return;
	ck_assert_uint_le(link->in->capacity, link->in_len * 9 / 2);
	ck_assert_uint_le(link->in->capacity, (16 * MIB + 5) * 11 / 10);
}

/* Who only announces gets little, and what is complete has no more than it needs. */
START_TEST(memory_comes_with_the_parts_of_a_message)
{
	struct fixture fixture;
	uint8_t *bin = make_bin(16 * MIB);

	begin_keeping(&fixture);
	times_grown = 0;
	send_all(&fixture, bin, 1000, NULL);
	ck_assert_uint_le(fixture.loop.store.bytes, 2 * CHUNK_SIZE);
	send_all(&fixture, bin + 1000, 16 * MIB + 5 - 1000, no_more_than_has_come_allows);
	ck_assert_uint_eq(fixture.kept_bytes, 16 * MIB + 5);
	/* Who sends on is seen to, though it seldom takes more memory. */
	ck_assert_uint_ge(times_grown, 60);
	ck_assert_uint_le(fixture.loop.store.bytes_high, 16 * MIB * 11 / 10);
	ck_assert_uint_le(fixture.loop.store.bytes, 16 * MIB * 17 / 16 + 5);
	free(bin);
	end_keeping(&fixture);
}
END_TEST

static const size_t sizes[] = {20 * KIB, 40 * KIB, 64 * KIB, 100 * KIB, 255 * KIB, 300 * KIB, MIB};

static void keep_several(size_t size)
{
	uint8_t *bin = make_bin(size);
	struct fixture fixture;

	begin_keeping(&fixture);
	for (unsigned i = 0; i < 20; i++) {
		send_all(&fixture, bin, size + 5, NULL);
		ck_assert_uint_eq(fixture.kept_count, i + 1);
		ck_assert_uint_le(fixture.loop.store.bytes,
				  fixture.kept_bytes * 17 / 16 + 2 * CHUNK_SIZE);
	}
	free(bin);
	end_keeping(&fixture);
}

/* Messages of one size after each other, each of which is kept. */
START_TEST(messages_that_are_kept_have_what_they_need)
{
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		keep_several(sizes[i]);
}
END_TEST

/* Sizes that the link can't know before. */
START_TEST(messages_of_changing_sizes_have_what_they_need)
{
	uint8_t *bin = make_bin(MIB);
	struct fixture fixture;

	begin_keeping(&fixture);
	for (size_t i = 0; i < 30; i++) {
		size_t size = sizes[i * 5 % ARRAY_SIZE(sizes)];

		put_head(bin, size);
		send_all(&fixture, bin, size + 5, NULL);
		ck_assert_uint_eq(fixture.kept_count, i + 1);
	}
	ck_assert_uint_le(fixture.loop.store.bytes, fixture.kept_bytes * 17 / 16 + 2 * CHUNK_SIZE);
	free(bin);
	end_keeping(&fixture);
}
END_TEST

static unsigned grown;

static void count_growth(struct fixture *fixture)
{
	static size_t before;
	size_t now = fixture->links[1].in ? fixture->links[1].in->capacity : 0;

	grown += now > before;
	before = now;
}

/* An array of pieces, of which only the next one is announced at a time. */
START_TEST(a_message_of_many_pieces_is_seldom_moved)
{
	enum {
		PIECES = 1000
	};
	size_t piece = 10 * KIB;
	uint8_t *message = calloc(PIECES, piece + 5);
	const uint8_t head[] = {0xdc, PIECES >> 8, PIECES & 0xff};
	struct fixture fixture;

	ck_assert_ptr_nonnull(message);
	for (size_t i = 0; i < PIECES; i++)
		put_head(message + i * (piece + 5), piece);
	begin_keeping(&fixture);
	grown = 0;
	send_all(&fixture, head, sizeof(head), count_growth);
	send_all(&fixture, message, PIECES * (piece + 5), count_growth);
	ck_assert_uint_eq(fixture.kept_count, 1);
	ck_assert_uint_le(grown, 100);
	ck_assert_uint_le(fixture.loop.store.bytes, fixture.kept_bytes * 17 / 16 + CHUNK_SIZE);
	free(message);
	end_keeping(&fixture);
}
END_TEST

/* --- two pipes --- */

#define SMALL_PIPE 4096

/* A link on two pipes that hold little, in the place of the first one; the peer's ends. */
static struct stream begin_piped(struct fixture *fixture)
{
	int input[2], output[2];

	begin(fixture);
	signal(SIGPIPE, SIG_IGN);
	link_close(&fixture->links[0]);
	link_free_closed(&fixture->loop);
	ck_assert_int_eq(pipe2(input, O_CLOEXEC | O_NONBLOCK), 0);
	ck_assert_int_eq(pipe2(output, O_CLOEXEC | O_NONBLOCK), 0);
	ck_assert_int_ge(fcntl(input[1], F_SETPIPE_SZ, SMALL_PIPE), 0);
	ck_assert_int_ge(fcntl(output[1], F_SETPIPE_SZ, SMALL_PIPE), 0);
	ck_assert_int_eq(link_open(&fixture->links[0], &fixture->loop,
				   (struct stream){.in = input[0], .out = output[1]}, FRAMING_LINE,
				   100, &handler, &fixture->links[0]),
			 0);
	close(fixture->peers[0]);
	fixture->peers[0] = input[1];
	return (struct stream){.in = output[0], .out = input[1]};
}

/* More than a pipe holds is written as the peer reads it. */
START_TEST(output_waits_until_a_pipe_has_room)
{
	struct fixture fixture;
	struct stream peer = begin_piped(&fixture);
	uint8_t sent[10 * SMALL_PIPE + 5], got[sizeof(sent)];
	size_t len = 0;

	for (size_t i = 0; i < sizeof(sent); i++)
		sent[i] = (uint8_t)(i * 7 + i / 256);
	link_put(&fixture.links[0], sent, sizeof(sent));
	while (len < sizeof(got)) {
		ssize_t n;

		turn(&fixture);
		while (len < sizeof(got) && (n = read(peer.in, got + len, sizeof(got) - len)) > 0)
			len += (size_t)n;
	}
	ck_assert_mem_eq(got, sent, sizeof(sent));
	ck_assert_uint_eq(fixture.links[0].written, sizeof(sent));
	close(peer.in);
	end(&fixture);
}
END_TEST

START_TEST(output_ends_and_input_goes_on)
{
	struct fixture fixture;
	struct stream peer = begin_piped(&fixture);
	char byte[2];

	link_put(&fixture.links[0], "x", 1);
	link_finish_output(&fixture.links[0]);
	turn(&fixture);
	ck_assert_int_eq(read(peer.in, byte, sizeof(byte)), 1);
	ck_assert_int_eq(read(peer.in, byte, sizeof(byte)), 0);
	link_put(&fixture.links[0], "y", 1); /* dropped */
	link_finish_output(&fixture.links[0]);
	say(&fixture, 0, "a\n");
	expect_in_turn(&fixture, "a.");
	ck_assert(!link_is_unheard(&fixture.links[0]));
	close(peer.in);
	end(&fixture);
}
END_TEST

/* A peer that reads no more may have said something before. */
START_TEST(what_was_said_comes_before_the_end)
{
	struct fixture fixture;
	struct stream peer = begin_piped(&fixture);

	ck_assert(!link_is_unheard(&fixture.links[0]));
	close(peer.in);
	ck_assert(link_is_unheard(&fixture.links[0]));
	turn(&fixture);
	ck_assert_str_eq(fixture.order, ".");
	link_put(&fixture.links[0], "x", 1);
	say(&fixture, 0, "a\nb\n");
	link_flush_all(&fixture.loop);
	ck_assert_str_eq(fixture.order, ".ab!");
	end(&fixture);
}
END_TEST

/* A worker that has ended may have begun what it was sent; of a client that is gone nobody asks. */
START_TEST(a_worker_is_heard_though_it_is_gone)
{
	struct fixture fixture;

	begin(&fixture);
	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < 2; i++) {
		say(&fixture, i, "a\nb\n");
		close(fixture.peers[i]);
		fixture.peers[i] = -1;
		link_put(&fixture.links[i], "x", 1);
	}
	link_flush_all(&fixture.loop);
	ck_assert_str_eq(fixture.order, "ab!!");
	end(&fixture);
}
END_TEST

START_TEST(so_is_one_that_nobody_listened_to)
{
	struct fixture fixture;

	begin(&fixture);
	signal(SIGPIPE, SIG_IGN);
	link_set_reading(&fixture.links[0], false);
	say(&fixture, 0, "a\nb\n");
	close(fixture.peers[0]);
	fixture.peers[0] = -1;
	link_put(&fixture.links[0], "x", 1);
	link_flush_all(&fixture.loop);
	ck_assert_str_eq(fixture.order, "ab!");
	end(&fixture);
}
END_TEST

static unsigned messages;

static void count_message(void *owner, struct chunk *chunk, struct bytes message)
{
	(void)owner;
	(void)chunk;
	(void)message;
	messages++;
}

static void note_unread(void *owner, enum link_end end, int error, struct bytes begun)
{
	(void)error;
	(void)begun;
	note(end == LINK_END_UNREAD ? 'u' : '!');
	link_close(owner);
}

/* More than is read of a peer that is gone: nobody knows what the rest would have said. */
START_TEST(who_leaves_too_much_behind_is_not_heard_to_the_end)
{
	static const struct link_handler counting = {
		.on_message = count_message, .on_end = note_unread, .on_free = on_free};
	static char lines[2 * (DRAIN_UNITS + 100)];
	struct fixture fixture;

	begin(&fixture);
	for (size_t i = 0; i < sizeof(lines); i += 2)
		memcpy(lines + i, "a\n", 2);
	fixture.links[1].handler = &counting;
	ck_assert_int_eq(write(fixture.peers[1], lines, sizeof(lines)), sizeof(lines));
	close(fixture.peers[1]);
	fixture.peers[1] = -1;
	messages = 0;
	link_drain(&fixture.links[1]);
	ck_assert_str_eq(fixture.order, "u");
	ck_assert_uint_ge(messages, DRAIN_UNITS);
	ck_assert_uint_lt(messages, DRAIN_UNITS + 100);
	end(&fixture);
}
END_TEST

/* What has been said is heard before, the rest in its turn. */
START_TEST(those_that_have_left_are_read_at_once)
{
	struct fixture fixture;
	struct link *links[2];

	begin(&fixture);
	links[0] = &fixture.links[0];
	links[1] = &fixture.links[1];
	say(&fixture, 0, "a\n");
	say(&fixture, 1, "b\nc\nhalf");
	link_read_left(links, 2);
	ck_assert_str_eq(fixture.order, "");
	shutdown(fixture.peers[1], SHUT_WR);
	link_read_left(links, 2);
	ck_assert_str_eq(fixture.order, "bc!");
	ck_assert_str_eq(fixture.begun, "half");
	expect_in_turn(&fixture, "a.");
	end(&fixture);

	begin(&fixture);
	links[1] = &fixture.links[1];
	say(&fixture, 1, "b\n");
	close(fixture.peers[1]);
	link_set_reading(links[1], false);
	link_read_left(&links[1], 1);
	ck_assert_str_eq(fixture.order, "");
	link_set_reading(links[1], true);
	fixture.paused_by_message = links[1];
	link_read_left(&links[1], 1);
	ck_assert_str_eq(fixture.order, "b");
	fixture.peers[1] = -1;
	end(&fixture);
}
END_TEST

START_TEST(a_pipe_without_a_writer_is_at_its_end)
{
	struct fixture fixture;
	struct stream peer = begin_piped(&fixture);

	say(&fixture, 0, "a\nhalf");
	close(peer.out);
	fixture.peers[0] = peer.in;
	expect_in_turn(&fixture, "a.");
	ck_assert_uint_eq(link_begun(&fixture.links[0]).len, 4);
	expect_in_turn(&fixture, "!.");
	ck_assert_str_eq(fixture.begun, "half");
	end(&fixture);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_link_is_read_after_all_others,
		the_timer_comes_after_all_input,
		a_link_that_is_closed_or_paused_is_not_read,
		what_comes_before_the_first_turn_is_no_standstill,
		a_link_without_memory_goes_on_when_there_is_some,
		what_is_not_heard_at_the_end_is_told,
		a_link_with_half_of_a_large_message_waits_behind_others,
		memory_comes_with_the_parts_of_a_message,
		messages_that_are_kept_have_what_they_need,
		messages_of_changing_sizes_have_what_they_need,
		a_message_of_many_pieces_is_seldom_moved,
		output_waits_until_a_pipe_has_room,
		output_ends_and_input_goes_on,
		what_was_said_comes_before_the_end,
		a_worker_is_heard_though_it_is_gone,
		so_is_one_that_nobody_listened_to,
		who_leaves_too_much_behind_is_not_heard_to_the_end,
		those_that_have_left_are_read_at_once,
		a_pipe_without_a_writer_is_at_its_end,
	};

	return unit_main("link", tests, ARRAY_SIZE(tests));
}
