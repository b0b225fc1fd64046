#include "daemon/io/effects.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "daemon/io/answer.h"
#include "daemon/io/connection.h"
#include "daemon/io/failure.h"
#include "daemon/io/tell.h"

static struct call *call_of(struct driver *driver, const struct effect *effect)
{
	return &driver->calls.calls[effect->request];
}

/* --- workers --- */

void effects_tell_worker(struct driver *driver, enum log_level level, uint32_t worker,
			 const char *what, const char *text)
{
	const struct channel *channel = &driver->channels[worker];
	const struct worker *state = engine_worker(driver->engine, worker);
	const char *pool = driver_pool_config(driver, state->pool)->name;
	char number[16], pid[16];
	struct log_field fields[] = {{"pool", pool}, {"worker", number}, {"pid", pid}};

	snprintf(number, sizeof(number), "%u", driver_worker_number(driver, worker));
	snprintf(pid, sizeof(pid), "%d", (int)channel->last_pid);
	log_event(level, NULL, fields, ARRAY_SIZE(fields), "worker %s%s%s", what, *text ? ": " : "",
		  text);
	tell_worker(driver, worker, what, text);
}

static void do_send(struct driver *driver, const struct effect *effect)
{
	struct call *call = call_of(driver, effect);
	const struct request *request = engine_request(driver->engine, effect->request);
	usec_t left = usec_sub(effect->send.deadline, loop_now(driver->loop)) / USEC_PER_MSEC;
	struct channel_request sent = {
		.id = effect->send.id,
		.attempt = effect->send.attempt,
		.deadline_ms = left < UINT32_MAX ? (uint32_t)left : UINT32_MAX,
		.stream = effect->send.stream,
	};

	if (request->priority != PRIORITY_NORMAL)
		sent.priority = priority_name(request->priority);
	if (effect->send.session != NO_SLOT)
		sent.state = vault_get(&driver->states, effect->send.session);
	call_drop_state(call);
	channel_send(&driver->channels[effect->worker], call, &sent);
}

/* Which failure of a start it was, for people and for what follows. */
static enum errcode start_code(bool connects, int error)
{
	if (connects)
		return ERR_connect_failed;
	if (error == -EAGAIN)
		return ERR_process_limit;
	return error == -ENOMEM ? ERR_memory_limit : ERR_spawn_failed;
}

static void do_spawn(struct driver *driver, const struct effect *effect)
{
	struct channel *channel = &driver->channels[effect->worker];
	const struct channel_birth birth = {
		.life = effect->life,
		.pool = driver_pool_config(driver, effect->pool),
		.number = driver_worker_number(driver, effect->worker),
		.instance = driver->guard->instance,
		.response_max = driver->config->daemon.response_max,
		.open_files = &driver->open_files,
		.identity = &driver->confine.identities[effect->pool],
		.cgroups = &driver->confine.cgroups,
	};
	int r = channel_start(channel, &birth);

	if (r == 0) {
		effects_tell_worker(driver, LOG_LEVEL_INFO, effect->worker, "started", "");
		return;
	}
	channel->spawn_failed = true;
	channel->spawn_code = start_code(channel->connected, r);
	driver->memory_short |= channel->spawn_code != ERR_spawn_failed && !channel->connected;
	driver->has_notes = true;
}

static bool is_routine(enum worker_cause cause)
{
	return cause == CAUSE_IDLE || cause == CAUSE_STOPPING;
}

static void do_signal(struct driver *driver, const struct effect *effect)
{
	struct channel *channel = &driver->channels[effect->worker];
	enum worker_cause cause = effect->kill.cause;

	if (channel->connected) {
		/* Nothing of ours to signal: the connection ends, and that is told when this
		 * event's effects are all carried out. */
		snprintf(channel->last_end, sizeof(channel->last_end), "hung up");
		channel_hang_up(channel);
		channel->hung_up = true;
		driver->has_notes = true;
	} else {
		process_signal(&channel->process, effect->kill.signal);
	}
	effects_tell_worker(driver, is_routine(cause) ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING,
			    effect->worker,
			    channel->connected		     ? "is left"
			    : effect->kill.signal == SIGKILL ? "gets SIGKILL"
							     : "gets SIGTERM",
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
		vault_drop(&driver->states, slot);
	if (effect->worker != NO_SLOT && (over || reason == SESSION_MOVED) &&
	    driver->channels[effect->worker].life == effect->life)
		channel_end_session(&driver->channels[effect->worker], name_text(&session->name),
				    session_reason_name(reason));
	tell_session(driver, effect);
}

void effects_carry_out(struct driver *driver, const struct effect *effect)
{
	struct channel *channel =
		effect->worker != NO_SLOT ? &driver->channels[effect->worker] : NULL;

	switch (effect->type) {
	case EFFECT_SEND:
		do_send(driver, effect);
		break;
	case EFFECT_CANCEL:
		channel_cancel(channel, effect->send.id);
		break;
	case EFFECT_PING:
		channel_ping(channel, effect->send.id);
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
		vault_drop(&driver->kept, effect->key);
		break;
	case EFFECT_SPAWN:
		do_spawn(driver, effect);
		break;
	case EFFECT_SHUTDOWN:
		channel_shutdown(channel);
		break;
	case EFFECT_CLOSE:
		channel_close(channel);
		break;
	case EFFECT_SIGNAL:
		do_signal(driver, effect);
		break;
	case EFFECT_HEALTH:
		tell_health(driver, effect);
		driver->on_change(driver->owner);
		break;
	case EFFECT_BREAKER:
		tell_breaker(driver, effect);
		break;
	case EFFECT_LEVEL:
		tell_level(driver, effect);
		break;
	case EFFECT_RECOVERY:
		tell_recovery(driver, effect);
		break;
	case EFFECT_SESSION:
		do_session(driver, effect);
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
