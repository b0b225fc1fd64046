#include "protocol/skip.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include <msgpack.h>

#include "tests/lib/input.h"
#include "tests/lib/naive.h"
#include "tests/lib/prop.h"
#include "tests/lib/unit.h"
#include "tests/lib/values.h"

#define NO_LIMIT UINT64_MAX

struct outcome {
	enum skip_result result;
	uint64_t taken;
};

static enum skip_result feed_piece(struct skip *skip, const uint8_t *data, size_t len,
				   size_t *ret_taken)
{
	uint8_t *piece = input_exact(data, len);
	enum skip_result result = skip_feed(skip, piece, len, ret_taken);

	free(piece);
	return result;
}

/*
 * Feeds pieces of random length, or of `piece` bytes each where that is not 0.  What is promised of
 * each step is gathered and asserted once: check writes to a pipe for every assertion.
 */
static struct outcome feed(struct prop *prop, const uint8_t *data, size_t len, uint64_t limit,
			   size_t piece)
{
	struct outcome outcome = {SKIP_MORE, 0};
	struct skip skip;
	size_t at = 0;
	bool kept = true;

	skip_init(&skip, limit);
	while (outcome.result == SKIP_MORE && at < len) {
		size_t left = len - at;
		size_t step = piece > 0 ? piece : (size_t)prop_between(prop, 1, left);
		uint64_t need = skip_need(&skip);
		size_t taken;

		if (step > left)
			step = left;
		outcome.result = feed_piece(&skip, data + at, step, &taken);
		outcome.taken += taken;
		kept = kept && taken <= step;
		kept = kept && (outcome.result != SKIP_MORE || taken == step);
		kept = kept && (outcome.result != SKIP_DONE || taken >= need);
		at += step;
	}
	ck_assert(kept);
	if (outcome.result == SKIP_BAD || outcome.result == SKIP_TOO_LARGE)
		outcome.taken = 0;
	if (outcome.result == SKIP_DONE)
		ck_assert_uint_eq(skip_need(&skip), 0);
	return outcome;
}

static struct outcome feed_at_once(const uint8_t *data, size_t len, uint64_t limit)
{
	return feed(NULL, data, len, limit, len);
}

/* The length of the value that each marker begins, with a length field of 1 where it has one. */
START_TEST(each_marker)
{
	for (unsigned marker = 0; marker < 256; marker++) {
		uint8_t data[64] = {(uint8_t)marker};
		bool wide =
			(marker >= 0xc4 && marker <= 0xc9) || (marker >= 0xd9 && marker <= 0xdf);

		if (wide) {
			static const uint8_t widths[32] = {
				[4] = 1,  [5] = 2,  [6] = 4,  [7] = 1,	[8] = 2,
				[9] = 4,  [25] = 1, [26] = 2, [27] = 4, [28] = 2,
				[29] = 4, [30] = 2, [31] = 4,
			};

			data[widths[marker - 0xc0]] = 1;
		}

		struct naive naive = naive_value(data, sizeof(data));
		struct outcome outcome = feed_at_once(data, sizeof(data), NO_LIMIT);

		if (marker == 0xc1) {
			ck_assert_int_eq(outcome.result, SKIP_BAD);
			ck_assert_uint_eq(skip_value(data, sizeof(data), NO_LIMIT), 0);
			continue;
		}
		ck_assert_int_eq(outcome.result, SKIP_DONE);
		ck_assert_msg(outcome.taken == naive.at, "marker %02x: %u bytes", marker,
			      (unsigned)outcome.taken);
		ck_assert_uint_eq(naive_msgpack_length(&naive), naive.at);
		ck_assert_uint_eq(skip_value(data, sizeof(data), NO_LIMIT), naive.at);
	}
}
END_TEST

START_TEST(bytes_after_the_value_are_not_taken)
{
	static const uint8_t two[] = {0x92, 0x01, 0xa1, 'x', 0x05};
	struct skip skip;
	size_t taken;

	skip_init(&skip, NO_LIMIT);
	ck_assert_int_eq(skip_feed(&skip, two, sizeof(two), &taken), SKIP_DONE);
	ck_assert_uint_eq(taken, 4);
	ck_assert_uint_eq(skip.taken, 4);
}
END_TEST

START_TEST(nothing_given_changes_nothing)
{
	static const uint8_t text[] = {0xda, 0x00, 0x02, 'a', 'b'};
	struct skip skip;
	size_t taken;

	skip_init(&skip, sizeof(text));
	for (size_t i = 0; i < sizeof(text); i++) {
		ck_assert_int_eq(skip_feed(&skip, NULL, 0, &taken), SKIP_MORE);
		ck_assert_uint_eq(taken, 0);
		skip_feed(&skip, text + i, 1, &taken);
		ck_assert_uint_eq(taken, 1);
	}
	ck_assert_int_eq(skip_feed(&skip, NULL, 0, &taken), SKIP_DONE);
	ck_assert_uint_eq(skip_value(NULL, 0, NO_LIMIT), 0);
}
END_TEST

START_TEST(need_says_what_must_still_come)
{
	/* [str16 of 2 bytes, nil]: the least is known better with each byte. */
	static const uint8_t data[] = {0x92, 0xda, 0x00, 0x02, 'a', 'b', 0xc0};
	static const uint64_t needs[] = {1, 2, 3, 2, 3, 2, 1, 0};
	struct skip skip;
	size_t taken;

	skip_init(&skip, NO_LIMIT);
	for (size_t i = 0; i < sizeof(data); i++) {
		ck_assert_uint_eq(skip_need(&skip), needs[i]);
		skip_feed(&skip, data + i, 1, &taken);
	}
	ck_assert_uint_eq(skip_need(&skip), needs[sizeof(data)]);
}
END_TEST

static const struct {
	const char *what;
	struct input input;
	uint64_t limit;
	enum skip_result result;
} announcements[] = {
	{"268 million values", INPUT(0xdd, 0x10, 0, 0, 0), 16 << 20, SKIP_TOO_LARGE},
	{"268 million values, no limit", INPUT(0xdd, 0x10, 0, 0, 0), NO_LIMIT, SKIP_MORE},
	{"1 GiB", INPUT(0xc6, 0x40, 0, 0, 0), 16 << 20, SKIP_TOO_LARGE},
	{"1 GiB, allowed", INPUT(0xc6, 0x40, 0, 0, 0), (1 << 30) + 5, SKIP_MORE},
	{"1 GiB, one byte short", INPUT(0xc6, 0x40, 0, 0, 0), (1 << 30) + 4, SKIP_TOO_LARGE},
	{"2^33 values", INPUT(0xdf, 0xff, 0xff, 0xff, 0xff), NO_LIMIT, SKIP_MORE},
	{"pairs count twice", INPUT(0x82), 4, SKIP_TOO_LARGE},
	{"pairs that fit", INPUT(0x82), 5, SKIP_MORE},
	{"an ext's type counts", INPUT(0xc7, 0x02), 4, SKIP_TOO_LARGE},
	{"an ext that fits", INPUT(0xc7, 0x02), 5, SKIP_MORE},
	{"a marker whose length has no room", INPUT(0xdb), 4, SKIP_TOO_LARGE},
	{"a marker whose length has room", INPUT(0xdb), 5, SKIP_MORE},
	{"the last byte of the limit", INPUT(0x92, 0xa1, 'x', 0x01), 4, SKIP_DONE},
	{"one byte over", INPUT(0x92, 0xa1, 'x', 0x01), 3, SKIP_TOO_LARGE},
	{"no byte allowed", INPUT(0x01), 0, SKIP_TOO_LARGE},
	{"one byte allowed", INPUT(0x01), 1, SKIP_DONE},
	{"an inner count is added", INPUT(0x92, 0x9f), 17, SKIP_TOO_LARGE},
	{"an inner count that fits", INPUT(0x92, 0x9f), 18, SKIP_MORE},
	{"not MessagePack", INPUT(0xc1), 1, SKIP_BAD},
	{"not MessagePack inside", INPUT(0x91, 0xc1), 2, SKIP_BAD},
};

START_TEST(announced_sizes)
{
	for (size_t i = 0; i < ARRAY_SIZE(announcements); i++) {
		const struct input *input = &announcements[i].input;
		uint64_t limit = announcements[i].limit;
		enum skip_result expected = announcements[i].result;

		for (size_t piece = 1; piece <= input->len; piece++) {
			struct outcome outcome = feed(NULL, input->data, input->len, limit, piece);

			ck_assert_msg(outcome.result == expected, "%s: %d in pieces of %zu",
				      announcements[i].what, outcome.result, piece);
		}
		ck_assert_int_eq(skip_value(input->data, input->len, limit) > 0,
				 expected == SKIP_DONE);
	}
}
END_TEST

/* Counts that would overflow 64 bits if they were added up unchecked are refused on the way. */
START_TEST(counts_do_not_overflow)
{
	static const uint8_t map[] = {0xdf, 0xff, 0xff, 0xff, 0xff};
	uint64_t limit = (uint64_t)1 << 40;
	struct skip skip;
	size_t taken;
	unsigned maps = 0;

	/* Each announces 2^33 - 2 values and takes 5 bytes: the 128th is over 2^40. */
	skip_init(&skip, limit);
	while (skip_feed(&skip, map, sizeof(map), &taken) == SKIP_MORE) {
		maps++;
		ck_assert_uint_le(skip.taken + skip_need(&skip), limit);
	}
	ck_assert_uint_eq(maps, 127);
}
END_TEST

START_TEST(ten_thousand_deep)
{
	enum {
		DEPTH = 10000
	};
	static uint8_t data[DEPTH + 1];
	struct prop prop = prop_seeded(1);

	memset(data, 0x91, DEPTH);
	data[DEPTH] = 0xc0;
	ck_assert_uint_eq(skip_value(data, sizeof(data), sizeof(data)), sizeof(data));
	ck_assert_uint_eq(skip_value(data, sizeof(data), sizeof(data) - 1), 0);
	ck_assert_uint_eq(feed(&prop, data, sizeof(data), NO_LIMIT, 1).taken, sizeof(data));
	ck_assert_uint_eq(feed(&prop, data, sizeof(data), NO_LIMIT, 0).taken, sizeof(data));
}
END_TEST

/* A long bin is passed over by arithmetic: none of its bytes is looked at. */
START_TEST(long_bytes_are_not_looked_at)
{
	static const uint8_t head[] = {0x92, 0xc6, 0x40, 0x00, 0x00, 0x00};
	static const uint8_t tail[] = {0xc0};
	struct skip skip;
	size_t taken;

	skip_init(&skip, NO_LIMIT);
	ck_assert_int_eq(skip_feed(&skip, head, sizeof(head), &taken), SKIP_MORE);
	ck_assert_uint_eq(skip_need(&skip), ((uint64_t)1 << 30) + 1);

	/* One byte of memory stands for a gigabyte, which reading would run out of at once. */
	ck_assert_int_eq(skip_feed(&skip, tail, (size_t)1 << 30, &taken), SKIP_MORE);
	ck_assert_uint_eq(taken, (size_t)1 << 30);
	ck_assert_int_eq(skip_feed(&skip, tail, sizeof(tail), &taken), SKIP_DONE);
	ck_assert_uint_eq(skip.taken, sizeof(head) + ((uint64_t)1 << 30) + sizeof(tail));
}
END_TEST

/* What a message comes to is the same for every cut, and as the two other models say. */
static void check_message(struct prop *prop, const uint8_t *data, size_t len)
{
	struct naive naive = naive_value(data, len);
	struct outcome whole = feed_at_once(data, len, NO_LIMIT);
	size_t packed = naive_msgpack_length(&naive);

	prop_check(prop, (whole.result == SKIP_BAD) == naive.bad, "result %d", whole.result);
	prop_check(prop, (whole.result == SKIP_MORE) == naive.cut, "result %d", whole.result);
	if (whole.result == SKIP_DONE)
		prop_check(prop, whole.taken == naive.at, "%zu and %zu bytes", (size_t)whole.taken,
			   naive.at);
	if (packed > 0)
		prop_check(prop, whole.result == SKIP_DONE && whole.taken == packed,
			   "result %d, %zu and %zu bytes", whole.result, (size_t)whole.taken,
			   packed);
	prop_check(prop,
		   skip_value(data, len, NO_LIMIT) == (whole.result == SKIP_DONE ? whole.taken : 0),
		   "another length");

	uint64_t limit = prop_chance(prop, 50) ? NO_LIMIT : prop_between(prop, 0, len + 1);
	struct outcome first = feed_at_once(data, len, limit);

	if (whole.result == SKIP_DONE)
		prop_check(prop,
			   first.result == (whole.taken <= limit ? SKIP_DONE : SKIP_TOO_LARGE),
			   "result %d at a limit of %zu", first.result, (size_t)limit);
	for (unsigned split = 0; split < 4; split++) {
		struct outcome cut = feed(prop, data, len, limit, split);

		prop_check(prop, cut.result == first.result && cut.taken == first.taken,
			   "split %u: result %d, not %d", split, cut.result, first.result);
	}
}

static void mutate(struct prop *prop, uint8_t *data, size_t len)
{
	for (uint64_t i = prop_between(prop, 1, 4); i > 0; i--) {
		uint8_t *byte = &data[prop_below(prop, len)];

		if (prop_chance(prop, 50))
			*byte = (uint8_t)prop_next(prop);
		else
			*byte = (uint8_t)(*byte ^ (1u << prop_below(prop, 8)));
	}
}

START_TEST(random_messages)
{
	struct prop_rounds rounds = prop_rounds(4000);
	struct prop prop;

	while (prop_round(&rounds, &prop)) {
		msgpack_sbuffer message;
		msgpack_packer pk;

		msgpack_sbuffer_init(&message);
		msgpack_packer_init(&pk, &message, msgpack_sbuffer_write);
		values_pack(&prop, &pk, 5);

		uint8_t *data = (uint8_t *)message.data;

		ck_assert_uint_eq(skip_value(data, message.size, message.size), message.size);
		check_message(&prop, data, message.size);
		check_message(&prop, data, (size_t)prop_between(&prop, 0, message.size - 1));
		mutate(&prop, data, message.size);
		check_message(&prop, data, message.size);
		msgpack_sbuffer_destroy(&message);
	}
}
END_TEST

/* A short message cut in two at every place, and in three at every pair of places. */
START_TEST(every_cut)
{
	static const uint8_t data[] = {0x94, 0x00, 0xcd, 0x01, 0x02, 0xd9, 0x03, 'a',  'b',  'c',
				       0x92, 0xc7, 0x01, 0x05, 0xff, 0xde, 0x00, 0x01, 0xa0, 0xcb,
				       1,    2,	   3,	 4,    5,    6,	   7,	 8};
	size_t len = sizeof(data);

	for (size_t i = 0; i <= len; i++)
		for (size_t j = i; j <= len; j++) {
			const size_t ends[] = {i, j, len};
			struct skip skip;
			size_t at = 0;

			skip_init(&skip, len);
			for (size_t k = 0; k < 3; k++) {
				size_t taken;
				enum skip_result result =
					skip_feed(&skip, data + at, ends[k] - at, &taken);

				if (taken != ends[k] - at)
					ck_abort_msg("cut at %zu and %zu: %zu taken", i, j, taken);
				at = ends[k];
				if ((result == SKIP_DONE) != (at == len))
					ck_abort_msg("cut at %zu and %zu: %d", i, j, result);
			}
		}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		each_marker,
		bytes_after_the_value_are_not_taken,
		nothing_given_changes_nothing,
		need_says_what_must_still_come,
		announced_sizes,
		counts_do_not_overflow,
		ten_thousand_deep,
		long_bytes_are_not_looked_at,
		every_cut,
		random_messages,
	};

	return unit_main("skip", tests, ARRAY_SIZE(tests));
}
