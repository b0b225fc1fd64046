/*
 * What ended in a pool lately: counts by outcome and by error code, run times, and the time that
 * requests waited in the queue, over windows that end now.
 *
 * Everything is counted in the current second alone.  When a later second begins, that second is
 * added to the slot that it belongs to on each of four levels, which are rings:
 *
 *	level	   slots of	reaches back
 *	seconds	   1 s		10 s
 *	tens	   10 s		60 s
 *	minutes	   1 min	15 min
 *	day	   1 min	24 h, counts alone
 *
 * A slot has the number of its time (slots.h), so that one from an earlier round is known by that.
 * Nothing is done while nothing is counted, and a jump of the clock costs no more than one second.
 *
 * Up to WINDOW_METHODS - 1 methods have counts and run times of their own; all others share the
 * first one.
 *
 * A window is read from the finest level that reaches back so far.  It begins where the slot of its
 * first moment begins, so that it is longer by up to a slot: `span` says how long.  One that is
 * longer than the last level reaches is everything since window_init.
 *
 * Counting is O(1), without an allocation, a division or a copy, but for the first count of a
 * second.  Reading takes time in proportion to the slots of a level.  Times are those of the event
 * loop's clock, in µs.
 */
#ifndef POOLD_CORE_WINDOW_H
#define POOLD_CORE_WINDOW_H

#include "daemon/core/method_window.h"
#include "protocol/errcode.h"

#define WINDOW_NOW	     (60 * USEC_PER_SEC) /* what is shown as the present */
#define WINDOW_DAY	     (86400 * USEC_PER_SEC)

#define WINDOW_METHODS	     17
#define WINDOW_OTHER_METHODS 0

/* Times of which quantiles are known. */
enum window_time {
	WINDOW_RUN = 0, /* from an attempt's start at the worker to its answer */
	WINDOW_WAIT,	/* from a request's arrival to its first attempt */
	WINDOW_TIMES_
};

/* WAIT(NAME, "name", sentence): what a request waited for before an attempt.  A breaker is not among
 * them: it lets nothing wait, but refuses. */
#define WINDOW_WAITS(WAIT)                                                                         \
	WAIT(BUSY, "workers_busy", "all workers were busy")                                        \
	WAIT(START, "worker_starting", "no worker was at work: one had to start")                  \
	WAIT(TURN, "turn", "another request of its session, or with its key, came first")          \
	WAIT(RETRY, "retry_delay", "the delay before another attempt")                             \
	WAIT(CLIENT, "client", "its client had not read the answers before it")

enum window_wait {
#define WAIT(name, word, text) WAIT_##name,
	WINDOW_WAITS(WAIT)
#undef WAIT
	WAIT_COUNT_
};

/* "workers_busy" and so on. */
const char *window_wait_name(enum window_wait cause);

/* Counts of a window. */
struct window_counts {
	usec_t span; /* how long it is; less than asked for if it began with window_init */
	uint64_t answered;
	uint64_t failed;
	uint64_t refused;
	uint64_t cancelled;
	uint64_t by_category[ERRCAT_COUNT_]; /* failed and refused ones */
	uint64_t retried;		     /* attempts that another one followed, in this pool */
	uint64_t failed_over;		     /* requests that went on from here to a fallback */
	uint64_t waits[WAIT_COUNT_];	     /* how often a request waited for that */
	usec_t waited[WAIT_COUNT_];	     /* how long, in all */
	usec_t all_busy;		     /* time in which no worker was free */
	unsigned queue_high;		     /* these two: the most at a time */
	unsigned busy_high;
};

/* Quantiles of a window, each at most 3.2 % too high; 0 if there is no value. */
struct window_latency {
	uint64_t count;
	usec_t p50;
	usec_t p99;
};

/* --- its parts; only the functions below see them --- */

#define WINDOW_OF_DAY (24 * 60 + 1)

/* The counts of a slot. */
struct window_tally {
	uint64_t waited[WAIT_COUNT_];
	uint64_t all_busy;
	uint32_t outcomes[WINDOW_OUTCOMES_];
	uint32_t by_category[ERRCAT_COUNT_];
	uint32_t waits[WAIT_COUNT_];
	uint32_t retried;
	uint32_t failed_over;
	uint32_t queue_high;
	uint32_t busy_high;
};

/* The cells above 0 lie from `low` to below `high`. */
struct window_range {
	unsigned low;
	unsigned high;
};

struct window_slot {
	struct window_tally tally;
	struct window_range ranges[WINDOW_TIMES_]; /* of the cells; unused in the current second */
	uint32_t codes[ERR_COUNT_];		   /* failed and refused ones */
	uint32_t cells[WINDOW_TIMES_][HIST_BUCKETS];
};

struct window {
	usec_t began;
	usec_t second; /* when the current second began, and when it ends */
	usec_t ends;
	struct window_slot current;
	struct window_counts total; /* without the current second */
	uint64_t codes[ERR_COUNT_];
	struct hist times[WINDOW_TIMES_]; /* since window_init, the current second included */
	usec_t all_busy_since; /* what is not counted yet begins then; USEC_INFINITY: one is free */
	uint32_t counted;      /* methods that the current second has, as a mask */
	uint64_t numbers[SLOTS_COUNT];
	uint64_t day_numbers[WINDOW_OF_DAY];
	/* From here on nothing is read before its first use, so that no memory is touched. */
	struct window_slot slots[SLOTS_COUNT];
	struct window_tally day[WINDOW_OF_DAY];
	struct method_window methods[WINDOW_METHODS];
};

/* Adds the current second to the levels, and begins the second of `now`. */
COLD void window_turn(struct window *window, usec_t now);

/* --- counting; `now` is seldom earlier than in the last call, and then counts in its second --- */

/* `window` is memory of that size; most of it is not touched before it is used. */
void window_init(struct window *window, usec_t now);

static inline void window_tick(struct window *window, usec_t now)
{
	if (now >= window->ends)
		window_turn(window, now);
}

/* What is counted of a failure of that method beside its outcome. */
static inline void window_failed(struct window *window, unsigned method, enum errcode code)
{
	if (errcode_info(code)->category == ERRCAT_request)
		window->methods[method].current.mistakes++;
	else
		window->methods[method].code = code;
}

/* A request of that method has ended.  `code` is ERR_NONE unless it failed or was refused. */
static inline void window_count(struct window *window, usec_t now, unsigned method,
				enum window_outcome outcome, enum errcode code)
{
	window_tick(window, now);
	window->current.tally.outcomes[outcome]++;
	window->current.codes[code]++;
	window->counted |= 1u << method;
	window->methods[method].current.outcomes[outcome]++;
	if (outcome == WINDOW_FAILED)
		window_failed(window, method, code);
}

/* A request waited for so long before its first attempt. */
static inline void window_wait(struct window *window, usec_t now, usec_t span)
{
	window_tick(window, now);
	window->current.cells[WINDOW_WAIT][hist_add(&window->times[WINDOW_WAIT], span)]++;
}

/* An attempt at that method ran for so long. */
static inline void window_run(struct window *window, usec_t now, unsigned method, usec_t span)
{
	unsigned cell = hist_add(&window->times[WINDOW_RUN], span);

	window_tick(window, now);
	window->current.cells[WINDOW_RUN][cell]++;
	window->counted |= 1u << method;
	window->methods[method].current.cells[hist_coarse_cell(cell)]++;
}

/* A request of that method was answered with a result, whose run has just been counted (window_run
 * with the same method and time). */
static inline void window_answered(struct window *window, unsigned method)
{
	window->current.tally.outcomes[WINDOW_ANSWERED]++;
	window->methods[method].current.outcomes[WINDOW_ANSWERED]++;
}

/* A request has waited for `span` because of that. */
static inline void window_waited(struct window *window, usec_t now, enum window_wait cause,
				 usec_t span)
{
	window_tick(window, now);
	window->current.tally.waits[cause]++;
	window->current.tally.waited[cause] += span;
}

static inline void window_retried(struct window *window, usec_t now)
{
	window_tick(window, now);
	window->current.tally.retried++;
}

static inline void window_failed_over(struct window *window, usec_t now)
{
	window_tick(window, now);
	window->current.tally.failed_over++;
}

/* So many requests are queued; so many workers are busy.  What is not more than the most of the last
 * second is left out, as that is in each window too. */
static inline void window_queued(struct window *window, usec_t now, unsigned count)
{
	if (count <= window->current.tally.queue_high)
		return;
	window_tick(window, now);
	window->current.tally.queue_high = count;
}

static inline void window_busy(struct window *window, usec_t now, unsigned count)
{
	if (count <= window->current.tally.busy_high)
		return;
	window_tick(window, now);
	window->current.tally.busy_high = count;
}

/* Whether no worker is free from now on. */
static inline void window_all_busy(struct window *window, usec_t now, bool is_busy)
{
	if (is_busy == (window->all_busy_since != USEC_INFINITY))
		return;
	window_tick(window, now);
	if (is_busy) {
		window->all_busy_since = now;
		return;
	}
	window->current.tally.all_busy += usec_sub(now, window->all_busy_since);
	window->all_busy_since = USEC_INFINITY;
}

/* --- reading; WINDOW_SINCE_START as the length: everything since window_init --- */

#define WINDOW_SINCE_START USEC_INFINITY

/* The counts of the last `length`, up to WINDOW_DAY. */
void window_sum(const struct window *window, usec_t now, usec_t length, struct window_counts *ret);

/* The failed and the refused ones by code, of the last `length`, up to 15 min; a longer one is
 * everything since window_init.  This and window_latency have the span of window_sum up to 15 min. */
void window_codes(const struct window *window, usec_t now, usec_t length, uint64_t ret[ERR_COUNT_]);

/* Quantiles of the last `length`, up to 15 min; a longer one is everything since window_init. */
void window_latency(const struct window *window, usec_t now, usec_t length, enum window_time time,
		    struct window_latency *ret);

/* Quantiles of the whole minute that it was so long ago: from 1 to 15 min. */
void window_minute(const struct window *window, usec_t now, usec_t ago, enum window_time time,
		   struct window_latency *ret);

/* What is known of a method, of the last `length`, up to 15 min; a longer one is everything. */
void window_method(const struct window *window, usec_t now, usec_t length, unsigned method,
		   struct method_counts *ret);

/* The same without its runs, up to 15 min; that is much cheaper. */
void window_method_outcomes(const struct window *window, usec_t now, usec_t length, unsigned method,
			    struct method_counts *ret);

/* Of the method's runs: the median of the last 10 s, and the 99th percentile of the 15 min before. */
usec_t window_method_present(const struct window *window, usec_t now, unsigned method,
			     uint64_t *ret_runs);
usec_t window_method_before(const struct window *window, usec_t now, unsigned method,
			    uint64_t *ret_runs);

/* The method's failures since window_init, and the code of the last one that was no mistake of its
 * client. */
uint64_t window_method_failures(const struct window *window, unsigned method);
enum errcode window_method_code(const struct window *window, unsigned method);

/* All values since window_init. */
static inline const struct hist *window_hist(const struct window *window, enum window_time time)
{
	return &window->times[time];
}

#endif
