#include "daemon/core/window.h"

#include <string.h>

const char *window_wait_name(enum window_wait cause)
{
	static const char *const names[] = {
#define WAIT(name, word, text) [WAIT_##name] = (word),
		WINDOW_WAITS(WAIT)
#undef WAIT
	};

	return names[cause];
}

/* --- counting --- */

static uint32_t larger(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

static void add_tally(struct window_tally *tally, const struct window_tally *more)
{
	for (unsigned i = 0; i < WINDOW_OUTCOMES_; i++)
		tally->outcomes[i] += more->outcomes[i];
	for (unsigned i = 0; i < ERRCAT_COUNT_; i++)
		tally->by_category[i] += more->by_category[i];
	for (unsigned i = 0; i < WAIT_COUNT_; i++) {
		tally->waits[i] += more->waits[i];
		tally->waited[i] += more->waited[i];
	}
	tally->all_busy += more->all_busy;
	tally->retried += more->retried;
	tally->failed_over += more->failed_over;
	tally->queue_high = larger(tally->queue_high, more->queue_high);
	tally->busy_high = larger(tally->busy_high, more->busy_high);
}

static void add_counts(struct window_counts *counts, const struct window_tally *more)
{
	counts->answered += more->outcomes[WINDOW_ANSWERED];
	counts->failed += more->outcomes[WINDOW_FAILED];
	counts->refused += more->outcomes[WINDOW_REFUSED];
	counts->cancelled += more->outcomes[WINDOW_CANCELLED];
	for (unsigned i = 0; i < ERRCAT_COUNT_; i++)
		counts->by_category[i] += more->by_category[i];
	for (unsigned i = 0; i < WAIT_COUNT_; i++) {
		counts->waits[i] += more->waits[i];
		counts->waited[i] += more->waited[i];
	}
	counts->all_busy += more->all_busy;
	counts->retried += more->retried;
	counts->failed_over += more->failed_over;
	counts->queue_high = larger(counts->queue_high, more->queue_high);
	counts->busy_high = larger(counts->busy_high, more->busy_high);
}

static struct window_range range_of(const uint32_t *cells)
{
	struct window_range range = {.high = HIST_BUCKETS};

	while (range.low < HIST_BUCKETS && cells[range.low] == 0)
		range.low++;
	while (range.high > range.low && cells[range.high - 1] == 0)
		range.high--;
	return range;
}

static struct window_range join(struct window_range a, struct window_range b)
{
	if (a.low == a.high)
		return b;
	if (b.low == b.high)
		return a;
	return (struct window_range){a.low < b.low ? a.low : b.low, larger(a.high, b.high)};
}

static void add_slot(struct window_slot *slot, const struct window_slot *more,
		     const struct window_range ranges[WINDOW_TIMES_])
{
	add_tally(&slot->tally, &more->tally);
	for (unsigned i = 0; i < ERR_COUNT_; i++)
		slot->codes[i] += more->codes[i];
	for (unsigned time = 0; time < WINDOW_TIMES_; time++) {
		slot->ranges[time] = join(slot->ranges[time], ranges[time]);
		for (unsigned i = ranges[time].low; i < ranges[time].high; i++)
			slot->cells[time][i] += more->cells[time][i];
	}
}

static void add_to_levels(struct window *window, const struct window_range ranges[WINDOW_TIMES_])
{
	for (unsigned i = 0; i < SLOTS_LEVELS; i++) {
		bool is_new;
		struct window_slot *slot = &window->slots[slots_place(
			&slots_levels[i], window->numbers, window->second, &is_new)];

		if (is_new)
			memset(slot, 0, sizeof(*slot));
		add_slot(slot, &window->current, ranges);
	}
}

static void add_to_day(struct window *window)
{
	const struct slots_level ring = {SLOTS_MINUTE, 0, WINDOW_OF_DAY};
	bool is_new;
	unsigned place = slots_place(&ring, window->day_numbers, window->second, &is_new);

	if (is_new)
		window->day[place] = (struct window_tally){0};
	add_tally(&window->day[place], &window->current.tally);
}

static void fold_methods(struct window *window)
{
	for (uint32_t left = window->counted; left != 0; left &= left - 1)
		method_window_fold(&window->methods[__builtin_ctz(left)], window->second);
	window->counted = 0;
}

/* The categories are not counted before they are needed: the codes say them. */
static void fill_categories(const struct window_slot *slot, uint32_t ret[ERRCAT_COUNT_])
{
	memset(ret, 0, ERRCAT_COUNT_ * sizeof(*ret));
	for (unsigned code = ERR_NONE + 1; code < ERR_COUNT_; code++)
		if (slot->codes[code] > 0)
			ret[errcode_info((enum errcode)code)->category] += slot->codes[code];
}

static void clear_current(struct window *window, const struct window_range ranges[WINDOW_TIMES_])
{
	struct window_slot *current = &window->current;

	current->tally = (struct window_tally){0};
	memset(current->codes, 0, sizeof(current->codes));
	for (unsigned time = 0; time < WINDOW_TIMES_; time++)
		memset(&current->cells[time][ranges[time].low], 0,
		       (ranges[time].high - ranges[time].low) * sizeof(current->cells[time][0]));
}

/* The time of the current second in which no worker was free; what was after it belongs to the next
 * one that there is. */
static void count_busy(struct window *window)
{
	if (window->all_busy_since == USEC_INFINITY)
		return;
	window->current.tally.all_busy += usec_sub(window->ends, window->all_busy_since);
	window->all_busy_since = window->ends;
}

void window_turn(struct window *window, usec_t now)
{
	struct window_slot *current = &window->current;
	struct window_range ranges[WINDOW_TIMES_];

	count_busy(window);

	for (unsigned time = 0; time < WINDOW_TIMES_; time++)
		ranges[time] = range_of(current->cells[time]);
	current->codes[ERR_NONE] = 0;
	fill_categories(current, current->tally.by_category);
	add_to_levels(window, ranges);
	add_to_day(window);
	add_counts(&window->total, &current->tally);
	for (unsigned i = 0; i < ERR_COUNT_; i++)
		window->codes[i] += current->codes[i];
	clear_current(window, ranges);
	fold_methods(window);
	window->second = now - now % SLOTS_SECOND;
	window->ends = usec_add(window->second, SLOTS_SECOND);
}

void window_init(struct window *window, usec_t now)
{
	memset(window, 0, offsetof(struct window, slots));
	for (unsigned i = 0; i < WINDOW_METHODS; i++)
		method_window_init(&window->methods[i]);
	window->began = now;
	window->all_busy_since = USEC_INFINITY;
	window->second = now - now % SLOTS_SECOND;
	window->ends = usec_add(window->second, SLOTS_SECOND);
}

/* --- reading --- */

/* Adds the current second, of which the categories are not counted yet, nor the present time in which
 * no worker is free. */
static void add_current(const struct window *window, usec_t now, struct window_counts *ret)
{
	struct window_tally tally = window->current.tally;

	tally.all_busy += usec_sub(now, window->all_busy_since);
	fill_categories(&window->current, tally.by_category);
	add_counts(ret, &tally);
}

static void sum_since_start(const struct window *window, usec_t now, struct window_counts *ret)
{
	*ret = window->total;
	add_current(window, now, ret);
	ret->span = usec_sub(now, window->began);
}

static void sum_day(const struct window *window, usec_t from, struct window_counts *ret)
{
	for (unsigned i = 0; i < WINDOW_OF_DAY; i++)
		if (slots_is_since(window->day_numbers[i], from, SLOTS_MINUTE))
			add_counts(ret, &window->day[i]);
}

static void sum_level(const struct window *window, const struct slots_level *level, usec_t from,
		      struct window_counts *ret)
{
	for (unsigned i = level->first; i < level->first + level->count; i++)
		if (slots_is_since(window->numbers[i], from, level->length))
			add_counts(ret, &window->slots[i].tally);
}

void window_sum(const struct window *window, usec_t now, usec_t length, struct window_counts *ret)
{
	const struct slots_level *level = slots_find(length);
	usec_t from;

	if (length > WINDOW_DAY) {
		sum_since_start(window, now, ret);
		return;
	}
	*ret = (struct window_counts){0};
	from = slots_begin(now, length, level ? level->length : SLOTS_MINUTE);
	if (level)
		sum_level(window, level, from, ret);
	else
		sum_day(window, from, ret);
	if (window->second >= from)
		add_current(window, now, ret);
	else
		ret->all_busy += usec_sub(now, window->all_busy_since);
	ret->span = usec_sub(now, usec_max(from, window->began));
	ret->all_busy = usec_min(ret->all_busy, ret->span);
}

static void add_codes(uint64_t ret[ERR_COUNT_], const uint32_t codes[ERR_COUNT_])
{
	for (unsigned code = ERR_NONE + 1; code < ERR_COUNT_; code++)
		ret[code] += codes[code];
}

void window_codes(const struct window *window, usec_t now, usec_t length, uint64_t ret[ERR_COUNT_])
{
	const struct slots_level *level = slots_find(length);
	usec_t from = level ? slots_begin(now, length, level->length) : 0;

	if (level)
		memset(ret, 0, ERR_COUNT_ * sizeof(*ret));
	else
		memcpy(ret, window->codes, ERR_COUNT_ * sizeof(*ret));
	for (unsigned i = 0; level && i < level->count; i++)
		if (slots_is_since(window->numbers[level->first + i], from, level->length))
			add_codes(ret, window->slots[level->first + i].codes);
	if (window->second >= from)
		add_codes(ret, window->current.codes);
}

/* Adds up the cells in `ret`, which is zero but for what was added before, and counts them. */
static uint64_t add_cells(uint64_t ret[HIST_BUCKETS], const uint32_t cells[HIST_BUCKETS],
			  struct window_range range)
{
	uint64_t count = 0;

	for (unsigned i = range.low; i < range.high; i++) {
		ret[i] += cells[i];
		count += cells[i];
	}
	return count;
}

void window_latency(const struct window *window, usec_t now, usec_t length, enum window_time time,
		    struct window_latency *ret)
{
	const struct hist *all = &window->times[time];
	uint64_t cells[HIST_BUCKETS] = {0};
	const struct slots_level *level = slots_find(length);
	usec_t from;

	*ret = (struct window_latency){0};
	if (!level) {
		*ret = (struct window_latency){all->count, hist_quantile(all, 500),
					       hist_quantile(all, 990)};
		return;
	}
	from = slots_begin(now, length, level->length);
	for (unsigned i = level->first; i < level->first + level->count; i++)
		if (slots_is_since(window->numbers[i], from, level->length))
			ret->count += add_cells(cells, window->slots[i].cells[time],
						window->slots[i].ranges[time]);
	if (window->second >= from)
		ret->count += add_cells(cells, window->current.cells[time],
					range_of(window->current.cells[time]));
	ret->p50 = hist_cells_quantile(cells, HIST_BITS, ret->count, 500);
	ret->p99 = hist_cells_quantile(cells, HIST_BITS, ret->count, 990);
}

void window_minute(const struct window *window, usec_t now, usec_t ago, enum window_time time,
		   struct window_latency *ret)
{
	const struct slots_level *minutes = &slots_levels[SLOTS_LEVELS - 1];
	uint64_t number = slots_number(usec_sub(now, ago), SLOTS_MINUTE);
	uint64_t cells[HIST_BUCKETS] = {0};

	*ret = (struct window_latency){0};
	if (now < ago)
		return;
	for (unsigned i = minutes->first; i < minutes->first + minutes->count; i++)
		if (window->numbers[i] == number)
			ret->count += add_cells(cells, window->slots[i].cells[time],
						window->slots[i].ranges[time]);
	/* The last second in which something was counted may be as long ago. */
	if (slots_number(window->second, SLOTS_MINUTE) == number)
		ret->count += add_cells(cells, window->current.cells[time],
					range_of(window->current.cells[time]));
	ret->p50 = hist_cells_quantile(cells, HIST_BITS, ret->count, 500);
	ret->p99 = hist_cells_quantile(cells, HIST_BITS, ret->count, 990);
}

void window_method(const struct window *window, usec_t now, usec_t length, unsigned method,
		   struct method_counts *ret)
{
	method_window_sum(&window->methods[method], window->second, now, length, ret);
}

void window_method_outcomes(const struct window *window, usec_t now, usec_t length, unsigned method,
			    struct method_counts *ret)
{
	method_window_outcomes(&window->methods[method], window->second, now, length, ret);
}

usec_t window_method_present(const struct window *window, usec_t now, unsigned method,
			     uint64_t *ret_runs)
{
	return method_window_present(&window->methods[method], window->second, now, ret_runs);
}

usec_t window_method_before(const struct window *window, usec_t now, unsigned method,
			    uint64_t *ret_runs)
{
	return method_window_before(&window->methods[method], window->second, now, ret_runs);
}

uint64_t window_method_failures(const struct window *window, unsigned method)
{
	const struct method_window *of = &window->methods[method];

	return of->outcomes[WINDOW_FAILED] + of->current.outcomes[WINDOW_FAILED];
}

enum errcode window_method_code(const struct window *window, unsigned method)
{
	return window->methods[method].code;
}
