/* The breaker against a second, naive model that keeps everything in lists, and in long runs. */
#include "daemon/core/breaker.h"

#include <stdio.h>

#include "tests/lib/breaker_model.h"
#include "tests/lib/defaults.h"
#include "tests/lib/prop.h"
#include "tests/lib/shrink.h"
#include "tests/lib/unit.h"

#define START (1000 * USEC_PER_SEC)
#define SEC   USEC_PER_SEC
#define MSEC  USEC_PER_MSEC

/* --- operations --- */

enum op_kind {
	OP_WAIT = 0,
	OP_ADMIT,
	OP_END,
	OP_CALL, /* both at once */
	OP_TICK,
	OP_EARLY,
	OP_OPERATOR,
	OP_COUNT_
};

static const char *const outcome_names[] = {"success", "failure", "neutral"};
static const enum breaker_state manual[] = {BREAKER_CLOSED, BREAKER_FORCED_OPEN, BREAKER_DISABLED,
					    BREAKER_OBSERVING};

static enum op_kind kind_of(uint64_t op)
{
	static const enum op_kind kinds[] = {
		OP_WAIT,  OP_WAIT, OP_WAIT, OP_WAIT, OP_WAIT,  OP_ADMIT, OP_ADMIT,
		OP_ADMIT, OP_END,  OP_END,  OP_END,  OP_END,   OP_CALL,	 OP_CALL,
		OP_CALL,  OP_CALL, OP_CALL, OP_CALL, OP_CALL,  OP_CALL,	 OP_CALL,
		OP_CALL,  OP_CALL, OP_CALL, OP_TICK, OP_EARLY, OP_EARLY};

	/* A hand is rare, or nothing else would get anywhere. */
	return op >> 56 < 4 ? OP_OPERATOR : kinds[(op & 0xff) % ARRAY_SIZE(kinds)];
}

static usec_t span_of(uint64_t op)
{
	static const usec_t spans[] = {1,	 MSEC,	   100 * MSEC,	SEC - 1,  SEC,
				       SEC,	 2 * SEC,  3 * SEC,	10 * SEC, 30 * SEC - 1,
				       30 * SEC, 60 * SEC, 60 * SEC + 1};

	return spans[(op >> 8 & 0xff) % ARRAY_SIZE(spans)];
}

static enum outcome outcome_of(uint64_t op)
{
	static const enum outcome outcomes[] = {OUTCOME_SUCCESS, OUTCOME_SUCCESS, OUTCOME_SUCCESS,
						OUTCOME_FAILURE, OUTCOME_FAILURE, OUTCOME_NEUTRAL};

	return outcomes[(op >> 16 & 0xff) % ARRAY_SIZE(outcomes)];
}

static usec_t duration_of(uint64_t op)
{
	return (op >> 24 & 3) == 0 ? 2 * SEC : MSEC;
}

static unsigned which_of(uint64_t op)
{
	return (unsigned)(op >> 32 & 0xff);
}

/* The first operation chooses them. */
static struct breaker_settings settings_of(uint64_t op)
{
	struct breaker_settings settings = breaker_defaults;

	switch (op % 5) {
	case 1:
		settings.minimum_calls = 6;
		settings.slow_call_rate = 40;
		settings.slow_call_duration = 2 * SEC;
		settings.window = 5 * SEC;
		settings.open_jitter = 30;
		break;
	case 2:
		settings.half_open_requests = settings.success_threshold = 1;
		settings.open_timeout = 10 * SEC;
		settings.open_multiplier = 200;
		settings.open_timeout_max = 35 * SEC;
		break;
	case 3:
		settings.failure_threshold = 4;
		settings.minimum_calls = 3;
		settings.failure_rate = 0;
		settings.early_probe = false;
		settings.open_timeout = 2 * SEC;
		break;
	case 4:
		settings.failure_threshold = 1000;
		settings.minimum_calls = 4;
		settings.failure_rate = 67;
		settings.window = 33 * MSEC;
		settings.half_open_requests = 5;
		break;
	default:
		break;
	}
	return settings;
}

static void describe(uint64_t op, char *text, size_t size)
{
	switch (kind_of(op)) {
	case OP_WAIT:
		snprintf(text, size, "wait %" PRIu64 " us", span_of(op));
		break;
	case OP_ADMIT:
		snprintf(text, size, "admit");
		break;
	case OP_END:
		snprintf(text, size, "end of the %u modulo nth: %s in %" PRIu64 " us", which_of(op),
			 outcome_names[outcome_of(op)], duration_of(op));
		break;
	case OP_CALL:
		snprintf(text, size, "call: %s in %" PRIu64 " us", outcome_names[outcome_of(op)],
			 duration_of(op));
		break;
	case OP_TICK:
		snprintf(text, size, "tick");
		break;
	case OP_EARLY:
		snprintf(text, size, "early probe, worker %u", which_of(op) % 3);
		break;
	case OP_OPERATOR:
	case OP_COUNT_:
		snprintf(text, size, "by hand: %s",
			 breaker_state_name(manual[which_of(op) % ARRAY_SIZE(manual)]));
		break;
	}
}

static void explain(const uint64_t *ops, size_t len)
{
	fprintf(stderr, "settings %u:\n", len > 0 ? (unsigned)(ops[0] % 5) : 0);
	for (size_t i = 1; i < len; i++) {
		char text[80];

		describe(ops[i], text, sizeof(text));
		fprintf(stderr, "  %s\n", text);
	}
}

/* --- both side by side --- */

struct held {
	struct breaker_permit permit;
	size_t probe; /* in the model's list */
};

struct pair {
	struct breaker breaker;
	struct model model;
	struct held held[SHRINK_OPS_MAX];
	size_t held_count;
};

static const char *same_change(struct breaker_change a, struct breaker_change b)
{
	if (a.reason != b.reason)
		return "the reasons differ";
	if (a.reason != BREAKER_BECAUSE_NONE && (a.from != b.from || a.to != b.to))
		return "the changes differ";
	return NULL;
}

static const char *admit(struct pair *pair)
{
	struct breaker_change ours, theirs;
	struct held *held = &pair->held[pair->held_count];
	enum breaker_verdict verdict =
		breaker_admit(&pair->breaker, pair->model.now, &held->permit, &ours);

	if (verdict != model_admit(&pair->model, &theirs))
		return "the verdicts differ";
	if (verdict != BREAKER_ADMIT_NO) {
		if ((held->permit.probe > 0) != (verdict == BREAKER_ADMIT_PROBE))
			return "the permit is not what the verdict says";
		held->probe =
			verdict == BREAKER_ADMIT_PROBE ? pair->model.probe_count - 1 : SIZE_MAX;
		pair->held_count++;
	}
	return same_change(ours, theirs);
}

static const char *end(struct pair *pair, size_t which, enum outcome outcome, usec_t duration)
{
	struct held held = pair->held[which];
	usec_t now = pair->model.now;
	struct breaker_change ours;

	pair->held[which] = pair->held[--pair->held_count];
	if (outcome == OUTCOME_SUCCESS)
		ours = breaker_success(&pair->breaker, held.permit, now, duration);
	else if (outcome == OUTCOME_FAILURE)
		ours = breaker_failure(&pair->breaker, held.permit, now, duration);
	else
		ours = breaker_neutral(&pair->breaker, held.permit, now);
	return same_change(ours, model_end(&pair->model, held.permit.generation, held.probe,
					   outcome, duration));
}

static const char *early_probe(struct pair *pair, unsigned worker)
{
	usec_t started = pair->model.since + worker - 1;

	return same_change(breaker_early_probe(&pair->breaker, started, pair->model.now),
			   model_early_probe(&pair->model, started));
}

static const char *act_manually(struct pair *pair, unsigned which)
{
	static struct breaker_change (*const operators[])(struct breaker *, usec_t) = {
		breaker_reset, breaker_force_open, breaker_disable, breaker_observe};

	return same_change(operators[which](&pair->breaker, pair->model.now),
			   model_move(&pair->model, manual[which], BREAKER_BECAUSE_MANUAL));
}

static const char *apply(struct pair *pair, uint64_t op)
{
	size_t before = pair->held_count;
	const char *wrong;

	switch (kind_of(op)) {
	case OP_WAIT:
		pair->model.now += span_of(op);
		return NULL;
	case OP_ADMIT:
		return admit(pair);
	case OP_END:
		return before == 0
			       ? NULL
			       : end(pair, which_of(op) % before, outcome_of(op), duration_of(op));
	case OP_CALL:
		wrong = admit(pair);
		if (!wrong && pair->held_count > before)
			wrong = end(pair, before, outcome_of(op), duration_of(op));
		return wrong;
	case OP_TICK:
		return same_change(breaker_tick(&pair->breaker, pair->model.now),
				   model_tick(&pair->model));
	case OP_EARLY:
		return early_probe(pair, which_of(op) % 3);
	case OP_OPERATOR:
	case OP_COUNT_:
		break;
	}
	return act_manually(pair, which_of(op) % ARRAY_SIZE(manual));
}

/* What jitter adds is for the breaker alone to know: it is held against its limits, and taken over.
 */
static const char *take_jitter(struct pair *pair)
{
	struct model *model = &pair->model;
	usec_t span = model_open_span(model);
	usec_t until = breaker_deadline(&pair->breaker);
	usec_t most = usec_min(span + span * model->settings.open_jitter / 100,
			       model->settings.open_timeout_max);

	if (until < model->since + span || until > model->since + most)
		return "the open time is out of its limits";
	model->normal_until = until;
	return NULL;
}

static const char *compare(const struct pair *pair)
{
	const struct model *model = &pair->model;
	struct breaker_snapshot ours = breaker_snapshot(&pair->breaker, model->now);
	struct breaker_bucket window = model_window(model);

	if (ours.state != model->state || ours.since != model->since ||
	    ours.generation != model->generation)
		return "the states differ";
	if (ours.run != model_run(model))
		return "the runs of failures differ";
	if (ours.window.calls != window.calls || ours.window.failures != window.failures ||
	    ours.window.slow != window.slow)
		return "the windows differ";
	if (breaker_deadline(&pair->breaker) != model_deadline(model))
		return "the deadlines differ";
	if (ours.probes != model_probes(model) || ours.probe_successes != model->probe_successes)
		return "the probes differ";
	if (ours.probes > model->settings.half_open_requests)
		return "there is a probe too many";
	if (ours.opened != model->opened || ours.would_open != model->would_open ||
	    ours.rejected != model->rejected || ours.late != model->late)
		return "the counters differ";
	return NULL;
}

static const char *agrees_with_model(const uint64_t *ops, size_t len)
{
	struct breaker_settings settings = settings_of(len > 0 ? ops[0] : 0);
	static struct pair pair;
	struct model *model = &pair.model;

	pair.held_count = 0;
	model_init(model, &settings, START);
	breaker_init(&pair.breaker, &settings, len, START);
	for (size_t i = 1; i < len; i++) {
		uint64_t opened = model->opened;
		const char *wrong = apply(&pair, ops[i]);

		if (!wrong && model->opened > opened)
			wrong = take_jitter(&pair);
		if (!wrong)
			wrong = compare(&pair);
		if (wrong)
			return wrong;
	}
	return NULL;
}

START_TEST(random_sequences_agree_with_the_model)
{
	static const struct shrink_property property = {"breaker", agrees_with_model, NULL,
							explain};

	shrink_check(&property, 5000, 400);
}
END_TEST

/* --- long runs --- */

/* A call every `spacing` that fails with a chance of `percent`; false when it was not admitted. */
static bool one_call(struct breaker *breaker, struct prop *prop, usec_t now, unsigned percent)
{
	struct breaker_permit permit;
	struct breaker_change change;

	if (breaker_admit(breaker, now, &permit, &change) == BREAKER_ADMIT_NO)
		return false;
	if (prop_chance(prop, percent))
		breaker_failure(breaker, permit, now, MSEC);
	else
		breaker_success(breaker, permit, now, MSEC);
	return true;
}

/* Runs of five failures do happen in it: counting them alone would have opened it. */
START_TEST(a_healthy_busy_pool_never_opens)
{
	unsigned longest = 0;

	for (uint64_t seed = 0; seed < 10; seed++) {
		struct prop prop = prop_seeded(seed);
		struct breaker breaker;

		breaker_init(&breaker, &breaker_defaults, seed, START);
		for (unsigned call = 0; call < 1000000; call++) {
			one_call(&breaker, &prop, START + call * MSEC, 5);
			if (breaker.run > longest)
				longest = breaker.run;
		}
		ck_assert_uint_eq(breaker.opened, 0);
		ck_assert_uint_eq(breaker.rejected, 0);
	}
	ck_assert_uint_ge(longest, breaker_defaults.failure_threshold);
}
END_TEST

START_TEST(an_outage_is_seen_within_a_second)
{
	static const usec_t spacings[] = {100, MSEC, 10 * MSEC, 100 * MSEC};

	for (unsigned i = 0; i < ARRAY_SIZE(spacings); i++)
		for (uint64_t seed = 0; seed < 10; seed++) {
			struct prop prop = prop_seeded(seed);
			usec_t now = START, outage;
			struct breaker breaker;

			breaker_init(&breaker, &breaker_defaults, seed, START);
			for (; now < START + 30 * SEC; now += spacings[i])
				one_call(&breaker, &prop, now, 2);
			ck_assert_uint_eq(breaker.opened, 0);
			outage = now;
			while (one_call(&breaker, &prop, now, 100))
				now += spacings[i];
			ck_assert_int_eq(breaker_state(&breaker), BREAKER_OPEN);
			ck_assert_uint_le(breaker.since - outage, SEC);
		}
}
END_TEST

/* Ten minutes of outage under 1000 calls a second: only probes get through, and one open time
 * after its end at the latest all is as before. */
START_TEST(an_outage_is_probed_and_left)
{
	struct prop prop = prop_seeded(1);
	usec_t outage_end = START + 610 * SEC;
	unsigned through = 0;
	struct breaker breaker;
	usec_t now;

	breaker_init(&breaker, &breaker_defaults, 1, START);
	for (now = START; now < START + 10 * SEC; now += MSEC)
		one_call(&breaker, &prop, now, 0);
	for (; now < outage_end; now += MSEC)
		through += one_call(&breaker, &prop, now, 100);
	ck_assert_uint_le(through, 1000 + 10);
	ck_assert_uint_ge(breaker.opened, 9);
	while (!one_call(&breaker, &prop, now, 0))
		now += MSEC;
	ck_assert_uint_le(now - outage_end, 60 * SEC);
	for (unsigned call = 0; call < 1000; call++)
		ck_assert(one_call(&breaker, &prop, now += MSEC, 0));
	ck_assert_int_eq(breaker_state(&breaker), BREAKER_CLOSED);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		random_sequences_agree_with_the_model,
		a_healthy_busy_pool_never_opens,
		an_outage_is_seen_within_a_second,
		an_outage_is_probed_and_left,
	};

	return unit_main("breaker_random", tests, ARRAY_SIZE(tests));
}
