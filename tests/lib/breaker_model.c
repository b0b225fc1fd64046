#include "tests/lib/breaker_model.h"

static const struct breaker_change unchanged = {.reason = BREAKER_BECAUSE_NONE};

void model_init(struct model *model, const struct breaker_settings *settings, usec_t now)
{
	*model = (struct model){
		.settings = *settings, .now = now, .since = now, .counting_since = now};
}

unsigned model_run(const struct model *model)
{
	const struct past_call *calls = model->calls;
	unsigned run = 0;

	for (size_t i = model->call_count; i > 0 && calls[i - 1].failed; i--) {
		run++;
		if (i > 1 && calls[i - 1].at - calls[i - 2].at > model->settings.failure_run_ttl)
			break;
	}
	return run;
}

struct breaker_bucket model_window(const struct model *model)
{
	usec_t tenth = model->settings.window / 10;
	struct breaker_bucket window = {0};

	for (size_t i = 0; i < model->call_count; i++) {
		const struct past_call *call = &model->calls[i];

		if (call->at / tenth + 10 <= model->now / tenth)
			continue;
		window.calls++;
		window.failures += call->failed;
		window.slow += call->slow;
	}
	return window;
}

static usec_t model_last_success(const struct model *model)
{
	for (size_t i = model->call_count; i > 0; i--)
		if (!model->calls[i - 1].failed)
			return model->calls[i - 1].at;
	return model->counting_since;
}

unsigned model_probes(const struct model *model)
{
	unsigned out = 0;

	for (size_t i = 0; i < model->probe_count; i++)
		out += model->probes[i].out && model->probes[i].generation == model->generation;
	return out;
}

usec_t model_deadline(const struct model *model)
{
	usec_t first = USEC_INFINITY;

	if (model->state == BREAKER_OPEN)
		return usec_min(model->normal_until, model->early_until);
	for (size_t i = 0; i < model->probe_count; i++)
		if (model->probes[i].out && model->probes[i].generation == model->generation)
			first = usec_min(first, model->probes[i].until);
	return first;
}

usec_t model_open_span(const struct model *model)
{
	usec_t max = model->settings.open_timeout_max;
	usec_t span = usec_min(model->settings.open_timeout, max);

	for (unsigned i = 0; i < model->reopened; i++)
		span = usec_min(span * model->settings.open_multiplier / 100, max);
	return span;
}

struct breaker_change model_move(struct model *model, enum breaker_state state,
				 enum breaker_reason reason)
{
	struct breaker_change change = {reason, model->state, state};

	if (state == BREAKER_OPEN) {
		model->reopened = model->state == BREAKER_HALF_OPEN ? model->reopened + 1 : 0;
		model->normal_until = model->now + model_open_span(model);
		model->early_until = USEC_INFINITY;
		model->opened++;
	}
	if (state == BREAKER_CLOSED || state == BREAKER_OBSERVING) {
		model->call_count = 0;
		model->counting_since = model->now;
	}
	model->state = state;
	model->since = model->now;
	model->generation++;
	model->probe_successes = 0;
	model->quiet_until = 0;
	return change;
}

static void model_count(struct model *model, bool failed, bool slow)
{
	model->calls[model->call_count++] = (struct past_call){model->now, failed, slow};
}

static bool model_is_slow(const struct model *model, usec_t duration)
{
	return model->settings.slow_call_rate > 0 && model->settings.slow_call_duration > 0 &&
	       duration >= model->settings.slow_call_duration;
}

struct breaker_change model_tick(struct model *model)
{
	if (model->now < model_deadline(model))
		return unchanged;
	if (model->state == BREAKER_OPEN)
		return model_move(model, BREAKER_HALF_OPEN,
				  model->early_until < model->normal_until ? BREAKER_BECAUSE_EARLY
									   : BREAKER_BECAUSE_TIME);
	model_count(model, true, model_is_slow(model, model->settings.probe_timeout));
	return model_move(model, BREAKER_OPEN, BREAKER_BECAUSE_PROBE_EXPIRED);
}

enum breaker_verdict model_admit(struct model *model, struct breaker_change *ret_change)
{
	*ret_change = model_tick(model);
	if (model->state == BREAKER_HALF_OPEN &&
	    model_probes(model) < model->settings.half_open_requests) {
		model->probes[model->probe_count++] = (struct past_probe){
			model->generation, model->now + model->settings.probe_timeout, true};
		return BREAKER_ADMIT_PROBE;
	}
	if (model->state == BREAKER_OPEN || model->state == BREAKER_FORCED_OPEN ||
	    model->state == BREAKER_HALF_OPEN) {
		model->rejected++;
		return BREAKER_ADMIT_NO;
	}
	return BREAKER_ADMIT_YES;
}

static enum breaker_reason model_why_open(const struct model *model)
{
	const struct breaker_settings *settings = &model->settings;
	struct breaker_bucket window = model_window(model);
	bool few = window.calls < settings->minimum_calls;

	if (model_run(model) >= settings->failure_threshold &&
	    (few || model->now - model_last_success(model) >= settings->min_outage))
		return BREAKER_BECAUSE_RUN;
	if (!few && settings->failure_rate > 0 &&
	    window.failures * 100 >= window.calls * settings->failure_rate)
		return BREAKER_BECAUSE_RATE;
	if (!few && settings->slow_call_rate > 0 &&
	    window.slow * 100 >= window.calls * settings->slow_call_rate)
		return BREAKER_BECAUSE_SLOW;
	return BREAKER_BECAUSE_NONE;
}

static struct breaker_change model_judge(struct model *model)
{
	enum breaker_reason reason = model_why_open(model);

	if (reason == BREAKER_BECAUSE_NONE)
		return unchanged;
	if (model->state == BREAKER_CLOSED)
		return model_move(model, BREAKER_OPEN, reason);
	if (model->state == BREAKER_DISABLED || model->now < model->quiet_until)
		return unchanged;
	model->quiet_until = model->now + model->settings.open_timeout;
	model->would_open++;
	return (struct breaker_change){reason, BREAKER_OBSERVING, BREAKER_OBSERVING};
}

struct breaker_change model_end(struct model *model, uint32_t generation, size_t probe,
				enum outcome outcome, usec_t duration)
{
	struct breaker_change change = model_tick(model);
	bool slow = model_is_slow(model, duration);

	if (generation != model->generation) {
		model->late++;
		return change;
	}
	if (probe != SIZE_MAX)
		model->probes[probe].out = false;
	if (outcome == OUTCOME_NEUTRAL)
		return change;
	model_count(model, outcome == OUTCOME_FAILURE, slow);
	if (model->state != BREAKER_HALF_OPEN)
		return model_judge(model);
	if (outcome == OUTCOME_FAILURE || slow)
		return model_move(model, BREAKER_OPEN, BREAKER_BECAUSE_PROBE_FAILED);
	if (++model->probe_successes == model->settings.success_threshold)
		return model_move(model, BREAKER_CLOSED, BREAKER_BECAUSE_PROBES_SUCCEEDED);
	return unchanged;
}

struct breaker_change model_early_probe(struct model *model, usec_t worker_started)
{
	usec_t span = model->normal_until - model->since;

	if (model->state == BREAKER_OPEN && model->settings.early_probe &&
	    worker_started >= model->since)
		model->early_until =
			model->since + (span / 20 > USEC_PER_SEC ? span / 20 : USEC_PER_SEC);
	return model_tick(model);
}
