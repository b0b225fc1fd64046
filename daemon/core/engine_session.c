#include "daemon/core/engine_internal.h"

/* Reports that the request's session, or key, has a name that this other user has given to one of
 * its own. */
static void emit_namesake(struct engine *engine, uint32_t request, uint32_t pool, uint32_t user,
			  bool is_key)
{
	struct effect *effect = engine_emit(engine, EFFECT_NAMESAKE);

	effect->request = request;
	effect->pool = pool;
	effect->namesake.user = user;
	effect->namesake.is_key = is_key;
}

/* --- sessions --- */

static struct effect *emit_session(struct engine *engine, const struct session *session,
				   enum session_reason reason)
{
	struct effect *effect = engine_emit(engine, EFFECT_SESSION);

	effect->session.session = engine_session_slot(engine, session);
	effect->session.reason = reason;
	if (session->is_bound) {
		effect->pool = session->pool;
		effect->worker = session->worker;
		effect->life = session->life;
	}
	return effect;
}

static void end_session(struct engine *engine, struct session *session, enum session_reason reason)
{
	emit_session(engine, session, reason);
	sessions_end(&engine->sessions, session, reason, engine->now);
}

static enum errcode open_session(struct engine *engine, uint32_t user, struct bytes name,
				 struct session **ret)
{
	struct session *victim;

	if (!sessions_make_room(&engine->sessions, &victim))
		return ERR_session_limit;
	if (victim)
		end_session(engine, victim, SESSION_EVICTED);
	*ret = sessions_open(&engine->sessions, user, name, engine->now);
	emit_session(engine, *ret, SESSION_CLOSED)->session.has_begun = true;
	return ERR_NONE;
}

static COLD enum errcode find_session(struct engine *engine, const struct engine_event *event,
				      struct session **ret)
{
	struct bytes name = event->submit.session;
	uint32_t user = event->submit.user, other;
	enum errcode code = sessions_find(&engine->sessions, user, name, engine->now, ret);

	/* With a tombstone of that name no new session may be opened. */
	if (code != ERR_session_not_found || sessions_knows(&engine->sessions, user, name))
		return code;
	if (sessions_has_namesake(&engine->sessions, user, name, &other))
		emit_namesake(engine, event->request, event->submit.pool, other, false);
	return event->submit.session_exists ? code : open_session(engine, user, name, ret);
}

void engine_session_close(struct engine *engine, uint32_t user, struct bytes name)
{
	struct session *session = NULL;
	enum errcode code = sessions_find(&engine->sessions, user, name, engine->now, &session);

	if (code == ERR_NONE) {
		struct request *request;

		while ((request = waiting_take(&session->waiting))) {
			request->session = NULL;
			engine_defer(engine, request, ERR_session_not_found);
		}
		if (session_is_busy(session))
			session->is_closing = true;
		else
			end_session(engine, session, SESSION_CLOSED);
	}
	engine_emit(engine, EFFECT_DONE)->code = code;
}

void engine_unbind_sessions(struct engine *engine, const struct worker *worker)
{
	struct sessions *sessions = &engine->sessions;
	struct list *lists[] = {&sessions->idle, &sessions->busy};
	bool is_lost;

	for (unsigned i = 0; i < ARRAY_SIZE(lists); i++) {
		struct list_node *node;

		list_for_each (node, lists[i]) {
			struct session *session = list_entry(node, struct session, in_list);

			if (!session_is_at(session, worker->index, worker->life))
				continue;
			is_lost = session_is_kept(session);
			session_unbind(session);
			if (is_lost)
				emit_session(engine, session, SESSION_LOST);
		}
	}
}

bool engine_fits_state(struct engine *engine, struct session *session, uint64_t bytes)
{
	struct sessions *sessions = &engine->sessions;
	struct list_node *node;

	if (bytes > sessions->settings.state_max)
		return false;
	while (!sessions_fits(sessions, session, bytes)) {
		node = list_first(&sessions->idle);
		if (!node)
			return false;
		end_session(engine, list_entry(node, struct session, in_list), SESSION_EVICTED);
	}
	return true;
}

void engine_bind(struct engine *engine, struct session *session, const struct worker *worker,
		 const struct engine_event *event)
{
	if (session->is_bound && !session_is_at(session, worker->index, worker->life))
		emit_session(engine, session, SESSION_MOVED);
	session_bind(session, worker->pool, worker->index, worker->life, event->answer.has_state);
	if (event->answer.has_state)
		sessions_set_state(&engine->sessions, session, event->answer.state);
}

/* --- keys --- */

/* The time until a key expires and makes room; USEC_INFINITY if all keys are in progress. */
static usec_t time_to_room(const struct engine *engine)
{
	usec_t next = keys_deadline(&engine->keys);

	return next == USEC_INFINITY ? next : usec_sub(next, engine->now);
}

/* Makes the request DELAYED, as it is about to be answered. */
static void make_ready(struct engine *engine, struct request *request)
{
	if (request->state != REQUEST_DELAYED)
		engine_begin(engine, request);
}

static void answer(struct engine *engine, struct request *request, enum errcode code,
		   enum executed executed)
{
	struct failure failure = engine_failure(request, code);

	failure.executed = executed;
	if (code == ERR_memory_limit && executed == EXECUTED_NO)
		failure.retry_after = time_to_room(engine);
	make_ready(engine, request);
	engine_answer_error(engine, request, &failure);
}

void engine_answer_again(struct engine *engine, struct request *request)
{
	const struct key *key = request->key;

	if (key->state == KEY_RESULT_LOST) {
		request->key = NULL;
		answer(engine, request, ERR_memory_limit, EXECUTED_YES);
		return;
	}
	make_ready(engine, request);
	engine_answer_result(engine, request, RESULT_STORED, NULL);
}

/* Gives the request that rank.  Returns the request that it waits for, with its key, or NULL. */
static struct request *set_rank(struct engine *engine, struct request *request, enum priority rank)
{
	struct pool *pool = &engine->pools[request->run.pool];

	if (request->state == REQUEST_WAITING && request->key && request->key->leader != request) {
		waiting_rank(&request->key->waiting, request, rank);
		return request->key->leader;
	}
	if (request->state == REQUEST_QUEUED) {
		pool_dequeue(pool, request);
		request->rank = rank;
		pool_enqueue(pool, request, QUEUE_RETURN);
		engine_mark_pool_dirty(engine, pool);
	}
	request->rank = rank;
	return NULL;
}

/* A request of that rank waits for this one, which is not to stand behind less important ones; nor
 * is the one that this one waits for. */
static COLD void raise_rank(struct engine *engine, struct request *request, enum priority rank)
{
	while (request && rank < request->rank)
		request = set_rank(engine, request, rank);
}

static COLD void wait(struct engine *engine, struct request *request)
{
	if (request->state != REQUEST_WAITING)
		request_move(request, REQUEST_WAITING);
	engine_arm_request(engine, request);
}

static void drop_key(struct engine *engine, struct key *key)
{
	if (key->state == KEY_STORED)
		engine_emit(engine, EFFECT_FORGET)->key = (uint32_t)(key - engine->keys.slots);
	keys_drop(&engine->keys, key);
}

/* To whom the request's key belongs. */
static uint32_t key_user(const struct engine *engine, const struct request *request)
{
	return engine->pools[request->home].settings.keys_are_shared ? 0 : request->user;
}

static COLD struct key *find_key(const struct engine *engine, const struct request *request)
{
	return keys_find(&engine->keys, request->home, key_user(engine, request), request->key_name,
			 engine->now);
}

/* Drops the expired keys, then makes the request the leader of its key.  NULL: no slot is free. */
static COLD struct key *lead(struct engine *engine, struct request *request)
{
	uint32_t user = key_user(engine, request), other;
	struct key *completed;

	while ((completed = keys_expired(&engine->keys, engine->now)))
		drop_key(engine, completed);
	if (keys_has_namesake(&engine->keys, request->home, user, request->key_name, &other))
		emit_namesake(engine, engine_slot_of(engine, request), request->home, other, true);
	return keys_lead(&engine->keys, request->home, user, request->key_name, request);
}

/* True: the request leads its key, or has no key.  False: it waits, or is answered. */
static bool take_key(struct engine *engine, struct request *request)
{
	struct key *key = request->key;

	if (request->key_name.len == 0 || (key && key->leader == request))
		return true;
	if (!key)
		key = find_key(engine, request);
	if (!key) {
		request->key = lead(engine, request);
		if (!request->key)
			answer(engine, request, ERR_memory_limit, EXECUTED_NO);
		return request->key != NULL;
	}
	request->key = key;
	if (key->state != KEY_IN_PROGRESS) {
		engine_answer_again(engine, request);
		return false;
	}
	wait(engine, request);
	key_wait(key, request);
	if (key->leader) {
		raise_rank(engine, key->leader, request->rank);
		engine_hold(engine, engine_slot_of(engine, key->leader), false);
	}
	return false;
}

bool engine_take_turn(struct engine *engine, struct request *request)
{
	if (!take_key(engine, request))
		return false;
	engine_begin(engine, request);
	return true;
}

bool engine_enter(struct engine *engine, struct request *request, const struct engine_event *event)
{
	struct session *session = NULL;
	struct key *key = NULL;
	enum errcode code;

	if (request->key_name.len > 0)
		key = find_key(engine, request);
	if (key && key->state != KEY_IN_PROGRESS) {
		request->key = key;
		engine_answer_again(engine, request);
		return false;
	}
	if (event->submit.session.len > 0) {
		code = find_session(engine, event, &session);
		if (code != ERR_NONE) {
			answer(engine, request, code, EXECUTED_NO);
			return false;
		}
		request->session = session;
		/* No other pool may answer it: that would answer from nothing. */
		if (engine->pools[request->home].settings.affinity == SESSION_STRICT)
			request->no_fallback = true;
		if (!session_enter(&engine->sessions, session, request, engine->now)) {
			raise_rank(engine, session->turn, request->rank);
			wait(engine, request);
			return false;
		}
	}
	return engine_take_turn(engine, request);
}

/* --- the end of a request --- */

/* Somebody has closed the session, and its last request is over. */
static void close_if_asked(struct engine *engine, struct session *session)
{
	if (!session->is_closing || session_is_busy(session))
		return;
	session->is_closing = false;
	end_session(engine, session, SESSION_CLOSED);
}

static COLD void leave_session(struct engine *engine, struct request *request)
{
	struct session *session = request->session;
	struct request *next = session_leave(&engine->sessions, session, request, engine->now);

	request->session = NULL;
	if (next)
		engine_defer(engine, next, ERR_NONE);
	close_if_asked(engine, session);
}

void engine_session_go_on(struct engine *engine, struct session *session)
{
	struct request *next = session_run_over(&engine->sessions, session, engine->now);

	if (next)
		engine_defer(engine, next, ERR_NONE);
	close_if_asked(engine, session);
}

/* Gives the key, which nobody leads and no run holds, to the next request that waits.  One that is
 * not idempotent can't lead if the outcome of an earlier leader is unknown, as that may have
 * succeeded; it fails with that leader's error. */
static void find_leader(struct engine *engine, struct key *key)
{
	struct request *next;

	while ((next = key_promote(key))) {
		if (!key->outcome_unknown || next->is_idempotent) {
			engine_defer(engine, next, ERR_NONE);
			return;
		}
		next->key = NULL;
		next->run.may_have_run = true;
		engine_defer(engine, next, key->failed_by);
	}
	drop_key(engine, key);
}

/* The key has its answer: all that wait get it. */
static void share_answer(struct engine *engine, struct key *key)
{
	struct request *next;

	while ((next = key_promote(key)))
		engine_defer(engine, next, ERR_NONE);
	key->leader = NULL;
}

void engine_key_go_on(struct engine *engine, struct key *key)
{
	if (key->state != KEY_IN_PROGRESS)
		share_answer(engine, key);
	else if (!key->leader)
		find_leader(engine, key);
}

/*
 * The leader failed: the next waiting request becomes the leader, once no run holds the key.  Only
 * an error from the worker shows that an attempt did not succeed, and only for that attempt; of a
 * run that holds the key this is known when it ends.
 */
static void pass_on(struct engine *engine, struct key *key, const struct request *leader,
		    const struct failure *failure)
{
	bool given_up = failure->code == ERR_cancelled && leader->last.code != ERR_NONE;
	enum errcode code = given_up ? leader->last.code : failure->code;

	/* A leader with a static answer may have given up an attempt without any failure. */
	if (code == ERR_NONE)
		code = ERR_attempt_timeout;
	key->failed_by = code;
	key->outcome_unknown |=
		leader->run.outcome_unknown || (!key->run && failure->executed == EXECUTED_MAYBE);
	key->leader = NULL;
	if (!key->run)
		find_leader(engine, key);
}

static COLD void leave_key(struct engine *engine, struct request *request,
			   const struct failure *failure)
{
	struct key *key = request->key;

	request->key = NULL;
	if (key->state != KEY_IN_PROGRESS) {
		share_answer(engine, key);
	} else if (key->leader == request) {
		/* A static answer does not count as a success: the failure before it counts. */
		pass_on(engine, key, request, failure ? failure : &request->last);
	} else {
		key_leave(key, request);
	}
}

void engine_leave(struct engine *engine, struct request *request, const struct failure *failure)
{
	if (request->key)
		leave_key(engine, request, failure);
	if (request->session)
		leave_session(engine, request);
}

/* Whether the request may be served from that level of the chain. */
static bool may_be_at(const struct request *request, unsigned level)
{
	return level == 0 || (!request->no_fallback && !(request->pool_skip & 1u << level));
}

bool engine_transfer_attempt(struct engine *engine, struct request *request)
{
	struct key *key = request->key;
	struct request *heir;

	if (request->state != REQUEST_SENT || !key || key->leader != request || request->session ||
	    request->is_stream)
		return false;
	heir = waiting_first(&key->waiting);
	if (!heir || heir->session || heir->is_stream || !may_be_at(heir, request->run.level))
		return false;
	/* If this attempt turns out not to have run, such an heir could not be sent again. */
	if (key->outcome_unknown && !heir->is_idempotent)
		return false;
	key_promote(key);
	request->run.attempt->request = heir;
	engine_count_wait(engine, heir, WAIT_TURN);
	heir->run = request->run;
	request_move(heir, REQUEST_SENT);
	engine_arm_request(engine, heir);
	request->run.has_permit = false;
	request->run.attempt = NULL;
	request->key = NULL;
	request->waits_from = engine->now;
	request_move(request, REQUEST_DELAYED);
	engine->pools[request->run.pool].delayed++;
	return true;
}

/* --- time --- */

void engine_names_due(struct engine *engine)
{
	struct session *session = sessions_expired(&engine->sessions, engine->now);
	struct key *key = keys_expired(&engine->keys, engine->now);

	if (session)
		end_session(engine, session, SESSION_EXPIRED);
	sessions_sweep(&engine->sessions, engine->now);
	if (key)
		drop_key(engine, key);
}
