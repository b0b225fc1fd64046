#include "daemon/core/engine_internal.h"

/* Returns the worker's input for an event that names a worker. */
static enum worker_input input_of(enum event_type type)
{
	switch (type) {
	case EVENT_WORKER_READY:
		return INPUT_READY;
	case EVENT_WORKER_BEGAN:
		return INPUT_BEGAN;
	case EVENT_WORKER_ALIVE:
		return INPUT_ALIVE;
	case EVENT_WORKER_CHUNK:
		return INPUT_CHUNK;
	case EVENT_WORKER_HELD:
		return INPUT_HELD;
	case EVENT_WORKER_ANSWERED:
		return INPUT_ANSWERED;
	case EVENT_SEND_FAILED:
		return INPUT_SEND_FAILED;
	case EVENT_WORKER_BROKE:
		return INPUT_BROKE;
	case EVENT_WORKER_EXITED:
		return INPUT_EXITED;
	case EVENT_SPAWN_FAILED:
		return INPUT_SPAWN_FAILED;
	case EVENT_PRESSURE:
		return INPUT_PRESSURE;
	case EVENT_WORKER_MEMORY:
		return INPUT_MEMORY;
	default:
		assert(type == EVENT_KILL);
		return INPUT_KILL;
	}
}

/* Whether the input shows that the worker lives, or lived until now. */
static bool is_heard(enum worker_input input)
{
	return input != INPUT_PRESSURE && input != INPUT_MEMORY && input != INPUT_KILL &&
	       input != INPUT_HELD && input != INPUT_DUE;
}

/* A worker that is larger than max_memory from its start on must have grown by a quarter: to replace
 * it earlier would only bring another of that size. */
static COLD void check_memory(struct engine *engine, struct worker *worker,
			      const struct engine_event *event)
{
	struct pool *pool = engine_pool_of(engine, worker);
	uint64_t most = pool->settings.max_memory;
	enum worker_cause was = worker->due_for;
	uint64_t grown;

	if (event->memory.is_start)
		worker->start_memory = event->memory.bytes;
	worker->memory = event->memory.bytes;
	grown = worker->start_memory + worker->start_memory / 4;
	if (most > 0 && event->memory.bytes > most && event->memory.bytes > grown)
		engine_schedule_replacement(engine, worker, CAUSE_GROWN);
	pool->outgrown += was != worker->due_for && worker->due_for == CAUSE_GROWN;
}

/* Carries out the reactions to the worker's timer. */
static COLD void react_to_time(struct engine *engine, struct worker *worker,
			       enum worker_reaction reaction)
{
	switch (reaction) {
	case REACTION_START:
		engine_restart_due(engine, worker);
		break;
	case REACTION_TOO_LATE:
		engine_terminate(engine, worker, CAUSE_INIT_TIMEOUT);
		engine_refill(engine, engine_pool_of(engine, worker));
		break;
	case REACTION_CHECK:
		engine_check_due(engine, worker);
		break;
	case REACTION_WATCH:
		engine_watch_due(engine, worker);
		break;
	default:
		assert(reaction == REACTION_SIGNAL);
		engine_signal_due(engine, worker);
		break;
	}
}

static void react(struct engine *engine, struct worker *worker, enum worker_reaction reaction,
		  const struct engine_event *event)
{
	switch (reaction) {
	case REACTION_IGNORED:
		break;
	case REACTION_LIVES: /* worker->heard is already set */
		engine_heard_instead(engine, worker);
		break;
	case REACTION_VIOLATES:
		engine_worker_broke(engine, worker, ERR_protocol_violation);
		break;
	case REACTION_IS_READY:
		engine_worker_ready(engine, worker, event);
		break;
	case REACTION_BEGINS:
		engine_worker_began(engine, worker, event->id);
		break;
	case REACTION_PART:
		engine_worker_chunk(engine, worker, event);
		break;
	case REACTION_HOLDS:
		engine_take_hold(engine, worker, event->id, event->is_held);
		break;
	case REACTION_ANSWERS:
		engine_worker_answered(engine, worker, event);
		break;
	case REACTION_UNSENT:
		engine_send_failed(engine, worker, event->id, event->code);
		break;
	case REACTION_CHANNEL:
		worker->large_id = event->id;
		engine_worker_broke(engine, worker, event->code);
		break;
	case REACTION_GONE:
		engine_worker_exited(engine, worker, event);
		break;
	case REACTION_NO_START:
		engine_spawn_failed(engine, worker, event->code);
		break;
	case REACTION_RELEASE:
		engine_pressure(engine, worker);
		break;
	case REACTION_MEASURED:
		check_memory(engine, worker, event);
		break;
	case REACTION_KILLED:
		engine_kill(engine, worker, event->signal);
		break;
	case REACTION_REFUSED:
		engine_notify_verdict(engine, ERR_invalid_request);
		break;
	default:
		react_to_time(engine, worker, reaction);
		break;
	}
}

static void take(struct engine *engine, struct worker *worker, enum worker_input input,
		 const struct engine_event *event)
{
	enum worker_reaction reaction = worker_reaction(worker->state, input);

	assert(reaction != REACTION_NEVER);
	engine->input = input;
	engine->input_state = worker->state;
	if (is_heard(input))
		worker->heard = engine->now;
	engine_touch(engine, worker);
	react(engine, worker, reaction, event);
}

void engine_take_worker_event(struct engine *engine, const struct engine_event *event)
{
	enum worker_input input = input_of(event->type);
	struct worker *worker = &engine->workers[event->worker];

	assert(event->worker < engine->worker_count);
	if (event->life != worker->life) {
		if (input == INPUT_KILL)
			engine_notify_verdict(engine, ERR_invalid_request);
		return;
	}
	if (worker->channel_broken && input != INPUT_EXITED && input != INPUT_KILL)
		return;
	take(engine, worker, input, event);
}

void engine_worker_due(struct engine *engine, struct worker *worker)
{
	const struct engine_event event = {.type = EVENT_TIMER, .now = engine->now};

	take(engine, worker, INPUT_DUE, &event);
}
