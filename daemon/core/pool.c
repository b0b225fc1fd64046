#include "daemon/core/pool.h"

#include <string.h>

/* Prefetch is used up to this typical run time: above it, waiting at the worker instead of in the
 * queue saves less than 2 % of a request's time. */
#define PREFETCH_RUN_MAX (2 * USEC_PER_MSEC)
/* What stands longer in a line by what is known: nothing, but by `prefetch`. */
#define LINE_TIME   USEC_PER_MSEC
#define RUN_UNKNOWN USEC_PER_SEC
#define SLOW_MIN    (10 * USEC_PER_MSEC)
#define SLOW_FACTOR 8
/* A worker that was stuck counts as so many. */
#define PACE_OUTLIER	64
#define GROW_WAIT	(50 * USEC_PER_MSEC)
#define RETRY_AFTER_MIN (100 * USEC_PER_MSEC)

static const char *const adapters[POOL_ADAPTER_COUNT_] = {
#define ADAPTER(name, word, text) word,
	POOL_ADAPTERS(ADAPTER)
#undef ADAPTER
};

const char *roll_state_name(enum roll_state state)
{
	static const char *const names[ROLL_STATE_COUNT_] = {
#define ROLL(name, word, text) word,
		ROLL_STATES(ROLL)
#undef ROLL
	};

	return names[state];
}

const char *pool_adapter_name(enum pool_adapter adapter)
{
	return adapters[adapter];
}

/* How many replacements may be under way at the same time in a pool of that many workers. */
static unsigned out_max(unsigned workers)
{
	return workers < 20 ? 1 : workers / 10;
}

unsigned pool_slots(const struct pool_settings *settings)
{
	unsigned most = 2 * settings->workers_max + settings->spares;

	return settings->workers_max == 0 ? 0 : most + out_max(most);
}

static void init_lists(struct pool *pool)
{
	for (unsigned i = 0; i < WORKER_STATE_COUNT_; i++)
		list_init(&pool->states[i]);
	list_init(&pool->open);
	for (unsigned i = 0; i < LINE_COUNT_; i++)
		list_init(&pool->lines[i]);
	list_init(&pool->held);
	for (unsigned i = 0; i < pool->slots; i++)
		list_push_back(&pool->states[WORKER_TERMINATED], &pool->workers[i].in_state);
}

void pool_init(struct pool *pool, uint32_t index, const struct pool_settings *settings,
	       struct worker *workers, struct circuit *circuits, uint64_t seed, usec_t now)
{
	*pool = (struct pool){.settings = *settings,
			      .index = index,
			      .workers = workers,
			      .slots = pool_slots(settings),
			      .workers_bound = 2 * settings->workers_max,
			      .circuits = circuits,
			      .circuit_max =
				      settings->breaker_per_method ? 1 + CIRCUIT_METHODS_MAX : 1};
	init_lists(pool);
	failing_init(&pool->failing, &settings->failing, now);
	budget_init(&pool->budget, &settings->budget, now);
	queue_init(&pool->queue, settings->queue_max, settings->queue_bytes_max);
	runs_init(&pool->runs, seed);
	failover_init(&pool->failover, &settings->failover, now);
	heap_entry_init(&pool->chain_timer);
	pool_add_circuit(pool, (struct bytes){0}, seed, now);
	pool->health = pool_serves(pool) ? POOL_OK : POOL_DOWN;
	pool->health_since = now;
}

void pool_attach_window(struct pool *pool, struct window *window, usec_t now)
{
	window_init(window, now);
	pool->window = window;
}

static void begin_breaker(struct breaker *breaker, enum breaker_state state, usec_t now)
{
	if (state == BREAKER_OBSERVING)
		breaker_observe(breaker, now);
	else if (state == BREAKER_DISABLED)
		breaker_disable(breaker, now);
}

struct circuit *pool_add_circuit(struct pool *pool, struct bytes method, uint64_t seed, usec_t now)
{
	struct circuit *circuit;

	if (pool->circuit_count == pool->circuit_max)
		return NULL;
	circuit = &pool->circuits[pool->circuit_count++];
	*circuit = (struct circuit){.pool = pool->index};
	circuit->method.len = (uint8_t)method.len;
	if (method.len > 0)
		memcpy(circuit->method.text, method.data, method.len);
	breaker_init(&circuit->breaker, &pool->settings.breaker, seed, now);
	begin_breaker(&circuit->breaker, pool->settings.breaker_begins, now);
	heap_entry_init(&circuit->timer);
	return circuit;
}

struct circuit *pool_find_circuit(const struct pool *pool, struct bytes method)
{
	if (method.len == 0)
		return &pool->circuits[0];
	for (unsigned i = 1; i < pool->circuit_count; i++) {
		struct bytes name = name_text(&pool->circuits[i].method);

		if (name.len == method.len && memcmp(name.data, method.data, name.len) == 0)
			return &pool->circuits[i];
	}
	return NULL;
}

/* Moves the worker to `open` or one of `lines`, the lists of workers with room, or (NULL) to none. */
static void set_room(struct worker *worker, struct list *list)
{
	if (worker->room_list)
		list_remove(worker->room_list, &worker->in_room);
	worker->room_list = list;
	if (list)
		list_push_back(list, &worker->in_room);
}

static bool is_none_free(const struct pool *pool)
{
	return pool->states[WORKER_READY].len + pool->open.len == 0;
}

/* Notes whether all workers are busy. */
static void watch_busy(struct pool *pool, usec_t now)
{
	pool->none_free = is_none_free(pool);
	window_all_busy(pool->window, now, pool->none_free && pool->states[WORKER_BUSY].len > 0);
}

static void move(struct pool *pool, struct worker *worker, enum worker_state state, usec_t now)
{
	assert(worker_may_move(worker->state, state));
	list_remove(&pool->states[worker->state], &worker->in_state);
	set_room(worker, NULL);
	worker->state = state;
	worker->since = now;
	/* Who failed last, or is on trial, is asked last. */
	if (state == WORKER_READY && (worker->goes_last || worker->on_probation))
		list_push_back(&pool->states[state], &worker->in_state);
	else
		list_push_front(&pool->states[state], &worker->in_state);
	if (state == WORKER_BUSY)
		window_busy(pool->window, now, pool->states[WORKER_BUSY].len);
}

void pool_move_worker(struct pool *pool, struct worker *worker, enum worker_state state, usec_t now)
{
	move(pool, worker, state, now);
	watch_busy(pool, now);
}

unsigned pool_live(const struct pool *pool)
{
	return pool->states[WORKER_INITIALIZING].len + pool->states[WORKER_READY].len +
	       pool->states[WORKER_BUSY].len + pool->states[WORKER_DEGRADED].len;
}

unsigned pool_ceiling(const struct pool *pool)
{
	return pool->settings.workers_max + pool->settings.spares;
}

unsigned pool_wanted(const struct pool *pool)
{
	unsigned busy = pool->states[WORKER_BUSY].len;
	unsigned least = pool->settings.workers_min;
	unsigned wanted = (busy > least ? busy : least) + pool->settings.spares;

	/* While starts fail, requests are refused and start no worker: one worker must be tried, or
	 * the pool would never notice that starts succeed again. */
	if (wanted == 0 && pool->failed_starts >= POOL_FAILED_STARTS)
		return 1;
	return wanted < pool_ceiling(pool) ? wanted : pool_ceiling(pool);
}

unsigned pool_out_max(const struct pool *pool)
{
	return out_max(pool_live(pool) - pool->states[WORKER_INITIALIZING].len);
}

bool pool_may_start(const struct pool *pool, bool replacement)
{
	unsigned workers = pool_live(pool) + pool->starts_pending;
	unsigned at_once = pool->settings.start_parallel;
	unsigned coming, there, more;

	/* First what is so nearly always. */
	if (!replacement && workers >= pool_ceiling(pool) + pool->replacements)
		return false;
	coming = pool->states[WORKER_INITIALIZING].len + pool->starts_pending;
	there = workers + pool->states[WORKER_TERMINATING].len;
	/* A worker whose replacement is READY does not count against the ceiling. */
	more = replacement ? pool_out_max(pool) : pool->leaving;
	if (pool->failed_starts >= POOL_FAILED_STARTS)
		at_once = 1;
	return pool->states[WORKER_TERMINATED].len > pool->starts_pending &&
	       there < pool_ceiling(pool) + more && (at_once == 0 || coming < at_once);
}

bool pool_may_end(const struct pool *pool)
{
	unsigned at_once = pool->settings.start_parallel;

	return at_once == 0 || pool->states[WORKER_TERMINATING].len < at_once;
}

/* Whether a place in a line gains anything. */
static bool has_short_runs(const struct pool *pool)
{
	return pool->typical_run > 0 && pool->typical_run <= PREFETCH_RUN_MAX;
}

/* One that waits in a line may have to be taken back, and may then run after all; so one with a key
 * or a session, which must never run beside another, waits for a worker that begins it at once.  So does
 * one that lost its worker: mostly because of what stood in the same line, which it need not meet again. */
static bool may_wait_at_worker(const struct pool *pool, const struct request *request)
{
	return !request->key && !request->session && request->run.crashes == 0 &&
	       has_short_runs(pool);
}

usec_t pool_expected_run(const struct pool *pool, const struct request *request)
{
	unsigned entry = request->run.entry;
	usec_t run;

	/* The method may have had its first result while the request was queued. */
	if (entry == RUNS_OTHER)
		entry = runs_find(&pool->runs, request->method);
	run = runs_own_typical(&pool->runs, entry);
	return run > 0 ? run : RUN_UNKNOWN;
}

static struct worker *first_of(const struct list *list)
{
	struct list_node *node = list_first(list);

	return node ? list_entry(node, struct worker, in_room) : NULL;
}

/* Returns the worker in whose line the request may stand, or NULL. */
static struct worker *pick_line(const struct pool *pool, const struct request *request)
{
	bool is_short = pool_expected_run(pool, request) <= LINE_TIME;
	struct worker *worker;

	worker = first_of(&pool->lines[LINE_SHORT]);
	if (worker && (request->is_idempotent || (is_short && worker_gives_back(worker))))
		return worker;
	worker = first_of(&pool->lines[LINE_LONG]);
	if (worker && is_short && (request->is_idempotent || worker_gives_back(worker)))
		return worker;
	return request->is_idempotent ? first_of(&pool->lines[LINE_LATE]) : NULL;
}

/* Returns the worker of this pool whose process the request's session is bound to, if it serves. */
static struct worker *binding(const struct pool *pool, const struct request *request)
{
	const struct session *session = request->session;
	struct worker *worker;

	if (!session || !session->is_bound || session->pool != pool->index)
		return NULL;
	worker = &pool->workers[session->worker - pool->workers[0].index];
	if (worker->life != session->life || worker->state == WORKER_TERMINATED ||
	    worker->state == WORKER_TERMINATING || worker->state == WORKER_DRAINING)
		return NULL;
	return worker;
}

struct worker *pool_bound_worker(const struct pool *pool, const struct request *request)
{
	struct worker *worker = binding(pool, request);

	if (!worker || pool->settings.affinity == SESSION_HINT)
		return NULL;
	/* The worker is ejected or misses health checks: only with strict affinity does the request
	 * wait until the worker has recovered. */
	if (worker->state == WORKER_DEGRADED && pool->settings.affinity == SESSION_QUEUE)
		return NULL;
	return worker;
}

bool pool_has_lost_session(const struct pool *pool, const struct request *request)
{
	const struct session *session = request->session;

	if (!session || pool->settings.affinity != SESSION_STRICT || !session->was_bound ||
	    binding(pool, request))
		return false;
	if (session->pool == pool->index)
		return true;
	/* Requests to other pools have taken it there: it comes home only with all of its state. */
	return request->home == pool->index &&
	       (!session->has_handed_back || session->has_lost_state);
}

static bool has_room(const struct worker *worker, const struct list *list)
{
	return worker->room_list == list;
}

/* Returns a READY worker at which the request has not failed, else the first READY one, or NULL.
 * The search passes no more workers than the request has failed at. */
static struct worker *pick_ready(const struct pool *pool, const struct request *request)
{
	const struct list *ready = &pool->states[WORKER_READY];
	struct list_node *node;

	if (request->run.retries == 0)
		return list_empty(ready) ? NULL
					 : list_entry(list_first(ready), struct worker, in_state);
	list_for_each (node, ready) {
		struct worker *worker = list_entry(node, struct worker, in_state);

		if (!request_has_tried(request, worker->index, worker->life))
			return worker;
	}
	node = list_first(ready);
	return node ? list_entry(node, struct worker, in_state) : NULL;
}

struct worker *pool_pick(const struct pool *pool, const struct request *request)
{
	struct worker *bound = binding(pool, request);
	struct worker *worker;

	if (bound && (bound->state == WORKER_READY || has_room(bound, &pool->open)))
		return bound;
	if (pool_bound_worker(pool, request))
		return NULL;
	worker = pick_ready(pool, request);
	if (worker)
		return worker;
	worker = first_of(&pool->open);
	if (worker)
		return worker;
	return may_wait_at_worker(pool, request) ? pick_line(pool, request) : NULL;
}

bool pool_has_room(const struct pool *pool)
{
	const struct list *lines = pool->lines;

	if (pool->states[WORKER_READY].len + pool->open.len > 0)
		return true;
	return has_short_runs(pool) &&
	       lines[LINE_SHORT].len + lines[LINE_LONG].len + lines[LINE_LATE].len > 0;
}

uint32_t pool_weight(const struct pool *pool, unsigned entry)
{
	const uint32_t least = QUEUE_WEIGHT_MIN, most = QUEUE_WEIGHT_MAX;
	uint64_t weight = runs_weight(&pool->runs, entry, QUEUE_RUN);

	if (weight < least)
		weight = least;
	return (uint32_t)(weight > most ? most : weight);
}

void pool_enqueue(struct pool *pool, struct request *request, enum queue_place place)
{
	request->weight = pool_weight(pool, request->run.entry);
	if (place == QUEUE_FRONT)
		queue_push_front(&pool->queue, request);
	else if (place == QUEUE_RETURN)
		queue_put_back(&pool->queue, request);
	else
		queue_push(&pool->queue, request);
	runs_enter(&pool->runs, request->run.entry, request->rank);
	if (request->run.circuit)
		request->run.circuit->queued++;
}

/* What depends on the queue. */
static void left_queue(struct pool *pool, struct request *request)
{
	runs_leave(&pool->runs, request->run.entry, request->rank);
	if (request->run.circuit)
		request->run.circuit->queued--;
}

void pool_dequeue(struct pool *pool, struct request *request)
{
	queue_remove(&pool->queue, request);
	left_queue(pool, request);
}

void pool_take(struct pool *pool, struct request *request)
{
	queue_take(&pool->queue, request);
	left_queue(pool, request);
}

struct request *pool_victim(const struct pool *pool, enum priority priority)
{
	struct request *victim = queue_victim(&pool->queue, priority);

	for (unsigned i = 0; pool->queue.parked > 0 && i < pool->slots; i++) {
		struct list_node *node = list_last(&pool->workers[i].parked);
		struct request *parked = node ? list_entry(node, struct request, in_queue) : NULL;

		if (parked && parked->rank > (victim ? victim->rank : priority))
			victim = parked;
	}
	return victim;
}

bool pool_may_eject(const struct pool *pool)
{
	return 2 * (pool->ejected + 1) <= pool_live(pool);
}

bool pool_needs_ejected(const struct pool *pool)
{
	return pool->ejected > 0 && 2 * pool_at_work(pool) < pool_at_work(pool) + pool->ejected;
}

bool pool_is_unavailable(const struct pool *pool)
{
	return pool->settings.adapter != POOL_STATIC && pool->failed_starts >= POOL_FAILED_STARTS &&
	       pool_at_work(pool) == 0;
}

bool pool_lacks_workers(const struct pool *pool)
{
	if (pool->settings.adapter == POOL_STATIC || pool_at_work(pool) > 0)
		return false;
	return pool->queue.len > 0 || pool->states[WORKER_INITIALIZING].len > 0 ||
	       pool->starts_pending > 0 || (!pool->is_stopping && pool_wanted(pool) > 0);
}

/* Whether the pool keeps no worker without requests, and has no reason to doubt that the next
 * request gets one. */
static bool starts_on_demand(const struct pool *pool)
{
	return pool->settings.workers_min + pool->settings.spares == 0 &&
	       pool->failed_starts == 0 && !pool->is_deserted;
}

bool pool_serves(const struct pool *pool)
{
	return pool->settings.adapter == POOL_STATIC || pool_at_work(pool) > 0 ||
	       starts_on_demand(pool);
}

/* Returns the list of the worker, which runs as many as it may at a time; NULL: its line is full. */
static struct list *line_of(struct pool *pool, const struct worker *worker)
{
	unsigned waiting = worker->attempts.len - worker->concurrency;
	/* With `batches` nobody knows the order in which it runs them. */
	bool is_soon = worker->work < worker->concurrency * LINE_TIME && !worker->batches;

	if (worker->is_slow || pool->settings.prefetch == 0)
		return NULL;
	/* The slot's last life led to nothing: what stands behind the first request of this one may have to be
	 * sent again, and again at the next life. */
	if (worker->fruitless > 0 && worker->served == 0)
		return NULL;
	if (waiting < pool->settings.prefetch)
		return &pool->lines[is_soon ? LINE_SHORT : LINE_LATE];
	return is_soon && waiting < pool->settings.prefetch_max ? &pool->lines[LINE_LONG] : NULL;
}

static struct list *room_of(struct pool *pool, const struct worker *worker)
{
	if (worker->state != WORKER_BUSY || list_empty(&worker->spare_attempts) ||
	    worker->eject_pending)
		return NULL;
	/* A worker on probation gets one request at a time. */
	if (worker->on_probation)
		return NULL;
	if (worker->attempts.len < worker->concurrency)
		return &pool->open;
	return line_of(pool, worker);
}

void pool_place_worker(struct pool *pool, struct worker *worker, usec_t now)
{
	bool busy = !list_empty(&worker->attempts);

	if (busy && worker->state == WORKER_READY)
		move(pool, worker, WORKER_BUSY, now);
	else if (!busy && worker->state == WORKER_BUSY)
		move(pool, worker, WORKER_READY, now);
	set_room(worker, room_of(pool, worker));
	if (is_none_free(pool) != pool->none_free)
		watch_busy(pool, now);
}

usec_t pool_slow_after(const struct pool *pool)
{
	usec_t slow = pool->typical_run * SLOW_FACTOR;

	return slow > SLOW_MIN ? slow : SLOW_MIN;
}

/* One that was stuck counts as a few others, so that what depends on the typical run does not end for
 * all. */
static void update_typical_run(struct pool *pool, usec_t run)
{
	usec_t typical = pool->typical_run;
	usec_t sample = run > 0 ? run : 1;

	if (typical > 0)
		sample = (7 * typical + usec_min(sample, RUNS_TYPICAL_OUTLIER * typical) + 7) / 8;
	pool->typical_run = sample;
}

static void learn(struct pool *pool, struct batch *batch)
{
	const struct batch_run *run = &batch->run;
	usec_t span, cost;

	if (batch->count == 0)
		return;
	span = batch_share(batch);
	cost = batch_cost(batch);
	if (run->kind == BATCH_RESULT)
		update_typical_run(pool, span);
	if (run->kind == BATCH_RESULT || run->kind == BATCH_LATE_RESULT)
		runs_learn_result(&pool->runs, run->entry, (struct bytes){0}, span, cost,
				  batch->at);
	else if (run->kind == BATCH_ERROR)
		runs_learn_error(&pool->runs, run->entry, span, cost);
	batch->count = 0;
	batch->span = batch->expected = batch->taken = 0;
}

/* Of the answers of one turn the first has all the time since the one before, the others none: on the
 * average each has its share. */
static void note_pace(struct pool *pool, usec_t taken)
{
	usec_t pace = pool->pace / POOL_PACE_OF;

	if (pool->pace == 0)
		pool->pace = POOL_PACE_OF * taken;
	else
		pool->pace += usec_min(taken, PACE_OUTLIER * usec_max(pace, 1)) - pace;
	queue_set_turn(&pool->queue, pool->pace / POOL_PACE_OF);
}

/* Whether the next answer may belong to the same batch. */
static bool may_follow(const struct worker *worker)
{
	return worker->batches ? !list_empty(&worker->attempts) : worker_has_next(worker);
}

void pool_measure(struct pool *pool, struct worker *worker, const struct batch_run *run, usec_t now)
{
	struct batch_run measured = *run;

	measured.taken = usec_sub(now, usec_max(worker->since, worker->answered));
	measured.overlaps = worker->batches;
	worker->answered = now;
	note_pace(pool, measured.taken);
	if (!batch_has(&worker->batch, &measured, now))
		learn(pool, &worker->batch);
	batch_add(&worker->batch, &measured, now);
	if (!may_follow(worker))
		learn(pool, &worker->batch);
}

/* Returns the delay after so many failures, of which `free` cost none. */
static usec_t delay_after(const struct pool *pool, unsigned failures, unsigned free)
{
	usec_t delay = pool->settings.restart_delay;

	if (failures <= free)
		return 0;
	for (unsigned i = free + 1; i < failures && delay < pool->settings.restart_delay_max; i++)
		delay *= 2;
	return usec_min(delay, pool->settings.restart_delay_max);
}

usec_t pool_restart_delay(const struct pool *pool, const struct worker *worker)
{
	if (pool->failed_starts >= POOL_FAILED_STARTS)
		return pool->settings.restart_delay_max;
	return usec_max(delay_after(pool, pool->failed_starts, 2),
			delay_after(pool, worker->fruitless, 1));
}

/* Returns the delay before the start that may come first; 0 if there is no empty slot. */
static usec_t next_start(const struct pool *pool)
{
	usec_t next = USEC_INFINITY;
	struct list_node *node;

	list_for_each (node, &pool->states[WORKER_TERMINATED])
		next = usec_min(
			next, pool_restart_delay(pool, list_entry(node, struct worker, in_state)));
	return next == USEC_INFINITY ? 0 : next;
}

bool pool_wants_more(const struct pool *pool)
{
	unsigned waiting = pool->queue.len - pool->queue.parked;
	unsigned coming = pool->states[WORKER_INITIALIZING].len + pool->starts_pending;
	unsigned workers;

	/* First what is so nearly always. */
	if (waiting <= coming)
		return false;
	workers = pool_live(pool) + pool->starts_pending;
	if (workers > 0 &&
	    (pool->is_stopping ||
	     (pool->typical_run > 0 && pool->typical_run * waiting < GROW_WAIT * workers)))
		return false;
	return pool_may_start(pool, false);
}

usec_t pool_retry_after(const struct pool *pool)
{
	unsigned workers = pool_live(pool);
	usec_t wait;

	if (workers == 0)
		return usec_max(next_start(pool), RETRY_AFTER_MIN);
	wait = pool->typical_run * pool->queue.len / workers;
	return wait > RETRY_AFTER_MIN ? wait : RETRY_AFTER_MIN;
}

static unsigned circuit_troubles(const struct pool *pool)
{
	const struct circuit *circuit = &pool->circuits[0];

	if (circuit_is_closed(circuit))
		return 0;
	return circuit->breaker.state == BREAKER_HALF_OPEN ? TROUBLE_PROBING : TROUBLE_CIRCUIT_OPEN;
}

unsigned pool_troubles(const struct pool *pool)
{
	unsigned troubles = circuit_troubles(pool);

	if (pool->is_stopping)
		troubles |= TROUBLE_STOPPING;
	if (pool->drained > 0)
		troubles |= TROUBLE_DRAINED;
	if (pool->settings.adapter == POOL_STATIC)
		return troubles;
	if (!pool_serves(pool))
		troubles |= TROUBLE_NO_WORKER;
	if (pool_at_work(pool) < pool->settings.workers_min)
		troubles |= TROUBLE_BELOW_MINIMUM;
	if (pool->failed_starts >= POOL_FAILED_STARTS)
		troubles |= TROUBLE_START_FAILED;
	if (!queue_has_room(&pool->queue, 1))
		troubles |= TROUBLE_QUEUE_FULL;
	if (pool->is_shedding)
		troubles |= TROUBLE_SHEDDING;
	if (pool->failing.is_failing)
		troubles |= TROUBLE_FAILING;
	if (pool->states[WORKER_DEGRADED].len > 0)
		troubles |= TROUBLE_UNHEALTHY;
	if (pool->heads_chain && pool->failover.state != FAILOVER_HOME)
		troubles |= TROUBLE_FALLBACK;
	return troubles;
}

static enum pool_health health_of(const struct pool *pool, unsigned troubles)
{
	if (troubles & TROUBLE_STOPPING)
		return POOL_DOWN;
	if (troubles & (TROUBLE_NO_WORKER | TROUBLE_CIRCUIT_OPEN | TROUBLE_DRAINED))
		return pool->is_covered ? POOL_DEGRADED : POOL_DOWN;
	return troubles == 0 ? POOL_OK : POOL_DEGRADED;
}

enum pool_health pool_judge(const struct pool *pool)
{
	return health_of(pool, pool_troubles(pool));
}

enum pool_health pool_note_troubles(struct pool *pool, unsigned troubles, usec_t now)
{
	struct pool_troubles *noted = &pool->troubles;
	unsigned changed = noted->mask ^ troubles;

	for (unsigned i = 0; changed != 0 && i < POOL_TROUBLE_COUNT; i++) {
		if (!(changed & 1u << i))
			continue;
		if (!(troubles & 1u << i)) {
			noted->ended[i] = now;
			continue;
		}
		if (noted->ended[i] == 0 || usec_sub(now, noted->ended[i]) > POOL_TROUBLE_REST)
			noted->since[i] = now;
		noted->ended[i] = 0;
	}
	noted->mask = troubles;
	return health_of(pool, troubles);
}

const char *pool_health_name(enum pool_health health)
{
	static const char *const names[POOL_HEALTH_COUNT_] = {"ok", "degraded", "down"};

	return names[health];
}
