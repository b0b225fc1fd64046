#include "daemon/io/observe/metrics_pools.h"

#include "daemon/core/engine_view.h"

#include <stdio.h>

/* Room for the number of a worker. */
#define NUMBER_MAX 16

const char *metrics_pool_name(const struct driver *driver, uint32_t pool)
{
	return driver_pool_config(driver, pool)->name;
}

void metrics_each_pool(const struct driver *driver, struct metrics_text *text, enum metric metric,
		       uint64_t (*value)(const struct pool_view *pool))
{
	metrics_begin(text, metric);
	for (uint32_t i = 0; i < engine_pool_count(driver->engine); i++) {
		struct pool_view pool;

		engine_view_pool(driver->engine, i, &pool);
		metrics_put(text, LABELS(metrics_pool_name(driver, i)), value(&pool));
	}
}

/* --- counters --- */

static void write_counters(const struct driver *driver, struct metrics_text *text)
{
	uint32_t count = engine_pool_count(driver->engine);

#define COUNTER(name, help)                                                                        \
	metrics_begin(text, METRIC_##name);                                                        \
	for (uint32_t i = 0; i < count; i++)                                                       \
		metrics_put(text, LABELS(metrics_pool_name(driver, i)),                            \
			    engine_pool_stats(driver->engine, i)->name);
	POOL_COUNTERS(COUNTER)
#undef COUNTER
}

/* The counts of a pool by code; those of 0 only if `with_zeros`. */
static void put_codes(const struct driver *driver, struct metrics_text *text, uint32_t pool,
		      const uint64_t codes[ERR_COUNT_], bool with_zeros)
{
	for (unsigned code = ERR_NONE + 1; code < ERR_COUNT_; code++) {
		const struct errinfo *info = errcode_info((enum errcode)code);

		if (with_zeros || codes[code] > 0)
			metrics_put(text,
				    LABELS(metrics_pool_name(driver, pool), info->name,
					   errcategory_name(info->category)),
				    codes[code]);
	}
}

/* Those with 0 too: of a counter that appears with its first error nobody can tell that it grew. */
static void write_errors(const struct driver *driver, struct metrics_text *text)
{
	metrics_begin(text, METRIC_errors);
	for (uint32_t i = 0; i < engine_pool_count(driver->engine); i++)
		put_codes(driver, text, i, engine_pool_stats(driver->engine, i)->errors, true);
}

static void write_incidents(const struct driver *driver, struct metrics_text *text)
{
	metrics_begin(text, METRIC_incidents);
	for (uint32_t i = 0; i < engine_pool_count(driver->engine); i++)
		put_codes(driver, text, i, driver->incidents[i].codes, false);
}

/* --- gauges --- */

#define POOL_GAUGES(GAUGE)                                                                         \
	GAUGE(queued, queued)                                                                      \
	GAUGE(queue_max, queue_max)                                                                \
	GAUGE(queued_bytes, queued_bytes)                                                          \
	GAUGE(queue_max_bytes, queue_bytes_max)                                                    \
	GAUGE(running, running)                                                                    \
	GAUGE(held, held)                                                                          \
	GAUGE(workers_min, workers_min)                                                            \
	GAUGE(workers_max, workers_max)                                                            \
	GAUGE(drained, is_drained)

#define GAUGE(metric, field)                                                                       \
	static uint64_t value_##metric(const struct pool_view *pool)                               \
	{                                                                                          \
		return pool->field;                                                                \
	}
POOL_GAUGES(GAUGE)
#undef GAUGE

static void write_wait(const struct driver *driver, struct metrics_text *text)
{
	metrics_begin(text, METRIC_queue_wait_seconds);
	for (uint32_t i = 0; i < engine_pool_count(driver->engine); i++) {
		struct pool_view pool;

		engine_view_pool(driver->engine, i, &pool);
		metrics_put_time(text, LABELS(metrics_pool_name(driver, i)), pool.wait);
	}
}

static void write_states(const struct driver *driver, struct metrics_text *text)
{
	metrics_begin(text, METRIC_workers);
	for (uint32_t i = 0; i < engine_pool_count(driver->engine); i++) {
		struct pool_workers_view workers;

		engine_view_pool_workers(driver->engine, i, &workers);
		for (unsigned state = 0; state < WORKER_STATE_COUNT_; state++)
			metrics_put(text,
				    LABELS(metrics_pool_name(driver, i),
					   worker_state_name((enum worker_state)state)),
				    workers.states[state]);
	}
}

static void write_health(const struct driver *driver, struct metrics_text *text)
{
	metrics_begin(text, METRIC_health);
	for (uint32_t i = 0; i < engine_pool_count(driver->engine); i++) {
		struct pool_view pool;

		engine_view_pool(driver->engine, i, &pool);
		for (unsigned health = 0; health < POOL_HEALTH_COUNT_; health++)
			metrics_put(text,
				    LABELS(metrics_pool_name(driver, i),
					   pool_health_name((enum pool_health)health)),
				    pool.health == health);
	}
}

static void write_gauges(const struct driver *driver, struct metrics_text *text)
{
#define GAUGE(metric, field) metrics_each_pool(driver, text, METRIC_##metric, value_##metric);
	POOL_GAUGES(GAUGE)
#undef GAUGE
	write_wait(driver, text);
	write_states(driver, text);
	write_health(driver, text);
}

/* --- histograms --- */

static void write_hists(const struct driver *driver, struct metrics_text *text)
{
	uint32_t count = engine_pool_count(driver->engine);

#define HISTOGRAM(metric, hist, exemplars)                                                         \
	metrics_begin(text, METRIC_##metric);                                                      \
	for (uint32_t i = 0; i < count; i++)                                                       \
		metrics_put_hist(text, LABELS(metrics_pool_name(driver, i)), hist, exemplars);
	HISTOGRAM(queue_seconds, window_hist(engine_pool_window(driver->engine, i), WINDOW_WAIT),
		  NULL)
	HISTOGRAM(run_seconds, window_hist(engine_pool_window(driver->engine, i), WINDOW_RUN), NULL)
	HISTOGRAM(request_seconds, &engine_pool_stats(driver->engine, i)->total_time,
		  &driver->exemplars[i])
#undef HISTOGRAM
}

void metrics_write_pools(const struct driver *driver, struct metrics_text *text)
{
	write_counters(driver, text);
	write_errors(driver, text);
	write_incidents(driver, text);
	write_gauges(driver, text);
	write_hists(driver, text);
}

/* --- workers --- */

/* Calls `write` for each worker that has a process. */
static void each_worker(const struct driver *driver, struct metrics_text *text, enum metric metric,
			void (*write)(const struct driver *driver, struct metrics_text *text,
				      const char *const *labels, const struct worker_view *worker))
{
	metrics_begin(text, metric);
	for (uint32_t i = 0; i < engine_worker_count(driver->engine); i++) {
		struct worker_view worker;
		char number[NUMBER_MAX];

		engine_view_worker(driver->engine, i, &worker);
		if (worker.state == WORKER_TERMINATED)
			continue;
		snprintf(number, sizeof(number), "%u", worker.number);
		write(driver, text,
		      LABELS(metrics_pool_name(driver, worker.pool), number,
			     worker_state_name(worker.state)),
		      &worker);
	}
}

static void put_state(const struct driver *driver, struct metrics_text *text,
		      const char *const *labels, const struct worker_view *worker)
{
	(void)driver;
	(void)worker;
	metrics_put(text, labels, 1);
}

static void put_in_flight(const struct driver *driver, struct metrics_text *text,
			  const char *const *labels, const struct worker_view *worker)
{
	(void)driver;
	metrics_put(text, labels, worker->in_flight);
}

static void put_uptime(const struct driver *driver, struct metrics_text *text,
		       const char *const *labels, const struct worker_view *worker)
{
	metrics_put_time(text, labels, usec_sub(loop_now(driver->loop), worker->started));
}

static void put_answers(const struct driver *driver, struct metrics_text *text,
			const char *const *labels, const struct worker_view *worker)
{
	(void)driver;
	metrics_put(text, labels, worker->served);
}

static void put_failures(const struct driver *driver, struct metrics_text *text,
			 const char *const *labels, const struct worker_view *worker)
{
	(void)driver;
	metrics_put(text, labels, worker->failed);
}

void metrics_write_workers(const struct driver *driver, struct metrics_text *text)
{
	each_worker(driver, text, METRIC_worker_state, put_state);
	each_worker(driver, text, METRIC_worker_in_flight, put_in_flight);
	each_worker(driver, text, METRIC_worker_uptime_seconds, put_uptime);
	each_worker(driver, text, METRIC_worker_answers, put_answers);
	each_worker(driver, text, METRIC_worker_failures, put_failures);
}
