#include "daemon/core/forecast.h"

#include "daemon/core/pool.h"
#include "daemon/core/prng.h"

#define RETRY_MIN (10 * USEC_PER_MSEC)
#define RETRY_MAX (60 * USEC_PER_SEC)

/* After a run that contradicted the forecast in vain the next one waits for so many typical runs,
 * within these limits.  So callers who ask for the impossible have at most a
 * fifth of one worker, and a pool whose runs have become short knows it within 5 s. */
#define CONTRADICT_RUNS 4
#define CONTRADICT_MIN	USEC_PER_SEC
#define CONTRADICT_MAX	(4 * USEC_PER_SEC)

/* Higher priorities leave at least this part of the workers to the others, in the forecast: else
 * the wait would be infinite. */
#define LEFT_OVER 20

/* Returns how many requests the workers that serve now can run at the same time. */
static uint64_t places(const struct pool *pool)
{
	const struct list *ready = &pool->states[WORKER_READY], *busy = &pool->states[WORKER_BUSY];
	const struct list *any = list_empty(ready) ? busy : ready;

	if (list_empty(any))
		return 0;
	/* The workers of a pool run the same program: they have the same concurrency. */
	return (uint64_t)(ready->len + busy->len) *
	       list_entry(list_first(any), struct worker, in_state)->concurrency;
}

static bool has_room(const struct pool *pool)
{
	return !list_empty(&pool->states[WORKER_READY]) || !list_empty(&pool->open);
}

/* Returns the work that came with a higher priority, in µs per second. */
static uint64_t overtaking(const struct pool *pool, unsigned priority, usec_t now)
{
	const struct forecast *forecast = &pool->forecast;
	usec_t age = usec_sub(now, forecast->second);
	uint64_t work = 0;

	for (unsigned i = 0; i < priority; i++) {
		if (age < USEC_PER_SEC)
			work += forecast->came[i] +
				forecast->came_before[i] * (USEC_PER_SEC - age) / USEC_PER_SEC;
		else if (age < 2 * USEC_PER_SEC)
			work += forecast->came[i] * (2 * USEC_PER_SEC - age) / USEC_PER_SEC;
	}
	return work;
}

/* Returns the µs of work that the pool does for requests of this priority in each second. */
static uint64_t rate(const struct pool *pool, unsigned priority, usec_t now)
{
	uint64_t all = places(pool) * USEC_PER_SEC;
	uint64_t taken = overtaking(pool, priority, now);

	return taken < all - all / LEFT_OVER ? all - taken : all / LEFT_OVER;
}

/* Returns the time in which the pool does that work; no more than a day, so that it can be added. */
static usec_t time_for(uint64_t work, uint64_t rate)
{
	usec_t span;

	assert(rate > 0);
	span = work / rate * USEC_PER_SEC;
	if (span / USEC_PER_SEC > 86400)
		return 86400 * USEC_PER_SEC;
	return span + work % rate * USEC_PER_SEC / rate;
}

/* Returns how long that work of this and higher priorities takes, if it is queued. */
static usec_t wait_for(const struct pool *pool, uint64_t work, unsigned priority, usec_t now)
{
	uint64_t workers = places(pool);
	usec_t wait;

	if (workers == 0 || (pool->queue.len == 0 && has_room(pool)))
		return 0;
	wait = time_for(work, rate(pool, priority, now));
	/* Until the first of the running requests ends. */
	return wait + runs_cost(&pool->runs, RUNS_OTHER) / (workers + 1);
}

/* Returns what wait_for can't exceed, without a division: as if one place did that work alone, and
 * higher priorities left it the least part. */
static usec_t longest_wait_for(const struct pool *pool, uint64_t work)
{
	return usec_add(usec_mul(work, LEFT_OVER), runs_cost(&pool->runs, RUNS_OTHER));
}

usec_t forecast_wait(const struct pool *pool, unsigned priority, usec_t now)
{
	return wait_for(pool, runs_work(&pool->runs, priority), priority, now);
}

/* Returns the work that is done before the request if it is queued now: that of higher priorities,
 * and of its own no more than what comes before it by turns. */
static uint64_t work_before(const struct pool *pool, const struct request *request)
{
	uint64_t all = runs_work(&pool->runs, request->rank);
	uint64_t of_higher = request->rank > 0 ? runs_work(&pool->runs, request->rank - 1) : 0;
	uint32_t weight = pool_weight(pool, request->run.entry);
	uint64_t turns = queue_weight_before(&pool->queue, request, weight);

	if (turns == UINT64_MAX)
		return all;
	turns = runs_of_weight(&pool->runs, turns, QUEUE_RUN);
	return all - of_higher > turns ? of_higher + turns : all;
}

/* Returns how long the request would wait if it was queued now. */
static usec_t wait_of(const struct pool *pool, const struct request *request, usec_t now)
{
	return wait_for(pool, work_before(pool, request), request->rank, now);
}

/* The method may have had its first result while the request was queued. */
static unsigned entry_of(const struct pool *pool, const struct request *request)
{
	if (request->run.entry == RUNS_OTHER)
		return runs_find(&pool->runs, request->method);
	return request->run.entry;
}

/* Returns the typical run of the request's method. */
static usec_t typical(const struct pool *pool, const struct request *request)
{
	return runs_typical(&pool->runs, entry_of(pool, request));
}

static usec_t share(usec_t run)
{
	return usec_mul(run, FORECAST_SHARE) / 100;
}

static usec_t needed(const struct pool *pool, const struct request *request)
{
	return share(typical(pool, request));
}

static usec_t pause_for(usec_t typical)
{
	return usec_max(CONTRADICT_MIN,
			usec_min(usec_mul(typical, CONTRADICT_RUNS), CONTRADICT_MAX));
}

/* Returns the time that a request is to have left when it comes to the head of the queue: enough for
 * nearly all runs of its method, if that is no more than half of what it has now.  For runs of
 * unpredictable length a typical one is not enough: most of the work is in the long ones. */
static usec_t reserve(const struct pool *pool, const struct request *request, usec_t left)
{
	usec_t nearly_all = share(runs_high(&pool->runs, entry_of(pool, request)));

	return usec_max(needed(pool, request), usec_min(nearly_all, left / 2));
}

/* Whether an attempt that contradicts the forecast is in flight. */
static bool is_contradicted(const struct pool *pool)
{
	const struct forecast *forecast = &pool->forecast;
	const struct worker *worker;

	if (forecast->id == 0)
		return false;
	worker = &pool->workers[forecast->worker - pool->workers[0].index];
	return worker->life == forecast->life && worker_find_attempt(worker, forecast->id);
}

void forecast_late(struct pool *pool, const struct worker *worker, const struct attempt *attempt,
		   usec_t now)
{
	const struct forecast *forecast = &pool->forecast;

	if (worker->index == forecast->worker && worker->life == forecast->life &&
	    attempt->id == forecast->id)
		runs_refute(&pool->runs, attempt->entry, now);
}

/* Whether a request that nothing waits before, or with, may have a worker with room.  The time of
 * such a worker costs nobody anything, so that a whole typical run is enough. */
static bool may_have_idle(const struct pool *pool, const struct request *request, usec_t now)
{
	usec_t run = typical(pool, request), left = usec_sub(request->deadline, now);

	if (left >= run)
		return true;
	if (is_contradicted(pool))
		return false;
	return !runs_is_refuted(&pool->runs, entry_of(pool, request), left,
				usec_sub(now, pause_for(run)));
}

enum forecast_verdict forecast_judge(const struct pool *pool, const struct request *request,
				     usec_t now)
{
	usec_t left = usec_sub(request->deadline, now), rest;

	if (pool->settings.no_admission || places(pool) == 0)
		return FORECAST_IN_TIME;
	if (pool->queue.len == 0 && has_room(pool))
		return may_have_idle(pool, request, now) ? FORECAST_IN_TIME : FORECAST_HOPELESS;
	rest = reserve(pool, request, left);
	/* All that is queued is no less than what comes before it, and cheaper to know; cheaper still
	 * is a wait that is longer. */
	if (usec_add(longest_wait_for(pool, runs_work(&pool->runs, request->rank)), rest) <= left)
		return FORECAST_IN_TIME;
	if (usec_add(forecast_wait(pool, request->rank, now), rest) <= left)
		return FORECAST_IN_TIME;
	if (usec_add(wait_of(pool, request, now), rest) <= left)
		return FORECAST_IN_TIME;
	if (left < typical(pool, request))
		return FORECAST_HOPELESS;
	return FORECAST_FULL;
}

bool forecast_may_send(const struct pool *pool, const struct request *request, usec_t now)
{
	if (pool->settings.no_admission)
		return true;
	if (usec_sub(request->deadline, now) >= needed(pool, request))
		return true;
	/* Only itself is queued, and the worker would be idle without it. */
	return pool->queue.len == 1 && has_room(pool) && may_have_idle(pool, request, now);
}

void forecast_queued(struct pool *pool, const struct request *request, usec_t now)
{
	struct forecast *forecast = &pool->forecast;
	usec_t age = usec_sub(now, forecast->second);

	if (age >= USEC_PER_SEC) {
		for (unsigned i = 0; i < PRIORITY_COUNT_; i++) {
			forecast->came_before[i] = age < 2 * USEC_PER_SEC ? forecast->came[i] : 0;
			forecast->came[i] = 0;
		}
		forecast->second = now - age % USEC_PER_SEC;
	}
	forecast->came[request->rank] += runs_cost(&pool->runs, request->run.entry);
}

void forecast_sent(struct pool *pool, const struct request *request, usec_t now)
{
	if (usec_sub(request->deadline, now) >= typical(pool, request))
		return;
	pool->forecast.worker = request->run.worker;
	pool->forecast.life = pool->workers[request->run.worker - pool->workers[0].index].life;
	pool->forecast.id = request->run.attempt->id;
}

/* Returns the promised work that is left: the pool does it at its full rate. */
static uint64_t promised(const struct pool *pool, usec_t now)
{
	usec_t age = usec_min(usec_sub(now, pool->forecast.promised_at), RETRY_MAX);
	uint64_t done = places(pool) * age;

	return pool->forecast.promised > done ? pool->forecast.promised - done : 0;
}

usec_t forecast_retry_after(struct pool *pool, const struct request *request, struct prng *prng,
			    usec_t now)
{
	struct forecast *forecast = &pool->forecast;
	usec_t left = usec_sub(request->deadline, now);
	usec_t wait = usec_add(wait_of(pool, request, now), reserve(pool, request, left));
	usec_t cost = runs_cost(&pool->runs, request->run.entry);
	uint64_t before = promised(pool, now);
	usec_t span;

	if (places(pool) == 0 || cost == 0)
		return pool_retry_after(pool);
	/* A quarter more: of those told times between 0.5 and 1.5 of it, 1.1 times as many come in
	 * the first half as in the whole. */
	span = usec_add(usec_sub(wait, left),
			time_for(before + before / 4, places(pool) * USEC_PER_SEC));
	if (span < RETRY_MAX) {
		forecast->promised = before + cost;
		forecast->promised_at = now;
	}
	span = span < RETRY_MIN ? RETRY_MIN : usec_min(span, RETRY_MAX);
	return span / 2 + prng_between(prng, 0, span);
}

void forecast_refused(struct pool *pool, usec_t now)
{
	struct forecast *forecast = &pool->forecast;
	usec_t age = usec_sub(now, forecast->refused_from);

	if (age >= FORECAST_RECENT) {
		forecast->refused_before = age < 2 * FORECAST_RECENT ? forecast->refused : 0;
		forecast->refused = 0;
		forecast->refused_from = now - age % FORECAST_RECENT;
	}
	forecast->refused++;
	forecast->refused_at = now;
}

/* The share of `count` things in a span of FORECAST_RECENT that fall into `part` of it, rounded up: one
 * that was just counted is not forgotten. */
static uint64_t share_of(uint64_t count, usec_t part)
{
	return (count * part + FORECAST_RECENT - 1) / FORECAST_RECENT;
}

uint64_t forecast_recently_refused(const struct pool *pool, usec_t now)
{
	const struct forecast *forecast = &pool->forecast;
	usec_t age = usec_sub(now, forecast->refused_from);

	if (age < FORECAST_RECENT)
		return forecast->refused +
		       share_of(forecast->refused_before, FORECAST_RECENT - age);
	if (age < 2 * FORECAST_RECENT)
		return share_of(forecast->refused, 2 * FORECAST_RECENT - age);
	return 0;
}
