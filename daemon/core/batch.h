/*
 * The time of runs whose answers are read in the same turn.
 *
 * A run that has waited in a worker's line is measured from the answer before it to its own.  When the
 * daemon comes late and reads several answers at once, the first of them would have all of the time and
 * the others none.  So they are measured together, and what is learnt is the run of the last one: its
 * share of the time, by what each was expected to take.  A batch is whole when no answer is awaited that
 * could still belong to it, or when the next one does not.
 *
 * Of a worker that may run several at once nobody knows which of them it was busy with: the time of each
 * is that of the others too.  What such a run costs is its share of the time since the answers before.
 */
#ifndef POOLD_CORE_BATCH_H
#define POOLD_CORE_BATCH_H

#include "protocol/base.h"

/* What a run teaches. */
enum batch_kind {
	BATCH_NOTHING = 0,
	BATCH_RESULT,
	BATCH_LATE_RESULT, /* nobody waited for it any more */
	BATCH_ERROR
};

struct batch_run {
	enum batch_kind kind;
	unsigned entry;	 /* of its method (runs.h) */
	usec_t begun;	 /* in the turn of the answer before it, if it has waited for that */
	usec_t span;	 /* its time, as far as it was measured */
	usec_t expected; /* how long it was expected to take; 0: unknown */
	usec_t taken; /* of the worker's time, since its answer before; 0: none, in the same turn */
	bool overlaps; /* its span has the time of others too */
};

/* Of one worker. */
struct batch {
	unsigned count;	      /* 0: none is measured */
	usec_t at;	      /* in which turn */
	usec_t span;	      /* of all together */
	usec_t expected;      /* of all together */
	usec_t taken;	      /* of all together */
	struct batch_run run; /* the last one */
};

/* Whether the answer to that run belongs to the batch. */
static inline bool batch_has(const struct batch *batch, const struct batch_run *run, usec_t now)
{
	return batch->count > 0 && batch->at == now && (run->begun == now || run->overlaps);
}

/* Adds a run that belongs to the batch, or begins one with it. */
static inline void batch_add(struct batch *batch, const struct batch_run *run, usec_t now)
{
	batch->at = now;
	batch->count++;
	batch->span = usec_add(batch->span, run->span);
	batch->expected = usec_add(batch->expected, run->expected);
	batch->taken = usec_add(batch->taken, run->taken);
	batch->run = *run;
}

/* The time of the last run. */
static inline usec_t batch_share(const struct batch *batch)
{
	if (batch->run.overlaps)
		return batch->run.span;
	if (batch->count == 1)
		return batch->span;
	if (batch->run.expected == 0)
		return batch->span / batch->count;
	return usec_mul(batch->span, batch->run.expected) / batch->expected;
}

/* What it cost of the worker's time. */
static inline usec_t batch_cost(const struct batch *batch)
{
	return batch->run.overlaps ? batch->taken / batch->count : batch_share(batch);
}

#endif
