#include "daemon/core/window.h"

#include <string.h>

#define SECOND USEC_PER_SEC
#define TEN    (10 * USEC_PER_SEC)
#define MINUTE (60 * USEC_PER_SEC)

const char *window_wait_name(enum window_wait cause)
{
	static const char *const names[] = {
#define WAIT(name, word, text) [WAIT_##name] = (word),
		WINDOW_WAITS(WAIT)
#undef WAIT
	};

	return names[cause];
}

/* A ring of slots, each of which is for `length` of time. */
struct level {
	usec_t length;
	unsigned count;
	const uint64_t *numbers;
	const struct window_slot *slots; /* NULL: the level of the day */
};

static uint64_t number_at(usec_t time, usec_t length)
{
	return time / length + 1;
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

/* Returns the place in a ring for the slot of the current second.  *ret_is_new: it held another time,
 * or none. */
static unsigned find_place(uint64_t *numbers, unsigned count, uint64_t number, bool *ret_is_new)
{
	unsigned place = (unsigned)(number % count);

	*ret_is_new = numbers[place] != number;
	numbers[place] = number;
	return place;
}

static void add_to_level(const struct window *window, struct window_slot *slots, uint64_t *numbers,
			 unsigned count, usec_t length,
			 const struct window_range ranges[WINDOW_TIMES_])
{
	bool is_new;
	unsigned place = find_place(numbers, count, number_at(window->second, length), &is_new);

	if (is_new)
		memset(&slots[place], 0, sizeof(slots[place]));
	add_slot(&slots[place], &window->current, ranges);
}

static void add_to_day(struct window *window)
{
	bool is_new;
	unsigned place = find_place(window->day_numbers, WINDOW_OF_DAY,
				    number_at(window->second, MINUTE), &is_new);

	if (is_new)
		window->day[place] = (struct window_tally){0};
	add_tally(&window->day[place], &window->current.tally);
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

void window_turn(struct window *window, usec_t now)
{
	struct window_slot *current = &window->current;
	struct window_range ranges[WINDOW_TIMES_];

	for (unsigned time = 0; time < WINDOW_TIMES_; time++)
		ranges[time] = range_of(current->cells[time]);
	current->codes[ERR_NONE] = 0;
	fill_categories(current, current->tally.by_category);
	add_to_level(window, window->seconds, window->second_numbers, WINDOW_SECONDS, SECOND,
		     ranges);
	add_to_level(window, window->tens, window->ten_numbers, WINDOW_TENS, TEN, ranges);
	add_to_level(window, window->minutes, window->minute_numbers, WINDOW_MINUTES, MINUTE,
		     ranges);
	add_to_day(window);
	add_counts(&window->total, &current->tally);
	for (unsigned i = 0; i < ERR_COUNT_; i++)
		window->codes[i] += current->codes[i];
	clear_current(window, ranges);
	window->second = now - now % SECOND;
	window->ends = usec_add(window->second, SECOND);
}

void window_init(struct window *window, usec_t now)
{
	memset(window, 0, offsetof(struct window, seconds));
	window->began = now;
	window->second = now - now % SECOND;
	window->ends = usec_add(window->second, SECOND);
}

/* --- reading --- */

#define LEVEL(window, name, length_)                                                               \
	{                                                                                          \
		.length = (length_), .count = ARRAY_SIZE((window)->name##s),                       \
		.numbers = (window)->name##_numbers, .slots = (window)->name##s,                   \
	}

/* The finest level with slots that reaches back so far; false: none does. */
static bool find_level(const struct window *window, usec_t length, struct level *ret)
{
	const struct level levels[] = {
		LEVEL(window, second, SECOND),
		LEVEL(window, ten, TEN),
		LEVEL(window, minute, MINUTE),
	};

	for (unsigned i = 0; i < ARRAY_SIZE(levels); i++) {
		*ret = levels[i];
		if (length <= ret->length * (ret->count - 1))
			return true;
	}
	return false;
}

/* When the window begins that has this length at the level. */
static usec_t begin_of(usec_t now, usec_t length, usec_t slot_length)
{
	usec_t from = usec_sub(now, length);

	return from - from % slot_length;
}

static bool is_within(uint64_t number, usec_t from, usec_t slot_length)
{
	return number >= number_at(from, slot_length);
}

/* Adds the current second, of which the categories are not counted yet. */
static void add_current(const struct window *window, struct window_counts *ret)
{
	struct window_tally tally = window->current.tally;

	fill_categories(&window->current, tally.by_category);
	add_counts(ret, &tally);
}

static void sum_since_start(const struct window *window, usec_t now, struct window_counts *ret)
{
	*ret = window->total;
	add_current(window, ret);
	ret->span = usec_sub(now, window->began);
}

void window_sum(const struct window *window, usec_t now, usec_t length, struct window_counts *ret)
{
	struct level level;
	usec_t from;

	if (length > WINDOW_DAY) {
		sum_since_start(window, now, ret);
		return;
	}
	if (!find_level(window, length, &level))
		level = (struct level){MINUTE, WINDOW_OF_DAY, window->day_numbers, NULL};
	*ret = (struct window_counts){0};
	from = begin_of(now, length, level.length);
	for (unsigned i = 0; i < level.count; i++)
		if (is_within(level.numbers[i], from, level.length))
			add_counts(ret, level.slots ? &level.slots[i].tally : &window->day[i]);
	if (window->second >= from)
		add_current(window, ret);
	ret->span = usec_sub(now, usec_max(from, window->began));
	ret->all_busy = usec_min(ret->all_busy, ret->span);
}

void window_codes(const struct window *window, usec_t now, usec_t length, uint64_t ret[ERR_COUNT_])
{
	struct level level;
	bool is_since_start = !find_level(window, length, &level);
	usec_t from = is_since_start ? 0 : begin_of(now, length, level.length);

	memset(ret, 0, ERR_COUNT_ * sizeof(*ret));
	for (unsigned i = 0; !is_since_start && i < level.count; i++)
		for (unsigned code = 0;
		     code < ERR_COUNT_ && is_within(level.numbers[i], from, level.length); code++)
			ret[code] += level.slots[i].codes[code];
	for (unsigned code = 0; is_since_start && code < ERR_COUNT_; code++)
		ret[code] += window->codes[code];
	for (unsigned code = 0; window->second >= from && code < ERR_COUNT_; code++)
		ret[code] += window->current.codes[code];
	ret[ERR_NONE] = 0;
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
	struct level level;
	usec_t from;

	if (!find_level(window, length, &level)) {
		*ret = (struct window_latency){all->count, hist_quantile(all, 500),
					       hist_quantile(all, 990)};
		return;
	}
	from = begin_of(now, length, level.length);
	*ret = (struct window_latency){0};
	for (unsigned i = 0; i < level.count; i++)
		if (is_within(level.numbers[i], from, level.length))
			ret->count += add_cells(cells, level.slots[i].cells[time],
						level.slots[i].ranges[time]);
	if (window->second >= from)
		ret->count += add_cells(cells, window->current.cells[time],
					range_of(window->current.cells[time]));
	ret->p50 = hist_cells_quantile(cells, HIST_BITS, ret->count, 500);
	ret->p99 = hist_cells_quantile(cells, HIST_BITS, ret->count, 990);
}
