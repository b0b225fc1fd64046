#include "daemon/core/hist.h"

#include <string.h>

#include "tests/lib/prop.h"
#include "tests/lib/unit.h"

START_TEST(empty_histogram_answers_zero)
{
	struct hist hist = {0};

	ck_assert_uint_eq(hist_quantile(&hist, 500), 0);
	ck_assert_uint_eq(hist_quantile(&hist, 1000), 0);
	ck_assert_uint_eq(hist_mean(&hist), 0);
	ck_assert_uint_eq(hist_count_upto(&hist, USEC_INFINITY), 0);
}
END_TEST

START_TEST(a_value_beyond_all_buckets_is_in_the_last)
{
	struct hist hist = {0};

	hist_add(&hist, USEC_INFINITY / 2);
	hist_add(&hist, USEC_INFINITY - 1);
	ck_assert_uint_eq(hist_quantile(&hist, 1000), USEC_INFINITY - 1);
	ck_assert_uint_le(hist_quantile(&hist, 500), USEC_INFINITY - 1);
}
END_TEST

START_TEST(one_value_is_every_quantile)
{
	static const usec_t values[] = {0,
					1,
					7,
					8,
					9,
					15,
					16,
					1000,
					123456,
					60 * USEC_PER_SEC,
					(usec_t)1 << 36,
					USEC_INFINITY / 2};

	for (unsigned i = 0; i < ARRAY_SIZE(values); i++) {
		struct hist hist = {0};

		hist_add(&hist, values[i]);
		ck_assert_uint_eq(hist_quantile(&hist, 1), values[i]);
		ck_assert_uint_eq(hist_quantile(&hist, 500), values[i]);
		ck_assert_uint_eq(hist_quantile(&hist, 1000), values[i]);
		ck_assert_uint_eq(hist_mean(&hist), values[i]);
		ck_assert_uint_eq(hist.max, values[i]);
	}
}
END_TEST

START_TEST(quantile_is_at_most_a_32nd_above)
{
	for (usec_t value = 1; value < (usec_t)1 << 35; value = value * 9 / 8 + 1) {
		struct hist hist = {0};
		usec_t quantile;

		/* The second value keeps the maximum from hiding the bucket's end. */
		hist_add(&hist, value);
		hist_add(&hist, value * 2);
		quantile = hist_quantile(&hist, 500);
		ck_assert_uint_ge(quantile, value);
		ck_assert_uint_le(quantile, value + value / 32);
	}
}
END_TEST

/* Every value lies in a cell that ends at most 1 / 2^bits above it, and the cells have no gaps. */
START_TEST(cells_of_any_width_are_as_narrow_as_promised)
{
	for (unsigned bits = HIST_COARSE_BITS; bits <= HIST_BITS; bits++) {
		for (usec_t value = 0; value < (usec_t)1 << HIST_RANGE_BITS;
		     value += value / 100 + 1) {
			usec_t end = hist_cell_end(hist_cell(value, bits), bits);

			ck_assert_uint_ge(end, value);
			ck_assert_uint_le(end - value, value >> bits);
		}
		for (unsigned cell = 0; cell < HIST_CELLS(bits) - 1; cell++) {
			usec_t end = hist_cell_end(cell, bits);

			ck_assert_uint_eq(hist_cell(end, bits), cell);
			ck_assert_uint_eq(hist_cell(end + 1, bits), cell + 1);
		}
		ck_assert_uint_eq(hist_cell(USEC_INFINITY, bits), HIST_CELLS(bits) - 1);
	}
	for (unsigned cell = 0; cell < HIST_BUCKETS; cell++)
		ck_assert_uint_eq(hist_coarse_cell(cell),
				  hist_cell(hist_cell_end(cell, HIST_BITS), HIST_COARSE_BITS));
}
END_TEST

START_TEST(quantiles_of_a_line)
{
	static const struct {
		unsigned permille;
		usec_t truth;
	} cases[] = {{1, 1},	 {100, 100}, {500, 500},  {900, 900},
		     {990, 990}, {999, 999}, {1000, 1000}};
	struct hist hist = {0};

	for (usec_t value = 1; value <= 1000; value++)
		hist_add(&hist, value);
	ck_assert_uint_eq(hist.count, 1000);
	ck_assert_uint_eq(hist_mean(&hist), 500);
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		usec_t quantile = hist_quantile(&hist, cases[i].permille);

		ck_assert_uint_ge(quantile, cases[i].truth);
		ck_assert_uint_le(quantile, cases[i].truth + cases[i].truth / 32);
	}
}
END_TEST

START_TEST(the_last_bucket_takes_everything_above)
{
	struct hist hist = {0};
	usec_t huge = (usec_t)1 << 50;

	hist_add(&hist, 10);
	hist_add(&hist, huge);
	ck_assert_uint_eq(hist.buckets[HIST_BUCKETS - 1], 1);
	ck_assert_uint_eq(hist_quantile(&hist, 1000), huge);
	ck_assert_uint_eq(hist_count_upto(&hist, huge - 1), 1);
	ck_assert_uint_eq(hist_count_upto(&hist, huge), 2);
}
END_TEST

START_TEST(count_upto_is_exact_at_the_end_of_a_bucket)
{
	struct hist hist = {0};

	for (usec_t value = 0; value < 4096; value++)
		hist_add(&hist, value);
	for (usec_t end = 31; end < 4096; end = (end + 1) * 2 - 1)
		ck_assert_uint_eq(hist_count_upto(&hist, end), end + 1);
	ck_assert_uint_eq(hist_count_upto(&hist, 0), 1);
	ck_assert_uint_eq(hist_count_upto(&hist, 6), 7);
}
END_TEST

static int by_value(const usec_t *a, const usec_t *b)
{
	return *a < *b ? -1 : *a > *b;
}

static void sort(usec_t *values, size_t count)
{
	for (size_t i = 1; i < count; i++)
		for (size_t k = i; k > 0 && by_value(&values[k], &values[k - 1]) < 0; k--) {
			usec_t swap = values[k];

			values[k] = values[k - 1];
			values[k - 1] = swap;
		}
}

START_TEST(random_values_agree_with_sorting)
{
	for (uint64_t seed = 0; seed < 300; seed++) {
		struct prop prop = prop_seeded(seed);
		size_t count = (size_t)prop_between(&prop, 1, 200);
		struct hist hist = {0};
		usec_t values[200];

		for (size_t i = 0; i < count; i++) {
			values[i] = prop_next(&prop) >> prop_between(&prop, 30, 63);
			hist_add(&hist, values[i]);
		}
		sort(values, count);
		for (unsigned permille = 1; permille <= 1000; permille += 37) {
			usec_t truth = values[(count * permille + 999) / 1000 - 1];
			usec_t quantile = hist_quantile(&hist, permille);

			ck_assert_msg(quantile >= truth && quantile <= truth + truth / 32,
				      "seed %u: %u permille of %zu values is %llu, not %llu",
				      (unsigned)seed, permille, count, (unsigned long long)quantile,
				      (unsigned long long)truth);
		}
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		empty_histogram_answers_zero,
		a_value_beyond_all_buckets_is_in_the_last,
		one_value_is_every_quantile,
		quantile_is_at_most_a_32nd_above,
		quantiles_of_a_line,
		cells_of_any_width_are_as_narrow_as_promised,
		the_last_bucket_takes_everything_above,
		count_upto_is_exact_at_the_end_of_a_bucket,
		random_values_agree_with_sorting,
	};

	return unit_main("hist", tests, ARRAY_SIZE(tests));
}
