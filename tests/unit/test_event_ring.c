/* The last events that are kept: in order, each as it was added, the oldest ones given up first. */
#include "daemon/io/driver/event_ring.h"

#include <inttypes.h>
#include <string.h>

#include "tests/lib/prop.h"
#include "tests/lib/unit.h"

#define SIZE 1000
#define MOST 8

/* All kinds of the events that this test makes. */
#define ALL 7u

static uint8_t letters[2 * SIZE];

/* An event whose bytes say which one it is. */
static void add(struct event_ring *ring, uint64_t seq, size_t open, size_t secret)
{
	struct event_record record = {.seq = seq,
				      .kind = (unsigned)(seq % 3),
				      .open = {letters, open},
				      .secret = {letters, secret}};

	memset(letters, (int)(seq & 0xff), sizeof(letters));
	event_ring_add(ring, &record);
}

static void check_bytes(struct bytes bytes, uint64_t seq)
{
	size_t right = 0;

	/* One assertion for all: each writes to a pipe. */
	while (right < bytes.len && bytes.data[right] == (seq & 0xff))
		right++;
	ck_assert_uint_eq(right, bytes.len);
}

/* Those from `first` to `last` are there, as they were added. */
static void check(const struct event_ring *ring, uint64_t first, uint64_t last)
{
	const struct event_record *record;
	uint64_t seq = 0;

	for (uint64_t expected = first; expected <= last; expected++) {
		record = event_ring_after(ring, seq, ALL);
		ck_assert_ptr_nonnull(record);
		ck_assert_uint_eq(record->seq, expected);
		check_bytes(record->open, expected);
		check_bytes(record->secret, expected);
		seq = record->seq;
	}
	ck_assert_ptr_null(event_ring_after(ring, last, ALL));
}

START_TEST(the_oldest_leave_for_the_number)
{
	struct event_ring ring;

	ck_assert_int_eq(event_ring_init(&ring, MOST, SIZE), 0);
	ck_assert_ptr_null(event_ring_after(&ring, 0, ALL));
	for (uint64_t seq = 1; seq <= MOST; seq++)
		add(&ring, seq, 1, 1);
	ck_assert_uint_eq(ring.gone, 0);
	check(&ring, 1, MOST);
	add(&ring, MOST + 1, 1, 1);
	check(&ring, 2, MOST + 1);
	ck_assert_uint_eq(ring.gone, 1);
	ck_assert_uint_eq(ring.gone_seq, 1);
	ck_assert_uint_eq(event_ring_after(&ring, 4, ALL)->seq, 5);
	ck_assert_uint_eq(event_ring_after(&ring, 4, 1)->seq, 6);
	ck_assert_ptr_null(event_ring_after(&ring, 8, 2));
	ck_assert_uint_eq(event_ring_count(&ring, 0, ALL), MOST);
	ck_assert_uint_eq(event_ring_count(&ring, MOST - 1, ALL), 2);
	/* 3, 6 and 9 */
	ck_assert_uint_eq(event_ring_count(&ring, 0, 1), 3);
	event_ring_done(&ring);
}
END_TEST

START_TEST(the_oldest_leave_for_the_bytes)
{
	struct event_ring ring;

	ck_assert_int_eq(event_ring_init(&ring, MOST, SIZE), 0);
	add(&ring, 1, 300, 100);
	add(&ring, 2, 300, 100);
	/* It begins at the front, where the first one was. */
	add(&ring, 3, 300, 0);
	check(&ring, 2, 3);
	add(&ring, 4, SIZE, 0);
	check(&ring, 4, 4);
	add(&ring, 5, 1, 0);
	check(&ring, 5, 5);
	ck_assert_uint_eq(ring.gone, 4);
	event_ring_done(&ring);
}
END_TEST

START_TEST(what_never_fits_is_gone_at_once)
{
	struct event_ring ring;

	ck_assert_int_eq(event_ring_init(&ring, MOST, SIZE), 0);
	add(&ring, 1, 10, 0);
	add(&ring, 2, SIZE, 1);
	check(&ring, 1, 1);
	ck_assert_uint_eq(ring.gone, 1);
	ck_assert_uint_eq(ring.gone_seq, 2);
	event_ring_done(&ring);
	ck_assert_int_eq(event_ring_init(&ring, 0, SIZE), 0);
	add(&ring, 1, 10, 0);
	ck_assert_ptr_null(event_ring_after(&ring, 0, ALL));
	ck_assert_uint_eq(event_ring_count(&ring, 0, ALL), 0);
	ck_assert_uint_eq(ring.gone, 1);
	event_ring_done(&ring);
}
END_TEST

/* Whatever the sizes, the kept ones are the last ones without a hole, and as they were added. */
START_TEST(any_sizes)
{
	struct prop_rounds rounds = prop_rounds(20);
	struct prop prop;

	while (prop_round(&rounds, &prop)) {
		struct event_ring ring;

		ck_assert_int_eq(event_ring_init(&ring, MOST, SIZE), 0);
		for (uint64_t seq = 1; seq <= 1000; seq++) {
			size_t max = prop_chance(&prop, 20) ? SIZE / 2 : SIZE / 8;

			add(&ring, seq, (size_t)prop_below(&prop, max),
			    (size_t)prop_below(&prop, max));
			prop_check(&prop, ring.gone + ring.count == seq, "event %" PRIu64, seq);
			check(&ring, ring.gone + 1, seq);
		}
		event_ring_done(&ring);
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		the_oldest_leave_for_the_number,
		the_oldest_leave_for_the_bytes,
		what_never_fits_is_gone_at_once,
		any_sizes,
	};

	return unit_main("event_ring", tests, ARRAY_SIZE(tests));
}
