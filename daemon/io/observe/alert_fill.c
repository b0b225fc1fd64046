#include "daemon/io/observe/alert_fill.h"

#include "daemon/core/window.h"
#include "daemon/io/driver/driver.h"

static struct alert_counts counts_of(const struct window *window, usec_t now, usec_t length)
{
	struct window_counts counts;
	uint64_t mistakes;

	window_sum(window, now, length, &counts);
	mistakes = counts.by_category[ERRCAT_request];
	return (struct alert_counts){
		.ended = counts.answered + counts.failed + counts.refused - mistakes,
		.failed = counts.failed + counts.refused - mistakes,
		.span = counts.span,
	};
}

/* By the severity that the error table has for the code: those of single errors are not counted. */
static uint64_t critical_errors(const struct driver *driver, const struct window *window,
				usec_t now)
{
	uint64_t codes[ERR_COUNT_], sum = 0;

	window_codes(window, now, WINDOW_NOW, codes);
	for (enum errcode code = ERR_NONE + 1; code < ERR_COUNT_; code++)
		if (policy_row(&driver->config->policy, code)->severity == SEVERITY_CRITICAL)
			sum += codes[code];
	return sum;
}

static void fill_window(const struct driver *driver, uint32_t index, usec_t now,
			struct alert_pool *ret)
{
	const struct window *window = engine_pool_window(driver->engine, index);
	struct window_latency run, wait;

	for (enum alert_window length = 0; length < ALERT_WINDOW_COUNT_; length++)
		ret->windows[length] = counts_of(window, now, alert_window_length(length));
	ret->critical = critical_errors(driver, window, now);
	window_latency(window, now, WINDOW_NOW, WINDOW_RUN, &run);
	window_latency(window, now, WINDOW_NOW, WINDOW_WAIT, &wait);
	ret->runs = run.count;
	ret->run_p99 = run.p99;
	ret->waits = wait.count;
	ret->wait_p99 = wait.p99;
}

/* The pool's breaker and those of its methods: while one probes, it is not closed yet. */
static void fill_breakers(const struct driver *driver, uint32_t index, unsigned count, usec_t now,
			  struct alert_pool *ret)
{
	for (unsigned i = 0; i < count; i++) {
		struct circuit_view circuit;

		engine_view_circuit(driver->engine, index, i, now, &circuit);
		ret->openings += circuit.breaker.opened;
		switch (circuit.breaker.state) {
		case BREAKER_OPEN:
		case BREAKER_HALF_OPEN:
		case BREAKER_FORCED_OPEN:
			ret->is_breaker_open = true;
			break;
		case BREAKER_CLOSED:
		case BREAKER_DISABLED:
		case BREAKER_OBSERVING:
		case BREAKER_STATE_COUNT_:
			break;
		}
	}
}

/* While the queue is full, or requests are refused for their wait, all of it is what is queued. */
static void fill_suspects(const struct driver *driver, uint32_t index, usec_t now,
			  const struct pool_view *pool, struct suspects *suspects,
			  struct alert_pool *ret)
{
	engine_find_suspects(driver->engine, index, now, suspects);
	ret->method = (struct alert_counts){.ended = suspects->failing.ended,
					    .failed = suspects->failing.failed};
	ret->method_run = suspects->slow.median;
	ret->method_run_before = suspects->slow.usual;
	ret->hung = suspects->hung.ran;
	ret->memory = suspects->memory.bytes;
	ret->memory_max = driver_pool_config(driver, index)->max_memory;
	ret->client_queued = suspects->client.queued;
	ret->queue_capacity = pool->is_full || pool->refused > 0 ? pool->queued : pool->queue_max;
}

static void fill_pool(const struct driver *driver, uint32_t index, usec_t now,
		      struct suspects *suspects, struct alert_pool *ret)
{
	const struct pool_stats *stats = engine_pool_stats(driver->engine, index);
	struct pool_view pool;

	engine_view_pool(driver->engine, index, &pool);
	*ret = (struct alert_pool){
		.slo = driver_pool_config(driver, index)->slo,
		.failed_starts = pool.failed_starts,
		.is_on_fallback = pool.level > 0,
		/* Who drained it knows that. */
		.has_no_capacity = (pool.troubles & TROUBLE_NO_WORKER) && !pool.is_drained,
		.restarts = stats->worker_crashes + stats->worker_kills,
		.outgrown = pool.outgrown,
		.output_dropped = driver->incidents[index].output_dropped,
	};
	fill_suspects(driver, index, now, &pool, suspects, ret);
	fill_window(driver, index, now, ret);
	fill_breakers(driver, index, pool.circuit_count, now, ret);
}

void alert_fill(struct driver *driver, struct alert_pool *pools, struct suspects *suspects,
		struct alert_readings *ret)
{
	uint32_t count = engine_pool_count(driver->engine);
	usec_t now = loop_now(driver->loop);

	for (uint32_t i = 0; i < count; i++)
		fill_pool(driver, i, now, &suspects[i], &pools[i]);
	*ret = (struct alert_readings){
		.pools = pools,
		.pool_count = count,
		.memory = driver->loop->store.bytes,
		.memory_max = driver->loop->store.bytes_max,
		.stalled = driver->stats.stalled_ms * USEC_PER_MSEC,
		.log_dropped = log_dropped(),
		.sessions_lost = driver->stats.sessions_lost,
	};
}
