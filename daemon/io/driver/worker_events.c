#include "daemon/io/driver/worker_events.h"

#include "daemon/io/driver/credit.h"
#include "daemon/io/driver/effects.h"
#include "daemon/io/driver/handed.h"
#include "daemon/io/driver/incident.h"
#include "daemon/io/driver/notify.h"
#include "daemon/io/driver/stack.h"
#include "daemon/io/driver/state.h"
#include "daemon/io/driver/step.h"
#include "daemon/io/worker/dialect_shared.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>

/* Exit status of a command that can't work as it is configured (EX_CONFIG in sysexits.h). */
#define EXIT_UNUSABLE 78

/* A step with an event about the life of the worker that `life` is of. */
static struct driver_step step_of(const struct life *life, enum event_type type)
{
	return (struct driver_step){
		.event = {.type = type, .worker = life->worker, .life = life->number}};
}

/* --- messages and output of workers, and their end --- */

static COLD void on_ready(struct channel *channel, const struct channel_ready *ready)
{
	struct driver *driver = channel->owner;
	struct driver_step step = step_of(life_of(channel), EVENT_WORKER_READY);

	step.event.ready.concurrency = ready->concurrency;
	step.event.ready.announces = ready->announces;
	step.event.ready.batches = ready->batches;
	step.event.ready.recalls = ready->recalls;
	step.event.ready.pages = ready->pages && begun_page_is_open(&life_of(channel)->page);
	step.event.ready.memory = memory_pressure_at_ready(driver, life_of(channel)->worker);
	life_of(channel)->concurrency = ready->concurrency > 1 ? ready->concurrency : 1;
	life_of(channel)->is_ready = true;
	steps_end(&life_of(channel)->steps, loop_now(driver->loop));
	driver->start_faults[engine_worker_pool(driver->engine, life_of(channel)->worker)].text[0] =
		'\0';
	notify_worker(driver, LOG_LEVEL_INFO, life_of(channel)->worker, "ready", "");
	driver_step(driver, &step);
	driver->on_change(driver->owner);
}

static void on_began(struct channel *channel, uint32_t id)
{
	struct driver_step step = step_of(life_of(channel), EVENT_WORKER_BEGAN);

	step.event.id = id;
	driver_step(channel->owner, &step);
}

static void on_alive(struct channel *channel)
{
	struct driver_step step = step_of(life_of(channel), EVENT_WORKER_ALIVE);

	driver_step(channel->owner, &step);
}

/* The slot of the request that the worker has under this id; NO_SLOT: it was cancelled, or there
 * was none (then *ret_known is false). */
static uint32_t slot_of(const struct life *life, uint32_t id, bool *ret_known)
{
	const struct driver *driver = life->owner;
	uint32_t slot;

	*ret_known = engine_find_attempt(driver->engine, life->worker, life->number, id, &slot);
	return slot;
}

static void on_part(struct channel *channel, uint32_t id, struct chunk *chunk, struct bytes value)
{
	struct driver_step step = step_of(life_of(channel), EVENT_WORKER_CHUNK);
	uint32_t slot;
	bool known;

	step.event.id = id;
	step.event.page = begun_page_read(&life_of(channel)->page);
	step.part.chunk = chunk;
	step.part.value = value;
	driver_step(channel->owner, &step);
	/* It may have ended the request. */
	slot = slot_of(life_of(channel), id, &known);
	if (slot != NO_SLOT)
		flow_took_part(channel->owner, life_of(channel), id, slot, value.len);
}

static void on_state(struct channel *channel, uint32_t id, struct bytes state)
{
	struct driver *driver = channel->owner;
	struct life *life = life_of(channel);
	bool known;

	(void)slot_of(life, id, &known);
	if (!known)
		dialect_broken(channel, ERR_protocol_violation,
			       "it handed back the state of a request that it does not have");
	else if (engine_takes_state(driver->engine, life->worker, id) &&
		 handed_put(life, id, state, driver->config->daemon.session_state_max) < 0)
		dialect_broken(channel, ERR_memory_limit,
			       "there was no memory for the state of a session");
}

static void fill_answer(struct engine_event *event, const struct channel_answer *answer,
			const struct handed *handed)
{
	event->answer.bytes = answer->has_failed ? 0 : answer->result.len;
	event->answer.retry_after = USEC_INFINITY;
	if (handed) {
		event->answer.has_state = true;
		event->answer.state = handed->len;
	}
	if (!answer->has_failed)
		return;
	event->answer.is_recalled = answer->is_recalled;
	event->answer.code = answer->error.code;
	event->answer.has_retryable = answer->error.has_retryable;
	event->answer.is_retryable = answer->error.is_retryable;
	event->answer.is_fatal = answer->error.is_fatal;
	event->answer.has_severity = answer->error.has_severity;
	event->answer.severity = answer->error.severity;
	event->answer.retry_after = answer->error.retry_after;
}

static void on_answer(struct channel *channel, uint32_t id, const struct channel_answer *answer)
{
	struct life *life = life_of(channel);
	struct driver_step step = step_of(life, EVENT_WORKER_ANSWERED);
	bool known;

	step.event.id = id;
	step.event.page = begun_page_read(&life->page);
	fill_answer(&step.event, answer, handed_find(life, id));
	step.answer = answer;
	step.answered = slot_of(life, id, &known);
	driver_step(channel->owner, &step);
	handed_drop(life, id);
}

static COLD void on_lost(struct channel *channel, uint32_t id, bool is_part)
{
	static const struct channel_answer none;
	struct driver_step step =
		step_of(life_of(channel), is_part ? EVENT_WORKER_CHUNK : EVENT_WORKER_ANSWERED);
	bool known;

	step.event.id = id;
	step.event.page = begun_page_read(&life_of(channel)->page);
	step.answered = slot_of(life_of(channel), id, &known);
	if (is_part) {
		step.event.is_dropped = true;
	} else {
		step.event.answer.is_dropped = true;
		step.event.answer.retry_after = USEC_INFINITY;
		step.answer = &none;
	}
	driver_step(channel->owner, &step);
	if (!is_part)
		handed_drop(life_of(channel), id);
}

static COLD void on_broken(struct channel *channel, enum errcode code)
{
	struct driver *driver = channel->owner;
	struct driver_step step = step_of(life_of(channel), EVENT_WORKER_BROKE);

	if (code != ERR_peer_closed)
		notify_worker(driver, LOG_LEVEL_ERROR, life_of(channel)->worker,
			      "broke the protocol", channel->last_why);
	step.event.code = code;
	step.event.id = channel->large_id;
	driver_step(driver, &step);
}

/* What stands in its page is told where it breaks the protocol, unless something did before. */
static void check_page(struct life *life, const struct process_end *end, uint64_t page)
{
	struct driver *driver = life->owner;
	char why[CHANNEL_WORDS_MAX];

	if (!end || engine_believes_page(driver->engine, life->worker, life->number, page))
		return;
	snprintf(why, sizeof(why),
		 "its page says that it has begun message %" PRIu64 ", which can't be", page);
	life_blame(life, end, why);
	notify_worker(driver, LOG_LEVEL_ERROR, life->worker, "broke the protocol", why);
}

static COLD void on_exit_of_worker(struct life *life, const struct process_end *end)
{
	struct driver *driver = life->owner;
	struct driver_step step = step_of(life, EVENT_WORKER_EXITED);
	struct worker_view worker;

	engine_view_worker(driver->engine, life->worker, &worker);
	steps_end(&life->steps, loop_now(driver->loop));
	life->last = end ? *end : (struct process_end){0};
	life->last_ended = loop_now(driver->loop);
	life->last_uptime = usec_sub(loop_now(driver->loop), worker.started);
	life->last_served = worker.served;
	life->was_ready = life->is_ready;
	life->is_ready = false;
	life->last_cause = worker.cause;
	step.event.page = begun_page_read(&life->page);
	check_page(life, end, step.event.page);
	if (end) {
		step.event.exit.is_signalled =
			end->is_signalled && (end->status == SIGKILL || end->status == SIGTERM);
		step.event.exit.is_unusable = !end->is_signalled && end->status == EXIT_UNUSABLE;
	} else {
		step.event.exit.is_connection = true;
	}
	notify_worker(driver,
		      worker_cause_is_planned(worker.cause) ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING,
		      life->worker, "ended", life->last_end);
	stack_end(life);
	handed_drop_all(life);
	if (step.event.exit.is_unusable)
		incident_note_unusable(driver, life);
	if (!worker_cause_is_planned(worker.cause))
		notify_last_stderr(driver, life->worker);
	driver_step(driver, &step);
}

static void on_step(struct channel *channel, struct bytes name)
{
	struct driver *driver = channel->owner;

	steps_add(&life_of(channel)->steps, name, loop_now(driver->loop));
}

static void on_output(struct life *life, enum output_stream stream, struct bytes line,
		      unsigned part)
{
	struct driver *driver = life->owner;

	driver->stats.output_lines++;
	if (stream == OUTPUT_STDERR)
		stack_take(life, line);
	notify_output(driver, life->worker, stream, line, part);
}

static void on_output_dropped(struct life *life, uint64_t count)
{
	struct driver *driver = life->owner;
	struct incident_counts *counts =
		&driver->incidents[engine_worker_pool(driver->engine, life->worker)];

	driver->stats.output_dropped += count;
	counts->output_dropped += count;
	counts->output_worker = life->worker;
	notify_output_dropped(driver, life->worker, count);
}

static void on_unreachable(struct life *life, int error)
{
	struct driver_step step = step_of(life, EVENT_SPAWN_FAILED);

	step.event.code = effects_start_code(life->is_connected, error);
	life->was_ready = life->is_ready = false;
	life->last_cause = CAUSE_NONE;
	driver_step(life->owner, &step);
}

static void on_forked(struct life *life)
{
	notify_worker(life->owner, LOG_LEVEL_INFO, life->worker, "started", "");
}

/* --- notes: what was found out while effects were carried out --- */

/* Requests that never reached the worker, as its dialect can't express them or there was no memory. */
static COLD void report_unsent(struct driver *driver, struct life *life)
{
	while (life->unsaid_count > 0) {
		struct driver_step step = step_of(life, EVENT_SEND_FAILED);
		const struct life_unsaid *unsaid = &life->unsaid[--life->unsaid_count];

		step.event.id = unsaid->id;
		step.event.code = unsaid->code;
		driver_step(driver, &step);
	}
}

/* There is no process, or the connection to the server was closed. */
static COLD void report_end(struct driver *driver, struct life *life)
{
	struct driver_step step = step_of(life, EVENT_SPAWN_FAILED);

	if (life->has_spawn_failed) {
		step.event.code = life->spawn_code;
	} else {
		step.event.type = EVENT_WORKER_EXITED;
		step.event.exit.is_connection = life->has_hung_up;
	}
	life->has_spawn_failed = life->has_hung_up = life->cancelled_before_start = false;
	driver_step(driver, &step);
}

static void handle_notes(struct driver *driver, struct life *life)
{
	if (life->is_opened) {
		life->is_opened = false;
		life_open_channel(life);
	}
	report_unsent(driver, life);
	channel_answer_kept(&life->channel);
	if (life->has_spawn_failed || life->has_hung_up || life->cancelled_before_start)
		report_end(driver, life);
}

void worker_events_handle_notes(struct driver *driver)
{
	/* Those that get notes meanwhile are dealt with in the next turn. */
	for (unsigned count = driver->noted.len; count > 0; count--) {
		struct list_node *node = list_first(&driver->noted);

		list_remove(&driver->noted, node);
		handle_notes(driver, list_entry(node, struct life, in_noted));
	}
}

const struct channel_handler worker_events_channel_handler = {
	.on_ready = on_ready,
	.on_began = on_began,
	.on_alive = on_alive,
	.on_part = on_part,
	.on_state = on_state,
	.on_answer = on_answer,
	.on_lost = on_lost,
	.on_step = on_step,
	.on_broken = on_broken,
};

const struct life_handler worker_events_life_handler = {
	.on_forked = on_forked,
	.on_unreachable = on_unreachable,
	.on_output = on_output,
	.on_output_dropped = on_output_dropped,
	.on_exit = on_exit_of_worker,
};
