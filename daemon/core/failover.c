#include "daemon/core/failover.h"

/* Percent of the requests that go to the pool, in each step of the return. */
static const unsigned shares[] = {10, 25, 50};

static const struct {
	const char *name;
	unsigned next;
} states[FAILOVER_STATE_COUNT_] = {
#define STATE(name, word, next, text) {(word), (next)},
	FAILOVER_STATES(STATE)
#undef STATE
};

const char *failover_state_name(enum failover_state state)
{
	return states[state].name;
}

bool failover_may_move(enum failover_state from, enum failover_state to)
{
	return states[from].next & 1u << to;
}

void failover_init(struct failover *failover, const struct failover_settings *settings, usec_t now)
{
	*failover = (struct failover){.settings = *settings, .is_able = true, .since = now};
}

static void move(struct failover *failover, enum failover_state state, usec_t now)
{
	assert(failover_may_move(failover->state, state));
	failover->state = state;
	failover->since = now;
	failover->step = 0;
	failover->credit = 0;
}

usec_t failover_deadline(const struct failover *failover)
{
	if (failover->state == FAILOVER_AWAY && failover->is_able)
		return usec_add(failover->left, failover->settings.dwell);
	if (failover->state == FAILOVER_RETURNING)
		return usec_add(failover->since, failover->settings.step);
	return USEC_INFINITY;
}

void failover_tick(struct failover *failover, usec_t now)
{
	if (now < failover_deadline(failover))
		return;
	if (failover->state == FAILOVER_AWAY) {
		move(failover, FAILOVER_RETURNING, now);
	} else if (failover->step + 1 < ARRAY_SIZE(shares)) {
		failover->step++;
		failover->since = now;
	} else {
		move(failover, FAILOVER_HOME, now);
	}
}

void failover_set_able(struct failover *failover, bool able, usec_t now)
{
	failover_tick(failover, now);
	failover->is_able = able;
	if (able || failover->state == FAILOVER_AWAY)
		return;
	failover->left = now;
	move(failover, FAILOVER_AWAY, now);
}

unsigned failover_share(const struct failover *failover)
{
	if (failover->state == FAILOVER_HOME)
		return 100;
	return failover->state == FAILOVER_AWAY ? 0 : shares[failover->step];
}

bool failover_takes(struct failover *failover, usec_t now)
{
	failover_tick(failover, now);
	failover->credit += failover_share(failover);
	if (failover->credit < 100)
		return false;
	failover->credit -= 100;
	return true;
}
