#include "daemon/io/base/chunk.h"

#include "daemon/io/base/outbox.h"

#include "tests/lib/shortage.h"
#include "tests/lib/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define MIB ((size_t)1 << 20)

static struct chunk_store store;

static void begin(void)
{
	chunk_store_init(&store, 64 * MIB);
}

START_TEST(levels_begin_at_their_percent)
{
	begin();
	ck_assert_int_eq(chunk_level(&store), CHUNK_PLENTY);
	store.bytes = 64 * MIB / 100 * 85;
	ck_assert_int_eq(chunk_level(&store), CHUNK_CROWDED);
	store.bytes = 64 * MIB / 100 * 92;
	ck_assert_int_eq(chunk_level(&store), CHUNK_SCARCE);
	store.bytes = 64 * MIB / 100 * 95 - 1;
	ck_assert_int_eq(chunk_level(&store), CHUNK_SCARCE);
	store.bytes++;
	ck_assert_int_eq(chunk_level(&store), CHUNK_LAST);
	store.bytes = 65 * MIB;
	ck_assert_int_eq(chunk_level(&store), CHUNK_LAST);
}
END_TEST

/* However much one takes, the next has a share. */
START_TEST(who_is_over_its_share_leaves_room_for_the_others)
{
	size_t before;

	begin();
	ck_assert(chunk_may_take(&store, 40 * MIB, 40 * MIB, store.bytes_max));
	store.bytes = 50 * MIB;
	ck_assert(!chunk_may_take(&store, 2 * MIB, 52 * MIB, store.bytes_max));
	ck_assert(chunk_may_take(&store, 2 * MIB, 2 * MIB, store.bytes_max));
	ck_assert(!chunk_may_take(&store, 2 * MIB, 2 * MIB, 51 * MIB));
	/* Many take what they get: there is always less for one, and never nothing. */
	for (unsigned i = 0; i < 20; i++) {
		before = chunk_share(&store);
		store.bytes += before;
		ck_assert_uint_le(chunk_share(&store), before);
		ck_assert_uint_ge(chunk_share(&store), CHUNK_SIZE);
	}
	ck_assert(chunk_may_take(&store, CHUNK_SIZE, CHUNK_SIZE, store.bytes_max));
	store.bytes = store.bytes_max;
	ck_assert(!chunk_may_take(&store, 1, 1, store.bytes_max));
	store.bytes = 0;
}
END_TEST

START_TEST(a_small_piece_counts_for_an_eighth_of_what_it_keeps)
{
	struct chunk *chunk;

	begin();
	chunk = chunk_new(&store, 8 * MIB);
	ck_assert_uint_eq(chunk_cost(chunk, 1), MIB);
	ck_assert_uint_eq(chunk_cost(chunk, 3 * MIB), 3 * MIB);
	chunk_unref(chunk);
	chunk_store_done(&store);
}
END_TEST

START_TEST(what_is_cut_off_is_given_back)
{
	struct chunk *chunk;

	begin();
	chunk = chunk_new(&store, MIB);
	memset(chunk->data, 7, 100);
	store.has_returned = false;
	chunk = chunk_shrink(chunk, 100);
	ck_assert(store.has_returned);
	ck_assert_uint_eq(store.bytes, 100);
	ck_assert_uint_eq(chunk->data[99], 7);
	chunk = chunk_grow(chunk, MIB, MIB, store.bytes_max);
	ck_assert_uint_eq(store.bytes, MIB);
	chunk_unref(chunk);
	ck_assert_uint_eq(store.bytes, 0);
	chunk_store_done(&store);
}
END_TEST

START_TEST(what_can_not_be_moved_stays_whole)
{
	struct chunk *chunk;

	begin();
	chunk = chunk_new(&store, MIB);
	chunk->data[99] = 7;
	shortage_begin(1, false);
	ck_assert_ptr_eq(chunk_shrink(chunk, 100), chunk);
	ck_assert(shortage_end());
	ck_assert_uint_eq(store.bytes, MIB);
	ck_assert_uint_eq(chunk->data[99], 7);
	chunk_unref(chunk);
	ck_assert_uint_eq(store.bytes, 0);
	chunk_store_done(&store);
}
END_TEST

/* What a peer is told has a reserve above the limit; a large answer has none. */
START_TEST(a_full_store_still_lets_little_be_said)
{
	struct outbox outbox = {0};
	struct outbox_store outboxes;
	uint8_t word[1000] = {0};
	size_t taken = 0;

	begin();
	outbox_store_init(&outboxes, &store);
	store.bytes = store.bytes_max;
	outbox.reserve = 0;
	/* Nothing has room nowhere too. */
	ck_assert_int_eq(outbox_put_message(&outbox, &outboxes, (struct bytes){0}, NULL,
					    (struct bytes){0}, (struct bytes){0}),
			 0);
	outbox.reserve = 2 * CHUNK_SIZE;
	while (outbox_put(&outbox, &outboxes, word, sizeof(word)) == 0)
		taken += sizeof(word);
	ck_assert_uint_ge(taken, CHUNK_SIZE);
	ck_assert_uint_le(taken, 3 * CHUNK_SIZE);
	ck_assert_uint_ge(outbox_held(&outbox), taken);
	outbox_clear(&outbox, &outboxes);
	ck_assert_uint_eq(outbox_held(&outbox), 0);
	ck_assert_uint_eq(outboxes.bytes, 0);
	ck_assert_uint_eq(store.bytes, store.bytes_max);
	store.bytes = 0;
	outbox_store_done(&outboxes);
	chunk_store_done(&store);
}
END_TEST

/* Messages of all lengths come out whole and in order, across blocks and beside what is shared. */
START_TEST(messages_keep_their_order)
{
	static uint8_t text[4096];
	struct outbox outbox = {0};
	struct outbox_store outboxes;
	struct chunk *chunk;
	size_t expected = 0, got = 0;
	int ends[2];

	begin();
	outbox_store_init(&outboxes, &store);
	ck_assert_int_eq(pipe2(ends, O_NONBLOCK), 0);
	chunk = chunk_new(&store, sizeof(text));
	for (size_t i = 0; i < sizeof(text); i++)
		chunk->data[i] = (uint8_t)(i / 16 + i);
	for (size_t len = 0; len < 3000; len = 5 * len / 4 + 1) {
		struct bytes head = {chunk->data, len / 3};
		struct bytes value = {chunk->data + len / 3, len};
		struct bytes tail = {chunk->data + len / 3 + len, len % 7};

		ck_assert_int_eq(outbox_put_message(&outbox, &outboxes, head, chunk, value, tail),
				 0);
		expected += head.len + value.len + tail.len;
		ck_assert_uint_eq(outbox.bytes, expected);
	}
	ck_assert_int_eq(
		outbox_write(&outbox, &outboxes, (struct stream){.in = -1, .out = ends[1]}), 0);
	ck_assert_uint_eq(outbox_held(&outbox), 0);
	for (size_t len = 0; len < 3000; len = 5 * len / 4 + 1) {
		size_t whole = len / 3 + len + len % 7;

		ck_assert_int_eq(read(ends[0], text, whole), (ssize_t)whole);
		ck_assert_int_eq(memcmp(text, chunk->data, whole), 0);
		got += whole;
	}
	ck_assert_uint_eq(got, expected);
	chunk_unref(chunk);
	close(ends[0]);
	close(ends[1]);
	outbox_store_done(&outboxes);
	chunk_store_done(&store);
}
END_TEST

/* Blocks that are set aside are for the common size and for when the system has none, and come back
 * for the next time. */
START_TEST(without_memory_there_is_what_was_set_aside)
{
	int r;

	begin();
	shortage_begin(2, true);
	r = chunk_store_keep(&store, 2);
	ck_assert(shortage_end());
	ck_assert_int_eq(r, -ENOMEM);
	chunk_store_done(&store);

	begin();
	ck_assert_int_eq(chunk_store_keep(&store, 2), 0);
	for (unsigned i = 0; i < 2; i++) {
		struct chunk *kept[2], *third, *large, *usual;

		shortage_begin(1, true);
		usual = chunk_new(&store, CHUNK_SIZE);
		large = chunk_new_reserved(&store, 2 * CHUNK_SIZE);
		kept[0] = chunk_new_reserved(&store, CHUNK_SIZE);
		kept[1] = chunk_new_reserved(&store, CHUNK_SIZE);
		third = chunk_new_reserved(&store, CHUNK_SIZE);
		shortage_end();
		ck_assert_ptr_null(usual);
		ck_assert_ptr_null(large);
		ck_assert_ptr_nonnull(kept[0]);
		ck_assert_ptr_nonnull(kept[1]);
		ck_assert_ptr_null(third);
		ck_assert_uint_eq(store.exhausted, 3 * (i + 1));
		ck_assert_uint_eq(store.bytes, (size_t)2 * CHUNK_SIZE);
		chunk_unref(kept[0]);
		chunk_unref(kept[1]);
	}
	ck_assert_uint_eq(store.bytes, 0);
	chunk_store_done(&store);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		levels_begin_at_their_percent,
		who_is_over_its_share_leaves_room_for_the_others,
		a_small_piece_counts_for_an_eighth_of_what_it_keeps,
		what_is_cut_off_is_given_back,
		what_can_not_be_moved_stays_whole,
		a_full_store_still_lets_little_be_said,
		messages_keep_their_order,
		without_memory_there_is_what_was_set_aside,
	};

	return unit_main("chunk", tests, ARRAY_SIZE(tests));
}
