/*
 * What ended of one method lately: counts by outcome, and run times, over the windows of window.h.
 *
 * It is a part of its pool's window, and counts in the same current second.  Its cells are coarse:
 * quantiles are at most 12.5 % too high.
 */
#ifndef POOLD_CORE_METHOD_WINDOW_H
#define POOLD_CORE_METHOD_WINDOW_H

#include "daemon/core/hist.h"
#include "daemon/core/outcome.h"
#include "daemon/core/slots.h"
#include "protocol/errcode.h"

struct method_slot {
	uint32_t outcomes[WINDOW_OUTCOMES_];
	uint32_t mistakes; /* of the failed ones, those of the category request */
	uint32_t cells[HIST_COARSE_CELLS];
};

struct method_window {
	struct method_slot current;
	enum errcode code; /* of the last failure that was no mistake of its client */
	/* These three: of all seconds before the current one. */
	uint64_t outcomes[WINDOW_OUTCOMES_];
	uint64_t mistakes;
	uint64_t cells[HIST_COARSE_CELLS];
	uint64_t numbers[SLOTS_COUNT];
	struct method_slot slots[SLOTS_COUNT];
};

/* What is known of a method; the quantiles are 0 if nothing ran. */
struct method_counts {
	uint64_t outcomes[WINDOW_OUTCOMES_];
	uint64_t mistakes; /* of the failed ones, those of the category request */
	uint64_t runs;	   /* attempts that a worker answered */
	usec_t p50;
	usec_t p99;
};

void method_window_init(struct method_window *window);

/* Adds what was counted in the second that began then to the levels, and clears it. */
void method_window_fold(struct method_window *window, usec_t second);

/* Of the last `length`, up to 15 min; a longer one is everything.  `second` is when the second began
 * that is not yet folded. */
void method_window_sum(const struct method_window *window, usec_t second, usec_t now, usec_t length,
		       struct method_counts *ret);

/* The same without the runs, up to 15 min; that is much cheaper. */
void method_window_outcomes(const struct method_window *window, usec_t second, usec_t now,
			    usec_t length, struct method_counts *ret);

/* The median of the runs of the last 10 s; and the 99th percentile of those in the 15 min before that.
 * 0: nothing ran. */
usec_t method_window_present(const struct method_window *window, usec_t second, usec_t now,
			     uint64_t *ret_runs);
usec_t method_window_before(const struct method_window *window, usec_t second, usec_t now,
			    uint64_t *ret_runs);

#endif
