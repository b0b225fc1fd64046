#include "daemon/core/alert_reading.h"

/* Counts beyond this are scaled down, so that products of them fit 64 bits. */
#define COUNT_MAX ((uint64_t)1 << 36)

usec_t alert_window_length(enum alert_window window)
{
	static const usec_t lengths[] = {
#define WINDOW(name, seconds) [ALERT_LAST_##name] = (seconds)*USEC_PER_SEC,
		ALERT_WINDOWS(WINDOW)
#undef WINDOW
	};

	return lengths[window];
}

static struct alert_counts scaled(struct alert_counts counts)
{
	while (counts.ended > COUNT_MAX) {
		counts.ended /= 2;
		counts.failed /= 2;
	}
	if (counts.failed > counts.ended)
		counts.failed = counts.ended;
	return counts;
}

uint64_t alert_share(struct alert_counts counts)
{
	struct alert_counts part = scaled(counts);

	return part.ended > 0 ? part.failed * 100000 / part.ended : 0;
}

uint64_t alert_burn(struct alert_counts counts, usec_t length, unsigned slo)
{
	struct alert_counts part = scaled(counts);
	usec_t seconds = length / USEC_PER_SEC;
	uint64_t burn;

	assert(slo < 100000 && seconds > 0);
	if (part.ended == 0)
		return 0;
	/* failed / ended, divided by the share that may fail: (100000 - slo) / 100000. */
	burn = part.failed * 100000 * 1000 / part.ended / (100000 - slo);
	if (part.span == 0 || part.span >= length)
		return burn;
	/* At most 10^8 times the seconds of a day. */
	return burn * (part.span / USEC_PER_SEC) / seconds;
}

static struct alert_value counted(uint64_t count)
{
	return (struct alert_value){count < UINT64_MAX / 1000 ? count * 1000 : UINT64_MAX, true};
}

static struct alert_value state(bool holds)
{
	return (struct alert_value){holds ? 1000 : 0, true};
}

/* The lower one of two windows. */
static struct alert_value burn(const struct alert_rule *rule, const struct alert_pool *pool,
			       enum alert_window brief, enum alert_window whole)
{
	return (struct alert_value){
		usec_min(alert_burn(pool->windows[brief], alert_window_length(brief), pool->slo),
			 alert_burn(pool->windows[whole], alert_window_length(whole), pool->slo)),
		pool->windows[brief].ended >= rule->min,
	};
}

static uint64_t open_breakers(const struct alert_readings *readings)
{
	uint64_t count = 0;

	for (unsigned i = 0; i < readings->pool_count; i++)
		count += readings->pools[i].is_breaker_open;
	return count;
}

static struct alert_value memory_used(const struct alert_readings *readings)
{
	const struct alert_counts bytes = {.ended = readings->memory_max,
					   .failed = readings->memory};

	return (struct alert_value){alert_share(bytes), true};
}

/* In thousandths of a percent; also more than all. */
static uint64_t part_of(uint64_t part, uint64_t whole)
{
	while (part > COUNT_MAX) {
		part /= 2;
		whole /= 2;
	}
	return whole > 0 ? part * 100000 / whole : 0;
}

/* Who of a pool stands out. */
static struct alert_value measure_suspect(const struct alert_rule *rule,
					  const struct alert_pool *pool)
{
	switch (rule->kind) {
	case ALERT_method_errors:
		return (struct alert_value){alert_share(pool->method),
					    pool->method.ended >= rule->min};
	case ALERT_method_slow:
		/* Hundredths of a percent of it are too fine for a factor. */
		return (struct alert_value){
			part_of(pool->method_run, pool->method_run_before) / 100, true};
	case ALERT_worker_hung:
		/* Thousandths of a ms are µs. */
		return (struct alert_value){pool->hung, true};
	case ALERT_worker_memory:
		return (struct alert_value){part_of(pool->memory, pool->memory_max), true};
	case ALERT_client_flood:
		return (struct alert_value){part_of(pool->client_queued, pool->queue_capacity),
					    pool->client_queued >= rule->min};
	default:
		assert(false && "no rule about a suspect");
		return (struct alert_value){0, false};
	}
}

static struct alert_value risen(const struct alert_rule *rule, struct alert_rise *rise,
				uint64_t value, usec_t now)
{
	return counted(alert_rise_read(rise, value, alert_kind_window(rule->kind), now));
}

static struct alert_value measure_daemon(const struct alert_rule *rule,
					 const struct alert_readings *readings,
					 struct alert_rise *rise, usec_t now)
{
	switch (rule->kind) {
	case ALERT_breakers_open:
		return counted(open_breakers(readings));
	case ALERT_memory_near_limit:
		return memory_used(readings);
	case ALERT_loop_lag:
		/* Thousandths of a ms are µs. */
		return (struct alert_value){alert_rise_read(rise, readings->stalled,
							    alert_kind_window(rule->kind), now),
					    true};
	case ALERT_log_dropped:
		return risen(rule, rise, readings->log_dropped, now);
	case ALERT_sessions_lost:
		return risen(rule, rise, readings->sessions_lost, now);
	default:
		assert(false && "a rule about pools");
		return (struct alert_value){0, false};
	}
}

struct alert_value alert_measure(const struct alert_rule *rule,
				 const struct alert_readings *readings, unsigned index,
				 struct alert_rise *rise, usec_t now)
{
	const struct alert_pool *pool;

	if (!alert_kind_is_of_pools(rule->kind))
		return measure_daemon(rule, readings, rise, now);
	assert(index < readings->pool_count);
	pool = &readings->pools[index];
	switch (rule->kind) {
	case ALERT_error_share:
		return (struct alert_value){alert_share(pool->windows[ALERT_LAST_1MIN]),
					    pool->windows[ALERT_LAST_1MIN].ended >= rule->min};
	case ALERT_burn_fast:
		return burn(rule, pool, ALERT_LAST_5MIN, ALERT_LAST_1H);
	case ALERT_burn_slow:
		return burn(rule, pool, ALERT_LAST_30MIN, ALERT_LAST_6H);
	case ALERT_critical_errors:
		return counted(pool->critical);
	case ALERT_run_time:
		return (struct alert_value){pool->run_p99, pool->runs >= rule->min};
	case ALERT_queue_wait:
		return (struct alert_value){pool->wait_p99, pool->waits >= rule->min};
	case ALERT_restarts:
		return risen(rule, rise, pool->restarts, now);
	case ALERT_crash_loop:
		return counted(pool->failed_starts);
	case ALERT_memory_restarts:
		return risen(rule, rise, pool->outgrown, now);
	case ALERT_output_dropped:
		return risen(rule, rise, pool->output_dropped, now);
	case ALERT_method_errors:
	case ALERT_method_slow:
	case ALERT_worker_hung:
	case ALERT_worker_memory:
	case ALERT_client_flood:
		return measure_suspect(rule, pool);
	case ALERT_breaker_open:
		return state(pool->is_breaker_open);
	case ALERT_breaker_flapping:
		return risen(rule, rise, pool->openings, now);
	case ALERT_on_fallback:
		return state(pool->is_on_fallback);
	case ALERT_no_capacity:
		return state(pool->has_no_capacity);
	default:
		assert(false && "a rule about the daemon");
		return (struct alert_value){0, false};
	}
}
