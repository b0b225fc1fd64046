#include "daemon/core/suspect.h"

#include "daemon/core/pool.h"

#include <string.h>

/* A run is longer than usual when it takes this many times as long as nearly all. */
#define USUAL_FACTOR 4

/* So long a slow method is compared with what it was before. */
#define SLOW_KEPT (900 * USEC_PER_SEC)

/* Lanes of clients that are looked at: that bounds the work. */
#define LANES_MAX 4096

/* --- methods --- */

/* Whether a of b is a larger share than c of d; nothing of nothing is the smallest. */
static bool is_larger_share(uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	return d == 0 ? a > 0 : a * d > c * b;
}

static void judge_failures(struct suspects *suspects, const struct pool *pool, unsigned method,
			   usec_t now)
{
	struct method_counts counts;
	uint64_t failed, ended;

	if (window_method_failures(pool->window, method) == 0)
		return;
	window_method_outcomes(pool->window, now, WINDOW_NOW, method, &counts);
	failed = counts.outcomes[WINDOW_FAILED] - counts.mistakes;
	ended = counts.outcomes[WINDOW_ANSWERED] + failed;
	if (ended < SUSPECT_FAILING_MIN ||
	    !is_larger_share(failed, ended, suspects->failing.failed, suspects->failing.ended))
		return;
	suspects->failing.method = runs_name(&pool->runs, method);
	suspects->failing.failed = failed;
	suspects->failing.ended = ended;
	suspects->failing.code = window_method_code(pool->window, method);
}

/* While the method is slow, what was usual stays.  Else it is looked at by turns, one method a second,
 * as that takes as long as all else. */
static void update_usual(struct suspects *suspects, const struct pool *pool, unsigned method,
			 usec_t now)
{
	usec_t *since = &suspects->methods[method].slow_since;
	usec_t *usual = &suspects->methods[method].usual;
	uint64_t runs;

	if (*since > 0 && usec_sub(now, *since) >= SLOW_KEPT)
		*since = *usual = 0;
	if (*since > 0 || (*usual > 0 && now / USEC_PER_SEC % WINDOW_METHODS != method))
		return;
	*usual = window_method_before(pool->window, now, method, &runs);
	if (runs < SUSPECT_BEFORE_MIN)
		*usual = 0;
}

static void judge_runs(struct suspects *suspects, const struct pool *pool, unsigned method,
		       usec_t now)
{
	usec_t *since = &suspects->methods[method].slow_since;
	usec_t median, usual;
	uint64_t runs;

	median = window_method_present(pool->window, now, method, &runs);
	if (runs == 0)
		return;
	update_usual(suspects, pool, method, now);
	if (runs < SUSPECT_NOW_MIN)
		return;
	usual = suspects->methods[method].usual;
	if (usual == 0 || median < SUSPECT_SLOW_MIN || median <= usual) {
		*since = 0;
		return;
	}
	if (*since == 0)
		*since = now;
	if (!is_larger_share(median, usual, suspects->slow.median, suspects->slow.usual))
		return;
	suspects->slow.method = runs_name(&pool->runs, method);
	suspects->slow.median = median;
	suspects->slow.usual = usual;
}

/* What has no name is a mix of methods. */
static void find_methods(struct suspects *suspects, const struct pool *pool, usec_t now)
{
	for (unsigned i = WINDOW_OTHER_METHODS + 1; i < WINDOW_METHODS && i < pool->runs.count;
	     i++) {
		judge_failures(suspects, pool, i, now);
		judge_runs(suspects, pool, i, now);
	}
}

/* --- workers --- */

static void judge_attempt(struct suspects *suspects, const struct pool *pool,
			  const struct worker *worker, const struct attempt *attempt, usec_t now)
{
	usec_t ran = attempt_ran(attempt, now);
	bool is_known = runs_typical(&pool->runs, attempt->entry) > 0;
	usec_t usual = is_known ? runs_answered(&pool->runs, attempt->entry) : 0;
	usec_t allowed = is_known ? usec_mul(usual, USUAL_FACTOR) : pool->settings.timeout;

	if (ran <= allowed || ran <= suspects->hung.ran)
		return;
	suspects->hung.ran = ran;
	suspects->hung.worker = worker->index;
	suspects->hung.method = runs_name(&pool->runs, attempt->entry);
	suspects->hung.usual = usual;
}

static void find_hung(struct suspects *suspects, const struct pool *pool, enum worker_state state,
		      usec_t now)
{
	struct list_node *node, *place;

	list_for_each (node, &pool->states[state]) {
		const struct worker *worker = list_entry(node, struct worker, in_state);

		list_for_each (place, &worker->attempts)
			judge_attempt(suspects, pool, worker,
				      list_entry(place, struct attempt, in_worker), now);
	}
}

static void find_heaviest(struct suspects *suspects, const struct pool *pool,
			  enum worker_state state)
{
	struct list_node *node;

	list_for_each (node, &pool->states[state]) {
		const struct worker *worker = list_entry(node, struct worker, in_state);

		if (worker->memory <= suspects->memory.bytes)
			continue;
		suspects->memory.bytes = worker->memory;
		suspects->memory.worker = worker->index;
	}
}

/* --- clients --- */

static uint32_t client_of(const struct lane *lane, bool by_user)
{
	const struct request *first =
		list_entry(list_first(&lane->requests), struct request, in_lane);

	return by_user ? first->user : first->client;
}

/* Who may have more than half of what is queued: nobody else can (Boyer and Moore). */
struct majority {
	uint32_t id;
	unsigned votes;
};

static void vote(struct majority *majority, uint32_t id, unsigned count)
{
	if (majority->id == id)
		majority->votes += count;
	else if (majority->votes >= count)
		majority->votes -= count;
	else
		*majority = (struct majority){id, count - majority->votes};
}

/* Lets the lanes vote, or counts what `of` has queued.  Returns that number. */
static unsigned count_lanes(const struct pool *pool, bool by_user, struct majority *votes,
			    uint32_t of)
{
	unsigned left = LANES_MAX, queued = 0;
	struct list_node *node;

	for (unsigned rank = 0; rank < PRIORITY_COUNT_; rank++) {
		list_for_each (node, &pool->queue.classes[rank].ring) {
			const struct lane *lane = list_entry(node, struct lane, in_ring);
			uint32_t id = client_of(lane, by_user);

			if (left-- == 0)
				return queued;
			if (votes)
				vote(votes, id, lane->requests.len);
			else if (id == of)
				queued += lane->requests.len;
		}
	}
	return queued;
}

static bool find_flood(struct suspects *suspects, const struct pool *pool, bool by_user)
{
	struct majority majority = {0, 0};
	unsigned queued;

	count_lanes(pool, by_user, &majority, 0);
	queued = count_lanes(pool, by_user, NULL, majority.id);
	if (queued <= pool->queue.len / 2 || (by_user && queued == pool->queue.len))
		return false;
	suspects->client.queued = queued;
	suspects->client.is_user = by_user;
	suspects->client.id = majority.id;
	return true;
}

void suspects_find(struct suspects *suspects, const struct pool *pool, usec_t now)
{
	static const enum worker_state at_work[] = {WORKER_READY, WORKER_BUSY, WORKER_DRAINING};

	memset(suspects, 0, offsetof(struct suspects, methods));
	if (pool->settings.adapter == POOL_STATIC)
		return;
	find_methods(suspects, pool, now);
	for (unsigned i = 0; i < ARRAY_SIZE(at_work); i++) {
		find_hung(suspects, pool, at_work[i], now);
		find_heaviest(suspects, pool, at_work[i]);
	}
	if (pool->queue.len > 0 && !find_flood(suspects, pool, false))
		find_flood(suspects, pool, true);
}
