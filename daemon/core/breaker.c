#include "daemon/core/breaker.h"

#include <string.h>

/* An early probe begins 1 s after opening, or after 5 % of the open time if that is longer. */
#define EARLY_AFTER   USEC_PER_SEC
#define EARLY_PERCENT 5

/* The maximum retry_after of a call that is rejected because all leases are in use. */
#define PROBES_WAIT USEC_PER_SEC

static const struct {
	const char *name;
	unsigned next;
} states[BREAKER_STATE_COUNT_] = {
#define STATE(name, word, next, text) {(word), (next)},
	BREAKER_STATES(STATE)
#undef STATE
};

static const struct {
	const char *name;
	const char *text;
} reasons[BREAKER_REASON_COUNT_] = {
#define REASON(name, word, text) {(word), (text)},
	BREAKER_REASONS(REASON)
#undef REASON
};

static const struct breaker_change unchanged = {.reason = BREAKER_BECAUSE_NONE};

const char *breaker_state_name(enum breaker_state state)
{
	return states[state].name;
}

const char *breaker_reason_name(enum breaker_reason reason)
{
	return reasons[reason].name;
}

const char *breaker_reason_text(enum breaker_reason reason)
{
	return reasons[reason].text;
}

bool breaker_may_move(enum breaker_state from, enum breaker_state to)
{
	return states[from].next & 1u << to;
}

/* --- the window --- */

static void clear_window(struct breaker *breaker)
{
	memset(breaker->buckets, 0, sizeof(breaker->buckets));
	breaker->sum = (struct breaker_bucket){0};
}

/* Clears the buckets that have left the window; after a long pause these are all. */
static void advance_window(struct breaker *breaker, usec_t now)
{
	usec_t width = breaker->settings.window / BREAKER_BUCKETS;
	uint64_t newest;

	if (now < breaker->bucket_ends)
		return;
	newest = now / width;
	breaker->bucket_ends = (newest + 1) * width;
	if (newest - breaker->bucket >= BREAKER_BUCKETS) {
		clear_window(breaker);
		breaker->bucket = newest;
		return;
	}
	while (breaker->bucket < newest) {
		struct breaker_bucket *oldest =
			&breaker->buckets[++breaker->bucket % BREAKER_BUCKETS];

		breaker->sum.calls -= oldest->calls;
		breaker->sum.failures -= oldest->failures;
		breaker->sum.slow -= oldest->slow;
		*oldest = (struct breaker_bucket){0};
	}
}

static void add_to(struct breaker_bucket *bucket, bool failed, bool slow)
{
	bucket->calls++;
	bucket->failures += failed;
	bucket->slow += slow;
}

static bool is_slow(const struct breaker *breaker, usec_t duration)
{
	const struct breaker_settings *settings = &breaker->settings;

	return settings->slow_call_rate > 0 && settings->slow_call_duration > 0 &&
	       duration >= settings->slow_call_duration;
}

static void count_call(struct breaker *breaker, bool failed, usec_t now, usec_t duration)
{
	bool slow = is_slow(breaker, duration);

	advance_window(breaker, now);
	add_to(&breaker->sum, failed, slow);
	add_to(&breaker->buckets[breaker->bucket % BREAKER_BUCKETS], failed, slow);
}

static void count_failure(struct breaker *breaker, usec_t now, usec_t duration)
{
	count_call(breaker, true, now, duration);
	if (usec_sub(now, breaker->last_failure) > breaker->settings.failure_run_ttl)
		breaker->run = 0;
	breaker->run++;
	breaker->last_failure = now;
}

static void count_success(struct breaker *breaker, usec_t now, usec_t duration)
{
	count_call(breaker, false, now, duration);
	breaker->run = 0;
	breaker->last_success = now;
}

static void forget_counts(struct breaker *breaker, usec_t now)
{
	clear_window(breaker);
	breaker->run = 0;
	breaker->last_success = now;
}

/* --- changing state --- */

static usec_t add_jitter(struct breaker *breaker, usec_t span)
{
	usec_t most = usec_mul(span, breaker->settings.open_jitter) / 100;

	return most > 0 ? usec_add(span, prng_between(&breaker->prng, 0, most)) : span;
}

static void enter_open(struct breaker *breaker, bool again, usec_t now)
{
	const struct breaker_settings *settings = &breaker->settings;
	usec_t span = settings->open_timeout;

	if (again)
		span = usec_mul(breaker->open_span, settings->open_multiplier) / 100;
	breaker->open_span = span;
	span = usec_min(add_jitter(breaker, span), settings->open_timeout_max);
	breaker->open_until = usec_add(now, span);
	breaker->opened++;
}

static struct breaker_change move(struct breaker *breaker, enum breaker_state state,
				  enum breaker_reason reason, usec_t now)
{
	struct breaker_change change = {reason, breaker->state, state};

	assert(breaker_may_move(breaker->state, state));
	breaker->state = state;
	breaker->since = now;
	breaker->generation++;
	breaker->open_until = 0;
	breaker->is_early = false;
	memset(breaker->leases, 0, sizeof(breaker->leases));
	breaker->probes = breaker->probe_successes = 0;
	if (state == BREAKER_OPEN)
		enter_open(breaker, change.from == BREAKER_HALF_OPEN, now);
	if (state == BREAKER_CLOSED || state == BREAKER_OBSERVING)
		forget_counts(breaker, now);
	return change;
}

struct breaker_change breaker_reset(struct breaker *breaker, usec_t now)
{
	return move(breaker, BREAKER_CLOSED, BREAKER_BECAUSE_MANUAL, now);
}

struct breaker_change breaker_force_open(struct breaker *breaker, usec_t now)
{
	return move(breaker, BREAKER_FORCED_OPEN, BREAKER_BECAUSE_MANUAL, now);
}

struct breaker_change breaker_disable(struct breaker *breaker, usec_t now)
{
	return move(breaker, BREAKER_DISABLED, BREAKER_BECAUSE_MANUAL, now);
}

struct breaker_change breaker_observe(struct breaker *breaker, usec_t now)
{
	return move(breaker, BREAKER_OBSERVING, BREAKER_BECAUSE_MANUAL, now);
}

/* --- settings --- */

static void set_settings(struct breaker *breaker, const struct breaker_settings *settings)
{
	assert(settings->failure_threshold > 0 && settings->success_threshold > 0);
	assert(settings->half_open_requests > 0 &&
	       settings->half_open_requests <= BREAKER_PROBES_MAX);
	assert(settings->window >= BREAKER_BUCKETS);
	breaker->settings = *settings;
}

void breaker_init(struct breaker *breaker, const struct breaker_settings *settings, uint64_t seed,
		  usec_t now)
{
	*breaker = (struct breaker){.since = now, .last_success = now};
	prng_init(&breaker->prng, seed);
	set_settings(breaker, settings);
}

void breaker_reload(struct breaker *breaker, const struct breaker_settings *settings)
{
	if (settings->window != breaker->settings.window) {
		clear_window(breaker);
		breaker->bucket = breaker->bucket_ends = 0;
	}
	if (settings->open_timeout != breaker->settings.open_timeout)
		breaker->open_span = settings->open_timeout;
	set_settings(breaker, settings);
}

/* --- time --- */

static bool has_free_lease(const struct breaker *breaker)
{
	return breaker->probes < breaker->settings.half_open_requests;
}

static usec_t first_lease_end(const struct breaker *breaker)
{
	usec_t first = USEC_INFINITY;

	for (unsigned i = 0; breaker->probes > 0 && i < BREAKER_PROBES_MAX; i++)
		if (breaker->leases[i] > 0)
			first = usec_min(first, breaker->leases[i]);
	return first;
}

usec_t breaker_deadline(const struct breaker *breaker)
{
	switch (breaker->state) {
	case BREAKER_OPEN:
		return breaker->open_until;
	case BREAKER_HALF_OPEN:
		return first_lease_end(breaker);
	case BREAKER_CLOSED:
	case BREAKER_FORCED_OPEN:
	case BREAKER_DISABLED:
	case BREAKER_OBSERVING:
	case BREAKER_STATE_COUNT_:
		break;
	}
	return USEC_INFINITY;
}

struct breaker_change breaker_tick(struct breaker *breaker, usec_t now)
{
	if (now < breaker_deadline(breaker))
		return unchanged;
	if (breaker->state == BREAKER_OPEN)
		return move(breaker, BREAKER_HALF_OPEN,
			    breaker->is_early ? BREAKER_BECAUSE_EARLY : BREAKER_BECAUSE_TIME, now);
	count_failure(breaker, now, breaker->settings.probe_timeout);
	return move(breaker, BREAKER_OPEN, BREAKER_BECAUSE_PROBE_EXPIRED, now);
}

struct breaker_change breaker_early_probe(struct breaker *breaker, usec_t worker_started,
					  usec_t now)
{
	usec_t share, first;

	/* Equal times count: the event that opens the breaker may also start the worker. */
	if (breaker->state != BREAKER_OPEN || !breaker->settings.early_probe ||
	    worker_started < breaker->since || breaker->is_early)
		return breaker_tick(breaker, now);
	share = usec_mul(breaker->open_until - breaker->since, EARLY_PERCENT) / 100;
	first = usec_add(breaker->since, usec_max(EARLY_AFTER, share));
	if (first < breaker->open_until) {
		breaker->open_until = first;
		breaker->is_early = true;
	}
	return breaker_tick(breaker, now);
}

usec_t breaker_time_left(const struct breaker *breaker, usec_t now)
{
	usec_t left = usec_sub(breaker_deadline(breaker), now);

	switch (breaker->state) {
	case BREAKER_OPEN:
		return left;
	case BREAKER_HALF_OPEN:
		return has_free_lease(breaker) ? 0 : usec_min(left, PROBES_WAIT);
	case BREAKER_FORCED_OPEN:
		return USEC_INFINITY;
	case BREAKER_CLOSED:
	case BREAKER_DISABLED:
	case BREAKER_OBSERVING:
	case BREAKER_STATE_COUNT_:
		break;
	}
	return 0;
}

/* --- calls --- */

static COLD enum breaker_verdict admit_probe(struct breaker *breaker, usec_t now,
					     struct breaker_permit *ret_permit)
{
	uint32_t lease = 0;

	if (!has_free_lease(breaker)) {
		breaker->rejected++;
		return BREAKER_ADMIT_NO;
	}
	while (breaker->leases[lease] > 0)
		lease++;
	breaker->leases[lease] = usec_add(now, breaker->settings.probe_timeout);
	breaker->probes++;
	*ret_permit = (struct breaker_permit){breaker->generation, lease + 1};
	return BREAKER_ADMIT_PROBE;
}

enum breaker_verdict breaker_admit(struct breaker *breaker, usec_t now,
				   struct breaker_permit *ret_permit,
				   struct breaker_change *ret_change)
{
	*ret_change = breaker_tick(breaker, now);
	switch (breaker->state) {
	case BREAKER_CLOSED:
	case BREAKER_DISABLED:
	case BREAKER_OBSERVING:
		*ret_permit = (struct breaker_permit){breaker->generation, 0};
		return BREAKER_ADMIT_YES;
	case BREAKER_HALF_OPEN:
		return admit_probe(breaker, now, ret_permit);
	case BREAKER_OPEN:
	case BREAKER_FORCED_OPEN:
	case BREAKER_STATE_COUNT_:
		break;
	}
	breaker->rejected++;
	return BREAKER_ADMIT_NO;
}

void breaker_reject(struct breaker *breaker)
{
	breaker->rejected++;
}

/* Takes a permit back and frees its lease.  False: the permit is of an earlier generation. */
static bool take_back(struct breaker *breaker, struct breaker_permit permit)
{
	if (permit.generation != breaker->generation) {
		breaker->late++;
		return false;
	}
	if (permit.probe > 0) {
		assert(permit.probe <= BREAKER_PROBES_MAX && breaker->leases[permit.probe - 1] > 0);
		breaker->leases[permit.probe - 1] = 0;
		breaker->probes--;
	}
	return true;
}

static bool reaches(uint32_t part, uint32_t whole, unsigned percent)
{
	return percent > 0 && (uint64_t)part * 100 >= (uint64_t)whole * percent;
}

/* The rule that opens the breaker now, or BREAKER_BECAUSE_NONE. */
static enum breaker_reason why_open(const struct breaker *breaker, usec_t now)
{
	const struct breaker_settings *settings = &breaker->settings;
	const struct breaker_bucket *sum = &breaker->sum;
	bool few = sum->calls < settings->minimum_calls;
	bool outage = usec_sub(now, breaker->last_success) >= settings->min_outage;

	if (breaker->run >= settings->failure_threshold && (few || outage))
		return BREAKER_BECAUSE_RUN;
	if (few)
		return BREAKER_BECAUSE_NONE;
	if (reaches(sum->failures, sum->calls, settings->failure_rate))
		return BREAKER_BECAUSE_RATE;
	if (reaches(sum->slow, sum->calls, settings->slow_call_rate))
		return BREAKER_BECAUSE_SLOW;
	return BREAKER_BECAUSE_NONE;
}

/* Reports that the breaker would open, once for each period in which it would have been open. */
static COLD struct breaker_change observe_opening(struct breaker *breaker,
						  enum breaker_reason reason, usec_t now)
{
	if (now < breaker->open_until)
		return unchanged;
	breaker->open_until = usec_add(now, breaker->settings.open_timeout);
	breaker->would_open++;
	return (struct breaker_change){reason, BREAKER_OBSERVING, BREAKER_OBSERVING};
}

/* Opens the breaker, or reports that it would open, if a rule demands it. */
static struct breaker_change judge(struct breaker *breaker, usec_t now)
{
	enum breaker_reason reason = why_open(breaker, now);

	if (reason == BREAKER_BECAUSE_NONE)
		return unchanged;
	if (breaker->state == BREAKER_CLOSED)
		return move(breaker, BREAKER_OPEN, reason, now);
	if (breaker->state == BREAKER_OBSERVING)
		return observe_opening(breaker, reason, now);
	return unchanged;
}

struct breaker_change breaker_success(struct breaker *breaker, struct breaker_permit permit,
				      usec_t now, usec_t duration)
{
	struct breaker_change change = breaker_tick(breaker, now);

	if (!take_back(breaker, permit))
		return change;
	count_success(breaker, now, duration);
	if (breaker->state != BREAKER_HALF_OPEN)
		return judge(breaker, now);
	if (is_slow(breaker, duration))
		return move(breaker, BREAKER_OPEN, BREAKER_BECAUSE_PROBE_FAILED, now);
	if (++breaker->probe_successes < breaker->settings.success_threshold)
		return unchanged;
	return move(breaker, BREAKER_CLOSED, BREAKER_BECAUSE_PROBES_SUCCEEDED, now);
}

struct breaker_change breaker_failure(struct breaker *breaker, struct breaker_permit permit,
				      usec_t now, usec_t duration)
{
	struct breaker_change change = breaker_tick(breaker, now);

	if (!take_back(breaker, permit))
		return change;
	count_failure(breaker, now, duration);
	if (breaker->state != BREAKER_HALF_OPEN)
		return judge(breaker, now);
	return move(breaker, BREAKER_OPEN, BREAKER_BECAUSE_PROBE_FAILED, now);
}

struct breaker_change breaker_neutral(struct breaker *breaker, struct breaker_permit permit,
				      usec_t now)
{
	struct breaker_change change = breaker_tick(breaker, now);

	take_back(breaker, permit);
	return change;
}

/* --- reports --- */

static unsigned permille(uint32_t part, uint32_t whole)
{
	return whole > 0 ? (unsigned)((uint64_t)part * 1000 / whole) : 0;
}

struct breaker_snapshot breaker_snapshot(const struct breaker *breaker, usec_t now)
{
	struct breaker then = *breaker;
	struct breaker_snapshot snapshot;

	advance_window(&then, now);
	snapshot = (struct breaker_snapshot){
		.state = then.state,
		.since = then.since,
		.generation = then.generation,
		.run = then.run,
		.window = then.sum,
		.failure_permille = permille(then.sum.failures, then.sum.calls),
		.slow_permille = permille(then.sum.slow, then.sum.calls),
		.probes = then.probes,
		.probe_successes = then.probe_successes,
		.opened = then.opened,
		.would_open = then.would_open,
		.rejected = then.rejected,
		.late = then.late,
	};
	if (then.state == BREAKER_OPEN)
		snapshot.open_until = then.open_until;
	if (then.state == BREAKER_FORCED_OPEN)
		snapshot.open_until = USEC_INFINITY;
	return snapshot;
}
