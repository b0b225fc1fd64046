/* For the tests of the breaker: a breaker with its own clock, and calls written as letters. */
#ifndef POOLD_TESTS_BREAKER_CALLS_H
#define POOLD_TESTS_BREAKER_CALLS_H

#include "daemon/core/breaker.h"
#include "tests/lib/defaults.h"
#include "tests/lib/unit.h"

#define START (1000 * USEC_PER_SEC)
#define SEC   USEC_PER_SEC
#define MSEC  USEC_PER_MSEC

/* Duration from which a call is slow, if the slow-call rule is on. */
#define SLOW (2 * SEC)

/* A breaker with its own clock. */
struct fixture {
	struct breaker breaker;
	usec_t now;
};

static inline void set_up_with(struct fixture *f, const struct breaker_settings *settings)
{
	*f = (struct fixture){.now = START};
	breaker_init(&f->breaker, settings, 1, START);
}

static inline void set_up(struct fixture *f)
{
	set_up_with(f, &breaker_defaults);
}

/* --- calls --- */

static inline enum breaker_verdict ask(struct fixture *f, struct breaker_permit *ret_permit)
{
	struct breaker_change change;

	return breaker_admit(&f->breaker, f->now, ret_permit, &change);
}

/* A call that must be admitted. */
static inline struct breaker_permit admitted(struct fixture *f)
{
	struct breaker_permit permit;

	ck_assert_int_ne(ask(f, &permit), BREAKER_ADMIT_NO);
	return permit;
}

static inline bool refused(struct fixture *f)
{
	struct breaker_permit permit;

	return ask(f, &permit) == BREAKER_ADMIT_NO;
}

/* Gives a permit back: 's' success, 'f' failure, 'n' neutral; 'S' and 'F': the same, but slow. */
static inline struct breaker_change end(struct fixture *f, struct breaker_permit permit,
					char outcome)
{
	usec_t duration = outcome == 'S' || outcome == 'F' ? SLOW : MSEC;

	if (outcome == 'n')
		return breaker_neutral(&f->breaker, permit, f->now);
	if (outcome == 's' || outcome == 'S')
		return breaker_success(&f->breaker, permit, f->now, duration);
	return breaker_failure(&f->breaker, permit, f->now, duration);
}

/* A whole call, `spacing` after the one before. */
static inline struct breaker_change call(struct fixture *f, char outcome, usec_t spacing)
{
	f->now += spacing;
	return end(f, admitted(f), outcome);
}

/* Makes calls a millisecond apart; returns what the last one changed. */
static inline struct breaker_change calls(struct fixture *f, const char *outcomes)
{
	struct breaker_change change = {.reason = BREAKER_BECAUSE_NONE};

	for (; *outcomes; outcomes++)
		change = call(f, *outcomes, MSEC);
	return change;
}

static inline void assert_change(struct breaker_change change, enum breaker_reason reason,
				 enum breaker_state from, enum breaker_state to)
{
	ck_assert_str_eq(breaker_reason_name(change.reason), breaker_reason_name(reason));
	if (reason == BREAKER_BECAUSE_NONE)
		return;
	ck_assert_str_eq(breaker_state_name(change.from), breaker_state_name(from));
	ck_assert_str_eq(breaker_state_name(change.to), breaker_state_name(to));
}

static inline void assert_unchanged(struct breaker_change change)
{
	assert_change(change, BREAKER_BECAUSE_NONE, BREAKER_CLOSED, BREAKER_CLOSED);
}

static inline void assert_state(const struct fixture *f, enum breaker_state state)
{
	ck_assert_str_eq(breaker_state_name(breaker_state(&f->breaker)), breaker_state_name(state));
}

/* Brings the breaker into a state by calls, not by the functions for operators. */
static inline void trip(struct fixture *f)
{
	calls(f, "fffff");
	assert_state(f, BREAKER_OPEN);
}

static inline void half_open(struct fixture *f)
{
	trip(f);
	f->now = breaker_deadline(&f->breaker);
	breaker_tick(&f->breaker, f->now);
	assert_state(f, BREAKER_HALF_OPEN);
}

/* Returns the open times of an outage in which every probe fails. */
static inline void reopen(struct fixture *f, usec_t *spans, unsigned count)
{
	trip(f);
	for (unsigned i = 0; i < count; i++) {
		spans[i] = breaker_deadline(&f->breaker) - f->now;
		f->now = breaker_deadline(&f->breaker);
		call(f, 'f', 0);
		assert_state(f, BREAKER_OPEN);
	}
}

/* Asserts that two snapshots are equal. */
static inline void assert_same(const struct breaker_snapshot *a, const struct breaker_snapshot *b)
{
	ck_assert_uint_eq(a->state, b->state);
	ck_assert_uint_eq(a->since, b->since);
	ck_assert_uint_eq(a->generation, b->generation);
	ck_assert_uint_eq(a->run, b->run);
	ck_assert_uint_eq(a->window.calls, b->window.calls);
	ck_assert_uint_eq(a->window.failures, b->window.failures);
	ck_assert_uint_eq(a->window.slow, b->window.slow);
	ck_assert_uint_eq(a->open_until, b->open_until);
	ck_assert_uint_eq(a->probes, b->probes);
	ck_assert_uint_eq(a->probe_successes, b->probe_successes);
	ck_assert_uint_eq(a->opened, b->opened);
	ck_assert_uint_eq(a->would_open, b->would_open);
	ck_assert_uint_eq(a->rejected, b->rejected);
	ck_assert_uint_eq(a->late, b->late);
}

#endif
