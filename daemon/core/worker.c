#include "daemon/core/worker.h"

static const struct {
	const char *name;
	unsigned next;
} states[WORKER_STATE_COUNT_] = {
#define STATE(name, word, next, text) {(word), (next)},
	WORKER_STATES(STATE)
#undef STATE
};

static const struct {
	const char *name;
	const char *text;
} causes[CAUSE_COUNT_] = {
#define CAUSE(name, word, text) {(word), (text)},
	WORKER_CAUSES(CAUSE)
#undef CAUSE
};

static const char *const healths[HEALTH_COUNT_] = {"unknown", "healthy", "unhealthy"};

const char *worker_state_name(enum worker_state state)
{
	return states[state].name;
}

const char *worker_health_name(enum worker_health health)
{
	return healths[health];
}

const char *worker_cause_name(enum worker_cause cause)
{
	return causes[cause].name;
}

const char *worker_cause_text(enum worker_cause cause)
{
	return causes[cause].text;
}

bool worker_cause_is_replacement(enum worker_cause cause)
{
	return cause == CAUSE_SERVED || cause == CAUSE_AGED || cause == CAUSE_GROWN ||
	       cause == CAUSE_ROLLED;
}

bool worker_cause_is_planned(enum worker_cause cause)
{
	return worker_cause_is_replacement(cause) || cause == CAUSE_STOPPING ||
	       cause == CAUSE_IDLE || cause == CAUSE_MEMORY || cause == CAUSE_SURPLUS ||
	       cause == CAUSE_OPERATOR;
}

bool worker_may_move(enum worker_state from, enum worker_state to)
{
	return states[from].next & 1u << to;
}

void worker_init(struct worker *worker, uint32_t index, uint32_t pool, struct attempt *attempts)
{
	*worker = (struct worker){
		.index = index, .pool = pool, .step_at = USEC_INFINITY, .retire_at = USEC_INFINITY};
	list_init(&worker->attempts);
	list_init(&worker->spare_attempts);
	list_init(&worker->parked);
	heap_entry_init(&worker->timer);
	for (unsigned i = 0; i < WORKER_ATTEMPTS_MAX; i++) {
		attempts[i] = (struct attempt){.id = 0};
		list_push_back(&worker->spare_attempts, &attempts[i].in_worker);
	}
}

void worker_reset_life(struct worker *worker, usec_t now)
{
	worker->life++;
	worker->health = HEALTH_UNKNOWN;
	worker->cause = worker->leaving = CAUSE_NONE;
	worker->next_id = 1;
	worker->concurrency = 1;
	worker->was_ready = false;
	worker->announces = worker->batches = worker->recalls = worker->pages = false;
	worker->page = 0;
	worker->is_slow = worker->channel_broken = false;
	worker->pings_missed = worker->given_up = worker->unsent = 0;
	worker->work = 0;
	worker->answered = 0;
	worker->batch = (struct batch){0};
	worker->broken_by = ERR_NONE;
	worker->large_id = 0;
	worker->is_wanted = worker->is_replaced = worker->is_rolling = worker->is_excused = false;
	worker->retire_at = USEC_INFINITY;
	worker->start_memory = worker->memory = 0;
	worker->started = worker->heard = now;
	worker->ping_sent = 0;
	worker->ping_id = 0;
	worker->step_at = USEC_INFINITY;
	worker->served = worker->failed = 0;
	worker->failures = 0;
	worker->tried_since = now;
	worker->ejected[0] = worker->ejected[1] = worker->eject_until = worker->well_since = 0;
	worker->on_probation = worker->eject_pending = false;
	worker->was_useful = worker->goes_last = false;
	siblings_acquit(worker->shares);
}

/* How many attempts at the head of the line the worker may be running, judged by
 * their order alone. */
static unsigned reach(const struct worker *worker)
{
	return worker->batches ? WORKER_ATTEMPTS_MAX : worker->concurrency;
}

static void begin_the_head(struct worker *worker, usec_t now)
{
	unsigned left = reach(worker);
	struct list_node *node;

	/* With `batches` every attempt counts as begun when it is sent. */
	if (worker->batches)
		return;
	list_for_each (node, &worker->attempts) {
		struct attempt *attempt = list_entry(node, struct attempt, in_worker);

		if (left-- == 0)
			return;
		if (attempt->begun == 0)
			attempt->begun = now;
	}
}

struct attempt *worker_add_attempt(struct worker *worker, struct request *request, usec_t now)
{
	struct list_node *node = list_first(&worker->spare_attempts);
	struct attempt *attempt;

	assert(node);
	list_remove(&worker->spare_attempts, node);
	attempt = list_entry(node, struct attempt, in_worker);
	attempt->request = request;
	attempt->id = worker->next_id++;
	attempt->sent = now;
	attempt->begun = worker->attempts.len < reach(worker) ? now : 0;
	attempt->given_up = attempt->held_since = attempt->held = 0;
	attempt->has_begun = attempt->has_overrun = attempt->is_late = false;
	attempt->was_slow_reported = attempt->is_asked_back = false;
	attempt->expected = 0;
	attempt->key = NULL;
	attempt->session = NULL;
	attempt->entry = request ? request->run.entry : 0;
	list_push_back(&worker->attempts, node);
	return attempt;
}

void worker_expect(struct worker *worker, struct attempt *attempt, usec_t expected)
{
	attempt->expected = expected;
	worker->work += expected;
}

bool worker_has_next(const struct worker *worker)
{
	return worker->attempts.len >= reach(worker);
}

struct attempt *worker_find_attempt(const struct worker *worker, uint32_t id)
{
	struct list_node *node;

	list_for_each (node, &worker->attempts) {
		struct attempt *attempt = list_entry(node, struct attempt, in_worker);

		if (attempt->id == id)
			return attempt;
	}
	return NULL;
}

void worker_drop_attempt(struct worker *worker, struct attempt *attempt, usec_t now)
{
	worker_hold_attempt(worker, attempt, false, now);
	if (attempt->given_up)
		worker->given_up--;
	attempt->request = NULL;
	worker->work -= attempt->expected;
	list_remove(&worker->attempts, &attempt->in_worker);
	list_push_front(&worker->spare_attempts, &attempt->in_worker);
	begin_the_head(worker, now);
}

void worker_give_up_attempt(struct worker *worker, struct attempt *attempt, usec_t now)
{
	assert(attempt->request);
	worker_hold_attempt(worker, attempt, false, now);
	attempt->request = NULL;
	attempt->given_up = now;
	worker->given_up++;
}

void worker_hold_attempt(struct worker *worker, struct attempt *attempt, bool held, usec_t now)
{
	if ((attempt->held_since > 0) == held)
		return;
	if (held) {
		attempt->held_since = now;
		worker->held++;
		return;
	}
	attempt->held = usec_add(attempt->held, usec_sub(now, attempt->held_since));
	attempt->held_since = 0;
	worker->held--;
	worker->freed = now;
}

usec_t attempt_ran(const struct attempt *attempt, usec_t now)
{
	usec_t until = attempt->held_since > 0 ? attempt->held_since : now;

	if (attempt->begun == 0)
		return 0;
	return usec_sub(usec_sub(until, attempt->begun), attempt->held);
}

bool worker_is_held(const struct worker *worker)
{
	return worker->held > 0 && worker->held >= worker->concurrency;
}

bool worker_is_needed(const struct worker *worker, bool begun)
{
	struct list_node *node;

	list_for_each (node, &worker->attempts) {
		const struct attempt *attempt = list_entry(node, struct attempt, in_worker);

		if (attempt->request && (!begun || attempt->begun > 0))
			return true;
	}
	return false;
}

bool worker_gives_back(const struct worker *worker)
{
	return worker->recalls && (worker->announces || worker->pages) && !worker->batches;
}

/* Whether `id` is above the other: ids rise, and begin anew after the highest. */
static bool is_above(uint32_t id, uint32_t other)
{
	return (int32_t)(id - other) > 0;
}

static bool may_be_at(const struct worker *worker, uint64_t page)
{
	return page <= UINT32_MAX && !is_above(worker->page, (uint32_t)page) &&
	       is_above(worker->next_id, (uint32_t)page);
}

bool worker_take_page(struct worker *worker, uint64_t page)
{
	if (!may_be_at(worker, page))
		return false;
	worker->page = (uint32_t)page;
	return true;
}

bool worker_may_end_at(const struct worker *worker, uint64_t page)
{
	struct list_node *node;

	if (!may_be_at(worker, page))
		return false;
	/* One that was given back is skipped, and the worker may not have come to say so. */
	list_for_each (node, &worker->attempts) {
		const struct attempt *attempt = list_entry(node, struct attempt, in_worker);

		if (!attempt->is_asked_back)
			return !is_above((uint32_t)page, attempt->id);
	}
	return true;
}

bool worker_has_reached(const struct worker *worker, const struct attempt *attempt)
{
	return !is_above(attempt->id, worker->page);
}

bool worker_has_begun(const struct worker *worker, const struct attempt *attempt)
{
	if (worker->pages)
		return attempt->has_begun || worker_has_reached(worker, attempt);
	return worker->announces ? attempt->has_begun : attempt->begun != 0;
}

bool worker_sent_too_much(const struct worker *worker, const struct attempt *attempt)
{
	if (worker->broken_by != ERR_response_too_large)
		return false;
	if (worker->large_id > 0)
		return attempt->id == worker->large_id;
	return list_first(&worker->attempts) == &attempt->in_worker;
}

bool worker_may_have_run(const struct worker *worker, const struct attempt *attempt)
{
	return worker->broken_by != ERR_NONE || worker_has_begun(worker, attempt);
}
