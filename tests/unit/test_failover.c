#include "daemon/core/failover.h"

#include <stdio.h>
#include <string.h>

#include "tests/lib/shrink.h"
#include "tests/lib/unit.h"

#define SEC   USEC_PER_SEC
#define START (100 * SEC)
#define DWELL (10 * SEC)
#define STEP  (5 * SEC)

static const struct failover_settings settings = {.dwell = DWELL, .step = STEP};

/* Written out here once more, so that a slip in the table shows. */
static const bool allowed[FAILOVER_STATE_COUNT_][FAILOVER_STATE_COUNT_] = {
	[FAILOVER_HOME] = {[FAILOVER_AWAY] = true},
	[FAILOVER_AWAY] = {[FAILOVER_RETURNING] = true, [FAILOVER_HOME] = true},
	[FAILOVER_RETURNING] = {[FAILOVER_AWAY] = true, [FAILOVER_HOME] = true},
};

START_TEST(every_pair_of_states_is_an_edge_or_not)
{
	for (unsigned from = 0; from < FAILOVER_STATE_COUNT_; from++)
		for (unsigned to = 0; to < FAILOVER_STATE_COUNT_; to++)
			ck_assert_int_eq(failover_may_move((enum failover_state)from,
							   (enum failover_state)to),
					 allowed[from][to]);
}
END_TEST

START_TEST(every_state_has_a_name)
{
	ck_assert_str_eq(failover_state_name(FAILOVER_HOME), "home");
	ck_assert_str_eq(failover_state_name(FAILOVER_AWAY), "away");
	ck_assert_str_eq(failover_state_name(FAILOVER_RETURNING), "returning");
}
END_TEST

static unsigned count_takes(struct failover *failover, unsigned requests, usec_t now)
{
	unsigned taken = 0;

	while (requests-- > 0)
		taken += failover_takes(failover, now);
	return taken;
}

START_TEST(at_home_all_requests_go_there)
{
	struct failover f;

	failover_init(&f, &settings, START);
	ck_assert_int_eq(f.state, FAILOVER_HOME);
	ck_assert_uint_eq(failover_deadline(&f), USEC_INFINITY);
	ck_assert_uint_eq(failover_share(&f), 100);
	ck_assert_uint_eq(count_takes(&f, 100, START), 100);
	failover_set_able(&f, true, START + 1);
	ck_assert_int_eq(f.state, FAILOVER_HOME);
}
END_TEST

START_TEST(a_pool_that_cannot_serve_is_left_at_once)
{
	struct failover f;

	failover_init(&f, &settings, START);
	failover_set_able(&f, false, START);
	ck_assert_int_eq(f.state, FAILOVER_AWAY);
	ck_assert_uint_eq(count_takes(&f, 100, START), 0);
	ck_assert_msg(failover_deadline(&f) == USEC_INFINITY, "it never comes back by itself");
	failover_tick(&f, START + 1000 * SEC);
	ck_assert_int_eq(f.state, FAILOVER_AWAY);
}
END_TEST

/* Able again at once: what counts is the time since the requests left. */
START_TEST(requests_come_back_after_a_dwell_in_four_steps)
{
	static const struct {
		usec_t after; /* leaving */
		unsigned share;
		enum failover_state state;
	} steps[] = {
		{0, 0, FAILOVER_AWAY},
		{DWELL - 1, 0, FAILOVER_AWAY},
		{DWELL, 10, FAILOVER_RETURNING},
		{DWELL + STEP - 1, 10, FAILOVER_RETURNING},
		{DWELL + STEP, 25, FAILOVER_RETURNING},
		{DWELL + 2 * STEP - 1, 25, FAILOVER_RETURNING},
		{DWELL + 2 * STEP, 50, FAILOVER_RETURNING},
		{DWELL + 3 * STEP - 1, 50, FAILOVER_RETURNING},
		{DWELL + 3 * STEP, 100, FAILOVER_HOME},
	};
	struct failover f;

	failover_init(&f, &settings, START);
	failover_set_able(&f, false, START);
	failover_set_able(&f, true, START);
	for (unsigned i = 0; i < ARRAY_SIZE(steps); i++) {
		unsigned taken = count_takes(&f, 100, START + steps[i].after);

		ck_assert_int_eq(f.state, steps[i].state);
		ck_assert_uint_eq(failover_share(&f), steps[i].share);
		ck_assert_uint_eq(taken, steps[i].share);
	}
	ck_assert_uint_eq(failover_deadline(&f), USEC_INFINITY);
}
END_TEST

/* Of every hundred, so many, and as evenly as whole numbers allow. */
START_TEST(a_share_is_spread_evenly)
{
	struct failover f;

	failover_init(&f, &settings, START);
	failover_set_able(&f, false, START);
	failover_set_able(&f, true, START);
	failover_tick(&f, START + DWELL);
	for (unsigned ten = 0; ten < 10; ten++)
		ck_assert_uint_eq(count_takes(&f, 10, START + DWELL), 1);
	failover_tick(&f, START + DWELL + STEP);
	for (unsigned four = 0; four < 10; four++)
		ck_assert_uint_eq(count_takes(&f, 4, START + DWELL + STEP), 1);
}
END_TEST

START_TEST(the_dwell_counts_from_leaving_and_not_from_being_able_again)
{
	struct failover f;

	failover_init(&f, &settings, START);
	failover_set_able(&f, false, START);
	failover_set_able(&f, true, START + 4 * SEC);
	ck_assert_uint_eq(failover_deadline(&f), START + DWELL);
	failover_set_able(&f, false, START + 5 * SEC);
	ck_assert_uint_eq(failover_deadline(&f), USEC_INFINITY);
	failover_set_able(&f, true, START + 60 * SEC);
	ck_assert_msg(failover_deadline(&f) <= START + 60 * SEC, "the dwell is over long since");
	failover_tick(&f, START + 60 * SEC);
	ck_assert_int_eq(f.state, FAILOVER_RETURNING);
	ck_assert_uint_eq(failover_deadline(&f), START + 60 * SEC + STEP);
}
END_TEST

START_TEST(who_fails_on_the_way_back_begins_again)
{
	struct failover f;

	failover_init(&f, &settings, START);
	failover_set_able(&f, false, START);
	failover_set_able(&f, true, START);
	failover_tick(&f, START + DWELL);
	failover_tick(&f, START + DWELL + STEP);
	ck_assert_uint_eq(failover_share(&f), 25);
	failover_set_able(&f, false, START + DWELL + STEP + 1);
	ck_assert_int_eq(f.state, FAILOVER_AWAY);
	failover_set_able(&f, true, START + DWELL + STEP + 2);
	ck_assert_uint_eq(failover_deadline(&f), START + DWELL + STEP + 1 + DWELL);
	failover_tick(&f, failover_deadline(&f));
	ck_assert_uint_eq(failover_share(&f), 10);
}
END_TEST

/* What is due happens before the news. */
START_TEST(events_on_the_stroke_of_a_step)
{
	struct failover f;

	failover_init(&f, &settings, START);
	failover_set_able(&f, false, START);
	failover_set_able(&f, true, START);
	failover_set_able(&f, true, START + DWELL);
	ck_assert_int_eq(f.state, FAILOVER_RETURNING);
	failover_set_able(&f, false, START + DWELL + STEP);
	ck_assert_int_eq(f.state, FAILOVER_AWAY);
	ck_assert_uint_eq(f.left, START + DWELL + STEP);
}
END_TEST

/* --- against a model: the state follows from when the pool was left and able again --- */

struct model {
	bool able;
	bool home; /* it has not been left since it was last back for good */
	usec_t left, able_since;
	unsigned shares; /* of all requests since it began to return */
};

static const unsigned model_shares[] = {10, 25, 50};

/* Where it stands at `now`: 0 away, 1 to 3 steps back, 4 home. */
static unsigned model_step(const struct model *model, usec_t now)
{
	usec_t begin = usec_max(model->left + DWELL, model->able_since);

	if (model->home)
		return 4;
	if (!model->able || now < begin)
		return 0;
	return (now - begin) / STEP < 3 ? 1 + (unsigned)((now - begin) / STEP) : 4;
}

static unsigned model_share(const struct model *model, usec_t now)
{
	unsigned step = model_step(model, now);

	return step == 0 ? 0 : step == 4 ? 100 : model_shares[step - 1];
}

static void model_pass(struct model *model, usec_t now)
{
	unsigned step = model_step(model, now);

	if (step == 0 || (step == 4 && !model->home))
		model->shares = 0;
	model->home = step == 4;
}

static void model_set_able(struct model *model, bool able, usec_t now)
{
	if (!able && model_step(model, now) > 0) {
		model->left = now;
		model->home = false;
		model->shares = 0;
	}
	if (able && !model->able)
		model->able_since = now;
	model->able = able;
}

static bool model_takes(struct model *model, usec_t now)
{
	unsigned before = model->shares / 100;

	model->shares += model_share(model, now);
	return model->shares / 100 > before;
}

/* On the way there, the timer comes whenever it is due. */
static usec_t pass_time(struct failover *f, struct model *model, usec_t now, usec_t span)
{
	usec_t end = now + span;

	while (failover_deadline(f) <= end) {
		now = usec_max(failover_deadline(f), now);
		failover_tick(f, now);
		model_pass(model, now);
	}
	model_pass(model, end);
	return end;
}

static const char *agrees_with_model(const uint64_t *ops, size_t len)
{
	struct model model = {.able = true, .home = true};
	struct failover f;
	usec_t now = START;

	failover_init(&f, &settings, now);
	for (size_t i = 0; i < len; i++) {
		unsigned number = (unsigned)(ops[i] >> 8) % 64;
		bool able = ops[i] & 16;

		switch (ops[i] % 4) {
		case 0:
			failover_set_able(&f, able, now);
			model_set_able(&model, able, now);
			now = pass_time(&f, &model, now, 0);
			break;
		case 1:
			now = pass_time(&f, &model, now, number * SEC / 4);
			break;
		default:
			for (; number > 0; number--)
				if (failover_takes(&f, now) != model_takes(&model, now))
					return "a request goes another way than in the model";
		}
		if (failover_share(&f) != model_share(&model, now))
			return "the share is not the model's";
	}
	return NULL;
}

static void describe(uint64_t op, char *text, size_t size)
{
	unsigned number = (unsigned)(op >> 8) % 64;

	if (op % 4 == 0)
		snprintf(text, size, "%s", op & 16 ? "able" : "not able");
	else if (op % 4 == 1)
		snprintf(text, size, "%u quarters of a second later", number);
	else
		snprintf(text, size, "%u requests", number);
}

START_TEST(random_sequences_agree_with_the_model)
{
	static const struct shrink_property property = {"failover", agrees_with_model, describe,
							NULL};

	shrink_check(&property, 3000, 200);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		every_pair_of_states_is_an_edge_or_not,
		every_state_has_a_name,
		at_home_all_requests_go_there,
		a_pool_that_cannot_serve_is_left_at_once,
		requests_come_back_after_a_dwell_in_four_steps,
		a_share_is_spread_evenly,
		the_dwell_counts_from_leaving_and_not_from_being_able_again,
		who_fails_on_the_way_back_begins_again,
		events_on_the_stroke_of_a_step,
		random_sequences_agree_with_the_model,
	};

	return unit_main("failover", tests, ARRAY_SIZE(tests));
}
