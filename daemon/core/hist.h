/*
 * Latency histograms of fixed size with log-linear cells: each power of two is divided into
 * 2^bits cells of the same width, so that a quantile is at most 1 / 2^bits above the exact value.
 * They store only counts; adding is O(1).
 *
 * Values below 2^HIST_RANGE_BITS µs (19 hours) have cells of their own; the last cell takes
 * everything above.
 */
#ifndef POOLD_CORE_HIST_H
#define POOLD_CORE_HIST_H

#include "protocol/base.h"

#define HIST_RANGE_BITS	  36
#define HIST_BITS	  5 /* 1/32: quantiles are at most 3.2 % too high */
#define HIST_COARSE_BITS  3 /* 1/8: at most 12.5 % too high */
#define HIST_CELLS(bits)  ((HIST_RANGE_BITS - (bits) + 1u) << (bits))
#define HIST_BUCKETS	  HIST_CELLS(HIST_BITS)
#define HIST_COARSE_CELLS HIST_CELLS(HIST_COARSE_BITS)

/* A histogram of HIST_BITS. */
struct hist {
	uint64_t count;
	uint64_t sum; /* µs */
	usec_t max;
	uint64_t buckets[HIST_BUCKETS];
};

/* The cell into which the value falls. */
static inline unsigned hist_cell(usec_t value, unsigned bits)
{
	unsigned shift, index;

	if (value < (usec_t)1 << bits)
		return (unsigned)value;
	shift = 63 - bits - (unsigned)__builtin_clzll(value);
	index = (shift << bits) + (unsigned)(value >> shift);
	return index < HIST_CELLS(bits) ? index : HIST_CELLS(bits) - 1;
}

/* The cell of HIST_COARSE_BITS that the values of a cell of HIST_BITS fall into. */
static inline unsigned hist_coarse_cell(unsigned cell)
{
	const unsigned finer = HIST_BITS - HIST_COARSE_BITS;

	if (cell < 1u << HIST_BITS)
		return hist_cell(cell, HIST_COARSE_BITS);
	return (cell >> finer) + (finer << HIST_COARSE_BITS);
}

/* The largest value that falls into the cell; of the last cell, the largest one that is below
 * 2^HIST_RANGE_BITS. */
usec_t hist_cell_end(unsigned cell, unsigned bits);

/* Adds a value and returns its cell. */
unsigned hist_add(struct hist *hist, usec_t value);

/* The quantile: `permille` / 1000 of all values are at most this value, which is rounded up to the
 * end of its cell; 0 if the histogram is empty. */
usec_t hist_quantile(const struct hist *hist, unsigned permille);

/* The same of HIST_CELLS(bits) cells with `count` values in all. */
usec_t hist_cells_quantile(const uint64_t *cells, unsigned bits, uint64_t count, unsigned permille);

/* The arithmetic mean; 0 if the histogram is empty. */
usec_t hist_mean(const struct hist *hist);

/* The number of values that are at most `value`; exact if `value` is the end of a cell. */
uint64_t hist_count_upto(const struct hist *hist, usec_t value);

#endif
