#include "daemon/core/runs.h"

#include <string.h>

/* A mean is that of so many runs, each of which counts as at most OUTLIER times the mean (of TYPICAL_OF:
 * RUNS_TYPICAL_OUTLIER). */
#define TYPICAL_OF   16
#define COST_OF	     64
#define COST_OUTLIER 8
#define HIGH_FACTOR  2048

static inline void mean_add(struct runs_mean *mean, usec_t run, unsigned of, unsigned outlier)
{
	if (mean->mean > 0)
		run = usec_min(run, usec_mul(mean->mean, outlier));
	/* 0 means unknown. */
	if (run == 0)
		run = 1;
	if (mean->count == of)
		mean->sum -= mean->mean;
	else
		mean->count++;
	mean->sum += run;
	/* As nearly always: by a power of two nothing need be divided. */
	mean->mean = mean->count == of ? mean->sum / of : mean->sum / mean->count;
}

void runs_init(struct runs *runs, uint64_t seed)
{
	*runs = (struct runs){.count = 1};
	names_init(&runs->names, runs->buckets, ARRAY_SIZE(runs->buckets), seed);
}

unsigned runs_find(const struct runs *runs, struct bytes method)
{
	const struct name *last = &runs->methods[runs->last].name;
	struct name *name;

	if (method.len == 0 || method.len > NAME_LEN_MAX)
		return RUNS_OTHER;
	if (last->len == method.len && memcmp(last->text, method.data, method.len) == 0)
		return runs->last;
	name = names_find(&runs->names, 0, 0, method);
	if (!name)
		return RUNS_OTHER;
	return (unsigned)(container_of(name, struct method_runs, name) - runs->methods);
}

/* Returns the entry of a method that has just had its first result, or RUNS_OTHER. */
static unsigned add(struct runs *runs, struct bytes method)
{
	if (method.len == 0 || method.len > NAME_LEN_MAX ||
	    runs->count == ARRAY_SIZE(runs->methods))
		return RUNS_OTHER;
	names_add(&runs->names, &runs->methods[runs->count].name, 0, 0, method);
	return runs->count++;
}

unsigned runs_note(struct runs *runs, struct bytes method)
{
	unsigned entry = runs_find(runs, method);

	return entry == RUNS_OTHER ? add(runs, method) : entry;
}

struct bytes runs_name(const struct runs *runs, unsigned entry)
{
	if (entry == RUNS_OTHER || entry >= runs->count)
		return (struct bytes){0};
	return name_text(&runs->methods[entry].name);
}

/* Computes the entry's cost anew, and with it the work of its queued requests. */
static void update_cost(struct runs *runs, unsigned entry)
{
	struct method_runs *method = &runs->methods[entry];
	usec_t cost = method->of_all.mean;

	if (cost == 0)
		cost = runs->of_pool.mean;
	if (cost == method->cost)
		return;
	/* Where it costs less than before, the numbers wrap twice. */
	for (unsigned i = 0; i < PRIORITY_COUNT_; i++)
		runs->work[i] += method->queued[i] * (cost - method->cost);
	method->cost = cost;
}

/* What nearly all runs stay below. */
static void high_add(usec_t *high, usec_t run)
{
	if (run >= *high)
		*high = run;
	else
		*high -= (*high - run + HIGH_FACTOR - 1) / HIGH_FACTOR;
}

static void learn(struct runs *runs, unsigned entry, usec_t run, usec_t cost)
{
	struct method_runs *method = &runs->methods[entry];

	mean_add(&method->of_all, cost, COST_OF, COST_OUTLIER);
	mean_add(&runs->of_pool, cost, COST_OF, COST_OUTLIER);
	update_cost(runs, entry);
	if (entry != RUNS_OTHER)
		update_cost(runs, RUNS_OTHER);
	high_add(&method->high, run);
}

void runs_learn_result(struct runs *runs, unsigned entry, struct bytes method, usec_t run,
		       usec_t cost, usec_t now)
{
	struct method_runs *of;

	if (entry == RUNS_OTHER)
		entry = runs_note(runs, method);
	of = &runs->methods[entry];
	if (run < of->refuted) {
		of->refuted = run;
		of->refuted_at = now;
	}
	mean_add(&of->of_results, run, TYPICAL_OF, RUNS_TYPICAL_OUTLIER);
	high_add(&of->answered, run);
	learn(runs, entry, run, cost);
	runs->last = entry;
}

void runs_learn_error(struct runs *runs, unsigned entry, usec_t run, usec_t cost)
{
	/* A method without a result has no entry: its errors say nothing about the others. */
	if (entry == RUNS_OTHER)
		return;
	high_add(&runs->methods[entry].answered, run);
	learn(runs, entry, run, cost);
}

void runs_learn_longer(struct runs *runs, unsigned entry, usec_t run)
{
	if (entry == RUNS_OTHER || run <= runs_typical(runs, entry))
		return;
	mean_add(&runs->methods[entry].of_results, run, TYPICAL_OF, RUNS_TYPICAL_OUTLIER);
	learn(runs, entry, run, run);
}

void runs_refute(struct runs *runs, unsigned entry, usec_t now)
{
	runs->methods[entry].refuted = runs_typical(runs, entry);
	runs->methods[entry].refuted_at = now;
}

bool runs_is_refuted(const struct runs *runs, unsigned entry, usec_t span, usec_t since)
{
	const struct method_runs *method = &runs->methods[entry];

	return method->refuted > span && method->refuted_at >= since;
}

usec_t runs_typical(const struct runs *runs, unsigned entry)
{
	return runs->methods[entry].of_results.mean;
}

usec_t runs_own_typical(const struct runs *runs, unsigned entry)
{
	return entry == RUNS_OTHER ? 0 : runs_typical(runs, entry);
}

usec_t runs_high(const struct runs *runs, unsigned entry)
{
	return runs->methods[entry].high;
}

usec_t runs_answered(const struct runs *runs, unsigned entry)
{
	return runs->methods[entry].answered;
}

usec_t runs_cost(const struct runs *runs, unsigned entry)
{
	return runs->methods[entry].cost;
}

uint64_t runs_weight(const struct runs *runs, unsigned entry, uint32_t unit)
{
	usec_t cost = runs->methods[entry].cost, mean = runs->of_pool.mean;

	return cost == mean || mean == 0 ? unit : usec_mul(cost, unit) / mean;
}

uint64_t runs_of_weight(const struct runs *runs, uint64_t weight, uint32_t unit)
{
	return usec_mul(weight, runs->of_pool.mean) / unit;
}

void runs_enter(struct runs *runs, unsigned entry, enum priority priority)
{
	runs->methods[entry].queued[priority]++;
	runs->work[priority] += runs->methods[entry].cost;
}

void runs_leave(struct runs *runs, unsigned entry, enum priority priority)
{
	assert(runs->methods[entry].queued[priority] > 0);
	runs->methods[entry].queued[priority]--;
	runs->work[priority] -= runs->methods[entry].cost;
}

uint64_t runs_work(const struct runs *runs, enum priority priority)
{
	uint64_t work = 0;

	for (unsigned i = 0; i <= priority; i++)
		work += runs->work[i];
	return work;
}
