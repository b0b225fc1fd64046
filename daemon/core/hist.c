#include "daemon/core/hist.h"

usec_t hist_cell_end(unsigned cell, unsigned bits)
{
	unsigned exponent = cell >> bits;
	usec_t sub = cell & ((1u << bits) - 1);

	if (exponent == 0)
		return sub;
	return ((((usec_t)1 << bits) + sub + 1) << (exponent - 1)) - 1;
}

unsigned hist_add(struct hist *hist, usec_t value)
{
	unsigned cell = hist_cell(value, HIST_BITS);

	hist->count++;
	hist->sum += value;
	if (value > hist->max)
		hist->max = value;
	hist->buckets[cell]++;
	return cell;
}

usec_t hist_cells_quantile(const uint64_t *cells, unsigned bits, uint64_t count, unsigned permille)
{
	uint64_t wanted = (count * permille + 999) / 1000;
	uint64_t seen = 0;

	if (count == 0)
		return 0;
	for (unsigned i = 0; i < HIST_CELLS(bits) - 1; i++) {
		seen += cells[i];
		if (seen >= wanted && seen > 0)
			return hist_cell_end(i, bits);
	}
	return hist_cell_end(HIST_CELLS(bits) - 1, bits);
}

usec_t hist_quantile(const struct hist *hist, unsigned permille)
{
	usec_t quantile = hist_cells_quantile(hist->buckets, HIST_BITS, hist->count, permille);

	/* The last cell has no end. */
	if (quantile == hist_cell_end(HIST_BUCKETS - 1, HIST_BITS))
		return hist->max;
	return usec_min(quantile, hist->max);
}

usec_t hist_mean(const struct hist *hist)
{
	return hist->count == 0 ? 0 : hist->sum / hist->count;
}

uint64_t hist_count_upto(const struct hist *hist, usec_t value)
{
	unsigned cell = hist_cell(value, HIST_BITS);
	uint64_t seen = 0;

	if (value >= hist->max)
		return hist->count;
	for (unsigned i = 0; i < cell; i++)
		seen += hist->buckets[i];
	/* The last cell has no end. */
	if (cell < HIST_BUCKETS - 1 && hist_cell_end(cell, HIST_BITS) <= value)
		seen += hist->buckets[cell];
	return seen;
}
