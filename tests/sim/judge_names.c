#include "tests/sim/judge.h"

#include "daemon/core/engine_inspect.h"
#include <inttypes.h>

static const struct session_settings *session_settings(const struct world *world)
{
	return &world->settings.sessions;
}

static const struct key_settings *key_settings(const struct world *world)
{
	return &world->settings.keys;
}

/* The session that the current event is to close. */
static uint32_t closed_by_event(const struct world *world)
{
	return world_session_number(world, world->event.close.user, world->event.close.session);
}

/* --- sessions --- */

/* Requests that the session has taken in and that are not answered, and runs that hold it. */
static unsigned users(const struct world *world, uint32_t name)
{
	unsigned count = world->judge.sessions[name].runs;

	for (uint32_t i = 0; i < REQUESTS_MAX; i++) {
		uint32_t number = world->open[i];

		count += number != NOBODY && world->records[number].open &&
			 world->records[number].entered && world->records[number].session == name;
	}
	return count;
}

static bool is_over(const struct world *world, usec_t used)
{
	return usec_add(used, session_settings(world)->ttl) <= world->now;
}

/*
 * What a request of the session must be answered now; ERR_NONE: it is admitted.  `ret_fresh`: no
 * session has the name.  Returns false when that is uncertain: so many sessions have ended since
 * that the tombstone may be gone.
 */
static bool know_session(const struct world *world, uint32_t name, enum errcode *ret,
			 bool *ret_fresh)
{
	const struct reported_session *session = &world->judge.sessions[name];

	*ret_fresh = false;
	*ret = ERR_NONE;
	if (session->open && session->closing)
		*ret = ERR_session_not_found;
	else if (session->open && users(world, name) == 0 && is_over(world, session->used))
		*ret = ERR_session_expired;
	if (session->open)
		return true;
	if (!session->ended || is_over(world, session->over)) {
		*ret = ERR_session_not_found;
		*ret_fresh = true;
		return true;
	}
	*ret = session->reason == SESSION_CLOSED ? ERR_session_not_found : ERR_session_expired;
	return world->judge.ends - session->order < session_settings(world)->max;
}

static void expect_session(struct world *world)
{
	struct judge *judge = &world->judge;
	const struct record *record = &world->records[world->subject];
	bool fresh;

	judge->expected = ERR_NONE;
	judge->may_open = judge->known = true;
	if (record->session == NO_NAME || judge->repeats || judge->stopping)
		return;
	judge->known = know_session(world, record->session, &judge->expected, &fresh);
	judge->may_open = !judge->known || fresh;
	if (!judge->known || (fresh && !world->event.submit.session_exists))
		judge->expected = ERR_NONE;
}

static void expect_close(struct world *world)
{
	struct judge *judge = &world->judge;
	bool fresh;

	judge->done_known = know_session(world, closed_by_event(world), &judge->done_code, &fresh);
}

/* A process has ended: the states that it kept for sessions are lost. */
static void note_end_of_life(struct world *world)
{
	const struct engine_event *event = &world->event;

	for (unsigned i = 0; i < SESSIONS; i++) {
		struct reported_session *session = &world->judge.sessions[i];

		if (!session->open || !session->bound || session->worker != event->worker ||
		    session->life != event->life)
			continue;
		session->bound = false;
		session->unreported = !session->handed;
		session->lost |= !session->handed;
	}
}

static void judge_opening(struct world *world, const struct effect *effect)
{
	struct judge *judge = &world->judge;
	uint32_t slot = effect->session.session;
	struct reported_session *session;

	if (world->event.type != EVENT_SUBMIT ||
	    world->records[world->subject].session == NO_NAME || !judge->may_open) {
		judge_blame(world, "session", "session %u is opened unasked", slot);
		return;
	}
	if (judge->session_names[slot] != NO_NAME)
		judge_blame(world, "session", "session %u is opened, but is open", slot);
	judge->session_names[slot] = world->records[world->subject].session;
	judge->versions[slot] = 0;
	session = &judge->sessions[judge->session_names[slot]];
	*session = (struct reported_session){.open = true, .slot = slot, .used = world->now};
}

/* Only the session that was idle for the longest is evicted, and only when the table is full. */
static void judge_eviction(struct world *world, uint32_t name)
{
	const struct reported_session *victim = &world->judge.sessions[name];
	unsigned open = 0;

	for (unsigned i = 0; i < SESSIONS; i++) {
		const struct reported_session *session = &world->judge.sessions[i];

		open += session->open;
		if (session->open && users(world, i) == 0 && session->used < victim->used)
			judge_blame(world, "session", "s%u is evicted, s%u is idle for longer",
				    name, i);
	}
	if (world->event.type == EVENT_SUBMIT ? open < session_settings(world)->max
					      : !world->event.answer.has_state)
		judge_blame(world, "session", "s%u is evicted, but there was room", name);
}

static void judge_ending(struct world *world, uint32_t name, const struct effect *effect)
{
	struct judge *judge = &world->judge;
	struct reported_session *session = &judge->sessions[name];
	enum session_reason reason = effect->session.reason;
	bool asked = session->closing ||
		     (world->event.type == EVENT_SESSION_CLOSE && closed_by_event(world) == name);

	if (users(world, name) > 0)
		judge_blame(world, "session", "s%u ends while requests of it are open", name);
	if (reason == SESSION_CLOSED && !asked)
		judge_blame(world, "session", "s%u is closed, but nobody asked", name);
	if (reason == SESSION_EXPIRED && !is_over(world, session->used))
		judge_blame(world, "session", "s%u expires too early", name);
	if (reason == SESSION_EVICTED)
		judge_eviction(world, name);
	session->open = false;
	session->ended = true;
	session->reason = reason;
	session->over = reason == SESSION_EXPIRED
				? usec_add(session->used, session_settings(world)->ttl)
				: world->now;
	session->order = ++judge->ends;
	session->bytes = 0;
	judge->session_names[session->slot] = NO_NAME;
	judge->versions[session->slot] = 0;
}

void judge_session(struct world *world, const struct effect *effect)
{
	uint32_t name = world->judge.session_names[effect->session.session];
	enum session_reason reason = effect->session.reason;
	struct reported_session *session;

	if (effect->session.has_begun) {
		judge_opening(world, effect);
		return;
	}
	if (name == NO_NAME) {
		judge_blame(world, "session", "of session %u, which is not open",
			    effect->session.session);
		return;
	}
	session = &world->judge.sessions[name];
	if (effect->worker != NO_SLOT &&
	    (!session->bound || effect->worker != session->worker || effect->life != session->life))
		judge_blame(world, "session", "s%u was not at worker %u.%u", name, effect->worker,
			    effect->life);
	if (reason == SESSION_LOST) {
		if (!session->unreported)
			judge_blame(world, "session", "s%u is not lost", name);
		session->unreported = false;
	} else if (reason == SESSION_MOVED) {
		if (effect->worker == NO_SLOT || world->event.type != EVENT_WORKER_ANSWERED)
			judge_blame(world, "session", "s%u has not moved", name);
		session->moved_at = world->events;
	} else {
		judge_ending(world, name, effect);
	}
}

/* It is told only where users do not share their names, and of another user's. */
void judge_namesake(struct world *world, const struct effect *effect)
{
	const struct record *record = &world->records[world->open[effect->request]];
	bool is_key = effect->namesake.is_key;
	bool shared = is_key ? world->pools[record->pool].keys_are_shared
			     : session_settings(world)->is_shared;

	if (shared || effect->namesake.user == record->user ||
	    effect->namesake.user >= world->users ||
	    (is_key ? record->key : record->session) == NO_NAME)
		judge_blame(world, "names", "request %u: a namesake is told that is none",
			    judge_number(world, record));
}

static void judge_order(struct world *world, const struct record *record)
{
	for (uint32_t i = 0; i < REQUESTS_MAX; i++) {
		uint32_t number = world->open[i];

		if (number != NOBODY && world->records[number].open &&
		    world->records[number].entered &&
		    world->records[number].session == record->session &&
		    &world->records[number] < record)
			judge_blame(world, "session", "request %u of s%u goes before request %u",
				    judge_number(world, record), record->session, number);
	}
}

static void judge_affinity(struct world *world, const struct record *record,
			   const struct effect *effect)
{
	const struct reported_session *session = &world->judge.sessions[record->session];
	enum session_affinity affinity = world->pools[effect->pool].affinity;
	bool same = session->bound && session->worker == effect->worker &&
		    session->life == effect->life;
	enum worker_state state;

	if (!session->was_bound || session->pool != effect->pool || same)
		return;
	if (affinity == SESSION_STRICT)
		judge_blame(world, "session", "s%u moves within pool %u, which is strict",
			    record->session, effect->pool);
	if (affinity != SESSION_QUEUE || !session->bound)
		return;
	state = engine_worker(world->engine, session->worker)->state;
	if (state == WORKER_READY || state == WORKER_BUSY)
		judge_blame(world, "session", "s%u does not wait for its worker", record->session);
}

void judge_session_send(struct world *world, const struct record *record,
			const struct effect *effect)
{
	struct judge *judge = &world->judge;
	const struct reported_session *session;

	if (record->session == NO_NAME) {
		if (effect->send.session != NO_SLOT)
			judge_blame(world, "session", "request %u has no session",
				    judge_number(world, record));
		return;
	}
	session = &judge->sessions[record->session];
	if (!session->open || effect->send.session != session->slot)
		judge_blame(world, "session", "request %u is sent as of another session",
			    judge_number(world, record));
	else if (judge->versions[session->slot] != session->version)
		judge_blame(world, "session", "request %u goes with another state than s%u has",
			    judge_number(world, record), record->session);
	judge_order(world, record);
	judge_affinity(world, record, effect);
}

/* A result of the worker binds the session to that process and commits the state. */
static void note_success(struct world *world, struct reported_session *session, uint32_t pool,
			 uint32_t slot)
{
	const struct engine_event *event = &world->event;
	bool same =
		session->bound && session->worker == event->worker && session->life == event->life;

	if (session->bound && !same && session->moved_at != world->events)
		judge_blame(world, "session", "session %u moves untold", session->slot);
	if ((slot != NO_SLOT) != event->answer.has_state ||
	    (event->answer.has_state && slot != session->slot))
		judge_blame(world, "session", "the state of session %u is not committed",
			    session->slot);
	session->handed = event->answer.has_state || (same && session->handed);
	session->bound = session->was_bound = true;
	session->pool = pool;
	session->worker = event->worker;
	session->life = event->life;
	if (!event->answer.has_state)
		return;
	if (event->answer.state > session_settings(world)->state_max)
		judge_blame(world, "P5", "the state of session %u is too large", session->slot);
	session->version = world->events;
	session->bytes = event->answer.state;
	world->judge.versions[slot] = session->version;
}

/* Whether the session moves to another worker and loses a state that was not handed back. */
static bool leaves_state(const struct world *world, const struct reported_session *session,
			 bool is_static)
{
	const struct engine_event *event = &world->event;
	bool same = session->worker == event->worker && session->life == event->life;

	return session->bound && !session->handed && (is_static || !same);
}

/* A session of a strict pool is answered by that pool only, and from the state that its last
 * success has left: at the worker that gave it, or handed back whole. */
static void judge_own_state(struct world *world, const struct record *record,
			    const struct effect *effect)
{
	const struct reported_session *session = &world->judge.sessions[record->session];
	const struct engine_event *event = &world->event;
	bool same =
		session->bound && session->worker == event->worker && session->life == event->life;

	if (world->pools[record->pool].affinity != SESSION_STRICT)
		return;
	if (effect->pool != record->pool)
		judge_blame(world, "session", "request %u of s%u is answered by pool %u, not %u",
			    judge_number(world, record), record->session, effect->pool,
			    record->pool);
	else if (effect->result.source == RESULT_WORKER && session->was_bound && !same &&
		 (!session->handed || session->lost))
		judge_blame(world, "session", "request %u of s%u is answered without its state",
			    judge_number(world, record), record->session);
}

void judge_session_result(struct world *world, const struct record *record,
			  const struct effect *effect)
{
	struct reported_session *session;
	bool kept = effect->result.source == RESULT_STORED;

	if (effect->result.source != RESULT_WORKER && effect->result.session != NO_SLOT)
		judge_blame(world, "session", "request %u: nobody handed a state back",
			    judge_number(world, record));
	if (record->session == NO_NAME || kept) {
		if (effect->result.session != NO_SLOT || effect->result.has_lost_state)
			judge_blame(world, "session", "request %u has no session",
				    judge_number(world, record));
		return;
	}
	session = &world->judge.sessions[record->session];
	if (effect->result.has_lost_state !=
	    (session->lost || leaves_state(world, session, effect->result.source == RESULT_STATIC)))
		judge_blame(world, "session", "request %u: a lost state is told wrongly",
			    judge_number(world, record));
	judge_own_state(world, record, effect);
	if (effect->result.source != RESULT_WORKER)
		return;
	session->lost = false;
	note_success(world, session, effect->pool, effect->result.session);
}

/* Whether the state that was just handed back exceeds its limit. */
static bool is_too_large(const struct world *world, const struct record *record)
{
	const struct engine_event *event = &world->event;
	uint64_t bytes = event->answer.state;

	if (event->type != EVENT_WORKER_ANSWERED || event->answer.code != ERR_NONE ||
	    !event->answer.has_state)
		return false;
	for (unsigned i = 0; i < SESSIONS; i++)
		if (i != record->session && world->judge.sessions[i].open)
			bytes += world->judge.sessions[i].bytes;
	return event->answer.state > session_settings(world)->state_max ||
	       bytes > session_settings(world)->bytes_max;
}

static bool are_all_busy(const struct world *world)
{
	unsigned busy = 0;

	for (unsigned i = 0; i < SESSIONS; i++)
		busy += world->judge.sessions[i].open && users(world, i) > 0;
	return busy >= session_settings(world)->max;
}

static bool is_lost(const struct world *world, const struct record *record, uint32_t pool)
{
	const struct reported_session *session = &world->judge.sessions[record->session];
	enum worker_state state = engine_worker(world->engine, session->worker)->state;

	if (world->pools[pool].affinity != SESSION_STRICT || !session->was_bound)
		return false;
	if (session->pool != pool)
		return pool == record->pool && (!session->handed || session->lost);
	return (!session->bound || state == WORKER_DRAINING || state == WORKER_TERMINATING ||
		state == WORKER_TERMINATED);
}

bool judge_is_session_error(struct world *world, const struct record *record, enum errcode code,
			    uint32_t pool)
{
	struct judge *judge = &world->judge;
	bool now = world->subject == judge_number(world, record);

	if (record->session == NO_NAME)
		return false;
	if (code == ERR_session_lost)
		return is_lost(world, record, pool);
	if (code == ERR_session_limit && !now)
		return is_too_large(world, record);
	if (code == ERR_session_limit) {
		judge->heard = code;
		return judge->expected == ERR_NONE && judge->may_open && are_all_busy(world);
	}
	if (now) {
		judge->heard = code;
		return judge->expected == code || !judge->known;
	}
	return code == ERR_session_not_found && world->event.type == EVENT_SESSION_CLOSE &&
	       closed_by_event(world) == record->session;
}

void judge_session_leave(struct world *world, const struct record *record)
{
	if (record->session != NO_NAME && record->entered)
		world->judge.sessions[record->session].used = world->now;
}

/* The new request was admitted to its session, or was answered with the reason why not. */
static void judge_entry(struct world *world)
{
	struct judge *judge = &world->judge;
	struct record *record = &world->records[world->subject];

	if (record->session == NO_NAME || judge->repeats || judge->stopping || judge->turned_away)
		return;
	if (judge->expected != ERR_NONE && judge->heard != judge->expected)
		judge_blame(world, "session", "request %u of s%u is not told %s", world->subject,
			    record->session, errcode_name(judge->expected));
	if (judge->heard != ERR_NONE)
		return;
	record->entered = record->open;
	judge->sessions[record->session].used = world->now;
}

static void judge_closing(struct world *world)
{
	uint32_t name = closed_by_event(world);
	struct reported_session *session = &world->judge.sessions[name];

	if (world->judge.done_code == ERR_NONE && session->open)
		session->closing = true;
}

static void judge_sessions(struct world *world)
{
	const struct session_settings *settings = session_settings(world);
	unsigned open = 0;
	uint64_t bytes = 0;

	for (unsigned i = 0; i < SESSIONS; i++) {
		const struct reported_session *session = &world->judge.sessions[i];

		open += session->open;
		bytes += session->bytes;
		if (session->unreported)
			judge_blame(world, "session", "s%u is lost untold", i);
		if (!session->open)
			continue;
		if (engine_session(world->engine, session->slot)->state_bytes != session->bytes)
			judge_blame(world, "session", "the state of s%u is another one", i);
		if (users(world, i) > 0)
			continue;
		if (session->closing)
			judge_blame(world, "session", "s%u is not closed", i);
		if (!world->judge.stopped &&
		    judge_is_late(world, usec_add(session->used, settings->ttl)))
			judge_blame(world, "session", "s%u does not expire", i);
	}
	if (open > settings->max || bytes > settings->bytes_max)
		judge_blame(world, "P5", "%u sessions are open, with %" PRIu64 " bytes", open,
			    bytes);
}

/* --- keys --- */

static struct reported_key *key_of(struct world *world, const struct record *record)
{
	return record->key == NO_NAME ? NULL : &world->judge.keys[record->pool][record->key];
}

static bool is_alive(const struct world *world, const struct reported_key *key)
{
	return key->succeeded > 0 &&
	       world->now < usec_add(key->succeeded, key_settings(world)->ttl);
}

static uint32_t scoped(const struct record *record)
{
	return record->pool * KEYS + record->key;
}

static uint64_t kept_bytes(const struct world *world)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < NAMES_MAX; i++) {
		uint32_t name = world->judge.key_names[i];

		if (name != NO_NAME)
			bytes += world->judge.keys[name / KEYS][name % KEYS].bytes;
	}
	return bytes;
}

static void judge_key_success(struct world *world, const struct record *record, uint32_t slot)
{
	struct reported_key *key = key_of(world, record);
	uint64_t bytes = world->event.answer.bytes;

	if (is_alive(world, key))
		judge_blame(world, "P3", "key k%u of pool %u succeeds twice", record->key,
			    record->pool);
	key->succeeded = world->now;
	key->completed = 0;
	key->kept = slot != NO_SLOT;
	if (!key->kept) {
		if (kept_bytes(world) + bytes <= key_settings(world)->bytes_max)
			judge_blame(world, "key", "there was room for the answer of k%u",
				    record->key);
		return;
	}
	if (world->judge.key_names[slot] != NO_NAME)
		judge_blame(world, "key", "the answer of key %u is not forgotten", slot);
	key->slot = slot;
	key->bytes = bytes;
	world->judge.key_names[slot] = scoped(record);
	if (kept_bytes(world) > key_settings(world)->bytes_max)
		judge_blame(world, "P5", "%" PRIu64 " bytes of answers are kept",
			    kept_bytes(world));
}

void judge_key_lost(struct world *world, const struct record *record)
{
	struct reported_key *key = key_of(world, record);

	if (!key)
		return;
	key->succeeded = world->now;
	key->completed = 0;
	key->kept = false;
}

void judge_store(struct world *world, const struct effect *effect)
{
	const struct engine_event *event = &world->event;
	const struct process *process = &world->processes[event->worker];
	const struct sending *sending = &process->sendings[event->id];
	const struct record *record;

	world->judge.stored = true;
	if (event->type != EVENT_WORKER_ANSWERED || event->answer.code != ERR_NONE ||
	    event->worker != effect->worker || event->id >= process->sending_count ||
	    sending->record == NOBODY || !sending->given_up) {
		judge_blame(world, "key", "what is stored is no result of a request that gave up");
		return;
	}
	record = &world->records[sending->record];
	if (record->key != NO_NAME)
		judge_key_success(world, record, effect->store.key);
	if (record->session != NO_NAME && !is_too_large(world, record)) {
		struct reported_session *session = &world->judge.sessions[record->session];

		/* The next answer of the session reports that. */
		session->lost |= leaves_state(world, session, false);
		note_success(world, session, effect->pool, effect->store.session);
	}
}

void judge_key_result(struct world *world, const struct record *record, const struct effect *effect)
{
	const struct reported_key *key = key_of(world, record);
	uint32_t slot = effect->result.key;

	if (effect->result.source == RESULT_STORED) {
		if (!key || slot >= NAMES_MAX || world->judge.key_names[slot] != scoped(record) ||
		    !is_alive(world, key))
			judge_blame(world, "key",
				    "request %u has an answer that is not kept for it",
				    judge_number(world, record));
		world->judge.repeated |= world->subject == judge_number(world, record);
	} else if (effect->result.source == RESULT_WORKER && key) {
		judge_key_success(world, record, slot);
	} else if (slot != NO_SLOT) {
		judge_blame(world, "key", "request %u: what nobody keeps is to be kept",
			    judge_number(world, record));
	}
}

void judge_key_send(struct world *world, const struct record *record)
{
	const struct reported_key *key = key_of(world, record);

	if (!key)
		return;
	if (is_alive(world, key))
		judge_blame(world, "P3", "request %u: k%u has succeeded and is sent again",
			    judge_number(world, record), record->key);
	if (!record->idempotent && record->session == NO_NAME &&
	    judge_number(world, record) < key->doubtful)
		judge_blame(world, "P3", "request %u: k%u may have succeeded and is sent again",
			    judge_number(world, record), record->key);
	for (uint32_t i = 0; i < REQUESTS_MAX; i++) {
		uint32_t number = world->open[i];
		const struct record *other;

		if (number == NOBODY)
			continue;
		other = &world->records[number];
		if (other != record && other->open && other->sent && other->key == record->key &&
		    other->pool == record->pool)
			judge_blame(world, "P3", "requests %u and %u of k%u run at once", number,
				    judge_number(world, record), record->key);
	}
}

/* A request that waited with its key while another one succeeded must not run, unless it may run
 * twice. (A request that waited for its turn in a session then counts as a later one.) */
void judge_key_run(struct world *world, const struct record *record, bool idempotent)
{
	const struct reported_key *key = key_of(world, record);
	uint32_t number = judge_number(world, record);

	if (!key || !record->open || record->session != NO_NAME || idempotent ||
	    key->completed == 0 || key->completed - 1 == number)
		return;
	if (number < key->completed_before)
		judge_blame(world, "P3", "request %u runs, but %u with the same key ran well",
			    number, key->completed - 1);
}

void judge_completed(struct world *world, uint32_t number)
{
	struct record *record = world_heir(world, number);
	struct reported_key *key = key_of(world, record);

	if (!key || record->misled || !record->open)
		return;
	key->completed = judge_number(world, record) + 1;
	key->completed_before = world->record_count;
}

void judge_forget(struct world *world, const struct effect *effect)
{
	uint32_t name = world->judge.key_names[effect->key];
	struct reported_key *key;

	if (name == NO_NAME) {
		judge_blame(world, "key", "key %u is forgotten, but nothing is kept", effect->key);
		return;
	}
	key = &world->judge.keys[name / KEYS][name % KEYS];
	if (is_alive(world, key))
		judge_blame(world, "key", "the answer of k%u is forgotten too early", name % KEYS);
	world->judge.key_names[effect->key] = NO_NAME;
}

/* Whether the table of keys may be full, if every key that may be there is. */
static bool are_keys_full(struct world *world, const struct record *record)
{
	bool taken[POOLS_MAX][KEYS] = {{false}};
	unsigned count = 0;

	for (unsigned i = 0; i < POOLS_MAX; i++)
		for (unsigned n = 0; n < KEYS; n++)
			taken[i][n] = is_alive(world, &world->judge.keys[i][n]) ||
				      world->judge.keys[i][n].runs > 0;
	for (uint32_t i = 0; i < REQUESTS_MAX; i++) {
		uint32_t number = world->open[i];
		const struct record *other = number == NOBODY ? record : &world->records[number];

		if (other != record && other->key != NO_NAME)
			taken[other->pool][other->key] = true;
	}
	for (unsigned i = 0; i < POOLS_MAX; i++)
		for (unsigned n = 0; n < KEYS; n++)
			count += taken[i][n];
	return count >= key_settings(world)->max;
}

bool judge_is_key_error(struct world *world, const struct record *record, enum executed executed)
{
	const struct reported_key *key = key_of(world, record);

	if (!key)
		return false;
	world->judge.repeated |= world->subject == judge_number(world, record);
	if (executed == EXECUTED_YES)
		return is_alive(world, key) && !key->kept;
	return executed == EXECUTED_NO && are_keys_full(world, record);
}

void judge_key_leave(struct world *world, const struct record *record, enum executed executed)
{
	struct reported_key *key = key_of(world, record);

	if (!key)
		return;
	key->failed_at = world->events;
	/* A request that waited then must not run, unless it may run twice.  Of a run that goes on
	 * this is known when it ends. */
	if (executed == EXECUTED_MAYBE && key->runs == 0)
		judge_key_doubt(world, key);
}

void judge_key_doubt(struct world *world, struct reported_key *key)
{
	if (key->doubted_at != world->events)
		key->doubtful_before = key->doubtful;
	key->doubted_at = world->events;
	key->doubtful = world->record_count;
}

void judge_key_inherit(struct world *world, const struct record *heir)
{
	struct reported_key *key = key_of(world, heir);

	if (key->doubted_at == world->events)
		key->doubtful = key->doubtful_before;
}

bool judge_is_passed_on(struct world *world, const struct record *record)
{
	const struct reported_key *key = key_of(world, record);

	return key && key->failed_at == world->events && record->sends == 0;
}

static void judge_keys(struct world *world)
{
	if (world->event.type == EVENT_SUBMIT && world->judge.repeats && !world->judge.stopping &&
	    !world->judge.repeated && !world->judge.turned_away)
		judge_blame(world, "key", "request %u does not get the answer of k%u",
			    world->subject, world->records[world->subject].key);
	for (unsigned i = 0; i < NAMES_MAX && !world->judge.stopped; i++) {
		uint32_t name = world->judge.key_names[i];
		const struct reported_key *key;

		if (name == NO_NAME)
			continue;
		key = &world->judge.keys[name / KEYS][name % KEYS];
		if (judge_is_late(world, usec_add(key->succeeded, key_settings(world)->ttl)))
			judge_blame(world, "key", "the answer of key %u is not forgotten", i);
	}
}

/* --- around each event --- */

void judge_names_begin(struct world *world)
{
	for (unsigned i = 0; i < ARRAY_SIZE(world->judge.session_names); i++)
		world->judge.session_names[i] = NO_NAME;
	for (unsigned i = 0; i < NAMES_MAX; i++)
		world->judge.key_names[i] = NO_NAME;
}

void judge_names_before(struct world *world)
{
	struct judge *judge = &world->judge;

	judge->heard = ERR_NONE;
	judge->repeated = judge->turned_away = false;
	switch (world->event.type) {
	case EVENT_SUBMIT: {
		const struct reported_key *key = key_of(world, &world->records[world->subject]);

		judge->repeats = key && is_alive(world, key);
		expect_session(world);
		break;
	}
	case EVENT_SESSION_CLOSE:
		expect_close(world);
		break;
	case EVENT_WORKER_EXITED:
	case EVENT_SPAWN_FAILED:
		note_end_of_life(world);
		break;
	default:
		break;
	}
}

void judge_names_after(struct world *world)
{
	if (world->event.type == EVENT_SUBMIT)
		judge_entry(world);
	if (world->event.type == EVENT_SESSION_CLOSE)
		judge_closing(world);
	judge_sessions(world);
	judge_keys(world);
}
