/* Breakers, chains and recoveries: as the effects reported them, and what may follow from that. */
#include "daemon/core/engine_inspect.h"
#include "tests/sim/judge.h"

#include <inttypes.h>
#include <string.h>

/* --- breakers --- */

/* Returns the circuit that the request uses in the pool. */
static uint32_t circuit_of(const struct world *world, const struct record *record, uint32_t number)
{
	const struct pool *pool = engine_pool(world->engine, number);
	uint8_t name[2] = {'m', (uint8_t)('0' + record->method)};

	/* With the attempt it took over the circuit that the attempt used. */
	if (record->heir_in == number)
		return record->circuit;
	for (uint32_t i = 1; record->method != NO_NAME && i < pool->circuit_count; i++)
		if (pool->circuits[i].method.len == sizeof(name) &&
		    memcmp(pool->circuits[i].method.text, name, sizeof(name)) == 0)
			return i;
	return 0;
}

static bool lets_all_through(enum breaker_state state)
{
	return state == BREAKER_CLOSED || state == BREAKER_DISABLED || state == BREAKER_OBSERVING;
}

static struct reported_breaker *breaker_of(struct world *world, const struct record *record,
					   uint32_t pool)
{
	return &world->judge.breakers[pool][circuit_of(world, record, pool)];
}

static void judge_half_open(struct world *world, const struct breaker_settings *settings,
			    const struct reported_breaker *breaker, enum breaker_reason reason)
{
	usec_t open = usec_min(settings->open_timeout, settings->open_timeout_max);
	usec_t since = world->now - breaker->since;

	if (reason == BREAKER_BECAUSE_EARLY) {
		if (!settings->early_probe || since < USEC_PER_SEC)
			judge_blame(world, "breaker", "a probe comes too early");
	} else if (reason != BREAKER_BECAUSE_TIME || since < open) {
		judge_blame(world, "breaker", "half-open after %" PRIu64 " us", since);
	}
}

/* Checks that the reported attempts are a reason for the change of the breaker. */
static void judge_reason(struct world *world, const struct effect *effect)
{
	const struct breaker_settings *settings = &world->pools[effect->pool].breaker;
	const struct breaker_change *change = &effect->breaker.change;
	const struct reported_breaker *breaker =
		&world->judge.breakers[effect->pool][effect->breaker.circuit];
	bool manual =
		world->event.type == EVENT_BREAKER && world->event.manual.pool == effect->pool;

	if ((change->reason == BREAKER_BECAUSE_MANUAL) != manual)
		judge_blame(world, "breaker", "changed by whose hand?");
	if (manual && change->to != world->event.manual.state)
		judge_blame(world, "breaker", "changed to another state than was asked for");
	if (change->to == BREAKER_HALF_OPEN)
		judge_half_open(world, settings, breaker, change->reason);
	if (change->reason == BREAKER_BECAUSE_RUN &&
	    breaker->failures + 1 < settings->failure_threshold)
		judge_blame(world, "breaker", "%u failures are no run", breaker->failures + 1);
	if (change->reason == BREAKER_BECAUSE_PROBES_SUCCEEDED &&
	    breaker->successes + 1 < settings->success_threshold)
		judge_blame(world, "breaker", "closed after %u probes", breaker->successes + 1);
}

void judge_breaker(struct world *world, const struct effect *effect)
{
	const struct breaker_change *change = &effect->breaker.change;
	struct reported_breaker *breaker =
		&world->judge.breakers[effect->pool][effect->breaker.circuit];
	bool again = change->from == BREAKER_OBSERVING && change->to == BREAKER_OBSERVING;

	if (change->from != breaker->state || change->reason == BREAKER_BECAUSE_NONE ||
	    (!again && !breaker_may_move(change->from, change->to)))
		judge_blame(world, "breaker", "pool %u: %s to %s, but %s was told", effect->pool,
			    breaker_state_name(change->from), breaker_state_name(change->to),
			    breaker_state_name(breaker->state));
	judge_reason(world, effect);
	breaker->failures += change->reason == BREAKER_BECAUSE_PROBE_EXPIRED;
	if (again && change->reason != BREAKER_BECAUSE_MANUAL)
		return;
	breaker->state = change->to;
	breaker->since = world->now;
	breaker->generation++;
	breaker->successes = 0;
	if (change->to == BREAKER_CLOSED || change->to == BREAKER_OBSERVING)
		breaker->failures = 0;
}

/* The request is sent: its breaker must admit it, as a probe if the breaker is half-open. */
void judge_breaker_send(struct world *world, struct record *record, uint32_t pool)
{
	const struct reported_breaker *breaker = breaker_of(world, record, pool);
	unsigned probes = 0;

	record->circuit = circuit_of(world, record, pool);
	record->generation = breaker->generation;
	if (breaker->state == BREAKER_OPEN || breaker->state == BREAKER_FORCED_OPEN)
		judge_blame(world, "breaker", "request %u is sent while the breaker is %s",
			    judge_number(world, record), breaker_state_name(breaker->state));
	if (breaker->state != BREAKER_HALF_OPEN)
		return;
	for (uint32_t i = 0; i < REQUESTS_MAX; i++) {
		uint32_t number = world->open[i];
		const struct record *other;

		if (number == NOBODY)
			continue;
		other = &world->records[number];
		probes += other == record || (other->open && other->sent && other->at == pool &&
					      other->circuit == record->circuit &&
					      other->generation == record->generation);
	}
	if (probes > world->pools[pool].breaker.half_open_requests)
		judge_blame(world, "P5", "pool %u: %u probes are out", pool, probes);
}

void judge_breaker_success(struct world *world, const struct record *record)
{
	struct reported_breaker *breaker = &world->judge.breakers[record->at][record->circuit];

	if (record->generation != breaker->generation)
		return;
	breaker->successes++;
	breaker->failures = 0;
}

void judge_breaker_failure(struct world *world, struct record *record,
			   const struct failure *failure, uint32_t pool)
{
	bool counts = world->policy.rows[failure->code].counts_breaker ||
		      (world->event.type == EVENT_WORKER_ANSWERED && world->event.answer.is_fatal);

	if (failure->code == ERR_worker_killed && world->judge.took_along)
		return;
	if (!failure->was_attempted || !counts || record->failed_in & 1u << pool)
		return;
	record->failed_in |= 1u << pool;
	breaker_of(world, record, pool)->failures++;
}

bool judge_is_closed_to(struct world *world, const struct record *record, uint32_t pool)
{
	return !lets_all_through(breaker_of(world, record, pool)->state);
}

static void judge_runs(struct world *world)
{
	for (uint32_t i = 0; i < world->settings.pool_count; i++) {
		const struct pool *pool = engine_pool(world->engine, i);

		for (uint32_t n = 0; n < pool->circuit_count; n++) {
			const struct reported_breaker *breaker = &world->judge.breakers[i][n];

			if (pool->circuits[n].breaker.state != breaker->state)
				judge_blame(world, "breaker", "pool %u: a change was not told", i);
			if (pool->circuits[n].breaker.run > breaker->failures)
				judge_blame(world, "breaker",
					    "pool %u: a run of %u, but %u failures were told", i,
					    pool->circuits[n].breaker.run, breaker->failures);
		}
	}
}

/* No request is queued at a breaker that an operator has just opened. */
static void judge_forced_open(struct world *world)
{
	const struct engine_event *event = &world->event;
	const struct pool *pool;

	if (event->type != EVENT_BREAKER || event->manual.state != BREAKER_FORCED_OPEN ||
	    world->judge.done_code != ERR_NONE)
		return;
	pool = engine_pool(world->engine, event->manual.pool);
	for (uint32_t i = 0; i < REQUESTS_MAX; i++) {
		const struct request *request;

		if (world->open[i] == NOBODY)
			continue;
		request = engine_request(world->engine, i);
		if (request->state == REQUEST_QUEUED && request->run.pool == pool->index &&
		    request->run.circuit == pool_find_circuit(pool, event->manual.method))
			judge_blame(world, "breaker", "request %u waits at an open breaker",
				    world->open[i]);
	}
}

/* --- chains --- */

/* Returns the level of the pool in the request's chain; UINT_MAX: it is not in the chain. */
unsigned judge_level(const struct world *world, const struct record *record, uint32_t pool)
{
	const struct pool_settings *home = &world->pools[record->pool];
	bool stays = record->no_fallback ||
		     (record->session != NO_NAME && home->affinity == SESSION_STRICT);

	if (pool == record->pool)
		return 0;
	for (unsigned i = 0; i < home->fallback_count && !stays; i++)
		if (home->fallbacks[i] == pool && !(record->skip & 1u << (i + 1)))
			return i + 1;
	return UINT32_MAX;
}

static bool is_able(struct world *world, uint32_t pool)
{
	if (judge_is_drained(world, pool))
		return false;
	return world->pools[pool].adapter == POOL_STATIC ||
	       (lets_all_through(world->judge.breakers[pool][0].state) &&
		!pool_is_unavailable(engine_pool(world->engine, pool)) &&
		!world->judge.traffic[pool].deserted);
}

static usec_t returns_at(const struct world *world, uint32_t pool)
{
	const struct reported_chain *chain = &world->judge.chains[pool];

	return usec_max(usec_add(chain->left, world->pools[pool].failover.dwell),
			chain->able_since);
}

/* A chain returns by itself, and only after all its steps. */
static void judge_return(struct world *world, uint32_t pool)
{
	struct reported_chain *chain = &world->judge.chains[pool];
	usec_t steps = 3 * world->pools[pool].failover.step;

	if (!chain->able || world->now < usec_add(returns_at(world, pool), steps))
		judge_blame(world, "chain", "pool %u is back before its time", pool);
}

void judge_level_change(struct world *world, const struct effect *effect)
{
	struct reported_chain *chain = &world->judge.chains[effect->pool];
	unsigned count = world->pools[effect->pool].fallback_count;

	if (effect->level.from != chain->level || effect->level.to == chain->level ||
	    effect->level.to > count)
		judge_blame(world, "chain", "pool %u: from level %u to %u, but %u was told",
			    effect->pool, effect->level.from, effect->level.to, chain->level);
	if ((effect->level.to > effect->level.from) != (effect->level.reason != ERR_NONE))
		judge_blame(world, "chain", "pool %u: leaves without a reason", effect->pool);
	if (effect->level.to == 0)
		judge_return(world, effect->pool);
	chain->level = effect->level.to;
}

static void judge_chains(struct world *world)
{
	for (uint32_t i = 0; i < world->settings.pool_count; i++) {
		struct reported_chain *chain = &world->judge.chains[i];
		bool able = is_able(world, i);
		bool home = engine_pool(world->engine, i)->failover.state == FAILOVER_HOME;

		if (world->pools[i].fallback_count == 0)
			continue;
		if (home && !chain->home)
			judge_return(world, i);
		if (able && !chain->able)
			chain->able_since = world->now;
		/* While the chain returns this is a new failover, before that the same one. */
		if (!able && chain->able && (chain->home || world->now >= returns_at(world, i)))
			chain->left = world->now;
		chain->able = able;
		chain->home = home;
		if (home && !able)
			judge_blame(world, "chain", "pool %u can't serve and is not left", i);
		if (home && chain->level > 0 && engine_deadline(world->engine) > world->now)
			judge_blame(world, "chain", "pool %u: the return was not told", i);
	}
}

/* --- recoveries --- */

static void judge_beginning(struct world *world, struct record *record, const struct effect *effect)
{
	struct judge *judge = &world->judge;

	if (record->recovery > 0 || effect->recovery.id <= judge->last_recovery)
		judge_blame(world, "recovery", "request %u: another recovery begins",
			    judge_number(world, record));
	if (record->sends == 0)
		judge_blame(world, "recovery", "request %u has not been tried yet",
			    judge_number(world, record));
	if (++judge->recoveries > world->settings.recoveries_max)
		judge_blame(world, "P5", "%u recoveries at once", judge->recoveries);
	judge->last_recovery = record->recovery = effect->recovery.id;
	record->recovery_began = world->now;
	record->recovery_until = USEC_INFINITY;
}

static void judge_end_of_recovery(struct world *world, struct record *record,
				  const struct effect *effect)
{
	enum event_type type = world->event.type;
	enum recovery_result result = effect->recovery.result;

	if (record->recovery != effect->recovery.id ||
	    effect->recovery.duration != world->now - record->recovery_began)
		judge_blame(world, "recovery", "request %u: another recovery ends",
			    judge_number(world, record));
	if (result == RECOVERY_CANCELLED && type != EVENT_CANCEL && type != EVENT_RECOVERY_CANCEL)
		judge_blame(world, "recovery", "request %u: nobody cancelled its recovery",
			    judge_number(world, record));
	if (result == RECOVERY_EXPIRED && world->now < record->recovery_until)
		judge_blame(world, "recovery", "request %u: its recovery had time left",
			    judge_number(world, record));
	world->judge.recoveries--;
	record->recovery = 0;
	record->recovered = result == RECOVERY_SUCCEEDED ? 1 : 2;
}

void judge_recovery(struct world *world, const struct effect *effect)
{
	struct record *record = judge_record(world, effect->request);

	if (!record || !record->open)
		judge_blame(world, "recovery", "slot %u holds no request", effect->request);
	else if (effect->recovery.has_begun)
		judge_beginning(world, record, effect);
	else
		judge_end_of_recovery(world, record, effect);
}

/* The answer ends the recovery, with the result that was reported. */
void judge_recovery_answer(struct world *world, struct record *record, const struct effect *effect)
{
	if (record->recovery > 0)
		judge_blame(world, "recovery", "request %u is answered, its recovery goes on",
			    judge_number(world, record));
	if (record->recovered > 0 && (record->recovered == 1) != (effect->type == EFFECT_RESULT))
		judge_blame(world, "recovery", "request %u: its recovery ended another way",
			    judge_number(world, record));
}

/* No request waits longer than its recovery may last. */
static void judge_recoveries(struct world *world)
{
	for (uint32_t i = 0; i < REQUESTS_MAX; i++) {
		const struct record *record;

		if (world->open[i] == NOBODY)
			continue;
		record = &world->records[world->open[i]];
		/* After its worker's channel broke, a request stays SENT until the worker ends. */
		if (engine_request(world->engine, i)->state != REQUEST_SENT &&
		    engine_deadline(world->engine) > world->now && record->recovery > 0 &&
		    judge_is_late(world, record->recovery_until))
			judge_blame(world, "recovery", "request %u: its recovery has no end",
				    world->open[i]);
	}
}

/* --- around each event --- */

void judge_rooms_begin(struct world *world)
{
	struct judge *judge = &world->judge;

	for (unsigned i = 0; i < POOLS_MAX; i++) {
		bool able = !judge->traffic[i].deserted;

		judge->chains[i] =
			(struct reported_chain){.able = able, .home = able, .left = world->now};
		for (unsigned n = 0; n < CIRCUITS_MAX; n++)
			judge->breakers[i][n].state = world->pools[i].breaker_begins;
	}
}

static bool has_circuit(const struct world *world)
{
	const struct engine_event *event = &world->event;
	struct record asked = {.method = NO_NAME, .heir_in = NOBODY};

	if (world->pools[event->manual.pool].adapter == POOL_STATIC)
		return false;
	if (event->manual.method.len == 0)
		return true;
	asked.method = (uint32_t)(event->manual.method.data[1] - '0');
	return circuit_of(world, &asked, event->manual.pool) > 0;
}

static bool is_recovery(const struct world *world, uint64_t id)
{
	for (uint32_t i = 0; i < REQUESTS_MAX; i++)
		if (world->open[i] != NOBODY && world->records[world->open[i]].recovery == id)
			return id > 0;
	return false;
}

static bool takes_along(const struct world *world)
{
	const struct engine_event *event = &world->event;
	const struct worker *worker;

	if (event->type != EVENT_WORKER_EXITED)
		return false;
	worker = engine_worker(world->engine, event->worker);
	return worker->life == event->life && worker->broken_by == ERR_response_too_large;
}

void judge_rooms_before(struct world *world)
{
	struct judge *judge = &world->judge;
	const struct engine_event *event = &world->event;

	judge->took_along = takes_along(world);
	if (event->type == EVENT_BREAKER)
		judge->done_code = has_circuit(world) ? ERR_NONE : ERR_invalid_request;
	if (event->type == EVENT_RECOVERY_CANCEL)
		judge->done_code =
			is_recovery(world, event->recovery) ? ERR_NONE : ERR_invalid_request;
}

void judge_rooms_after(struct world *world)
{
	if (world->event.type == EVENT_RECOVERY_CANCEL && world->event.recovery > 0 &&
	    is_recovery(world, world->event.recovery))
		judge_blame(world, "recovery", "recovery %" PRIu64 " was cancelled and goes on",
			    world->event.recovery);
	judge_runs(world);
	judge_forced_open(world);
	judge_chains(world);
	judge_recoveries(world);
}
