/* A naive model of the breaker, to which the real one is compared: it keeps every call and every
 * probe in a list, and computes everything by walking through these lists. */
#ifndef POOLD_TESTS_BREAKER_MODEL_H
#define POOLD_TESTS_BREAKER_MODEL_H

#include "daemon/core/breaker.h"

#define MODEL_CALLS_MAX 512

struct past_call {
	usec_t at;
	bool failed;
	bool slow;
};

struct past_probe {
	uint32_t generation;
	usec_t until;
	bool out;
};

struct model {
	struct breaker_settings settings;
	usec_t now;
	enum breaker_state state;
	usec_t since;
	uint32_t generation;
	struct past_call calls[MODEL_CALLS_MAX]; /* calls that were counted since counting began */
	size_t call_count;
	usec_t counting_since;
	struct past_probe probes[MODEL_CALLS_MAX];
	size_t probe_count;
	unsigned probe_successes;
	unsigned reopened; /* in a row */
	usec_t normal_until;
	usec_t early_until; /* USEC_INFINITY: no early probe */
	usec_t quiet_until; /* while observing */
	uint64_t opened, would_open, rejected, late;
};

enum outcome {
	OUTCOME_SUCCESS = 0,
	OUTCOME_FAILURE,
	OUTCOME_NEUTRAL,
	OUTCOME_COUNT_
};

/* Closed, and counting from now. */
void model_init(struct model *model, const struct breaker_settings *settings, usec_t now);

/* The same as the breaker's functions of these names, at model->now. */
enum breaker_verdict model_admit(struct model *model, struct breaker_change *ret_change);
struct breaker_change model_early_probe(struct model *model, usec_t worker_started);
struct breaker_change model_tick(struct model *model);

/* Ends an admitted call; `probe` is its index in the list of probes, or SIZE_MAX. */
struct breaker_change model_end(struct model *model, uint32_t generation, size_t probe,
				enum outcome outcome, usec_t duration);

/* Changes to any state, without checking whether that is allowed. */
struct breaker_change model_move(struct model *model, enum breaker_state state,
				 enum breaker_reason reason);

unsigned model_run(const struct model *model);
unsigned model_probes(const struct model *model);
struct breaker_bucket model_window(const struct model *model);
usec_t model_deadline(const struct model *model);

/* Returns the open time of the last opening, without jitter. */
usec_t model_open_span(const struct model *model);

#endif
