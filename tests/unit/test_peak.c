#include "daemon/core/peak.h"

#include "tests/lib/prop.h"
#include "tests/lib/unit.h"

#define SEC    USEC_PER_SEC
#define MINUTE (60 * SEC)
#define START  (1000 * MINUTE) /* at the begin of every slot */
#define EVER   USEC_INFINITY

START_TEST(it_is_in_each_window_that_reaches_back_so_far)
{
	struct peak peak;

	peak_init(&peak, START);
	ck_assert_uint_eq(peak_read(&peak, START, MINUTE, 0), 0);
	peak_note(&peak, START, 7);
	peak_note(&peak, START + SEC / 2, 9);
	peak_note(&peak, START + SEC / 2, 3);
	ck_assert_uint_eq(peak_read(&peak, START + SEC / 2, 10 * SEC, 3), 9);
	peak_note(&peak, START + 30 * SEC, 4);
	ck_assert_uint_eq(peak_read(&peak, START + 30 * SEC, 10 * SEC, 2), 4);
	ck_assert_uint_eq(peak_read(&peak, START + 30 * SEC, MINUTE, 2), 9);
	ck_assert_uint_eq(peak_read(&peak, START + 5 * MINUTE, MINUTE, 2), 2);
	ck_assert_uint_eq(peak_read(&peak, START + 5 * MINUTE, 5 * MINUTE, 2), 9);
	peak_note(&peak, START + 60 * MINUTE, 2);
	ck_assert_uint_eq(peak_read(&peak, START + 60 * MINUTE, 15 * MINUTE, 2), 2);
	ck_assert_uint_eq(peak_read(&peak, START + 60 * MINUTE, EVER, 2), 9);
	ck_assert_uint_eq(peak_read(&peak, START + 60 * MINUTE, EVER, 11), 11);
}
END_TEST

START_TEST(a_value_that_stays_is_the_most_without_being_noted)
{
	struct peak peak;

	peak_init(&peak, START);
	peak_note(&peak, START, 5);
	ck_assert_uint_eq(peak_read(&peak, START + 60 * MINUTE, MINUTE, 5), 5);
	/* It fell just now, so it was 5 a moment ago. */
	peak_note(&peak, START + 60 * MINUTE, 5);
	ck_assert_uint_eq(peak_read(&peak, START + 60 * MINUTE, MINUTE, 1), 5);
	ck_assert_uint_eq(peak_read(&peak, START + 62 * MINUTE, MINUTE, 1), 1);
}
END_TEST

/* Against the list of all that was noted: a window begins where the slot of its first moment does. */
START_TEST(it_is_the_most_of_what_was_noted)
{
	static const struct {
		usec_t length, slot;
	} windows[] = {
		{10 * SEC, SEC}, {MINUTE, 10 * SEC}, {5 * MINUTE, MINUTE}, {15 * MINUTE, MINUTE}};
	static struct {
		usec_t at;
		uint64_t value;
	} noted[3000];
	struct prop prop = prop_seeded(1);
	struct peak peak;
	usec_t now = START;

	peak_init(&peak, now);
	for (unsigned count = 0; count < ARRAY_SIZE(noted); count++) {
		now += prop_between(&prop, 0,
				    prop_between(&prop, 0, 9) == 0 ? 2 * MINUTE : 2 * SEC);
		noted[count].at = now;
		noted[count].value = prop_between(&prop, 0, 1u << prop_between(&prop, 0, 20));
		peak_note(&peak, now, noted[count].value);
		for (unsigned i = 0; i < ARRAY_SIZE(windows); i++) {
			usec_t from = slots_begin(now, windows[i].length, windows[i].slot);
			uint64_t most = 0;

			for (unsigned j = count + 1; j-- > 0 && noted[j].at >= from;)
				most = noted[j].value > most ? noted[j].value : most;
			if (peak_read(&peak, now, windows[i].length, 0) != most)
				ck_abort_msg("note %u, window %u", count, i);
		}
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		it_is_in_each_window_that_reaches_back_so_far,
		a_value_that_stays_is_the_most_without_being_noted,
		it_is_the_most_of_what_was_noted,
	};

	return unit_main("peak", tests, ARRAY_SIZE(tests));
}
