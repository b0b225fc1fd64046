/*
 * The table of a worker's states and inputs, held against random worlds: each cell comes about,
 * unless the table says that it never does.
 */
#include "daemon/core/worker_input.h"

#include "tests/lib/havoc.h"
#include "tests/lib/prop.h"
#include "tests/lib/unit.h"

#include <stdio.h>

/* Worlds that are played at the most, and events of each. */
#define WORLDS 40000
#define EVENTS 200

static const char *const inputs[INPUT_COUNT_] = {
#define INPUT(name, ...) #name,
	WORKER_INPUTS(INPUT)
#undef INPUT
};

static bool is_possible(enum worker_state state, enum worker_input input)
{
	return worker_reaction(state, input) != REACTION_NEVER;
}

static void play(uint64_t seed)
{
	struct prop prop = prop_seeded(seed);
	uint64_t words[EVENTS];
	const char *wrong;

	for (size_t i = 0; i < EVENTS; i++)
		words[i] = prop_next(&prop);
	wrong = havoc_run_calm(words, EVENTS);
	prop_check(&prop, !wrong, "%s", wrong);
}

/* Cells that were to come about and did not; with `print` they are named. */
static unsigned count_missing(bool print)
{
	unsigned missing = 0;

	for (unsigned i = 0; i < INPUT_COUNT_; i++) {
		for (unsigned s = 0; s < WORKER_STATE_COUNT_; s++) {
			enum worker_input input = (enum worker_input)i;
			enum worker_state state = (enum worker_state)s;

			if (!is_possible(state, input) || havoc_inputs(input, state) > 0)
				continue;
			missing++;
			if (print)
				fprintf(stderr, "%s never comes to a worker that is %s\n",
					inputs[input], worker_state_name(state));
		}
	}
	return missing;
}

START_TEST(every_cell_comes_about)
{
	for (uint64_t seed = 0; seed < WORLDS && count_missing(false) > 0; seed++)
		play(seed);
	ck_assert_uint_eq(count_missing(true), 0);
}
END_TEST

/* The engine ends the daemon by an assertion where one comes about that can't: here none did. */
START_TEST(no_impossible_cell_does)
{
	for (uint64_t seed = 0; seed < WORLDS / 10; seed++)
		play(seed);
	for (unsigned i = 0; i < INPUT_COUNT_; i++)
		for (unsigned s = 0; s < WORKER_STATE_COUNT_; s++)
			if (!is_possible((enum worker_state)s, (enum worker_input)i))
				ck_assert_uint_eq(
					havoc_inputs((enum worker_input)i, (enum worker_state)s),
					0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {every_cell_comes_about, no_impossible_cell_does};

	return unit_main("worker_input", tests, sizeof(tests) / sizeof(*tests));
}
