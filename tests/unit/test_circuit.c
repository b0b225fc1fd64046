#include "daemon/core/circuit.h"

#include "tests/lib/defaults.h"
#include "tests/lib/unit.h"

#define NOW    1000
#define PROBES 3 /* at once */

static struct circuit circuit_in(enum breaker_state state)
{
	struct circuit circuit = {.pool = 0};

	breaker_init(&circuit.breaker, &breaker_defaults, 1, 1);
	circuit.breaker.settings.half_open_requests = PROBES;
	circuit.breaker.state = state;
	return circuit;
}

START_TEST(every_state_is_willing_or_not)
{
	static const struct {
		enum breaker_state state;
		unsigned probes, queued;
		usec_t open_until;
		bool willing;
	} cases[] = {
		{BREAKER_CLOSED, 0, 0, 0, true},
		{BREAKER_CLOSED, 0, 1000, 0, true},
		{BREAKER_DISABLED, 0, 1000, 0, true},
		{BREAKER_OBSERVING, 0, 1000, NOW + 1, true},
		{BREAKER_FORCED_OPEN, 0, 0, 0, false},
		{BREAKER_OPEN, 0, 0, NOW + 1, false},
		{BREAKER_OPEN, 0, 0, NOW, true}, /* due, if not seen yet */
		{BREAKER_OPEN, 0, PROBES - 1, NOW, true},
		{BREAKER_OPEN, 0, PROBES, NOW, false},
		{BREAKER_HALF_OPEN, 0, 0, 0, true},
		{BREAKER_HALF_OPEN, PROBES - 1, 0, 0, true},
		{BREAKER_HALF_OPEN, PROBES, 0, 0, false},
		{BREAKER_HALF_OPEN, 0, PROBES, 0, false},
		{BREAKER_HALF_OPEN, 1, 1, 0, true},
		{BREAKER_HALF_OPEN, 1, 2, 0, false},
		{BREAKER_HALF_OPEN, PROBES, PROBES, 0, false},
	};
	unsigned seen = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct circuit circuit = circuit_in(cases[i].state);

		circuit.breaker.probes = cases[i].probes;
		circuit.breaker.open_until = cases[i].open_until;
		circuit.queued = cases[i].queued;
		seen |= 1u << cases[i].state;
		ck_assert_msg(circuit_is_willing(&circuit, NOW) == cases[i].willing, "case %u: %s",
			      i, breaker_state_name(cases[i].state));
	}
	ck_assert_uint_eq(seen, (1u << BREAKER_STATE_COUNT_) - 1);
}
END_TEST

START_TEST(every_state_is_closed_or_not)
{
	static const bool closed[BREAKER_STATE_COUNT_] = {
		[BREAKER_CLOSED] = true, [BREAKER_DISABLED] = true, [BREAKER_OBSERVING] = true};

	for (unsigned state = 0; state < BREAKER_STATE_COUNT_; state++) {
		struct circuit circuit = circuit_in((enum breaker_state)state);

		ck_assert_int_eq(circuit_is_closed(&circuit), closed[state]);
	}
}
END_TEST

/* Who is told that the circuit is willing, alone in the queue, is admitted. */
START_TEST(the_willing_admit)
{
	for (unsigned state = 0; state < BREAKER_STATE_COUNT_; state++)
		for (unsigned probes = 0; probes <= PROBES; probes++)
			for (usec_t until = NOW; until <= NOW + 1; until++) {
				struct circuit circuit = circuit_in((enum breaker_state)state);
				struct breaker_permit permit;
				struct breaker_change change;
				bool willing;

				circuit.breaker.open_until = until;
				if (state == BREAKER_HALF_OPEN)
					circuit.breaker.probes = probes;
				for (unsigned i = 0; i < circuit.breaker.probes; i++)
					circuit.breaker.leases[i] = USEC_INFINITY;
				willing = circuit_is_willing(&circuit, NOW);
				ck_assert_int_eq(breaker_admit(&circuit.breaker, NOW, &permit,
							       &change) != BREAKER_ADMIT_NO,
						 willing);
			}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		every_state_is_willing_or_not,
		every_state_is_closed_or_not,
		the_willing_admit,
	};

	return unit_main("circuit", tests, ARRAY_SIZE(tests));
}
