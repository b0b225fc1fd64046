#include "daemon/io/driver/effects.h"

#include "daemon/io/driver/answer.h"
#include "daemon/io/driver/failure.h"
#include "daemon/io/driver/flow.h"
#include "daemon/io/driver/incident.h"
#include "daemon/io/driver/namesakes.h"
#include "daemon/io/driver/notify.h"
#include "daemon/io/driver/session_alias.h"
#include "daemon/io/driver/slow_request.h"
#include "daemon/io/driver/span.h"
#include "daemon/io/driver/state.h"
#include "daemon/io/driver/step.h"
#include "daemon/io/worker/dialect.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>

static struct call *call_of(struct driver *driver, const struct effect *effect)
{
	return &driver->calls.calls[effect->request];
}

/* --- workers --- */

static void do_send(struct driver *driver, const struct effect *effect)
{
	struct call *call = call_of(driver, effect);
	struct life *life = &driver->lives[effect->worker];
	usec_t left = usec_sub(effect->send.deadline, loop_now(driver->loop)) / USEC_PER_MSEC;
	uint8_t alias[SESSION_ALIAS_MAX], traceparent[TRACEPARENT_LEN];
	struct channel_request sent = {
		.id = effect->send.id,
		.number = call->number,
		.attempt = effect->send.attempt,
		.deadline_ms = left < UINT32_MAX ? (uint32_t)left : UINT32_MAX,
		.method = call->method,
		.args = call->args,
		.chunk = call->chunk,
		.trace = trace_attempt(driver, &call->trace, traceparent),
		.tracestate = call->trace.state,
		.session = session_alias(driver, call->caller->uid, call->session, alias),
		.is_stream = effect->send.is_stream,
		.credit = FLOW_WINDOW,
	};

	if (effect->send.priority != PRIORITY_NORMAL)
		sent.priority = priority_name(effect->send.priority);
	if (effect->send.session != NO_SLOT)
		sent.state = slot_store_get(&driver->session_states, effect->send.session);
	flow_reset(driver, call);
	call->encode_fault = channel_send(&life->channel, &sent);
	if (call->encode_fault) {
		assert(life->unsaid_count < WORKER_ATTEMPTS_MAX);
		life->unsaid[life->unsaid_count++] = (struct life_unsaid){
			.id = sent.id,
			.code = call->encode_fault == dialect_no_memory ? ERR_memory_limit
									: ERR_encode_error};
		driver_note(driver, life);
	} else if (life->channel.kept_count > 0) {
		driver_note(driver, life);
	}
}

enum errcode effects_start_code(bool connects, int error)
{
	if (connects)
		return ERR_connect_failed;
	if (error == -EAGAIN)
		return ERR_process_limit;
	return error == -ENOMEM ? ERR_memory_limit : ERR_spawn_failed;
}

void effects_start(struct driver *driver, struct life *life)
{
	uint32_t pool = engine_worker_pool(driver->engine, life->worker);
	const struct start start = driver_start_of(driver, pool);
	int r = life_start(life, &start, driver_worker_number(driver, life->worker),
			   driver->config->daemon.response_max);

	driver_note(driver, life);
	if (r == 0) {
		life->is_opened = !life->is_connected;
		/* A worker that is forked is reported once it exists: on_forked. */
		if (!life->forkserver)
			notify_worker(driver, LOG_LEVEL_INFO, life->worker, "started", "");
		return;
	}
	life->has_spawn_failed = true;
	life->spawn_code = effects_start_code(life->is_connected, r);
	driver->memory.has_start_failed |=
		life->spawn_code != ERR_spawn_failed && !life->is_connected;
}

static COLD void do_shutdown(struct driver *driver, const struct effect *effect)
{
	life_shutdown(&driver->lives[effect->worker]);
	/* That the daemon stops was logged for all of them. */
	if (effect->kill.cause != CAUSE_STOPPING)
		notify_worker(driver, LOG_LEVEL_INFO, effect->worker, "is shut down",
			      worker_cause_text(effect->kill.cause));
}

/* Whether a process is started for the worker, be it a fork server: on a busy machine that may take
 * as long as many messages. */
static bool starts_process(const struct life *life, const struct config_pool *pool)
{
	return pool->adapter == POOL_PROCESS &&
	       !(life->forkserver && forkserver_is_running(life->forkserver));
}

/* Only that takes so long that it has to wait for its turn. */
static COLD void do_spawn(struct driver *driver, const struct effect *effect)
{
	struct life *life = &driver->lives[effect->worker];
	const struct config_pool *pool = driver_pool_config(driver, effect->pool);

	life->number = effect->life;
	if (starts_process(life, pool))
		starts_add(&driver->starts, life);
	else
		effects_start(driver, life);
}

static COLD void do_signal(struct driver *driver, const struct effect *effect)
{
	struct life *life = &driver->lives[effect->worker];
	enum worker_cause cause = effect->kill.cause;

	if (starts_drop(&driver->starts, life)) {
		life_cancel_start(life);
		driver_note(driver, life);
	} else if (life->is_connected) {
		/* There is no process of ours to signal: the connection is closed, and its end
		 * becomes an event at the end of the turn. */
		life_hang_up(life);
		life->has_hung_up = true;
		driver_note(driver, life);
	} else {
		life_signal(life, effect->kill.signal, cause == CAUSE_INIT_TIMEOUT);
		if (life->cancelled_before_start)
			driver_note(driver, life);
	}
	notify_worker(driver, worker_cause_is_planned(cause) ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING,
		      effect->worker,
		      life->is_connected	       ? "is left"
		      : effect->kill.signal == SIGKILL ? "gets SIGKILL"
		      : effect->kill.signal == SIGTERM ? "gets SIGTERM"
						       : "gets a signal",
		      worker_cause_text(cause));
}

/* --- requests --- */

/* Effects about a request, some of which close its call. */
static void do_answer(struct driver *driver, const struct driver_step *step,
		      const struct effect *effect)
{
	struct call *call = call_of(driver, effect);

	switch (effect->type) {
	case EFFECT_CHUNK:
		call_answer_part(call, step->part.chunk, step->part.value);
		return;
	case EFFECT_RESTART:
		call_answer_restart(call);
		return;
	case EFFECT_RETRY:
		failure_note(driver, step, call, effect);
		return;
	case EFFECT_RESULT:
		answer_result(driver, step, call, effect);
		break;
	case EFFECT_ERROR:
		failure_answer(driver, step, call, effect);
		break;
	default: /* EFFECT_DROP */
		break;
	}
	if (effect->type != EFFECT_DROP)
		exemplar_take(driver, call, effect);
	if (effect->type != EFFECT_ERROR) {
		request_log_take(driver, call, effect);
		span_of_answer(driver, call, effect);
	}
	flow_reset(driver, call);
	call_close(&driver->calls, call);
}

/* --- sessions --- */

static COLD void do_session(struct driver *driver, const struct effect *effect)
{
	uint32_t slot = effect->session.session;
	uint8_t alias[SESSION_ALIAS_MAX];
	enum session_reason reason = effect->session.reason;
	bool over = !effect->session.has_begun && reason != SESSION_MOVED && reason != SESSION_LOST;

	if (over)
		slot_store_drop(&driver->session_states, slot);
	if (effect->worker != NO_SLOT && (over || reason == SESSION_MOVED) &&
	    driver->lives[effect->worker].number == effect->life)
		channel_end_session(&driver->lives[effect->worker].channel,
				    session_alias(driver, engine_session_user(driver->engine, slot),
						  engine_session_name(driver->engine, slot), alias),
				    session_reason_name(reason));
	driver->stats.sessions_lost += !effect->session.has_begun && reason == SESSION_LOST;
	notify_session(driver, effect);
}

/* --- all of them --- */

/* Effects that change nothing but are to be reported. */
static COLD void report(struct driver *driver, const struct effect *effect)
{
	switch (effect->type) {
	case EFFECT_HEALTH:
		notify_health(driver, effect);
		driver->on_change(driver->owner);
		break;
	case EFFECT_BREAKER:
		notify_breaker(driver, effect);
		break;
	case EFFECT_LEVEL:
		notify_level(driver, effect);
		break;
	case EFFECT_RECOVERY:
		notify_recovery(driver, effect);
		break;
	case EFFECT_SLOW:
		slow_request_report(driver, effect);
		break;
	case EFFECT_ROLL:
		notify_roll(driver, effect);
		break;
	case EFFECT_NAMESAKE:
		namesakes_take(driver, effect);
		break;
	case EFFECT_INCIDENT:
		incident_report(driver, effect);
		/* The start of the daemon may have waited for this one. */
		if (!driver->has_started)
			driver->on_change(driver->owner);
		break;
	default:
		break;
	}
}

void effects_carry_out(struct driver *driver, struct driver_step *step, const struct effect *effect)
{
	struct life *life = effect->worker != NO_SLOT ? &driver->lives[effect->worker] : NULL;

	switch (effect->type) {
	case EFFECT_SEND:
		do_send(driver, effect);
		break;
	case EFFECT_CANCEL:
		channel_cancel(&life->channel, effect->send.id);
		flow_cancelled(life, effect->send.id);
		break;
	case EFFECT_RECALL:
		channel_recall(&life->channel, effect->send.id);
		break;
	case EFFECT_PING:
		channel_ping(&life->channel, effect->send.id);
		break;
	case EFFECT_SPAWN:
		do_spawn(driver, effect);
		break;
	case EFFECT_SHUTDOWN:
		do_shutdown(driver, effect);
		break;
	case EFFECT_CLOSE:
		if (effect->kill.cause == CAUSE_PROTOCOL)
			channel_blame(&life->channel);
		channel_close(&life->channel);
		break;
	case EFFECT_SIGNAL:
		do_signal(driver, effect);
		break;
	case EFFECT_CHUNK:
	case EFFECT_RESTART:
	case EFFECT_RESULT:
	case EFFECT_RETRY:
	case EFFECT_ERROR:
	case EFFECT_DROP:
		do_answer(driver, step, effect);
		break;
	case EFFECT_STORE:
		answer_store(driver, step, effect);
		break;
	case EFFECT_FORGET:
		slot_store_drop(&driver->stored_answers, effect->key);
		break;
	case EFFECT_SESSION:
		do_session(driver, effect);
		break;
	case EFFECT_HEALTH:
	case EFFECT_BREAKER:
	case EFFECT_LEVEL:
	case EFFECT_RECOVERY:
	case EFFECT_SLOW:
	case EFFECT_ROLL:
	case EFFECT_NAMESAKE:
	case EFFECT_INCIDENT:
		report(driver, effect);
		break;
	case EFFECT_DONE:
		step->verdict = effect->code;
		break;
	case EFFECT_STOPPED:
		driver->has_stopped = true;
		break;
	}
}
