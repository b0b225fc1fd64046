#include "daemon/core/engine_internal.h"

/*
 * Runs that outlive their request: its deadline has passed, it was cancelled, its client is gone, or
 * its attempt took too long.  Until the run has really ended, as its worker has answered or is dead,
 * it holds the request's key and session, so that none of them runs twice at the same time.  If it
 * ends well, its answer is the key's and its state is the session's.
 */

void engine_leave_run(struct request *request, struct attempt *attempt)
{
	struct key *key = request->key;
	struct session *session = request->session;

	if (key) {
		assert(key->leader == request && !key->run);
		attempt->key = key;
		key->run = attempt;
	}
	if (session) {
		assert(session->turn == request && !session->run);
		attempt->session = session;
		session->run = attempt;
	}
}

/* --- the request that goes on --- */

bool engine_is_barred(const struct request *request)
{
	return (request->key && request->key->run) || (request->session && request->session->run);
}

bool engine_has_answer(const struct request *request)
{
	return request->key && request->key->state != KEY_IN_PROGRESS;
}

void engine_bar(struct engine *engine, struct request *request)
{
	engine->pools[request->run.pool].delayed--;
	request_move(request, REQUEST_WAITING);
	request->is_barred = true;
	engine_arm_request(engine, request);
}

void engine_go_on(struct engine *engine, struct request *request)
{
	request->is_barred = false;
	if (engine_has_answer(request)) {
		engine_answer_again(engine, request);
		return;
	}
	engine_begin(engine, request);
	engine_try_again(engine, request);
}

/* --- the end of the run --- */

static void unbar(struct engine *engine, struct request *request)
{
	if (request && request->is_barred && !request->is_deferred)
		engine_defer(engine, request, ERR_NONE);
}

void engine_late_end(struct engine *engine, struct attempt *attempt, enum errcode unknown)
{
	struct key *key = attempt->key;
	struct session *session = attempt->session;

	attempt->key = NULL;
	attempt->session = NULL;
	if (key) {
		key->run = NULL;
		if (unknown != ERR_NONE) {
			key->outcome_unknown = true;
			key->failed_by = unknown;
		}
		unbar(engine, key->leader);
		engine_key_go_on(engine, key);
	}
	if (session) {
		unbar(engine, session->turn);
		engine_session_go_on(engine, session);
	}
}

/* Commits the state that came with the answer.  Returns the session's slot if there is one to be
 * stored, else NO_SLOT. */
static uint32_t commit_state(struct engine *engine, struct session *session,
			     const struct worker *worker, const struct engine_event *event)
{
	if (event->answer.has_state && !engine_fits_state(engine, session, event->answer.state))
		return NO_SLOT;
	engine_bind(engine, session, worker, event);
	return event->answer.has_state ? engine_session_slot(engine, session) : NO_SLOT;
}

static uint32_t commit_answer(struct engine *engine, struct key *key,
			      const struct engine_event *event)
{
	struct request *leader = key->leader;
	bool is_kept = false;

	/* The leader waits for this run, or for the time of its retry. */
	if (leader && !leader->is_deferred)
		engine_defer(engine, leader, ERR_NONE);
	if (event->answer.is_dropped)
		keys_lose(&engine->keys, key, engine->now);
	else
		is_kept = keys_succeed(&engine->keys, key, event->answer.bytes, engine->now);
	return is_kept ? (uint32_t)(key - engine->keys.slots) : NO_SLOT;
}

static void commit(struct engine *engine, const struct worker *worker,
		   const struct attempt *attempt, const struct engine_event *event)
{
	uint32_t key = NO_SLOT, session = NO_SLOT;
	struct effect *effect;

	if (attempt->session && !event->answer.is_dropped)
		session = commit_state(engine, attempt->session, worker, event);
	if (attempt->key)
		key = commit_answer(engine, attempt->key, event);
	effect = engine_emit(engine, EFFECT_STORE);
	effect->pool = worker->pool;
	effect->worker = worker->index;
	effect->life = worker->life;
	effect->store.key = key;
	effect->store.session = session;
}

void engine_late_answer(struct engine *engine, struct worker *worker, struct attempt *attempt,
			const struct engine_event *event)
{
	if (event->answer.code == ERR_NONE && (attempt->key || attempt->session))
		commit(engine, worker, attempt, event);
	engine_late_end(engine, attempt, ERR_NONE);
}
