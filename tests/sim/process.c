#include "tests/sim/process.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/judge.h"

/* --- saying and planning --- */

static void plan(struct world *world, const struct process *process, struct deed *deed)
{
	deed->worker = process->worker;
	deed->life = process->life;
	agenda_add(&world->agenda, deed);
}

/* Sends an event to the daemon; a channel keeps the order. */
static void notify(struct world *world, struct process *process, const struct engine_event *news)
{
	struct deed deed = {.kind = DEED_WORKER_EVENTS, .news = *news};
	usec_t at = world->now + world_delay(world);

	if (at > process->outward)
		process->outward = at;
	deed.at = process->outward;
	deed.news.worker = process->worker;
	deed.news.life = process->life;
	plan(world, process, &deed);
}

static void say(struct world *world, struct process *process, const struct engine_event *news)
{
	if (!process->mute)
		notify(world, process, news);
}

/* Fills in the session's state, which exceeds its limit now and then. */
static void hand_back(struct world *world, struct engine_event *news)
{
	uint64_t max = world->settings.sessions.state_max;

	news->answer.has_state = true;
	news->answer.state = prop_below(&world->prop, max + 1);
	if (world_fault(world, FAULT_LARGE_STATE))
		news->answer.state = max + 1;
}

static void add_words(struct world *world, struct engine_event *news)
{
	struct prop *prop = &world->prop;

	news->answer.has_retryable = prop_chance(prop, 50);
	news->answer.is_retryable = prop_chance(prop, 60);
	news->answer.is_fatal = world_fault(world, FAULT_FATAL);
	news->answer.has_severity = prop_chance(prop, 20);
	news->answer.severity = (enum errseverity)prop_below(prop, (uint64_t)SEVERITY_COUNT_);
	if (prop_chance(prop, 20))
		news->answer.retry_after = world_span(world, USEC_PER_MSEC);
}

static void answer(struct world *world, struct process *process, uint32_t id, enum errcode code)
{
	struct engine_event news = {.type = EVENT_WORKER_ANSWERED, .id = id};

	news.answer.code = code;
	news.answer.bytes = prop_below(&world->prop, 200);
	news.answer.retry_after = USEC_INFINITY;
	if (world->named > 0 && prop_chance(&world->prop, 60))
		hand_back(world, &news);
	if (code != ERR_NONE)
		add_words(world, &news);
	say(world, process, &news);
}

static void say_part(struct world *world, struct process *process, uint32_t id)
{
	struct engine_event news = {.type = EVENT_WORKER_CHUNK, .id = id};

	say(world, process, &news);
}

static void began(struct world *world, struct process *process, uint32_t id)
{
	struct engine_event news = {.type = EVENT_WORKER_BEGAN, .id = id};

	say(world, process, &news);
}

static void give_back(struct world *world, struct process *process, uint32_t id)
{
	struct engine_event news = {.type = EVENT_WORKER_ANSWERED, .id = id};

	news.answer.is_recalled = true;
	news.answer.retry_after = USEC_INFINITY;
	say(world, process, &news);
}

static void break_channel(struct world *world, struct process *process, enum errcode code)
{
	struct engine_event news = {.type = EVENT_WORKER_BROKE, .code = code};

	say(world, process, &news);
	process->mute = true;
}

static void plan_death(struct world *world, struct process *process, usec_t after, bool own)
{
	struct deed deed = {.kind = DEED_DIE, .at = usec_add(world->now, after)};

	if (process->dying && own)
		return;
	process->dying = true;
	deed.death.own = own;
	deed.death.signalled = own && prop_chance(&world->prop, 50);
	plan(world, process, &deed);
}

/* The process ends now, with all it holds.  Its last messages mostly reach the daemon before
 * its end does. */
static void die(struct world *world, struct process *process, const struct deed *deed)
{
	struct engine_event news = {.type = EVENT_WORKER_EXITED};

	world_trace(world, "  worker %u.%u ends", process->worker, process->life);
	process->alive = process->up = false;
	for (unsigned i = 0; i < process->task_count; i++) {
		struct record *record = world_heir(world, process->tasks[i].record);

		/* An attempt that was given up may overlap the request's next one. */
		if (process->tasks[i].running && !process->killed && !process->mute &&
		    deed->death.own && !process->sendings[process->tasks[i].id].given_up &&
		    record->sent && record->worker == process->worker &&
		    record->life == process->life)
			record->deaths++;
	}
	if (prop_chance(&world->prop, 50))
		break_channel(world, process, ERR_peer_closed);
	news.exit.is_connection = world->pools[process->pool].adapter == POOL_SOCKET;
	news.exit.is_signalled = deed->death.signalled && !news.exit.is_connection;
	news.exit.is_unusable = deed->death.unusable && !news.exit.is_connection;
	notify(world, process, &news);
}

/* --- tasks --- */

static enum errcode some_failure(struct world *world)
{
	static const enum errcode codes[] = {ERR_exception, ERR_exception, ERR_response_too_large,
					     ERR_cancelled};

	return codes[prop_below(&world->prop, ARRAY_SIZE(codes))];
}

static enum task_fate draw_fate(struct world *world)
{
	static const struct {
		enum fault fault;
		enum task_fate fate;
	} fates[] = {
		{FAULT_FAILS, FATE_ERROR},
		{FAULT_FORGETS, FATE_FORGET},
		{FAULT_ANSWERS_TWICE, FATE_TWICE},
		{FAULT_WRONG_ID, FATE_WRONG_ID},
		{FAULT_GARBAGE, FATE_GARBAGE},
		{FAULT_CLOSES, FATE_CLOSE},
		{FAULT_CRASHES_AFTER, FATE_DIE_AFTER},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(fates); i++)
		if (world_fault(world, fates[i].fault))
			return fates[i].fate;
	return FATE_RESULT;
}

static usec_t draw_run(struct world *world, const struct process *process)
{
	usec_t run = 1 + world_span(world, world->typical_run[process->pool]);

	return world_fault(world, FAULT_SLOW) ? 50 * run : run;
}

static void plan_finish(struct world *world, struct process *process, uint32_t id, usec_t run)
{
	struct deed deed = {.kind = DEED_FINISH, .at = world->now + run};

	deed.message.id = id;
	plan(world, process, &deed);
}

/* Plans parts of the answer; or parts that the request did not ask for. */
static void plan_parts(struct world *world, struct process *process, const struct task *task,
		       usec_t run)
{
	bool stream = world->records[task->record].stream;
	unsigned count = stream ? (unsigned)prop_below(&world->prop, 4) : 0;

	if (!stream && world_fault(world, FAULT_RUDE_PART)) {
		process->guilty = true;
		count = 1;
	}
	while (count-- > 0) {
		struct deed deed = {.kind = DEED_PART,
				    .at = world->now + prop_below(&world->prop, run + 1)};

		deed.message.id = task->id;
		plan(world, process, &deed);
	}
}

/* How the task ends during an outage of its pool. */
static void go_wrong(struct world *world, struct process *process, struct task *task, usec_t run)
{
	unsigned lot = (unsigned)prop_below(&world->prop, 10);

	task->fate = lot < 5 ? FATE_ERROR : FATE_NEVER;
	process->hung |= lot == 9;
	if (lot < 5)
		plan_finish(world, process, task->id, run);
	else if (lot < 9)
		plan_death(world, process, prop_below(&world->prop, run + 1), true);
}

/* Stores in its page that it begins this one: or nothing, or one that is behind it, or none that it
 * was sent. */
static void store(struct world *world, struct process *process, const struct task *task)
{
	if (world_fault(world, FAULT_PAGE_STAYS)) {
		process->liar = process->guilty = true;
		world_heir(world, task->record)->unstored = true;
		return;
	}
	process->page = task->id;
	if (world_fault(world, FAULT_PAGE_AHEAD))
		process->page++;
	if (world_fault(world, FAULT_PAGE_JUMPS))
		process->page += prop_chance(&world->prop, 50) ? 1000 : UINT64_C(1) << 32;
	process->guilty |= process->page != task->id;
}

static void begin(struct world *world, struct process *process, struct task *task)
{
	usec_t run = draw_run(world, process);

	task->running = true;
	process->running++;
	process->sendings[task->id].over = true;
	if (process->announces)
		began(world, process, task->id);
	if (process->pages)
		store(world, process, task);
	if (world_fault(world, FAULT_FALSE_BEGAN)) {
		process->guilty = true;
		began(world, process, (uint32_t)prop_below(&world->prop, task->id + 3));
	}
	if (world_fault(world, FAULT_FALSE_RECALL)) {
		process->guilty = true;
		give_back(world, process, task->id + (prop_chance(&world->prop, 50) ? 0 : 1000));
	}
	if (world->rates[FAULT_FAILS] > 0 && prop_chance(&world->prop, 5)) {
		task->fate = FATE_REFUSE;
		plan_finish(world, process, task->id, 1);
		return;
	}
	world_heir(world, task->record)->misled |= process->liar;
	judge_run(world, task->record, process->pool);
	judge_ledger_run(world, process, task);
	plan_parts(world, process, task, run);
	if (world->outage == process->pool) {
		go_wrong(world, process, task, run);
	} else if (world_fault(world, FAULT_HANGS)) {
		process->hung = true;
		task->fate = FATE_NEVER;
	} else if (world_fault(world, FAULT_CRASHES)) {
		task->fate = FATE_NEVER;
		plan_death(world, process, prop_below(&world->prop, run + 1), true);
	} else {
		task->fate = draw_fate(world);
		plan_finish(world, process, task->id, run);
	}
}

static struct task *find_task(struct process *process, uint32_t id)
{
	for (unsigned i = 0; i < process->task_count; i++)
		if (process->tasks[i].id == id)
			return &process->tasks[i];
	return NULL;
}

static void drop_task(struct process *process, struct task *task)
{
	process->running -= task->running;
	process->task_count--;
	memmove(task, task + 1,
		(size_t)(process->tasks + process->task_count - task) * sizeof(*task));
}

static void begin_waiting(struct world *world, struct process *process)
{
	unsigned limit = process->batches ? TASKS_MAX : process->concurrency;

	if (process->leaving || process->shut)
		return;
	for (unsigned i = 0; i < process->task_count && process->running < limit; i++)
		if (!process->tasks[i].running && !process->hung)
			begin(world, process, &process->tasks[i]);
}

/* --- reading the channel --- */

static void take_cancel(struct world *world, struct process *process, uint32_t id)
{
	struct task *task = find_task(process, id);

	if (!task || process->ignores[FAULT_IGNORES_CANCEL])
		return;
	if (task->running && prop_chance(&world->prop, 50))
		return;
	process->sendings[id].over = true;
	drop_task(process, task);
	answer(world, process, id, ERR_cancelled);
}

/* A thread of its own takes this, also while code runs or hangs, and perhaps before the process has
 * read the request. */
static void take_recall(struct world *world, struct process *process, uint32_t id)
{
	struct task *task = find_task(process, id);

	if (task && task->running && world_fault(world, FAULT_FALSE_RECALL)) {
		process->guilty = true;
		give_back(world, process, id);
	}
	if (process->sendings[id].over || process->shut || process->ignores[FAULT_IGNORES_RECALL])
		return;
	process->sendings[id].over = process->sendings[id].given_back = true;
	if (task)
		drop_task(process, task);
	give_back(world, process, id);
}

static void take_message(struct world *world, struct process *process, struct message message)
{
	switch (message.kind) {
	case MESSAGE_REQUEST:
		if (process->sendings[message.id].given_back)
			break;
		if (process->task_count == TASKS_MAX) {
			judge_blame(world, "simulator", "too many tasks at one process");
			return;
		}
		process->tasks[process->task_count++] =
			(struct task){.id = message.id, .record = message.record};
		break;
	case MESSAGE_CANCEL:
		take_cancel(world, process, message.id);
		break;
	case MESSAGE_RECALL:
		take_recall(world, process, message.id);
		break;
	case MESSAGE_PING:
		if (!process->ignores[FAULT_IGNORES_PING])
			answer(world, process, message.id,
			       world_fault(world, FAULT_BAD_PONG) ? ERR_exception : ERR_NONE);
		break;
	case MESSAGE_SHUTDOWN:
		process->leaving = process->leaving || !process->ignores[FAULT_IGNORES_SHUTDOWN];
		break;
	case MESSAGE_EOF:
		if (!process->ignores[FAULT_IGNORES_EOF])
			plan_death(world, process, world_delay(world), true);
		break;
	}
}

/* Reads the messages that it can and begins the tasks that it may; an inattentive process reads
 * nothing while a task runs. */
static void go_on(struct world *world, struct process *process)
{
	begin_waiting(world, process);
	while (process->inbox_len > 0 && process->up && !process->hung &&
	       (process->attentive || process->running == 0)) {
		struct message message = process->inbox[process->inbox_first];

		process->inbox_first = (process->inbox_first + 1) % INBOX_MAX;
		process->inbox_len--;
		take_message(world, process, message);
		if (!process->attentive || process->inbox_len == 0)
			begin_waiting(world, process);
	}
	if (process->leaving && process->running == 0 && !process->hung)
		plan_death(world, process, 0, true);
}

static void receive(struct world *world, struct process *process, struct message message)
{
	if (message.kind == MESSAGE_RECALL) {
		take_message(world, process, message);
		return;
	}
	if (process->inbox_len == INBOX_MAX) {
		judge_blame(world, "simulator", "too many messages at one process");
		return;
	}
	process->inbox[(process->inbox_first + process->inbox_len++) % INBOX_MAX] = message;
	go_on(world, process);
}

/* --- its own deeds --- */

static unsigned odd_concurrency(struct world *world)
{
	static const unsigned odd[] = {0, 2, 64, 65, 1000000, UINT32_MAX};

	return odd[prop_below(&world->prop, ARRAY_SIZE(odd))];
}

static void wake(struct world *world, struct process *process)
{
	struct engine_event news = {.type = EVENT_WORKER_READY};

	if (world_fault(world, FAULT_DIES_EARLY) || world_fault(world, FAULT_UNUSABLE)) {
		struct deed deed = {.kind = DEED_DIE, .at = world->now};

		process->dying = true;
		deed.death.own = true;
		deed.death.unusable = prop_chance(&world->prop, 50);
		plan(world, process, &deed);
		return;
	}
	if (world_fault(world, FAULT_NEVER_READY))
		return;
	process->up = true;
	news.ready.concurrency = process->concurrency;
	news.ready.announces = process->announces;
	news.ready.batches = process->batches;
	news.ready.recalls = process->recalls;
	if (world_fault(world, FAULT_ODD_READY)) {
		news.ready.concurrency = odd_concurrency(world);
		process->concurrency = news.ready.concurrency < 1 ? 1 : news.ready.concurrency;
	}
	/* The daemon takes the word of no other for its page. */
	news.ready.pages = process->pages;
	process->pages &= process->concurrency == 1 && !process->batches;
	process->announces &= !process->pages;
	say(world, process, &news);
	if (world_fault(world, FAULT_READY_TWICE)) {
		process->guilty = true;
		say(world, process, &news);
	}
	if (world_fault(world, FAULT_IDLE_DEATH))
		plan_death(world, process, world_span(world, 100 * USEC_PER_MSEC), true);
	go_on(world, process);
}

static enum errcode some_garbage(struct world *world)
{
	static const enum errcode codes[] = {ERR_decode_error, ERR_protocol_violation,
					     ERR_response_too_large};

	return codes[prop_below(&world->prop, ARRAY_SIZE(codes))];
}

/* Dies after it sent its answer: the daemon may see the end of the process first. */
static void die_after_answer(struct world *world, struct process *process, uint32_t id)
{
	struct deed deed = {.kind = DEED_DIE, .at = world->now};

	if (!world_fault(world, FAULT_LATE_EVENTS)) {
		answer(world, process, id, ERR_NONE);
		plan_death(world, process, 0, true);
		return;
	}
	deed.death.own = true;
	die(world, process, &deed);
	process->mute = false;
	answer(world, process, id, ERR_NONE);
}

static void finish(struct world *world, struct process *process, uint32_t id)
{
	struct task *task = find_task(process, id);
	enum task_fate fate;

	if (!task || !task->running || process->hung)
		return;
	fate = task->fate;
	if (fate != FATE_ERROR && fate != FATE_REFUSE)
		judge_completed(world, task->record);
	drop_task(process, task);
	process->guilty |= fate == FATE_TWICE || fate == FATE_WRONG_ID || fate == FATE_GARBAGE;
	switch (fate) {
	case FATE_RESULT:
		answer(world, process, id, ERR_NONE);
		break;
	case FATE_ERROR:
		answer(world, process, id, some_failure(world));
		break;
	case FATE_REFUSE:
		answer(world, process, id,
		       prop_chance(&world->prop, 50) ? ERR_rejected : ERR_unknown_method);
		break;
	case FATE_TWICE:
		answer(world, process, id, ERR_NONE);
		answer(world, process, id, ERR_NONE);
		break;
	case FATE_WRONG_ID:
		process->liar = true;
		answer(world, process, (uint32_t)prop_below(&world->prop, id + 4), ERR_NONE);
		break;
	case FATE_GARBAGE:
		break_channel(world, process, some_garbage(world));
		break;
	case FATE_CLOSE:
		/* The process continues its tasks, but begins none: it could not answer. */
		break_channel(world, process, ERR_peer_closed);
		process->shut = true;
		break;
	case FATE_DIE_AFTER:
		die_after_answer(world, process, id);
		return;
	case FATE_FORGET:
		process->liar = true;
		break;
	case FATE_NEVER:
		break;
	}
	go_on(world, process);
}

static void take_part(struct world *world, struct process *process, uint32_t id)
{
	const struct task *task = find_task(process, id);

	if (task && task->running && !process->hung)
		say_part(world, process, id);
}

static void take_signal(struct world *world, struct process *process, int signal)
{
	usec_t delay = world_delay(world);

	if (signal == SIGKILL && world_fault(world, FAULT_SLOW_EXIT))
		delay += 300 * USEC_PER_MSEC;
	if (signal == SIGKILL)
		plan_death(world, process, delay, false);
	else if (!process->hung && !process->ignores[FAULT_IGNORES_TERM])
		plan_death(world, process, delay, false);
}

void process_take_deed(struct world *world, const struct deed *deed)
{
	struct process *process = &world->processes[deed->worker];

	if (!process->alive || deed->life != process->life)
		return;
	switch (deed->kind) {
	case DEED_WAKE:
		wake(world, process);
		break;
	case DEED_DELIVER:
		receive(world, process, deed->message);
		break;
	case DEED_PART:
		take_part(world, process, deed->message.id);
		break;
	case DEED_FINISH:
		finish(world, process, deed->message.id);
		break;
	case DEED_SIGNAL:
		take_signal(world, process, deed->signal);
		break;
	case DEED_DIE:
		die(world, process, deed);
		break;
	default:
		break;
	}
}

uint64_t process_page(const struct world *world, const struct engine_event *news)
{
	const struct process *process = &world->processes[news->worker];

	return process->life == news->life ? process->page : 0;
}

bool process_is_heard(struct world *world, const struct engine_event *news)
{
	const struct process *process = &world->processes[news->worker];

	if (news->life != process->life || !process->closed || news->type == EVENT_WORKER_EXITED)
		return true;
	return world_fault(world, FAULT_LATE_EVENTS);
}

/* --- what the daemon does to it --- */

static enum errcode why_not(struct world *world, const struct process *process)
{
	static const enum errcode codes[] = {ERR_spawn_failed, ERR_process_limit, ERR_memory_limit};

	if (world->pools[process->pool].adapter == POOL_SOCKET)
		return ERR_connect_failed;
	return codes[prop_below(&world->prop, ARRAY_SIZE(codes))];
}

static void spawn(struct world *world, const struct effect *effect)
{
	struct process *process = &world->processes[effect->worker];
	struct sending *sendings = process->sendings;
	uint32_t sending_max = process->sending_max;
	struct deed deed = {.kind = DEED_WAKE};

	*process = (struct process){
		.exists = true,
		.alive = true,
		.worker = effect->worker,
		.life = effect->life,
		.pool = effect->pool,
		.concurrency = world->concurrency[effect->pool],
		.announces = world->announces[effect->pool],
		.batches = world->batches[effect->pool],
		.recalls = world->recalls[effect->pool],
		.pages = world->pages[effect->pool],
		.outward = world->now,
		.inward = world->now,
		.sendings = sendings,
		.sending_max = sending_max,
	};
	for (unsigned i = 0; i < FAULT_COUNT_; i++)
		process->ignores[i] = world_fault(world, (enum fault)i);
	process->attentive = process->concurrency > 1 || process->batches ||
			     !process->ignores[FAULT_INATTENTIVE];
	if (process->ignores[FAULT_SPAWN_FAILS] ||
	    (world->outage == process->pool && prop_chance(&world->prop, 50))) {
		struct engine_event news = {.type = EVENT_SPAWN_FAILED};

		news.code = why_not(world, process);
		process->alive = false;
		notify(world, process, &news);
		return;
	}
	deed.at = world->now + world_span(world, 20 * USEC_PER_MSEC);
	plan(world, process, &deed);
}

static void deliver(struct world *world, struct process *process, struct message message)
{
	struct deed deed = {.kind = DEED_DELIVER, .message = message};
	usec_t at = world->now + world_delay(world);

	if (at > process->inward)
		process->inward = at;
	deed.at = process->inward;
	plan(world, process, &deed);
}

static void deliver_recall(struct world *world, struct process *process, uint32_t id)
{
	struct deed deed = {.kind = DEED_DELIVER, .at = world->now + world_delay(world)};

	if (world_fault(world, FAULT_SLOW_RECALL))
		deed.at += world_span(world, 10 * USEC_PER_MSEC);
	deed.message = (struct message){.kind = MESSAGE_RECALL, .id = id};
	plan(world, process, &deed);
}

/* Ids count up from 1, so that they serve as the index. */
static void note_sending(struct process *process, uint32_t id, uint32_t record)
{
	if (id >= process->sending_max) {
		uint32_t max = 2 * id + 64;

		process->sendings = reallocarray(process->sendings, max, sizeof(struct sending));
		if (!process->sendings)
			abort();
		process->sending_max = max;
	}
	while (process->sending_count <= id)
		process->sendings[process->sending_count++] =
			(struct sending){.record = UINT32_MAX};
	process->sendings[id].record = record;
}

static void deliver_id(struct world *world, struct process *process, enum message_kind kind,
		       const struct effect *effect, uint32_t record)
{
	struct message message = {.kind = kind, .id = effect->send.id, .record = record};

	if (kind != MESSAGE_CANCEL)
		note_sending(process, effect->send.id, record);
	deliver(world, process, message);
}

/* A request that the worker's dialect can't express is not sent; the daemon soon learns that. */
static void send_request(struct world *world, struct process *process, const struct effect *effect,
			 uint32_t record)
{
	struct engine_event news = {
		.type = EVENT_SEND_FAILED, .id = effect->send.id, .code = ERR_encode_error};

	if (!world_fault(world, FAULT_UNSAYABLE)) {
		deliver_id(world, process, MESSAGE_REQUEST, effect, record);
		return;
	}
	note_sending(process, effect->send.id, record);
	notify(world, process, &news);
}

static void signal_process(struct world *world, struct process *process, int signal)
{
	struct deed deed = {.kind = DEED_SIGNAL, .at = world->now + world_delay(world)};

	process->killed = true;
	deed.signal = signal;
	plan(world, process, &deed);
}

void process_take_effect(struct world *world, const struct effect *effect, uint32_t record)
{
	struct process *process = &world->processes[effect->worker];

	switch (effect->type) {
	case EFFECT_SPAWN:
		spawn(world, effect);
		break;
	case EFFECT_SEND:
		send_request(world, process, effect, record);
		break;
	case EFFECT_CANCEL:
		deliver_id(world, process, MESSAGE_CANCEL, effect, record);
		break;
	case EFFECT_RECALL:
		deliver_recall(world, process, effect->send.id);
		break;
	case EFFECT_PING:
		deliver_id(world, process, MESSAGE_PING, effect, UINT32_MAX);
		break;
	case EFFECT_SHUTDOWN:
		process->reported_to_shut_down = true;
		deliver(world, process, (struct message){.kind = MESSAGE_SHUTDOWN});
		break;
	case EFFECT_CLOSE:
		process->closed = true;
		deliver(world, process, (struct message){.kind = MESSAGE_EOF});
		break;
	case EFFECT_SIGNAL:
		signal_process(world, process, effect->kill.signal);
		break;
	default:
		break;
	}
}
