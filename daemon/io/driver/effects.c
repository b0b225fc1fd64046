#include "daemon/io/driver/effects.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "daemon/io/driver/answer.h"
#include "daemon/io/driver/failure.h"
#include "daemon/io/driver/notify.h"
#include "daemon/io/driver/slow_request.h"
#include "daemon/io/frontend/connection.h"

static struct call *call_of(struct driver *driver, const struct effect *effect)
{
	return &driver->calls.calls[effect->request];
}

/* --- workers --- */

void effects_notify_worker(struct driver *driver, enum log_level level, uint32_t worker,
			   const char *what, const char *text)
{
	const struct life *life = &driver->lives[worker];
	const struct worker *state = engine_worker(driver->engine, worker);
	const char *pool = driver_pool_config(driver, state->pool)->name;
	char number[16], pid[16];
	struct log_field fields[] = {{"pool", pool}, {"worker", number}, {"pid", pid}};

	snprintf(number, sizeof(number), "%u", driver_worker_number(driver, worker));
	snprintf(pid, sizeof(pid), "%d", (int)life->last_pid);
	log_event(level, NULL, fields, ARRAY_SIZE(fields), "worker %s%s%s", what, *text ? ": " : "",
		  text);
	notify_worker(driver, worker, what, text);
}

static void do_send(struct driver *driver, const struct effect *effect)
{
	struct call *call = call_of(driver, effect);
	struct life *life = &driver->lives[effect->worker];
	const struct request *request = engine_request(driver->engine, effect->request);
	usec_t left = usec_sub(effect->send.deadline, loop_now(driver->loop)) / USEC_PER_MSEC;
	struct channel_request sent = {
		.id = effect->send.id,
		.number = call->number,
		.attempt = effect->send.attempt,
		.deadline_ms = left < UINT32_MAX ? (uint32_t)left : UINT32_MAX,
		.method = call->method,
		.args = call->args,
		.chunk = call->chunk,
		.trace = call->trace,
		.session = call->session,
		.stream = effect->send.stream,
	};

	if (request->priority != PRIORITY_NORMAL)
		sent.priority = priority_name(request->priority);
	if (effect->send.session != NO_SLOT)
		sent.state = slot_store_get(&driver->states, effect->send.session);
	call_drop_state(call);
	call->unsaid = channel_send(&life->channel, &sent);
	if (call->unsaid) {
		assert(life->unsaid_count < WORKER_ATTEMPTS_MAX);
		life->unsaid[life->unsaid_count++] = sent.id;
		driver->has_notes = true;
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
	uint32_t pool = engine_worker(driver->engine, life->worker)->pool;
	const struct start start = driver_start_of(driver, pool);
	int r = life_start(life, &start, driver_worker_number(driver, life->worker),
			   driver->config->daemon.response_max);

	if (r == 0) {
		life->opened = !life->connected;
		driver->has_notes = true;
		/* One that is forked is told of when it is there. */
		if (!life->forkserver)
			effects_notify_worker(driver, LOG_LEVEL_INFO, life->worker, "started", "");
		return;
	}
	life->spawn_failed = true;
	life->spawn_code = effects_start_code(life->connected, r);
	driver->memory_short |= life->spawn_code != ERR_spawn_failed && !life->connected;
	driver->has_notes = true;
}

static void do_shutdown(struct driver *driver, const struct effect *effect)
{
	life_shutdown(&driver->lives[effect->worker]);
	/* Of those that stop with the daemon all is said. */
	if (effect->kill.cause != CAUSE_STOPPING)
		effects_notify_worker(driver, LOG_LEVEL_INFO, effect->worker, "is shut down",
				      worker_cause_text(effect->kill.cause));
}

/* Only what takes time waits for its turn: a process. */
static void do_spawn(struct driver *driver, const struct effect *effect)
{
	struct life *life = &driver->lives[effect->worker];
	const struct config_pool *pool = driver_pool_config(driver, effect->pool);

	life->number = effect->life;
	if (pool->adapter == POOL_PROCESS && !pool->prefork)
		starts_add(&driver->starts, life);
	else
		effects_start(driver, life);
}

static void do_signal(struct driver *driver, const struct effect *effect)
{
	struct life *life = &driver->lives[effect->worker];
	enum worker_cause cause = effect->kill.cause;

	if (starts_drop(&driver->starts, life)) {
		life_cancel_start(life);
		driver->has_notes = true;
	} else if (life->connected) {
		/* Nothing of ours to signal: the connection ends, and that is told when this
		 * event's effects are all carried out. */
		snprintf(life->last_end, sizeof(life->last_end), "hung up");
		life_hang_up(life);
		life->hung_up = true;
		driver->has_notes = true;
	} else {
		life_signal(life, effect->kill.signal, cause == CAUSE_INIT_TIMEOUT);
		driver->has_notes |= life->cancelled_before_start;
	}
	effects_notify_worker(driver,
			      worker_cause_is_planned(cause) ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING,
			      effect->worker,
			      life->connected		       ? "is left"
			      : effect->kill.signal == SIGKILL ? "gets SIGKILL"
			      : effect->kill.signal == SIGTERM ? "gets SIGTERM"
							       : "gets a signal",
			      worker_cause_text(cause));
}

/* --- requests --- */

static void close_call(struct driver *driver, struct call *call)
{
	list_remove(&call->connection->calls, &call->in_connection);
	call_close(&driver->calls, call);
}

static void do_result(struct driver *driver, const struct effect *effect)
{
	struct call *call = call_of(driver, effect);

	answer_result(driver, call, effect);
	close_call(driver, call);
}

static void do_error(struct driver *driver, const struct effect *effect)
{
	struct call *call = call_of(driver, effect);

	failure_answer(driver, call, effect);
	close_call(driver, call);
}

/* --- sessions --- */

static void do_session(struct driver *driver, const struct effect *effect)
{
	uint32_t slot = effect->session.session;
	enum session_reason reason = effect->session.reason;
	const struct session *session = engine_session(driver->engine, slot);
	bool over = !effect->session.began && reason != SESSION_MOVED && reason != SESSION_LOST;

	if (over)
		slot_store_drop(&driver->states, slot);
	if (effect->worker != NO_SLOT && (over || reason == SESSION_MOVED) &&
	    driver->lives[effect->worker].number == effect->life)
		channel_end_session(&driver->lives[effect->worker].channel,
				    name_text(&session->name), session_reason_name(reason));
	notify_session(driver, effect);
}

void effects_carry_out(struct driver *driver, const struct effect *effect)
{
	struct life *life = effect->worker != NO_SLOT ? &driver->lives[effect->worker] : NULL;

	switch (effect->type) {
	case EFFECT_SEND:
		do_send(driver, effect);
		break;
	case EFFECT_CANCEL:
		channel_cancel(&life->channel, effect->send.id);
		break;
	case EFFECT_PING:
		channel_ping(&life->channel, effect->send.id);
		break;
	case EFFECT_CHUNK:
		answer_part(driver, call_of(driver, effect));
		break;
	case EFFECT_RESTART:
		answer_restart(call_of(driver, effect));
		break;
	case EFFECT_RESULT:
		do_result(driver, effect);
		break;
	case EFFECT_RETRY:
		failure_note(driver, call_of(driver, effect), effect);
		break;
	case EFFECT_ERROR:
		do_error(driver, effect);
		break;
	case EFFECT_DROP:
		close_call(driver, call_of(driver, effect));
		break;
	case EFFECT_FORGET:
		slot_store_drop(&driver->kept, effect->key);
		break;
	case EFFECT_SPAWN:
		do_spawn(driver, effect);
		break;
	case EFFECT_SHUTDOWN:
		do_shutdown(driver, effect);
		break;
	case EFFECT_CLOSE:
		channel_close(&life->channel);
		break;
	case EFFECT_SIGNAL:
		do_signal(driver, effect);
		break;
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
	case EFFECT_SESSION:
		do_session(driver, effect);
		break;
	case EFFECT_SLOW:
		slow_request_report(driver, effect);
		break;
	case EFFECT_ROLL:
		notify_roll(driver, effect);
		break;
	case EFFECT_INCIDENT:
		failure_incident(driver, effect);
		break;
	case EFFECT_DONE:
		driver->verdict = effect->code;
		break;
	case EFFECT_STOPPED:
		driver->stopped = true;
		break;
	}
}
