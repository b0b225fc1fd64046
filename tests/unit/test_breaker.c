#include "daemon/core/breaker.h"

#include <stdio.h>
#include <string.h>

#include "tests/lib/breaker_calls.h"

/* --- tables --- */

/* Written out here once more, so that a slip in the table shows. */
START_TEST(every_pair_of_states)
{
	static const char *const allowed[BREAKER_STATE_COUNT_] = {
		[BREAKER_CLOSED] = "closed open forced_open disabled observing",
		[BREAKER_OPEN] = "half_open closed forced_open disabled observing",
		[BREAKER_HALF_OPEN] = "closed open forced_open disabled observing",
		[BREAKER_FORCED_OPEN] = "closed forced_open disabled observing",
		[BREAKER_DISABLED] = "closed forced_open disabled observing",
		[BREAKER_OBSERVING] = "closed forced_open disabled observing",
	};

	for (unsigned from = 0; from < BREAKER_STATE_COUNT_; from++)
		for (unsigned to = 0; to < BREAKER_STATE_COUNT_; to++) {
			char list[80], word[20];

			snprintf(list, sizeof(list), " %s ", allowed[from]);
			snprintf(word, sizeof(word), " %s ",
				 breaker_state_name((enum breaker_state)to));
			ck_assert_msg(breaker_may_move((enum breaker_state)from,
						       (enum breaker_state)to) ==
					      (strstr(list, word) != NULL),
				      "from %s to%s", breaker_state_name((enum breaker_state)from),
				      word);
		}
}
END_TEST

START_TEST(every_value_has_a_name)
{
	for (unsigned i = 0; i < BREAKER_STATE_COUNT_; i++)
		ck_assert_uint_gt(strlen(breaker_state_name((enum breaker_state)i)), 0);
	for (unsigned i = 0; i < BREAKER_REASON_COUNT_; i++) {
		ck_assert_uint_gt(strlen(breaker_reason_name((enum breaker_reason)i)), 0);
		ck_assert_uint_gt(strlen(breaker_reason_text((enum breaker_reason)i)), 0);
	}
	ck_assert_str_eq(breaker_state_name(BREAKER_HALF_OPEN), "half_open");
	ck_assert_str_eq(breaker_reason_name(BREAKER_BECAUSE_PROBES_SUCCEEDED), "probes_succeeded");
}
END_TEST

/* --- closed: what opens it --- */

/* So many calls of one outcome, each so long after the one before. */
struct stretch {
	unsigned count;
	char outcome;
	usec_t spacing;
};

START_TEST(what_opens_it_at_its_last_call)
{
	static const struct {
		const char *what;
		struct stretch stretches[3];
		enum breaker_reason reason; /* of the last call; the others change nothing */
	} cases[] = {
		{"five fresh failures", {{5, 'f', 0}}, BREAKER_BECAUSE_RUN},
		{"four failures", {{4, 'f', MSEC}}, BREAKER_BECAUSE_NONE},
		{"a success between",
		 {{4, 'f', 1}, {1, 's', 1}, {4, 'f', 1}},
		 BREAKER_BECAUSE_NONE},
		{"no weight between", {{4, 'f', 1}, {9, 'n', 1}, {1, 'f', 1}}, BREAKER_BECAUSE_RUN},
		{"what has no weight", {{500, 'n', MSEC}}, BREAKER_BECAUSE_NONE},
		{"a slow run", {{5, 'f', 60 * SEC}}, BREAKER_BECAUSE_RUN},
		{"a run that grows old",
		 {{4, 'f', MSEC}, {1, 'f', 60 * SEC + 1}},
		 BREAKER_BECAUSE_NONE},
		{"a new run after the old",
		 {{4, 'f', MSEC}, {1, 'f', 60 * SEC + 1}, {4, 'f', MSEC}},
		 BREAKER_BECAUSE_RUN},
		{"a run among few calls", {{14, 's', MSEC}, {5, 'f', MSEC}}, BREAKER_BECAUSE_RUN},
		{"a run among many calls",
		 {{15, 's', MSEC}, {14, 'f', MSEC}},
		 BREAKER_BECAUSE_NONE},
		{"no success for less than a second",
		 {{100, 's', MSEC}, {99, 'f', 10 * MSEC}},
		 BREAKER_BECAUSE_NONE},
		{"no success for a second",
		 {{101, 's', MSEC}, {100, 'f', 10 * MSEC}},
		 BREAKER_BECAUSE_RUN},
		{"no success for a second but few failures",
		 {{100, 's', MSEC}, {4, 'f', SEC}},
		 BREAKER_BECAUSE_NONE},
		{"half of many", {{25, 's', MSEC}, {25, 'f', MSEC}}, BREAKER_BECAUSE_RATE},
		{"calls that the window has forgotten",
		 {{25, 's', MSEC}, {1, 'f', 11 * SEC}, {3, 'f', MSEC}},
		 BREAKER_BECAUSE_NONE},
		{"a run that outlives the window",
		 {{25, 's', MSEC}, {4, 'f', MSEC}, {1, 'f', 11 * SEC}},
		 BREAKER_BECAUSE_RUN},
		{"slowness without the rule", {{500, 'S', MSEC}}, BREAKER_BECAUSE_NONE},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct breaker_change last = {0};
		struct fixture f;

		set_up(&f);
		for (unsigned k = 0; k < ARRAY_SIZE(cases[i].stretches); k++)
			for (unsigned n = 0; n < cases[i].stretches[k].count; n++) {
				ck_assert_msg(last.reason == BREAKER_BECAUSE_NONE,
					      "%s: opened too early (%s)", cases[i].what,
					      breaker_reason_name(last.reason));
				last = call(&f, cases[i].stretches[k].outcome,
					    cases[i].stretches[k].spacing);
			}
		ck_assert_msg(last.reason == cases[i].reason, "%s: %s instead of %s", cases[i].what,
			      breaker_reason_name(last.reason),
			      breaker_reason_name(cases[i].reason));
		assert_state(&f, last.reason ? BREAKER_OPEN : BREAKER_CLOSED);
	}
}
END_TEST

START_TEST(the_rate_is_exact_at_the_edge)
{
	static const struct {
		unsigned rate;
		const char *outcomes;
		bool opens;
	} cases[] = {
		{50, "ffffsffffsffsssssss", false}, /* nineteen */
		{50, "ffffsffffsffssssssss", true}, /* ten of twenty, by a success */
		{50, "ffffsffffsfsssssssss", false},	     {50, "ssssssssssffffsffffsff", false},
		{25, "sssssssssssffffsfsss", true},	     {25, "sssssssssssffffsssss", false},
		{0, "ffffsffffsffffsffffsffffsffff", false}, /* the rule is off */
	};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct breaker_settings settings = breaker_defaults;
		struct breaker_change last;
		struct fixture f;

		settings.failure_rate = cases[i].rate;
		set_up_with(&f, &settings);
		last = calls(&f, cases[i].outcomes);
		ck_assert_msg((last.reason == BREAKER_BECAUSE_RATE) == cases[i].opens,
			      "%u %% of %s", cases[i].rate, cases[i].outcomes);
		assert_state(&f, cases[i].opens ? BREAKER_OPEN : BREAKER_CLOSED);
	}
}
END_TEST

START_TEST(slow_calls_open_it_where_the_rule_is_on)
{
	static const struct {
		unsigned rate;
		usec_t duration;
		const char *outcomes;
		bool opens;
	} cases[] = {
		{50, SLOW, "SSSSSSSSSSssssssssss", true},
		{50, SLOW, "SSSSSSSSSsssssssssss", false},
		{50, SLOW, "SSSSSSSSSSSSSSSSSSS", false}, /* nineteen */
		{50, SLOW, "FSFSFSFSssssssSSssss", true}, /* bad and slow is slow too */
		{50, SLOW + 1, "SSSSSSSSSSSSSSSSSSSS", false},
		{0, SLOW, "SSSSSSSSSSSSSSSSSSSS", false},
		{50, 0, "ssssssssssssssssssss", false},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct breaker_settings settings = breaker_defaults;
		struct breaker_change last;
		struct fixture f;

		settings.slow_call_rate = cases[i].rate;
		settings.slow_call_duration = cases[i].duration;
		set_up_with(&f, &settings);
		last = calls(&f, cases[i].outcomes);
		ck_assert_msg((last.reason == BREAKER_BECAUSE_SLOW) == cases[i].opens, "%s",
			      cases[i].outcomes);
		assert_state(&f, cases[i].opens ? BREAKER_OPEN : BREAKER_CLOSED);
	}
}
END_TEST

START_TEST(the_window_forgets_by_tenths)
{
	struct fixture f;

	set_up(&f);
	f.now = 2000 * SEC + SEC / 2;
	call(&f, 'f', 0);
	call(&f, 's', 0);
	for (unsigned second = 0; second < 10; second++)
		ck_assert_uint_eq(
			breaker_snapshot(&f.breaker, (2000 + second) * SEC + SEC - 1).window.calls,
			2);
	ck_assert_uint_eq(breaker_snapshot(&f.breaker, 2010 * SEC - 1).failure_permille, 500);
	ck_assert_uint_eq(breaker_snapshot(&f.breaker, 2010 * SEC).window.calls, 0);
	ck_assert_uint_eq(breaker_snapshot(&f.breaker, 2010 * SEC).failure_permille, 0);

	/* A call in each second: ten of them are seen at any time, after a long silence too. */
	for (unsigned second = 0; second < 25; second++)
		call(&f, second % 3 ? 's' : 'f', SEC);
	ck_assert_uint_eq(breaker_snapshot(&f.breaker, f.now).window.calls, 10);
	ck_assert_uint_eq(breaker_snapshot(&f.breaker, f.now).window.failures, 4);
	call(&f, 's', 3600 * SEC);
	ck_assert_uint_eq(breaker_snapshot(&f.breaker, f.now).window.calls, 1);
	ck_assert_uint_eq(breaker_snapshot(&f.breaker, f.now).window.failures, 0);
}
END_TEST

/* --- open --- */

START_TEST(open_admits_nothing_until_its_time_is_over)
{
	struct breaker_change change;
	struct breaker_permit permit;
	struct fixture f;
	usec_t opened;

	set_up(&f);
	trip(&f);
	opened = f.now;
	ck_assert_uint_eq(breaker_deadline(&f.breaker), opened + 60 * SEC);
	ck_assert_uint_eq(breaker_time_left(&f.breaker, opened), 60 * SEC);
	for (; f.now < opened + 60 * SEC; f.now += 7 * SEC) {
		ck_assert(refused(&f));
		ck_assert_uint_eq(breaker_time_left(&f.breaker, f.now), opened + 60 * SEC - f.now);
	}
	ck_assert_uint_eq(f.breaker.rejected, 9);
	f.now = opened + 60 * SEC - 1;
	assert_unchanged(breaker_tick(&f.breaker, f.now));
	ck_assert(refused(&f));

	/* Nobody has ticked: the first call finds out by itself. */
	f.now++;
	ck_assert_int_eq(breaker_admit(&f.breaker, f.now, &permit, &change), BREAKER_ADMIT_PROBE);
	assert_change(change, BREAKER_BECAUSE_TIME, BREAKER_OPEN, BREAKER_HALF_OPEN);
	ck_assert_uint_eq(f.breaker.since, f.now);
}
END_TEST

START_TEST(stragglers_do_not_extend_it)
{
	struct breaker_permit stragglers[4];
	struct fixture f;
	usec_t until;

	set_up(&f);
	for (unsigned i = 0; i < ARRAY_SIZE(stragglers); i++)
		stragglers[i] = admitted(&f);
	trip(&f);
	until = breaker_deadline(&f.breaker);
	for (unsigned i = 0; i < ARRAY_SIZE(stragglers); i++) {
		f.now += 14 * SEC;
		assert_unchanged(end(&f, stragglers[i], "fsnF"[i]));
		assert_state(&f, BREAKER_OPEN);
		ck_assert_uint_eq(breaker_deadline(&f.breaker), until);
	}
	ck_assert_uint_eq(f.breaker.late, 4);
	ck_assert_uint_eq(f.breaker.run, 5);
	ck_assert_uint_eq(f.breaker.opened, 1);
}
END_TEST

START_TEST(open_times_grow_to_their_maximum)
{
	static const struct {
		unsigned multiplier;
		usec_t max; /* s */
		usec_t spans[5];
	} cases[] = {
		{100, 600, {60, 60, 60, 60, 60}},    {200, 600, {60, 120, 240, 480, 600}},
		{150, 200, {60, 90, 135, 200, 200}}, {UINT32_MAX, 600, {60, 600, 600, 600, 600}},
		{100, 40, {40, 40, 40, 40, 40}},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct breaker_settings settings = breaker_defaults;
		usec_t spans[5];
		struct fixture f;

		settings.open_multiplier = cases[i].multiplier;
		settings.open_timeout_max = cases[i].max * SEC;
		set_up_with(&f, &settings);
		reopen(&f, spans, ARRAY_SIZE(spans));
		for (unsigned k = 0; k < ARRAY_SIZE(spans); k++)
			ck_assert_uint_eq(spans[k], cases[i].spans[k] * SEC);
		ck_assert_uint_eq(f.breaker.opened, 6);

		/* Once closed it begins from the start. */
		f.now = breaker_deadline(&f.breaker);
		calls(&f, "sss");
		assert_state(&f, BREAKER_CLOSED);
		reopen(&f, spans, 1);
		ck_assert_uint_eq(spans[0], cases[i].spans[0] * SEC);
	}
}
END_TEST

START_TEST(jitter_adds_up_to_its_share_and_never_passes_the_maximum)
{
	usec_t least = USEC_INFINITY, most = 0;

	for (uint64_t seed = 0; seed < 500; seed++) {
		struct breaker_settings settings = breaker_defaults;
		usec_t spans[4];
		struct fixture f;

		settings.open_jitter = 20;
		settings.open_multiplier = 200;
		settings.open_timeout_max = 130 * SEC;
		set_up_with(&f, &settings);
		breaker_init(&f.breaker, &settings, seed, f.now);
		reopen(&f, spans, ARRAY_SIZE(spans));
		ck_assert_uint_ge(spans[0], 60 * SEC);
		ck_assert_uint_le(spans[0], 72 * SEC);
		ck_assert_uint_ge(spans[1], 120 * SEC);
		ck_assert_uint_le(spans[1], 130 * SEC);
		ck_assert_uint_eq(spans[2], 130 * SEC);
		ck_assert_uint_eq(spans[3], 130 * SEC);
		least = usec_min(least, spans[0]);
		most = usec_max(most, spans[0]);
	}
	ck_assert_uint_lt(least, 61 * SEC);
	ck_assert_uint_gt(most, 71 * SEC);
}
END_TEST

START_TEST(a_healthy_new_worker_brings_probes_early)
{
	static const struct {
		usec_t timeout;
		usec_t worker_started; /* after the breaker opened, as are the next two */
		usec_t answered;
		usec_t half_open;
	} cases[] = {
		{60 * SEC, 0, 200 * MSEC, 3 * SEC},
		{60 * SEC, 100 * MSEC, 2 * SEC, 3 * SEC},
		{60 * SEC, 100 * MSEC, 10 * SEC, 10 * SEC},
		{10 * SEC, 100 * MSEC, 200 * MSEC, SEC},
		{500 * MSEC, 100 * MSEC, 200 * MSEC, 500 * MSEC},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct breaker_settings settings = breaker_defaults;
		struct breaker_change change;
		struct fixture f;
		usec_t opened;

		settings.open_timeout = cases[i].timeout;
		set_up_with(&f, &settings);
		trip(&f);
		opened = f.now;

		/* One that was there before says nothing. */
		change = breaker_early_probe(&f.breaker, opened - 1, opened + 100 * MSEC);
		assert_unchanged(change);
		ck_assert_uint_eq(breaker_deadline(&f.breaker), opened + cases[i].timeout);

		change = breaker_early_probe(&f.breaker, opened + cases[i].worker_started,
					     opened + cases[i].answered);
		if (change.reason == BREAKER_BECAUSE_NONE) {
			ck_assert_uint_eq(breaker_deadline(&f.breaker),
					  opened + cases[i].half_open);
			/* A second one changes no more. */
			breaker_early_probe(&f.breaker, opened + 1, opened + cases[i].answered);
			ck_assert_uint_eq(breaker_deadline(&f.breaker),
					  opened + cases[i].half_open);
			change = breaker_tick(&f.breaker, opened + cases[i].half_open);
		}
		assert_change(change,
			      cases[i].half_open < cases[i].timeout ? BREAKER_BECAUSE_EARLY
								    : BREAKER_BECAUSE_TIME,
			      BREAKER_OPEN, BREAKER_HALF_OPEN);
	}
}
END_TEST

START_TEST(early_probes_may_be_off_and_are_for_open_alone)
{
	struct breaker_settings settings = breaker_defaults;
	struct fixture f;

	settings.early_probe = false;
	set_up_with(&f, &settings);
	trip(&f);
	breaker_early_probe(&f.breaker, f.now + 1, f.now + 2 * SEC);
	ck_assert_uint_eq(breaker_deadline(&f.breaker), f.now + 60 * SEC);

	set_up(&f);
	assert_unchanged(breaker_early_probe(&f.breaker, f.now + 1, f.now + 2 * SEC));
	assert_state(&f, BREAKER_CLOSED);
	breaker_force_open(&f.breaker, f.now);
	breaker_early_probe(&f.breaker, f.now + 1, f.now + 2 * SEC);
	assert_state(&f, BREAKER_FORCED_OPEN);

	/* The next opening has its whole time again. */
	set_up(&f);
	trip(&f);
	breaker_early_probe(&f.breaker, f.now, f.now + 3 * SEC);
	f.now += 3 * SEC;
	call(&f, 'f', 0);
	ck_assert_uint_eq(breaker_deadline(&f.breaker), f.now + 60 * SEC);
}
END_TEST

/* --- reports and settings --- */

START_TEST(a_report_says_it_all)
{
	struct breaker_snapshot snapshot;
	struct breaker_permit straggler;
	struct fixture f;

	set_up(&f);
	straggler = admitted(&f);
	calls(&f, "sfsfffff");
	snapshot = breaker_snapshot(&f.breaker, f.now);
	ck_assert_int_eq(snapshot.state, BREAKER_OPEN);
	ck_assert_uint_eq(snapshot.since, f.now);
	ck_assert_uint_eq(snapshot.run, 5);
	ck_assert_uint_eq(snapshot.window.calls, 8);
	ck_assert_uint_eq(snapshot.window.failures, 6);
	ck_assert_uint_eq(snapshot.failure_permille, 750);
	ck_assert_uint_eq(snapshot.slow_permille, 0);
	ck_assert_uint_eq(snapshot.open_until, f.now + 60 * SEC);
	ck_assert_uint_eq(snapshot.opened, 1);
	ck_assert(refused(&f));
	end(&f, straggler, 's');
	f.now += 60 * SEC;
	admitted(&f);
	call(&f, 's', 0);
	snapshot = breaker_snapshot(&f.breaker, f.now);
	ck_assert_int_eq(snapshot.state, BREAKER_HALF_OPEN);
	ck_assert_uint_eq(snapshot.open_until, 0);
	ck_assert_uint_eq(snapshot.probes, 1);
	ck_assert_uint_eq(snapshot.probe_successes, 1);
	ck_assert_uint_eq(snapshot.rejected, 1);
	ck_assert_uint_eq(snapshot.late, 1);
	ck_assert_uint_eq(snapshot.generation, 2);
}
END_TEST

static void begin(void *settings)
{
	struct breaker breaker;

	breaker_init(&breaker, settings, 0, START);
}

START_TEST(settings_that_cannot_be_are_an_assertion)
{
	struct breaker_settings cases[5];

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++)
		cases[i] = breaker_defaults;
	cases[0].failure_threshold = 0;
	cases[1].success_threshold = 0;
	cases[2].half_open_requests = 0;
	cases[3].half_open_requests = BREAKER_PROBES_MAX + 1;
	cases[4].window = BREAKER_BUCKETS - 1;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++)
		ck_assert(unit_aborts(begin, &cases[i], true));
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		every_pair_of_states,
		every_value_has_a_name,
		what_opens_it_at_its_last_call,
		the_rate_is_exact_at_the_edge,
		slow_calls_open_it_where_the_rule_is_on,
		the_window_forgets_by_tenths,
		open_admits_nothing_until_its_time_is_over,
		stragglers_do_not_extend_it,
		open_times_grow_to_their_maximum,
		jitter_adds_up_to_its_share_and_never_passes_the_maximum,
		a_healthy_new_worker_brings_probes_early,
		early_probes_may_be_off_and_are_for_open_alone,
		a_report_says_it_all,
		settings_that_cannot_be_are_an_assertion,
	};

	return unit_main("breaker", tests, ARRAY_SIZE(tests));
}
