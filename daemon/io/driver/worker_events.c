#include "daemon/io/driver/worker_events.h"

#include "daemon/io/driver/effects.h"
#include "daemon/io/driver/notify.h"
#include "daemon/io/driver/stack.h"
#include "daemon/io/worker/dialect.h"

#include <signal.h>

/* Exit status of a command that can't work as it is configured (sysexits: EX_CONFIG). */
#define EXIT_UNUSABLE 78

static void on_ready(struct channel *channel, unsigned concurrency, bool announces, bool batches)
{
	struct driver *driver = channel->owner;
	struct engine_event event = worker_events_make(channel, EVENT_WORKER_READY);

	event.ready.concurrency = concurrency;
	event.ready.announces = announces;
	event.ready.batches = batches;
	steps_end(&channel->steps, loop_now(driver->loop));
	effects_notify_worker(driver, LOG_LEVEL_INFO, channel->worker, "ready", "");
	driver_step(driver, &event);
	driver->on_change(driver->owner);
}

static void on_began(struct channel *channel, uint32_t id)
{
	struct engine_event event = worker_events_make(channel, EVENT_WORKER_BEGAN);

	event.id = id;
	driver_step(channel->owner, &event);
}

static void on_alive(struct channel *channel)
{
	struct engine_event event = worker_events_make(channel, EVENT_WORKER_ALIVE);

	driver_step(channel->owner, &event);
}

/* The slot of the request that the worker has under this id, or NO_SLOT: it was given up, or was
 * never there. */
static uint32_t slot_of(const struct channel *channel, uint32_t id, bool *ret_known)
{
	const struct driver *driver = channel->owner;
	const struct worker *worker = engine_worker(driver->engine, channel->worker);
	const struct attempt *attempt =
		worker->life == channel->life ? worker_find_attempt(worker, id) : NULL;

	*ret_known = attempt != NULL;
	return attempt && attempt->request ? engine_slot(driver->engine, attempt->request)
					   : NO_SLOT;
}

static void on_part(struct channel *channel, uint32_t id, struct chunk *chunk, struct bytes value)
{
	struct driver *driver = channel->owner;
	struct engine_event event = worker_events_make(channel, EVENT_WORKER_CHUNK);
	const struct channel_part part = {chunk, value};

	event.id = id;
	driver->part = &part;
	driver_step(driver, &event);
	driver->part = NULL;
}

static void on_state(struct channel *channel, uint32_t id, struct bytes state)
{
	struct driver *driver = channel->owner;
	bool known;
	uint32_t slot = slot_of(channel, id, &known);
	struct call *call = slot != NO_SLOT ? &driver->calls.calls[slot] : NULL;

	if (!known) {
		channel_broken(channel, ERR_protocol_violation,
			       "it handed back the state of a request that it does not have");
		return;
	}
	if (!call || call->session.len == 0)
		return;
	call_drop_state(call);
	call->has_state = true;
	call->state_len = state.len;
	if (state.len <= driver->config->daemon.session_state_max)
		call->state = bytes_copy(state);
}

static void fill_answer(struct engine_event *event, const struct channel_answer *answer,
			const struct call *call)
{
	event->answer.bytes = answer->failed ? 0 : answer->result.len;
	event->answer.retry_after = USEC_INFINITY;
	if (call) {
		event->answer.has_state = call->has_state;
		event->answer.state = call->state_len;
	}
	if (!answer->failed)
		return;
	event->answer.code = answer->error.code;
	event->answer.said = answer->error.has_retryable;
	event->answer.retryable = answer->error.retryable;
	event->answer.fatal = answer->error.fatal;
	event->answer.graded = answer->error.has_severity;
	event->answer.severity = answer->error.severity;
	event->answer.retry_after = answer->error.retry_after;
}

static void on_answer(struct channel *channel, uint32_t id, const struct channel_answer *answer)
{
	struct driver *driver = channel->owner;
	struct engine_event event = worker_events_make(channel, EVENT_WORKER_ANSWERED);
	bool known;
	uint32_t slot = slot_of(channel, id, &known);

	event.id = id;
	fill_answer(&event, answer, slot != NO_SLOT ? &driver->calls.calls[slot] : NULL);
	driver->answer = answer;
	driver->answered = slot;
	driver_step(driver, &event);
	driver->answer = NULL;
	driver->answered = NO_SLOT;
}

static void on_broken(struct channel *channel, enum errcode code)
{
	struct driver *driver = channel->owner;
	struct engine_event event = worker_events_make(channel, EVENT_WORKER_BROKE);

	if (code != ERR_peer_closed)
		effects_notify_worker(driver, LOG_LEVEL_ERROR, channel->worker,
				      "broke the protocol", channel->last_why);
	event.code = code;
	driver_step(driver, &event);
}

static void on_exit_of_worker(struct channel *channel, const struct process_end *end)
{
	struct driver *driver = channel->owner;
	const struct worker *worker = engine_worker(driver->engine, channel->worker);
	struct engine_event event = worker_events_make(channel, EVENT_WORKER_EXITED);

	steps_end(&channel->steps, loop_now(driver->loop));
	channel->last = end ? *end : (struct process_end){0};
	channel->last_uptime = usec_sub(loop_now(driver->loop), worker->started);
	channel->last_served = worker->served;
	if (end) {
		event.exit.signalled =
			end->signalled && (end->status == SIGKILL || end->status == SIGTERM);
		event.exit.unusable = !end->signalled && end->status == EXIT_UNUSABLE;
	} else {
		event.exit.connection = true;
	}
	effects_notify_worker(
		driver, worker_cause_is_planned(worker->cause) ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING,
		channel->worker, "ended", channel->last_end);
	stack_end(channel);
	if (!worker_cause_is_planned(worker->cause))
		notify_last_words(driver, channel->worker);
	driver_step(driver, &event);
}

static void on_step(struct channel *channel, struct bytes name)
{
	struct driver *driver = channel->owner;

	steps_add(&channel->steps, name, loop_now(driver->loop));
}

static void on_output(struct channel *channel, enum output_stream stream, struct bytes line,
		      unsigned part)
{
	struct driver *driver = channel->owner;

	driver->stats.output_lines++;
	if (stream == OUTPUT_STDERR)
		stack_take(channel, line);
	notify_output(driver, channel->worker, stream, line, part);
}

static void on_output_dropped(struct channel *channel, uint64_t count)
{
	struct driver *driver = channel->owner;

	driver->stats.output_dropped += count;
	notify_output_dropped(driver, channel->worker, count);
}

static void on_unreachable(struct channel *channel, int error)
{
	struct engine_event event = worker_events_make(channel, EVENT_SPAWN_FAILED);

	event.code = effects_start_code(channel->connected, error);
	driver_step(channel->owner, &event);
}

static void on_forked(struct channel *channel)
{
	effects_notify_worker(channel->owner, LOG_LEVEL_INFO, channel->worker, "started", "");
}

const struct channel_handler worker_events_handler = {
	.on_ready = on_ready,
	.on_began = on_began,
	.on_alive = on_alive,
	.on_part = on_part,
	.on_state = on_state,
	.on_answer = on_answer,
	.on_broken = on_broken,
	.on_exit = on_exit_of_worker,
	.on_step = on_step,
	.on_output = on_output,
	.on_output_dropped = on_output_dropped,
	.on_unreachable = on_unreachable,
	.on_forked = on_forked,
};
