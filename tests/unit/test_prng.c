#include "daemon/core/prng.h"

#include <inttypes.h>

#include "tests/lib/prop.h"
#include "tests/lib/unit.h"

/* What the algorithm's authors' own program gives for this seed. */
START_TEST(it_is_splitmix64)
{
	static const uint64_t expected[] = {
		UINT64_C(6457827717110365317),	UINT64_C(3203168211198807973),
		UINT64_C(9817491932198370423),	UINT64_C(4593380528125082431),
		UINT64_C(16408922859458223821),
	};
	struct prng prng;

	prng_init(&prng, 1234567);
	for (unsigned i = 0; i < ARRAY_SIZE(expected); i++)
		ck_assert_uint_eq(prng_next(&prng), expected[i]);
}
END_TEST

START_TEST(the_same_seed_gives_the_same_sequence)
{
	struct prng one, same, other;
	bool differs = false;

	prng_init(&one, 7);
	prng_init(&same, 7);
	prng_init(&other, 8);
	for (unsigned i = 0; i < 100; i++) {
		uint64_t bits = prng_next(&one);

		ck_assert_uint_eq(bits, prng_next(&same));
		differs |= bits != prng_next(&other);
	}
	ck_assert(differs);
}
END_TEST

START_TEST(a_range_holds_both_its_ends)
{
	static const struct {
		uint64_t low;
		uint64_t high;
	} cases[] = {{0, 0}, {5, 5},   {UINT64_MAX, UINT64_MAX},
		     {0, 1}, {10, 12}, {UINT64_MAX - 2, UINT64_MAX}};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t low = cases[i].low, high = cases[i].high;
		bool saw_low = false, saw_high = false;
		struct prng prng;

		prng_init(&prng, i);
		for (unsigned k = 0; k < 100; k++) {
			uint64_t value = prng_between(&prng, low, high);

			ck_assert_uint_ge(value, low);
			ck_assert_uint_le(value, high);
			saw_low |= value == low;
			saw_high |= value == high;
		}
		ck_assert(saw_low && saw_high);
	}
}
END_TEST

START_TEST(the_range_of_all_64_bits)
{
	struct prng range, plain;

	prng_init(&range, 3);
	prng_init(&plain, 3);
	for (unsigned i = 0; i < 100; i++)
		ck_assert_uint_eq(prng_between(&range, 0, UINT64_MAX), prng_next(&plain));
}
END_TEST

/* Three quarters of 2^64: a plain remainder would give the lowest third half of all draws. */
START_TEST(no_part_of_a_range_is_likelier)
{
	uint64_t third = UINT64_C(1) << 62;
	unsigned hits[3] = {0};
	struct prng prng;

	prng_init(&prng, 11);
	for (unsigned i = 0; i < 30000; i++)
		hits[prng_between(&prng, 0, 3 * third - 1) / third]++;
	for (unsigned i = 0; i < ARRAY_SIZE(hits); i++) {
		ck_assert_uint_ge(hits[i], 9700);
		ck_assert_uint_le(hits[i], 10300);
	}
}
END_TEST

/* The 99.9th percentile of chi squared with nine degrees of freedom is 27.9. */
START_TEST(ten_values_come_equally_often)
{
	unsigned hits[10] = {0};
	double chi_squared = 0;
	struct prng prng;

	prng_init(&prng, 42);
	for (unsigned i = 0; i < 100000; i++)
		hits[prng_between(&prng, 100, 109) - 100]++;
	for (unsigned i = 0; i < ARRAY_SIZE(hits); i++) {
		double off = (double)hits[i] - 10000;

		chi_squared += off * off / 10000;
	}
	ck_assert_double_lt(chi_squared, 27.9);
}
END_TEST

START_TEST(random_ranges_are_kept)
{
	struct prop_rounds rounds = prop_rounds(20000);
	struct prop prop;

	while (prop_round(&rounds, &prop)) {
		uint64_t low = prop_next(&prop) >> prop_below(&prop, 64);
		uint64_t span = prop_next(&prop) >> prop_below(&prop, 64);
		uint64_t high = span > UINT64_MAX - low ? UINT64_MAX : low + span;
		struct prng prng;
		uint64_t value;

		prng_init(&prng, prop_next(&prop));
		value = prng_between(&prng, low, high);
		prop_check(&prop, value >= low && value <= high,
			   "%" PRIu64 " from %" PRIu64 " to %" PRIu64, value, low, high);
	}
}
END_TEST

static void draw_backwards(void *prng)
{
	prng_between(prng, 2, 1);
}

START_TEST(a_range_that_ends_before_it_begins_is_an_assertion)
{
	struct prng prng;

	prng_init(&prng, 1);
	ck_assert(unit_aborts(draw_backwards, &prng, true));
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		it_is_splitmix64,
		the_same_seed_gives_the_same_sequence,
		a_range_holds_both_its_ends,
		the_range_of_all_64_bits,
		no_part_of_a_range_is_likelier,
		ten_values_come_equally_often,
		random_ranges_are_kept,
		a_range_that_ends_before_it_begins_is_an_assertion,
	};

	return unit_main("prng", tests, ARRAY_SIZE(tests));
}
