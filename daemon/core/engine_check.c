#include "daemon/core/engine_internal.h"

/* Each HOLD counts as a branch, so the linter finds these plain lists of conditions too complex. */
/* NOLINTBEGIN(readability-function-cognitive-complexity) */

#define HOLD(fact)                                                                                 \
	do {                                                                                       \
		if (!(fact))                                                                       \
			return #fact;                                                              \
	} while (0)

static const char *check_line(const struct pool *pool, const struct list *line, bool parked,
			      unsigned priority, uint64_t *ret_bytes)
{
	struct list_node *node;

	list_for_each (node, line) {
		struct request *request = list_entry(node, struct request, in_queue);

		HOLD(request->state == REQUEST_QUEUED);
		HOLD(parked || request->rank == priority);
		HOLD(request->run.pool == pool->index);
		HOLD(request->line == line);
		*ret_bytes += request->bytes;
	}
	return NULL;
}

static const char *check_queue(const struct pool *pool)
{
	const struct queue *queue = &pool->queue;
	const char *wrong = NULL;
	uint64_t bytes = 0;
	unsigned len = 0, parked = 0;

	for (unsigned i = 0; !wrong && i < PRIORITY_COUNT_; i++) {
		wrong = check_line(pool, &queue->classes[i].requests, false, i, &bytes);
		len += queue->classes[i].requests.len;
	}
	for (unsigned i = 0; !wrong && i < pool->slots; i++) {
		wrong = check_line(pool, &pool->workers[i].parked, true, 0, &bytes);
		parked += pool->workers[i].parked.len;
	}
	if (wrong)
		return wrong;
	HOLD(queue->len == len + parked);
	HOLD(queue->parked == parked);
	HOLD(queue->bytes == bytes);
	return queue_check(queue);
}

static const char *check_held(const struct pool *pool)
{
	struct list_node *node;

	list_for_each (node, &pool->held) {
		struct request *request = list_entry(node, struct request, in_queue);

		HOLD(request->state == REQUEST_HELD && request->is_held);
		HOLD(request->run.pool == pool->index);
	}
	return NULL;
}

static const char *check_attempts(const struct engine *engine, const struct worker *worker,
				  unsigned *ret_running)
{
	struct list_node *node;
	const struct pool_settings *settings = &engine->pools[worker->pool].settings;
	unsigned given_up = 0, held = 0;
	usec_t work = 0;

	list_for_each (node, &worker->attempts) {
		struct attempt *attempt = list_entry(node, struct attempt, in_worker);

		held += attempt->held_since > 0;
		work += attempt->expected;
		HOLD(attempt->is_asked_back ? worker_gives_back(worker) : true);
		if (attempt->given_up > 0) {
			HOLD(attempt->held_since == 0);
			HOLD(attempt->request == NULL);
			HOLD(!attempt->key || attempt->key->run == attempt);
			HOLD(!attempt->session || attempt->session->run == attempt);
			given_up++;
			continue;
		}
		HOLD(!attempt->key && !attempt->session);
		HOLD(attempt->request != NULL);
		HOLD(attempt->request->state == REQUEST_SENT);
		HOLD(attempt->begun == 0 ? !attempt->request->key && !attempt->request->session &&
						   (attempt->request->is_idempotent ||
						    worker_gives_back(worker))
					 : true);
		HOLD(attempt->is_asked_back ? !attempt->request->is_idempotent : true);
		HOLD(attempt->request->run.attempt == attempt);
		HOLD(attempt->request->run.worker == worker->index);
		(*ret_running)++;
	}
	HOLD(worker->given_up == given_up);
	HOLD(worker->held == held);
	HOLD(worker->attempts.len + worker->spare_attempts.len == WORKER_ATTEMPTS_MAX);
	HOLD(worker->work == work);
	HOLD(worker->pages ? worker->concurrency == 1 && !worker->batches && !worker->announces
			   : worker->page == 0);
	HOLD(worker->attempts.len <= worker->concurrency + settings->prefetch ||
	     (settings->prefetch > 0 &&
	      worker->attempts.len <= worker->concurrency + settings->prefetch_max));
	return NULL;
}

static const char *check_worker(const struct engine *engine, const struct worker *worker,
				unsigned *ret_running)
{
	bool idle = list_empty(&worker->attempts);

	HOLD(list_linked(&worker->in_state));
	HOLD(worker->is_wanted ? worker->state == WORKER_TERMINATED : true);
	HOLD((worker->room_list != NULL) == list_linked(&worker->in_room));
	HOLD(worker->room_list ? worker->state == WORKER_BUSY : true);
	HOLD(worker->state == WORKER_BUSY || worker->state == WORKER_DRAINING ? !idle : true);
	HOLD((worker->state == WORKER_DRAINING) == (worker->leaving != CAUSE_NONE) ||
	     worker->state == WORKER_TERMINATING || worker->state == WORKER_TERMINATED);
	HOLD(worker->due_for != CAUSE_NONE
		     ? worker->state == WORKER_READY || worker->state == WORKER_BUSY ||
			       worker->state == WORKER_DEGRADED ||
			       worker->state == WORKER_INITIALIZING
		     : true);
	HOLD(worker->is_replaced
		     ? worker->state == WORKER_DRAINING || worker->state == WORKER_TERMINATING
		     : true);
	HOLD(worker->state == WORKER_READY || worker->state == WORKER_INITIALIZING ||
			     worker->state == WORKER_TERMINATED
		     ? idle
		     : true);
	return check_attempts(engine, worker, ret_running);
}

/* Every worker that is missing and may start is starting, and so is every replacement. */
static const char *check_starts(const struct pool *pool)
{
	unsigned there = pool_live(pool) + pool->starts_pending;

	HOLD(there >= pool_wanted(pool) || !pool_may_start(pool, false));
	HOLD(pool->to_replace <= pool->replacements ||
	     pool->replacements + pool->leaving >= pool_out_max(pool) ||
	     !pool_may_start(pool, true));
	return NULL;
}

/* Checks the numbers of workers that are to be replaced, of replacements, and of those replaced. */
static const char *check_scaling(const struct pool *pool)
{
	unsigned to_replace = 0, coming = 0, leaving = 0, rolling = 0;
	unsigned starting = pool->states[WORKER_INITIALIZING].len;

	for (unsigned i = 0; i < pool->slots; i++) {
		const struct worker *worker = &pool->workers[i];

		to_replace += worker->due_for != CAUSE_NONE;
		coming += worker->is_replacement;
		leaving += worker->is_replaced;
		rolling += worker->is_rolling;
		HOLD(worker->is_replacement
			     ? worker->is_wanted || worker->state == WORKER_INITIALIZING
			     : true);
	}
	HOLD(pool->to_replace == to_replace);
	HOLD(pool->replacements == coming);
	HOLD(pool->leaving == leaving);
	HOLD(pool->roll.state == ROLL_RUNNING ? pool->roll.left == rolling && rolling > 0
					      : rolling == 0);
	HOLD(pool->settings.start_parallel == 0 || starting <= pool->settings.start_parallel);
	HOLD(pool->settings.workers_max == 0 || !pool_may_end(pool) ||
	     pool_live(pool) + pool->starts_pending <= pool_ceiling(pool) + pool->replacements);
	HOLD(pool->is_stopping ? pool->to_replace + pool->replacements == 0 : true);
	return pool->is_stopping ? NULL : check_starts(pool);
}

/* What the window has since the start is what the counters say. */
static const char *check_window(const struct engine *engine, const struct pool *pool)
{
	const struct pool_stats *stats = &pool->stats;
	uint64_t codes[ERR_COUNT_], ended = 0;
	struct window_counts counts;

	window_sum(pool->window, engine->now, WINDOW_SINCE_START, &counts);
	window_codes(pool->window, engine->now, WINDOW_SINCE_START, codes);
	HOLD(counts.answered == stats->succeeded);
	HOLD(counts.failed + counts.refused == stats->failed);
	HOLD(counts.cancelled == stats->cancelled);
	for (unsigned i = 0; i < WINDOW_METHODS; i++) {
		const struct method_window *method = &pool->window->methods[i];

		for (unsigned outcome = 0; outcome < WINDOW_OUTCOMES_; outcome++)
			ended += method->outcomes[outcome] + method->current.outcomes[outcome];
	}
	HOLD(ended == stats->succeeded + stats->failed + stats->cancelled);
	HOLD(counts.retried == stats->retried);
	HOLD(counts.failed_over == stats->failed_over);
	for (unsigned code = ERR_NONE + 1; code < ERR_COUNT_; code++)
		HOLD(code == ERR_cancelled ? codes[code] == 0 : codes[code] == stats->errors[code]);
	return NULL;
}

static const char *check_pool(const struct engine *engine, const struct pool *pool)
{
	const char *wrong = check_queue(pool);
	unsigned running = 0, pending = 0, slots = 0, ejected = 0;

	for (unsigned i = 0; !wrong && i < pool->slots; i++) {
		const struct worker *worker = &pool->workers[i];

		wrong = check_worker(engine, worker, &running);
		pending += worker->is_wanted;
		ejected += worker->eject_until > 0;
		HOLD(worker->eject_until > 0 ? worker->state == WORKER_DEGRADED : true);
		/* A worker with room would have been sent its parked requests. */
		HOLD(!list_empty(&worker->parked)
			     ? worker->state == WORKER_BUSY || worker->state == WORKER_DEGRADED
			     : true);
	}
	if (!wrong)
		wrong = check_scaling(pool);
	if (!wrong)
		wrong = check_window(engine, pool);
	if (wrong)
		return wrong;
	for (unsigned i = 0; i < WORKER_STATE_COUNT_; i++)
		slots += pool->states[i].len;
	HOLD(slots == pool->slots);
	HOLD(pool->running == running);
	HOLD(pool->starts_pending == pending);
	HOLD(pool->ejected == ejected);
	HOLD(!list_linked(&pool->in_dirty_pools));
	HOLD(pool->troubles.mask == pool_troubles(pool));
	HOLD(queue_peek(&pool->queue) ? list_empty(&pool->states[WORKER_READY]) : true);
	return NULL;
}

/* Permits of the breaker's present generation are held only by open requests. */
static const char *check_circuit(const struct engine *engine, const struct circuit *circuit)
{
	unsigned probes = 0, queued = 0;

	for (uint32_t i = 0; i < engine->requests_max; i++) {
		const struct request *request = &engine->requests[i];

		if (request->run.circuit != circuit || request->state == REQUEST_FREE ||
		    request->state == REQUEST_DONE)
			continue;
		queued += request->state == REQUEST_QUEUED;
		probes += request->run.has_permit && request->run.permit.probe > 0 &&
			  request->run.permit.generation == circuit->breaker.generation;
	}
	HOLD(circuit->queued == queued);
	HOLD(circuit->breaker.probes == probes);
	HOLD(probes <= circuit->breaker.settings.half_open_requests);
	HOLD(circuit->timer.at == breaker_deadline(&circuit->breaker) ||
	     (circuit->timer.index == HEAP_NONE &&
	      breaker_deadline(&circuit->breaker) == USEC_INFINITY));
	return NULL;
}

static const char *check_session(const struct sessions *sessions, const struct session *session)
{
	struct list_node *node;

	HOLD(session->state_bytes <= sessions->settings.state_max);
	HOLD(session_is_busy(session) || !waiting_first(&session->waiting));
	HOLD(session->state == SESSION_OPEN || !session_is_busy(session));
	HOLD(!session->run || session->run->session == session);
	if (session->turn)
		HOLD(session->turn->session == session);
	list_for_each (node, &session->waiting.list) {
		struct request *request = list_entry(node, struct request, in_queue);

		HOLD(request->state == REQUEST_WAITING && request->session == session);
	}
	return NULL;
}

static const char *check_sessions(const struct sessions *sessions)
{
	const char *wrong = NULL;
	uint64_t bytes = 0;

	for (uint32_t i = 0; !wrong && i < sessions_slots(&sessions->settings); i++) {
		bytes += sessions->slots[i].state == SESSION_OPEN ? sessions->slots[i].state_bytes
								  : 0;
		wrong = check_session(sessions, &sessions->slots[i]);
	}
	if (wrong)
		return wrong;
	HOLD(sessions->bytes == bytes && bytes <= sessions->settings.bytes_max);
	HOLD(sessions->idle.len + sessions->busy.len <= sessions->settings.max);
	HOLD(sessions->ended.len <= sessions->settings.max);
	return NULL;
}

static const char *check_keys(const struct keys *keys)
{
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < keys->settings.max; i++) {
		const struct key *key = &keys->slots[i];

		HOLD((key->state == KEY_IN_PROGRESS) == (key->leader || key->run));
		HOLD(!key->run || key->run->key == key);
		HOLD(key->state == KEY_IN_PROGRESS || !waiting_first(&key->waiting));
		if (key->leader)
			HOLD(key->leader->key == key);
		bytes += key->bytes;
	}
	HOLD(keys->bytes == bytes && bytes <= keys->settings.bytes_max);
	return NULL;
}

static const char *check_recoveries(const struct recoveries *recoveries)
{
	const struct recovery_counts *all = &recoveries->all;
	struct list_node *node;

	list_for_each (node, &recoveries->active) {
		struct recovery *recovery = list_entry(node, struct recovery, in_list);

		HOLD(recovery->request->recovery == recovery);
	}
	HOLD(recoveries->active.len + recoveries->spare.len == recoveries->max);
	HOLD(all->initiated ==
	     all->succeeded + all->failed + all->cancelled + recoveries->active.len);
	return NULL;
}

struct tally {
	uint32_t open;
	uint32_t waiting;
	uint32_t delayed;
};

static const char *check_request(const struct request *request, struct tally *tally)
{
	bool open = request->state != REQUEST_FREE && request->state != REQUEST_DONE;

	HOLD(open == (request->timer.index != HEAP_NONE));
	HOLD((request->state == REQUEST_QUEUED ||
	      (request->state == REQUEST_WAITING && !request->is_barred) ||
	      request->state == REQUEST_HELD) == list_linked(&request->in_queue));
	HOLD(request->is_barred ? request->state == REQUEST_WAITING || !open : true);
	HOLD(request->state == REQUEST_QUEUED ? !request->is_held : true);
	HOLD((request->state == REQUEST_SENT) == (request->run.attempt != NULL));
	HOLD(request->run.has_permit ? request->state == REQUEST_SENT : true);
	HOLD(!request->is_deferred);
	HOLD(open || !request->recovery);
	tally->open += open;
	tally->waiting += request->state == REQUEST_WAITING;
	tally->delayed += request->state == REQUEST_DELAYED;
	return NULL;
}

static const char *check_requests(const struct engine *engine, uint32_t inside, uint32_t delayed)
{
	struct tally tally = {0};
	const char *wrong = NULL;

	for (uint32_t i = 0; !wrong && i < engine->requests_max; i++)
		wrong = check_request(&engine->requests[i], &tally);
	if (wrong)
		return wrong;
	HOLD(engine->open_requests == tally.open);
	HOLD(inside + tally.waiting + tally.delayed == tally.open);
	HOLD(delayed == tally.delayed);
	HOLD(list_empty(&engine->deferred) && list_empty(&engine->dirty_pools));
	return NULL;
}

const char *engine_check(const struct engine *engine)
{
	uint32_t inside = 0, delayed = 0;
	const char *wrong = check_sessions(&engine->sessions);

	for (uint32_t i = 0; !wrong && i < engine->pool_count; i++) {
		const struct pool *pool = &engine->pools[i];

		wrong = check_pool(engine, pool);
		for (unsigned n = 0; !wrong && n < pool->circuit_count; n++)
			wrong = check_circuit(engine, &pool->circuits[n]);
		if (!wrong)
			wrong = check_held(pool);
		inside += pool->queue.len + pool->held.len + pool->running;
		delayed += pool->delayed;
	}
	if (!wrong)
		wrong = check_keys(&engine->keys);
	if (!wrong)
		wrong = check_recoveries(&engine->recoveries);
	return wrong ? wrong : check_requests(engine, inside, delayed);
}

/* NOLINTEND(readability-function-cognitive-complexity) */
