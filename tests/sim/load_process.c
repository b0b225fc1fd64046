/* The workers of the world for load. */
#include <signal.h>
#include <string.h>

#include "tests/sim/load_world.h"

/* A message between the daemon and a worker takes so long. */
#define DELAY 20

static struct load_process *process_of(struct load_world *world, uint32_t worker)
{
	return &world->processes[worker];
}

static uint32_t slot_of(const struct load_world *world, const struct load_process *process)
{
	return (uint32_t)(process - world->processes);
}

static void plan(struct load_world *world, const struct load_process *process, struct deed *deed)
{
	deed->worker = slot_of(world, process);
	deed->life = process->life;
	agenda_add(&world->agenda, deed);
}

static void notify(struct load_world *world, const struct load_process *process,
		   const struct engine_event *news)
{
	struct deed deed = {.kind = DEED_WORKER_EVENTS, .at = world->now + DELAY, .news = *news};

	deed.news.worker = slot_of(world, process);
	deed.news.life = process->life;
	plan(world, process, &deed);
}

static void answer(struct load_world *world, struct load_process *process, uint32_t id,
		   enum errcode code)
{
	struct engine_event news = {.type = EVENT_WORKER_ANSWERED, .id = id};

	news.answer.code = code;
	news.answer.bytes = 10;
	news.answer.retry_after = USEC_INFINITY;
	news.answer.is_fatal = process->is_bad && world->plan->fault == LOAD_FATAL;
	news.answer.has_retryable = code == ERR_exception && world->plan->retries_exceptions;
	news.answer.is_retryable = news.answer.has_retryable;
	notify(world, process, &news);
}

static void die(struct load_world *world, struct load_process *process)
{
	struct engine_event news = {.type = EVENT_WORKER_EXITED};

	if (!process->is_alive)
		return;
	process->is_alive = process->is_ready = false;
	for (unsigned i = 0; i < process->task_count; i++)
		load_judge_ran(world, process, &process->tasks[i]);
	process->task_count = 0;
	notify(world, process, &news);
}

static void plan_finish(struct load_world *world, const struct load_process *process,
			const struct load_task *task)
{
	struct deed deed = {.kind = DEED_FINISH, .at = task->ends};

	deed.message.id = task->id;
	plan(world, process, &deed);
}

static void drop_task(struct load_world *world, struct load_process *process,
		      struct load_task *task)
{
	load_judge_ran(world, process, task);
	process->task_count--;
	memmove(task, task + 1,
		(size_t)(process->tasks + process->task_count - task) * sizeof(*task));
}

/* The bad worker does the wrong thing 1 ms after it began the call. */
static void begin_task(struct load_world *world, struct load_process *process,
		       struct load_task *task)
{
	struct engine_event news = {.type = EVENT_WORKER_BEGAN, .id = task->id};
	usec_t from = world->now;

	task->is_running = true;
	task->begun = world->now;
	if (load_is_stalled(world, process->pool))
		from = load_stall_end(world);
	task->ends = from + world->records[task->record].run;
	notify(world, process, &news);
	if (process->is_bad)
		task->ends = world->now + USEC_PER_MSEC;
	task->is_hung = process->is_bad && world->plan->fault == LOAD_HANGS;
	if (!task->is_hung)
		plan_finish(world, process, task);
}

static unsigned concurrency_of(const struct load_world *world)
{
	return world->plan->concurrency > 1 ? world->plan->concurrency : 1;
}

static void begin_waiting(struct load_world *world, struct load_process *process)
{
	unsigned running = 0;

	for (unsigned i = 0; i < process->task_count; i++) {
		struct load_task *task = &process->tasks[i];

		if (!task->is_running && running < concurrency_of(world))
			begin_task(world, process, task);
		running += task->is_running;
	}
	if (process->is_leaving && process->task_count == 0)
		die(world, process);
}

static struct load_task *find_task(struct load_process *process, uint32_t id)
{
	for (unsigned i = 0; i < process->task_count; i++)
		if (process->tasks[i].id == id)
			return &process->tasks[i];
	return NULL;
}

static void finish(struct load_world *world, struct load_process *process, uint32_t id)
{
	struct load_task *task = find_task(process, id);
	enum errcode code = ERR_NONE;

	if (!task)
		return;
	if (task->ends > world->now) {
		plan_finish(world, process, task);
		return;
	}
	drop_task(world, process, task);
	if (process->is_bad && world->plan->fault == LOAD_EXITS) {
		die(world, process);
		return;
	}
	if (process->is_bad)
		code = ERR_exception;
	process->answered++;
	answer(world, process, id, code);
	begin_waiting(world, process);
}

static void wake(struct load_world *world, struct load_process *process)
{
	struct engine_event news = {.type = EVENT_WORKER_READY};

	process->is_ready = true;
	news.ready.concurrency = concurrency_of(world);
	news.ready.announces = news.ready.recalls = true;
	notify(world, process, &news);
}

static void take_cancel(struct load_world *world, struct load_process *process, uint32_t id)
{
	struct load_task *task = find_task(process, id);

	if (!task)
		return;
	task->is_cancelled = true;
	if (task->is_running && (concurrency_of(world) == 1 || world->plan->ignores_cancel))
		return;
	drop_task(world, process, task);
	answer(world, process, id, ERR_cancelled);
	begin_waiting(world, process);
}

static void take_recall(struct load_world *world, struct load_process *process, uint32_t id)
{
	struct engine_event news = {.type = EVENT_WORKER_ANSWERED, .id = id};
	struct load_task *task = find_task(process, id);

	if (!task || task->is_running)
		return;
	drop_task(world, process, task);
	news.answer.is_recalled = true;
	news.answer.retry_after = USEC_INFINITY;
	notify(world, process, &news);
}

static void take_signal(struct load_world *world, struct load_process *process, int signal)
{
	bool is_hung = false;

	for (unsigned i = 0; i < process->task_count; i++)
		is_hung = is_hung || process->tasks[i].is_hung;
	if (signal == SIGKILL || !is_hung)
		die(world, process);
}

static void receive(struct load_world *world, struct load_process *process,
		    const struct message *message)
{
	switch (message->kind) {
	case MESSAGE_REQUEST:
		if (process->task_count == LOAD_TASKS_MAX) {
			load_blame(world, "too many tasks at one process");
			return;
		}
		process->tasks[process->task_count++] =
			(struct load_task){.id = message->id, .record = message->record};
		begin_waiting(world, process);
		break;
	case MESSAGE_CANCEL:
		take_cancel(world, process, message->id);
		break;
	case MESSAGE_RECALL:
		take_recall(world, process, message->id);
		break;
	case MESSAGE_PING:
		answer(world, process, message->id, ERR_NONE);
		break;
	case MESSAGE_SHUTDOWN:
		process->is_leaving = true;
		begin_waiting(world, process);
		break;
	case MESSAGE_EOF:
		process->is_leaving = true;
		if (process->task_count == 0)
			die(world, process);
		break;
	}
}

void load_process_take_deed(struct load_world *world, const struct deed *deed)
{
	struct load_process *process = process_of(world, deed->worker);

	if (!process->is_alive || deed->life != process->life)
		return;
	switch (deed->kind) {
	case DEED_WAKE:
		wake(world, process);
		break;
	case DEED_DELIVER:
		receive(world, process, &deed->message);
		break;
	case DEED_FINISH:
		finish(world, process, deed->message.id);
		break;
	case DEED_SIGNAL:
		take_signal(world, process, deed->signal);
		break;
	default:
		break;
	}
}

/* --- what the daemon does to them --- */

static void spawn(struct load_world *world, const struct effect *effect)
{
	struct load_process *process = process_of(world, effect->worker);
	const struct load_plan *plan_of = world->plan;
	struct deed deed = {.kind = DEED_WAKE, .at = world->now + plan_of->start};
	bool is_after = plan_of->fault_at > 0 && load_time(world) >= plan_of->fault_at;

	*process =
		(struct load_process){.is_alive = true, .life = effect->life, .pool = effect->pool};
	process->is_bad = load_has_bad_worker(plan_of) && effect->worker == plan_of->workers - 1 &&
			  load_time(world) >= plan_of->fault_at;
	if (is_after && plan_of->restart > 0 && effect->pool == 0)
		deed.at = world->now + plan_of->restart;
	plan(world, process, &deed);
}

static void deliver(struct load_world *world, const struct load_process *process,
		    struct message message)
{
	struct deed deed = {.kind = DEED_DELIVER, .at = world->now + DELAY, .message = message};

	plan(world, process, &deed);
}

void load_process_take_effect(struct load_world *world, const struct effect *effect)
{
	struct message message = {.id = effect->send.id, .record = NO_SLOT};
	struct deed deed = {.kind = DEED_SIGNAL, .at = world->now + DELAY};
	struct load_process *process;

	if (effect->worker == NO_SLOT)
		return;
	process = process_of(world, effect->worker);
	switch (effect->type) {
	case EFFECT_SPAWN:
		spawn(world, effect);
		break;
	case EFFECT_SEND:
		message.record = world->open[effect->request];
		deliver(world, process, message);
		break;
	case EFFECT_CANCEL:
		message.kind = MESSAGE_CANCEL;
		deliver(world, process, message);
		break;
	case EFFECT_RECALL:
		message.kind = MESSAGE_RECALL;
		deliver(world, process, message);
		break;
	case EFFECT_PING:
		message.kind = MESSAGE_PING;
		deliver(world, process, message);
		break;
	case EFFECT_SHUTDOWN:
		deliver(world, process, (struct message){.kind = MESSAGE_SHUTDOWN});
		break;
	case EFFECT_CLOSE:
		deliver(world, process, (struct message){.kind = MESSAGE_EOF});
		break;
	case EFFECT_SIGNAL:
		deed.signal = effect->kill.signal;
		plan(world, process, &deed);
		break;
	default:
		break;
	}
}

/* --- faults that begin in mid-load --- */

void load_process_turn_bad(struct load_world *world)
{
	world->processes[world->plan->workers - 1].is_bad = true;
}

void load_process_stall(struct load_world *world)
{
	for (unsigned i = 0; i < LOAD_SLOTS; i++) {
		struct load_process *process = &world->processes[i];

		if (process->pool != 0)
			continue;
		for (unsigned k = 0; k < process->task_count; k++)
			if (process->tasks[k].is_running)
				process->tasks[k].ends += world->plan->fault_for;
	}
}

void load_process_die_all(struct load_world *world)
{
	for (unsigned i = 0; i < LOAD_SLOTS; i++)
		if (world->processes[i].pool == 0)
			die(world, &world->processes[i]);
}
