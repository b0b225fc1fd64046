#include "daemon/core/breaker.h"

#include <string.h>

#include "tests/lib/breaker_calls.h"

/* --- half-open --- */

START_TEST(there_is_never_one_probe_too_many)
{
	for (unsigned limit = 1; limit <= BREAKER_PROBES_MAX; limit++) {
		struct breaker_settings settings = breaker_defaults;
		struct breaker_permit probes[BREAKER_PROBES_MAX];
		struct fixture f;

		settings.half_open_requests = limit;
		settings.success_threshold = 2 * BREAKER_PROBES_MAX;
		set_up_with(&f, &settings);
		half_open(&f);
		for (unsigned i = 0; i < limit; i++) {
			ck_assert_uint_eq(breaker_time_left(&f.breaker, f.now), 0);
			ck_assert_int_eq(ask(&f, &probes[i]), BREAKER_ADMIT_PROBE);
		}
		ck_assert(refused(&f));
		ck_assert_uint_eq(breaker_time_left(&f.breaker, f.now), SEC);
		ck_assert_uint_eq(breaker_time_left(&f.breaker, f.now + 30 * SEC - 1), 1);

		/* Whatever comes of one, its place is free again, for exactly one more. */
		for (unsigned i = 0; i < limit; i++) {
			end(&f, probes[i], "sn"[i % 2]);
			ck_assert_uint_eq(f.breaker.probes, limit - 1);
			ck_assert_int_eq(ask(&f, &probes[i]), BREAKER_ADMIT_PROBE);
			ck_assert(refused(&f));
		}
	}
}
END_TEST

START_TEST(probes_decide)
{
	static const struct {
		const char *outcomes;
		unsigned slow_call_rate;
		enum breaker_reason reason; /* of the last */
		enum breaker_state to;
	} cases[] = {
		{"sss", 0, BREAKER_BECAUSE_PROBES_SUCCEEDED, BREAKER_CLOSED},
		{"ss", 0, BREAKER_BECAUSE_NONE, BREAKER_HALF_OPEN},
		{"f", 0, BREAKER_BECAUSE_PROBE_FAILED, BREAKER_OPEN},
		{"ssf", 0, BREAKER_BECAUSE_PROBE_FAILED, BREAKER_OPEN},
		{"nnnnnnnnnnnnnnnnnnnnnnnn", 0, BREAKER_BECAUSE_NONE, BREAKER_HALF_OPEN},
		{"nsnnsnns", 0, BREAKER_BECAUSE_PROBES_SUCCEEDED, BREAKER_CLOSED},
		{"SSS", 0, BREAKER_BECAUSE_PROBES_SUCCEEDED, BREAKER_CLOSED},
		{"ssS", 50, BREAKER_BECAUSE_PROBE_FAILED, BREAKER_OPEN},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct breaker_settings settings = breaker_defaults;
		struct breaker_change last = {0};
		struct fixture f;

		settings.slow_call_rate = cases[i].slow_call_rate;
		settings.slow_call_duration = SLOW;
		set_up_with(&f, &settings);
		half_open(&f);
		for (const char *outcome = cases[i].outcomes; *outcome; outcome++) {
			ck_assert_int_eq(last.reason, BREAKER_BECAUSE_NONE);
			last = call(&f, *outcome, MSEC);
		}
		assert_change(last, cases[i].reason, BREAKER_HALF_OPEN, cases[i].to);
		assert_state(&f, cases[i].to);
	}
}
END_TEST

START_TEST(closing_forgets_what_was)
{
	struct breaker_snapshot snapshot;
	struct fixture f;

	set_up(&f);
	half_open(&f);
	calls(&f, "sss");
	snapshot = breaker_snapshot(&f.breaker, f.now);
	ck_assert_uint_eq(snapshot.window.calls, 0);
	ck_assert_uint_eq(snapshot.run, 0);
	calls(&f, "ffff");
	assert_state(&f, BREAKER_CLOSED);
	calls(&f, "f");
	assert_state(&f, BREAKER_OPEN);
}
END_TEST

START_TEST(a_probe_without_outcome_fails_in_time)
{
	struct breaker_permit first, second, next;
	struct breaker_change change;
	struct fixture f;
	usec_t began;

	set_up(&f);
	half_open(&f);
	ck_assert_uint_eq(breaker_deadline(&f.breaker), USEC_INFINITY);
	began = f.now;
	first = admitted(&f);
	f.now += SEC;
	second = admitted(&f);
	ck_assert_uint_eq(breaker_deadline(&f.breaker), began + 30 * SEC);

	/* The first comes back in time: the second's end counts. */
	end(&f, first, 's');
	ck_assert_uint_eq(breaker_deadline(&f.breaker), began + 31 * SEC);
	assert_unchanged(breaker_tick(&f.breaker, began + 31 * SEC - 1));
	f.now = began + 31 * SEC;
	assert_change(breaker_tick(&f.breaker, f.now), BREAKER_BECAUSE_PROBE_EXPIRED,
		      BREAKER_HALF_OPEN, BREAKER_OPEN);
	ck_assert_uint_eq(breaker_deadline(&f.breaker), f.now + 60 * SEC);
	ck_assert_uint_eq(f.breaker.run, 1);

	/* And its late success moves nothing, in the next half-open neither. */
	end(&f, second, 's');
	ck_assert_uint_eq(f.breaker.late, 1);
	f.now += 60 * SEC;
	next = admitted(&f);
	end(&f, second, 's');
	ck_assert_uint_eq(f.breaker.probe_successes, 0);
	ck_assert_uint_eq(f.breaker.probes, 1);
	end(&f, next, 's');
	ck_assert_uint_eq(f.breaker.probe_successes, 1);

	/* Nobody has ticked: the next call finds out, and is refused. */
	admitted(&f);
	f.now += 30 * SEC;
	ck_assert_int_eq(breaker_admit(&f.breaker, f.now, &next, &change), BREAKER_ADMIT_NO);
	assert_change(change, BREAKER_BECAUSE_PROBE_EXPIRED, BREAKER_HALF_OPEN, BREAKER_OPEN);
}
END_TEST

START_TEST(an_outcome_after_the_lease_is_late)
{
	for (unsigned i = 0; i < 3; i++) {
		struct breaker_permit probe;
		struct fixture f;

		set_up(&f);
		half_open(&f);
		probe = admitted(&f);
		f.now += 30 * SEC;
		assert_change(end(&f, probe, "sfn"[i]), BREAKER_BECAUSE_PROBE_EXPIRED,
			      BREAKER_HALF_OPEN, BREAKER_OPEN);
		ck_assert_uint_eq(f.breaker.late, 1);
		ck_assert_uint_eq(f.breaker.probes, 0);
	}
}
END_TEST

/* Every client leaves, for as long as it likes: there is always room for the next probe. */
START_TEST(clients_that_leave_do_not_wedge_it)
{
	struct fixture f;

	set_up(&f);
	half_open(&f);
	for (unsigned i = 0; i < 1000; i++) {
		struct breaker_permit probes[3] = {admitted(&f), admitted(&f), admitted(&f)};

		f.now += SEC;
		for (unsigned k = 0; k < 3; k++)
			assert_unchanged(end(&f, probes[(i + k) % 3], 'n'));
	}
	calls(&f, "sss");
	assert_state(&f, BREAKER_CLOSED);
}
END_TEST

/* --- generations --- */

START_TEST(outcomes_of_another_time_move_nothing)
{
	static const char outcomes[] = "sfnSF";

	for (unsigned i = 0; i < strlen(outcomes); i++) {
		struct breaker_permit closed, probe;
		struct breaker_snapshot before, after;
		struct fixture f;

		set_up(&f);
		closed = admitted(&f);
		half_open(&f);
		before = breaker_snapshot(&f.breaker, f.now);
		assert_unchanged(end(&f, closed, outcomes[i]));
		after = breaker_snapshot(&f.breaker, f.now);
		ck_assert_uint_eq(after.late, before.late + 1);
		after.late = before.late;
		assert_same(&before, &after);

		/* A probe that is still out when the others have closed it. */
		probe = admitted(&f);
		calls(&f, "sss");
		before = breaker_snapshot(&f.breaker, f.now);
		assert_unchanged(end(&f, probe, outcomes[i]));
		after = breaker_snapshot(&f.breaker, f.now);
		ck_assert_uint_eq(after.late, before.late + 1);
		after.late = before.late;
		assert_same(&before, &after);
	}
}
END_TEST

/* --- by hand --- */

typedef struct breaker_change manual(struct breaker *breaker, usec_t now);

static manual *const operators[] = {breaker_reset, breaker_force_open, breaker_disable,
				    breaker_observe};
static const enum breaker_state operator_states[] = {BREAKER_CLOSED, BREAKER_FORCED_OPEN,
						     BREAKER_DISABLED, BREAKER_OBSERVING};

static void bring_to(struct fixture *f, enum breaker_state state)
{
	set_up(f);
	if (state == BREAKER_OPEN)
		trip(f);
	else if (state == BREAKER_HALF_OPEN)
		half_open(f);
	for (unsigned i = 1; i < ARRAY_SIZE(operators); i++)
		if (operator_states[i] == state)
			operators[i](&f->breaker, f->now);
	assert_state(f, state);
}

START_TEST(a_hand_can_do_everything_from_everywhere)
{
	for (unsigned from = 0; from < BREAKER_STATE_COUNT_; from++)
		for (unsigned i = 0; i < ARRAY_SIZE(operators); i++) {
			struct breaker_permit permit = {0};
			struct breaker_snapshot snapshot;
			uint32_t generation;
			struct fixture f;

			bring_to(&f, (enum breaker_state)from);
			generation = f.breaker.generation;
			ask(&f, &permit);
			f.now += SEC;
			assert_change(operators[i](&f.breaker, f.now), BREAKER_BECAUSE_MANUAL,
				      (enum breaker_state)from, operator_states[i]);
			snapshot = breaker_snapshot(&f.breaker, f.now);
			ck_assert_uint_eq(snapshot.since, f.now);
			ck_assert_uint_gt(snapshot.generation, generation);
			ck_assert_uint_eq(snapshot.probes, 0);
			ck_assert_uint_eq(breaker_deadline(&f.breaker), USEC_INFINITY);
			end(&f, permit, 'f');
			ck_assert_uint_eq(f.breaker.late, 1);
		}
}
END_TEST

START_TEST(forced_open_lasts)
{
	struct fixture f;

	bring_to(&f, BREAKER_FORCED_OPEN);
	f.now += 365 * 86400 * SEC;
	assert_unchanged(breaker_tick(&f.breaker, f.now));
	ck_assert(refused(&f));
	ck_assert_uint_eq(breaker_time_left(&f.breaker, f.now), USEC_INFINITY);
	ck_assert_uint_eq(breaker_snapshot(&f.breaker, f.now).open_until, USEC_INFINITY);
	ck_assert_uint_eq(f.breaker.opened, 0);
	breaker_reset(&f.breaker, f.now);
	admitted(&f);
}
END_TEST

START_TEST(disabled_admits_whatever_happens)
{
	struct fixture f;

	bring_to(&f, BREAKER_DISABLED);
	for (unsigned i = 0; i < 1000; i++)
		assert_unchanged(call(&f, 'f', 10 * MSEC));
	ck_assert_uint_eq(breaker_time_left(&f.breaker, f.now), 0);

	/* And what happened meanwhile opens nothing afterwards. */
	breaker_reset(&f.breaker, f.now);
	calls(&f, "ffff");
	assert_state(&f, BREAKER_CLOSED);
}
END_TEST

START_TEST(observing_says_once_what_it_would_have_done)
{
	struct breaker_change change;
	struct fixture f;
	usec_t said;

	bring_to(&f, BREAKER_OBSERVING);
	calls(&f, "ffff");
	assert_change(call(&f, 'f', MSEC), BREAKER_BECAUSE_RUN, BREAKER_OBSERVING,
		      BREAKER_OBSERVING);
	said = f.now;
	ck_assert_uint_eq(f.breaker.would_open, 1);
	ck_assert_uint_eq(breaker_snapshot(&f.breaker, f.now).open_until, 0);
	ck_assert_uint_eq(breaker_deadline(&f.breaker), USEC_INFINITY);

	/* It would be open for a minute now, so it has nothing more to say. */
	while (f.now + 10 * MSEC < said + 60 * SEC)
		assert_unchanged(call(&f, 'f', 10 * MSEC));
	change = call(&f, 'f', 10 * MSEC);
	ck_assert_int_eq(change.reason, BREAKER_BECAUSE_RUN);
	ck_assert_uint_eq(f.breaker.would_open, 2);
	ck_assert_uint_eq(f.breaker.opened, 0);
	ck_assert_uint_eq(f.breaker.rejected, 0);
	assert_state(&f, BREAKER_OBSERVING);
}
END_TEST

/* --- reload --- */

START_TEST(a_reload_keeps_what_is)
{
	static const enum breaker_state kept[] = {BREAKER_OPEN,	       BREAKER_HALF_OPEN,
						  BREAKER_FORCED_OPEN, BREAKER_DISABLED,
						  BREAKER_OBSERVING,   BREAKER_CLOSED};

	for (unsigned i = 0; i < ARRAY_SIZE(kept); i++) {
		struct breaker_settings settings = breaker_defaults;
		struct breaker_snapshot before, after;
		struct fixture f;
		usec_t deadline;

		bring_to(&f, kept[i]);
		if (kept[i] == BREAKER_CLOSED)
			calls(&f, "sfff");
		if (kept[i] == BREAKER_HALF_OPEN)
			admitted(&f);
		deadline = breaker_deadline(&f.breaker);
		before = breaker_snapshot(&f.breaker, f.now);
		settings.failure_threshold = 4;
		settings.half_open_requests = 1;
		settings.open_timeout = 5 * SEC;
		breaker_reload(&f.breaker, &settings);
		after = breaker_snapshot(&f.breaker, f.now);
		assert_same(&before, &after);
		ck_assert_uint_eq(breaker_deadline(&f.breaker), deadline);
		if (kept[i] == BREAKER_CLOSED)
			assert_change(call(&f, 'f', 0), BREAKER_BECAUSE_RUN, BREAKER_CLOSED,
				      BREAKER_OPEN);
		if (kept[i] == BREAKER_HALF_OPEN)
			ck_assert(refused(&f));
	}
}
END_TEST

START_TEST(a_new_open_time_counts_from_the_next_opening)
{
	struct breaker_settings settings = breaker_defaults;
	usec_t spans[3];
	struct fixture f;

	settings.open_multiplier = 200;
	set_up_with(&f, &settings);
	reopen(&f, spans, ARRAY_SIZE(spans));
	settings.open_timeout = 5 * SEC;
	breaker_reload(&f.breaker, &settings);
	f.now = breaker_deadline(&f.breaker);
	call(&f, 'f', 0);
	ck_assert_uint_eq(breaker_deadline(&f.breaker), f.now + 10 * SEC);
}
END_TEST

START_TEST(a_window_of_another_length_begins_empty)
{
	struct breaker_settings settings = breaker_defaults;
	struct fixture f;

	set_up(&f);
	calls(&f, "sfsf");
	settings.window = 100 * SEC;
	breaker_reload(&f.breaker, &settings);
	ck_assert_uint_eq(breaker_snapshot(&f.breaker, f.now).window.calls, 0);
	call(&f, 's', 0);
	f.now += 90 * SEC;
	ck_assert_uint_eq(breaker_snapshot(&f.breaker, f.now).window.calls, 1);
	f.now += 10 * SEC;
	ck_assert_uint_eq(breaker_snapshot(&f.breaker, f.now).window.calls, 0);
}
END_TEST

/* --- what the caller must not do --- */

static void give_back_twice(void *argument)
{
	struct fixture *f = argument;
	struct breaker_permit probe = admitted(f);

	end(f, probe, 'n');
	end(f, probe, 'n');
}

START_TEST(a_permit_given_back_twice_is_an_assertion)
{
	struct fixture f;

	set_up(&f);
	half_open(&f);
	ck_assert(unit_aborts(give_back_twice, &f, true));
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		there_is_never_one_probe_too_many,
		probes_decide,
		closing_forgets_what_was,
		a_probe_without_outcome_fails_in_time,
		an_outcome_after_the_lease_is_late,
		clients_that_leave_do_not_wedge_it,
		outcomes_of_another_time_move_nothing,
		a_hand_can_do_everything_from_everywhere,
		forced_open_lasts,
		disabled_admits_whatever_happens,
		observing_says_once_what_it_would_have_done,
		a_reload_keeps_what_is,
		a_new_open_time_counts_from_the_next_opening,
		a_window_of_another_length_begins_empty,
		a_permit_given_back_twice_is_an_assertion,
	};

	return unit_main("breaker_probes", tests, ARRAY_SIZE(tests));
}
