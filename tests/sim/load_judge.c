/*
 * What the world for load promises, judged after every event:
 *
 * - deadline: no worker is ended for a deadline that makes progress: one whose run would have ended
 *   within its allowance
 * - breaker: none opens where only callers' deadlines pass
 * - send: what can't finish in time, by the typical run, is sent only to an idle worker with
 *   nothing queued, and one at a time
 * - lock-out: 5 s after runs have changed their length, no request is refused for a wait that has
 *   an idle worker, an empty queue and enough true time
 * - priority: no other request is sent while a critical one waits
 * - queue: it stays within its limit, and no worker is idle while a request is queued
 * - answer: one for each request, at most 10 ms after its deadline; queue_full says when to return,
 *   and is not said where that would not help
 */
#include <stdarg.h>

#include "tests/sim/load_core.h"

#define TICK	  (10 * USEC_PER_MSEC)
#define ADAPTS_IN (5 * USEC_PER_SEC)
#define BUCKET	  (500 * USEC_PER_MSEC)

void load_blame(struct load_world *world, const char *format, ...)
{
	va_list args;

	if (world->counts.broken++ > 0)
		return;
	int len = snprintf(world->broken, sizeof(world->broken),
			   "at %.6f s: ", (double)load_time(world) / USEC_PER_SEC);

	va_start(args, format);
	vsnprintf(world->broken + len, sizeof(world->broken) - (size_t)len, format, args);
	va_end(args);
}

void load_judge_begin(struct load_world *world)
{
	world->counts = (struct load_counts){0};
	world->broken[0] = '\0';
	world->critical_waiting = world->contradictions = 0;
}

/* Whether the request counts for the figures. */
static bool counts(const struct load_world *world, const struct load_record *record)
{
	return record->submitted >= world->begin + world->plan->warm &&
	       record->submitted < world->begin + world->plan->length && !record->is_return;
}

/* Whether answers and runs that end now count for the figures. */
static bool is_measured(const struct load_world *world)
{
	return load_time(world) >= world->plan->warm && load_time(world) < world->plan->length;
}

static struct load_bucket *bucket(struct load_world *world)
{
	return &world->buckets[load_time(world) / BUCKET];
}

void load_judge_submit(struct load_world *world, const struct load_record *record)
{
	world->critical_waiting += record->is_critical;
	bucket(world)->offered++;
	if (!counts(world, record))
		return;
	world->counts.offered++;
	world->counts.offered_work += record->run;
	world->counts.first += record->stream == 0;
	world->counts.critical += record->is_critical;
	if (record->is_critical)
		world->counts.critical_work += record->run;
}

void load_judge_before(struct load_world *world)
{
	struct pool_view view;

	for (unsigned i = 0; i < world->settings.pool_count; i++) {
		engine_view_pool(world->engine, i, &view);
		world->queued[i] = view.queued;
		world->idle[i] = view.states[WORKER_READY];
	}
}

/* --- sending --- */

static void judge_contradiction(struct load_world *world, struct load_record *record,
				const struct effect *effect)
{
	usec_t typical = load_known_typical(world, effect->pool, record->method);
	struct worker_view worker;
	struct pool_view pool;

	if (typical <= record->deadline - usec_min(record->deadline, world->now))
		return;
	engine_view_worker(world->engine, effect->worker, &worker);
	engine_view_pool(world->engine, effect->pool, &pool);
	record->is_contradiction = true;
	if (world->contradictions++ > 0)
		load_blame(world, "two that can't finish in time are at workers at once");
	else if (worker.in_flight > 1 || (pool.queued > 0 && world->queued[effect->pool] > 1))
		load_blame(world,
			   "sent with %" PRIu64 " us left of a typical run of %" PRIu64
			   " us, beside %u queued",
			   record->deadline - world->now, typical, pool.queued);
}

static void judge_send(struct load_world *world, struct load_record *record,
		       const struct effect *effect)
{
	struct worker_view worker;

	if (record->is_waiting)
		world->critical_waiting -= record->is_critical;
	record->is_waiting = false;
	record->worker = effect->worker;
	record->sends++;
	if (counts(world, record))
		world->counts.sends++;
	engine_view_worker(world->engine, effect->worker, &worker);
	if (!record->is_critical && world->critical_waiting > 0 && worker.in_flight == 1 &&
	    effect->pool == 0)
		load_blame(world, "sent before a critical one that waits");
	judge_contradiction(world, record, effect);
}

/* --- answers --- */

static bool is_refusal(const struct load_record *record, enum errcode code)
{
	return record->sends == 0 &&
	       (code == ERR_queue_full || code == ERR_queue_timeout || code == ERR_shed);
}

/* Since when the runs of the method are as long as they are. */
static usec_t steady_since(const struct load_world *world, unsigned method)
{
	const struct load_method *of = &world->plan->methods[method];
	usec_t at = load_time(world);

	if (of->runs != LOAD_CHANGING || at < of->slow_from)
		return 0;
	return at < of->slow_until ? of->slow_from : of->slow_until;
}

static void judge_lock_out(struct load_world *world, const struct load_record *record,
			   enum errcode code)
{
	const struct load_plan *plan = world->plan;
	enum load_runs runs = plan->methods[record->method].runs;

	if (!is_refusal(record, code) || world->now != record->submitted || plan->fallback > 0 ||
	    (runs != LOAD_FIXED && runs != LOAD_CHANGING) || world->idle[0] == 0 ||
	    world->queued[0] > 0 || world->contradictions > 0 ||
	    record->run + USEC_PER_MSEC > record->deadline - record->submitted ||
	    load_time(world) < steady_since(world, record->method) + ADAPTS_IN)
		return;
	load_blame(world,
		   "%s, though a worker is idle and nothing queued, of a run of %" PRIu64 " us",
		   errcode_name(code), record->run);
}

/* A refusal on arrival says whether it helps to wait. */
static void judge_refusal(struct load_world *world, const struct load_record *record,
			  const struct failure *failure)
{
	usec_t typical = load_known_typical(world, 0, record->method);
	bool is_hopeless = record->deadline - record->submitted < typical;
	enum errcode code = failure->code;

	if (world->plan->fallback > 0 || world->now != record->submitted ||
	    !is_refusal(record, code) || world->queued[0] == world->pools[0].queue_max)
		return;
	if (is_hopeless != (code == ERR_queue_timeout))
		load_blame(world,
			   "%s for a deadline of %" PRIu64 " us and a typical run of %" PRIu64
			   " us",
			   errcode_name(code), record->deadline - record->submitted, typical);
	if (code == ERR_queue_timeout && failure->retry_after != USEC_INFINITY)
		load_blame(world, "queue_timeout says when to return");
}

static void count_success(struct load_world *world, const struct load_record *record)
{
	usec_t took = world->now - record->submitted;
	struct load_counts *all = &world->counts;

	bucket(world)->answered++;
	if (world->plan->fault_at > 0 && load_time(world) >= world->plan->fault_at &&
	    record->submitted >= world->begin + world->plan->fault_at && took > all->wait)
		all->wait = took;
	if (counts(world, record)) {
		all->first_good += record->stream == 0;
		all->critical_good += record->is_critical;
	}
	if (!is_measured(world))
		return;
	all->good++;
	all->good_work += record->run;
	if (!record->is_critical)
		all->rest_work += record->run;
}

static void judge_answer(struct load_world *world, struct load_record *record,
			 const struct effect *effect)
{
	enum errcode code = ERR_NONE;
	bool is_bad = record->sends > 0 && world->processes[record->worker].is_bad;

	if (effect->type == EFFECT_ERROR)
		code = effect->failed.failure.code;
	if (record->is_waiting)
		world->critical_waiting -= record->is_critical;
	if (record->is_contradiction)
		world->contradictions--;
	world->counts.ended[code]++;
	if (world->now > record->deadline + TICK)
		load_blame(world, "answered %" PRIu64 " us after the deadline",
			   world->now - record->deadline);
	if (code == ERR_queue_full && effect->failed.failure.retry_after == USEC_INFINITY)
		load_blame(world, "queue_full does not say when to return");
	judge_lock_out(world, record, code);
	if (code != ERR_NONE)
		judge_refusal(world, record, &effect->failed.failure);
	if (record->is_return && record->submitted >= world->begin + world->plan->length) {
		world->counts.returns++;
		world->counts.returns_admitted += !is_refusal(record, code);
	}
	if (code == ERR_NONE) {
		world->counts.answers += counts(world, record);
		if (world->now <= record->deadline)
			count_success(world, record);
	} else if (record->sends == 0) {
		world->counts.vain += counts(world, record) &&
				      world->now >= record->submitted + 100 * USEC_PER_MSEC;
	} else if (is_bad) {
		world->counts.failed++;
		world->counts.failed_by[code]++;
	}
}

/* --- workers --- */

void load_judge_ran(struct load_world *world, const struct load_process *process,
		    const struct load_task *task)
{
	if (task->is_running && process->pool == 0 && is_measured(world))
		world->counts.busy += world->now - task->begun;
}

/* Until when the run may go on, whoever waits for it. */
static usec_t allowance(const struct load_world *world, const struct load_process *process,
			const struct load_task *task)
{
	const struct load_record *record = &world->records[task->record];
	usec_t high = load_known_high(world, process->pool, record->method);
	usec_t until = record->deadline + world->pools[process->pool].cancel_grace;

	if (process->answered == 0 || high == 0)
		return usec_max(until, task->begun + LOAD_POOL_TIMEOUT);
	return usec_max(until, task->begun + 4 * high);
}

/* A task that hangs, or whose run is longer than it may be. */
static bool is_due(const struct load_world *world, const struct load_process *process)
{
	for (unsigned i = 0; i < process->task_count; i++) {
		const struct load_task *task = &process->tasks[i];

		if (task->is_hung ||
		    (task->is_running && task->ends > allowance(world, process, task)))
			return true;
	}
	return false;
}

static void judge_end(struct load_world *world, const struct effect *effect)
{
	struct load_process *process = &world->processes[effect->worker];
	enum worker_cause cause = effect->kill.cause;

	if (process->life != effect->life || process->is_ended || !process->is_alive ||
	    !process->is_ready || worker_cause_is_planned(cause))
		return;
	process->is_ended = true;
	if (process->is_bad)
		return;
	if (!is_due(world, process)) {
		world->counts.kills++;
		if (cause == CAUSE_OVERRUN || cause == CAUSE_CANCELLED)
			load_blame(world, "worker %u ended (%s) while it makes progress",
				   effect->worker, worker_cause_name(cause));
	} else if (!load_is_stalled(world, process->pool)) {
		world->counts.kills++;
	}
}

static void judge_breaker(struct load_world *world, const struct effect *effect)
{
	if (effect->breaker.change.to != BREAKER_OPEN)
		return;
	world->counts.openings++;
	if (world->plan->fault == LOAD_WELL || world->plan->fault == LOAD_STALL)
		load_blame(world, "a breaker opened by callers' deadlines");
}

void load_judge_effect(struct load_world *world, const struct effect *effect)
{
	struct load_record *record = NULL;

	switch (effect->type) {
	case EFFECT_SEND:
	case EFFECT_RESULT:
	case EFFECT_ERROR:
	case EFFECT_RETRY:
		if (world->open[effect->request] == NO_SLOT) {
			load_blame(world, "an effect for a request that is answered");
			return;
		}
		record = &world->records[world->open[effect->request]];
		break;
	case EFFECT_SHUTDOWN:
	case EFFECT_CLOSE:
	case EFFECT_SIGNAL:
		judge_end(world, effect);
		return;
	case EFFECT_BREAKER:
		judge_breaker(world, effect);
		return;
	default:
		return;
	}
	if (effect->type == EFFECT_SEND) {
		judge_send(world, record, effect);
	} else if (effect->type == EFFECT_RETRY) {
		if (record->is_contradiction)
			world->contradictions--;
		record->is_contradiction = false;
		if (record->is_waiting)
			world->critical_waiting -= record->is_critical;
		record->is_waiting = false;
	} else {
		judge_answer(world, record, effect);
	}
}

void load_judge_after(struct load_world *world)
{
	struct pool_view view;

	for (unsigned i = 0; i < world->settings.pool_count; i++) {
		engine_view_pool(world->engine, i, &view);
		if (view.queued > view.queue_max)
			load_blame(world, "%u requests in a queue for %u", view.queued,
				   view.queue_max);
		if (view.queued > 0 && view.states[WORKER_READY] > 0)
			load_blame(world, "%u requests are queued while %u workers are idle",
				   view.queued, view.states[WORKER_READY]);
	}
}

/* --- figures --- */

static double percent(uint64_t part, double whole)
{
	return whole <= 0 ? 100.0 : 100.0 * (double)part / whole;
}

/* The time of workers that there is while the figures count, in µs. */
static double capacity(const struct load_world *world)
{
	const struct load_plan *plan = world->plan;
	unsigned places = plan->workers * (plan->concurrency > 1 ? plan->concurrency : 1);

	return (double)(plan->length - plan->warm) * places;
}

static double smaller(double a, double b)
{
	return a < b ? a : b;
}

static double mean_run(const struct load_world *world)
{
	const struct load_counts *all = &world->counts;

	return all->offered == 0 ? 1.0 : (double)all->offered_work / (double)all->offered;
}

/* What is left of the capacity for those that are not critical, or what they offer. */
static double left(const struct load_world *world)
{
	const struct load_counts *all = &world->counts;
	double rest = capacity(world) - (double)all->critical_work;

	return smaller(rest, (double)(all->offered_work - all->critical_work));
}

/* The end of the last second after the fault with too few answers, in seconds after it. */
static double recovery(const struct load_world *world)
{
	usec_t from = world->plan->fault_at + world->plan->fault_for;
	double last = 0;

	for (usec_t at = from; at + 2 * BUCKET <= world->plan->length; at += BUCKET) {
		const struct load_bucket *two = &world->buckets[at / BUCKET];

		if ((two[0].answered + two[1].answered) * 100 <
		    (two[0].offered + two[1].offered) * 95)
			last = (double)(at + 2 * BUCKET - from) / USEC_PER_SEC;
	}
	return last;
}

double load_figure(const struct load_world *world, enum load_figure figure)
{
	const struct load_counts *all = &world->counts;

	switch (figure) {
	case LOAD_GOODPUT:
		return percent(all->good,
			       smaller((double)all->offered, capacity(world) / mean_run(world)));
	case LOAD_WORK:
		return percent(all->good_work, smaller((double)all->offered_work, capacity(world)));
	case LOAD_WASTE:
		return all->busy < all->good_work
			       ? 0.0
			       : percent(all->busy - all->good_work, capacity(world));
	case LOAD_CRITICAL:
		return percent(all->critical_good, (double)all->critical);
	case LOAD_REST:
		return percent(all->rest_work, left(world));
	case LOAD_FIRST:
		return percent(all->first_good, (double)all->first);
	case LOAD_RETURNED:
		return all->returns == 0 ? 0.0
					 : percent(all->returns_admitted, (double)all->returns);
	case LOAD_VAIN:
		return percent(all->vain, (double)all->offered);
	case LOAD_KILLS:
		return (double)all->kills;
	case LOAD_OPENINGS:
		return (double)all->openings;
	case LOAD_ATTEMPTS:
		return (double)all->sends / (all->answers > 0 ? (double)all->answers : 1.0);
	case LOAD_RECOVERY:
		return recovery(world);
	case LOAD_FAILED:
		return (double)all->failed;
	case LOAD_WAIT:
		return (double)all->wait / USEC_PER_SEC;
	case LOAD_BROKEN:
		return (double)all->broken;
	case LOAD_FIGURE_COUNT_:
		break;
	}
	return 0;
}
