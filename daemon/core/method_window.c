#include "daemon/core/method_window.h"

#include <string.h>

/* What is now, and of which time what was before is the rest. */
#define METHOD_PRESENT (10 * USEC_PER_SEC)
#define METHOD_BEFORE  (900 * USEC_PER_SEC)

void method_window_init(struct method_window *window)
{
	memset(window, 0, offsetof(struct method_window, slots));
}

static void add(struct method_slot *slot, const struct method_slot *more)
{
	for (unsigned i = 0; i < WINDOW_OUTCOMES_; i++)
		slot->outcomes[i] += more->outcomes[i];
	slot->mistakes += more->mistakes;
	for (unsigned i = 0; i < HIST_COARSE_CELLS; i++)
		slot->cells[i] += more->cells[i];
}

void method_window_fold(struct method_window *window, usec_t second)
{
	struct method_slot *current = &window->current;

	for (unsigned i = 0; i < SLOTS_LEVELS; i++) {
		bool is_new;
		struct method_slot *slot = &window->slots[slots_place(
			&slots_levels[i], window->numbers, second, &is_new)];

		if (is_new)
			*slot = *current;
		else
			add(slot, current);
	}
	for (unsigned i = 0; i < WINDOW_OUTCOMES_; i++)
		window->outcomes[i] += current->outcomes[i];
	window->mistakes += current->mistakes;
	for (unsigned i = 0; i < HIST_COARSE_CELLS; i++)
		window->cells[i] += current->cells[i];
	*current = (struct method_slot){0};
}

static void sum_outcomes(const struct method_slot *slot, struct method_counts *ret)
{
	for (unsigned i = 0; i < WINDOW_OUTCOMES_; i++)
		ret->outcomes[i] += slot->outcomes[i];
	ret->mistakes += slot->mistakes;
}

/* Adds the slot to the counts and cells, and the number of its runs. */
static void sum_slot(const struct method_slot *slot, uint64_t cells[HIST_COARSE_CELLS],
		     struct method_counts *ret)
{
	sum_outcomes(slot, ret);
	for (unsigned i = 0; i < HIST_COARSE_CELLS; i++) {
		cells[i] += slot->cells[i];
		ret->runs += slot->cells[i];
	}
}

static void sum_level(const struct method_window *window, const struct slots_level *level,
		      usec_t from, uint64_t cells[HIST_COARSE_CELLS], struct method_counts *ret)
{
	for (unsigned i = level->first; i < level->first + level->count; i++)
		if (slots_is_since(window->numbers[i], from, level->length))
			sum_slot(&window->slots[i], cells, ret);
}

static void sum_all(const struct method_window *window, uint64_t cells[HIST_COARSE_CELLS],
		    struct method_counts *ret)
{
	for (unsigned i = 0; i < WINDOW_OUTCOMES_; i++)
		ret->outcomes[i] = window->outcomes[i];
	ret->mistakes = window->mistakes;
	for (unsigned i = 0; i < HIST_COARSE_CELLS; i++) {
		cells[i] = window->cells[i];
		ret->runs += cells[i];
	}
}

void method_window_sum(const struct method_window *window, usec_t second, usec_t now, usec_t length,
		       struct method_counts *ret)
{
	const struct slots_level *level = slots_find(length);
	uint64_t cells[HIST_COARSE_CELLS] = {0};
	usec_t from = level ? slots_begin(now, length, level->length) : 0;

	*ret = (struct method_counts){0};
	if (level)
		sum_level(window, level, from, cells, ret);
	else
		sum_all(window, cells, ret);
	if (second >= from)
		sum_slot(&window->current, cells, ret);
	ret->p50 = hist_cells_quantile(cells, HIST_COARSE_BITS, ret->runs, 500);
	ret->p99 = hist_cells_quantile(cells, HIST_COARSE_BITS, ret->runs, 990);
}

void method_window_outcomes(const struct method_window *window, usec_t second, usec_t now,
			    usec_t length, struct method_counts *ret)
{
	const struct slots_level *level = slots_find(length);
	usec_t from = slots_begin(now, length, level->length);

	*ret = (struct method_counts){0};
	for (unsigned i = level->first; i < level->first + level->count; i++)
		if (slots_is_since(window->numbers[i], from, level->length))
			sum_outcomes(&window->slots[i], ret);
	if (second >= from)
		sum_outcomes(&window->current, ret);
}

/* Sums up the last `length`, the current second included. */
static void sum_since(const struct method_window *window, usec_t second, usec_t now, usec_t length,
		      uint64_t cells[HIST_COARSE_CELLS], struct method_counts *ret)
{
	const struct slots_level *level = slots_find(length);
	usec_t from = slots_begin(now, length, level->length);

	*ret = (struct method_counts){0};
	sum_level(window, level, from, cells, ret);
	if (second >= from)
		sum_slot(&window->current, cells, ret);
}

usec_t method_window_present(const struct method_window *window, usec_t second, usec_t now,
			     uint64_t *ret_runs)
{
	uint64_t cells[HIST_COARSE_CELLS] = {0};
	struct method_counts counts;

	sum_since(window, second, now, METHOD_PRESENT, cells, &counts);
	*ret_runs = counts.runs;
	return hist_cells_quantile(cells, HIST_COARSE_BITS, counts.runs, 500);
}

usec_t method_window_before(const struct method_window *window, usec_t second, usec_t now,
			    uint64_t *ret_runs)
{
	uint64_t present[HIST_COARSE_CELLS] = {0}, before[HIST_COARSE_CELLS] = {0};
	struct method_counts counts, all;

	sum_since(window, second, now, METHOD_PRESENT, present, &counts);
	sum_since(window, second, now, METHOD_BEFORE, before, &all);
	/* The longer window has all that the shorter one has. */
	for (unsigned i = 0; i < HIST_COARSE_CELLS; i++)
		before[i] -= present[i];
	*ret_runs = all.runs - counts.runs;
	return hist_cells_quantile(before, HIST_COARSE_BITS, *ret_runs, 990);
}
