#include "daemon/core/session.h"

static const unsigned next_states[SESSION_STATE_COUNT_] = {
#define STATE(name, word, next, text) next,
	SESSION_STATES(STATE)
#undef STATE
};

static const char *const reasons[SESSION_REASON_COUNT_] = {
#define REASON(name, word, text) word,
	SESSION_REASONS(REASON)
#undef REASON
};

static const char *const affinities[SESSION_AFFINITY_COUNT_] = {
#define AFFINITY(name, word, text) word,
	SESSION_AFFINITIES(AFFINITY)
#undef AFFINITY
};

const char *session_reason_name(enum session_reason reason)
{
	return reasons[reason];
}

const char *session_affinity_name(enum session_affinity affinity)
{
	return affinities[affinity];
}

bool session_may_move(enum session_state from, enum session_state to)
{
	return next_states[from] & 1u << to;
}

static void move(struct session *session, enum session_state state, struct list *from,
		 struct list *to)
{
	assert(session_may_move(session->state, state));
	session->state = state;
	list_remove(from, &session->in_list);
	list_push_back(to, &session->in_list);
}

uint32_t sessions_slots(const struct session_settings *settings)
{
	/* One more, so that a session which just ended keeps its tombstone while another opens. */
	return 2 * settings->max + 1;
}

void sessions_init(struct sessions *sessions, const struct session_settings *settings,
		   struct session *slots, struct name **buckets, uint32_t bucket_count,
		   uint64_t seed)
{
	assert(settings->max > 0);
	*sessions = (struct sessions){.settings = *settings, .slots = slots};
	names_init(&sessions->names, buckets, bucket_count, seed);
	list_init(&sessions->spare);
	list_init(&sessions->idle);
	list_init(&sessions->busy);
	list_init(&sessions->ended);
	for (uint32_t i = 0; i < sessions_slots(settings); i++) {
		slots[i] = (struct session){.state = SESSION_FREE};
		waiting_init(&slots[i].waiting);
		list_push_back(&sessions->spare, &slots[i].in_list);
	}
}

static struct session *first(const struct list *list)
{
	struct list_node *node = list_first(list);

	return node ? list_entry(node, struct session, in_list) : NULL;
}

static usec_t over_at(const struct sessions *sessions, const struct session *session)
{
	return usec_add(session->used, sessions->settings.ttl);
}

bool session_is_busy(const struct session *session)
{
	return session->turn || session->run;
}

static void free_closed(struct sessions *sessions, struct session *session)
{
	names_remove(&sessions->names, &session->name);
	move(session, SESSION_FREE, &sessions->ended, &sessions->spare);
}

/* To whom the names that the user gives belong. */
static uint32_t owner_of(const struct sessions *sessions, uint32_t user)
{
	return sessions->settings.is_shared ? 0 : user;
}

bool sessions_knows(const struct sessions *sessions, uint32_t user, struct bytes text)
{
	return names_find(&sessions->names, 0, owner_of(sessions, user), text) != NULL;
}

bool sessions_has_namesake(const struct sessions *sessions, uint32_t user, struct bytes text,
			   uint32_t *ret_user)
{
	const struct name *other =
		names_find_other(&sessions->names, 0, owner_of(sessions, user), text);

	if (other)
		*ret_user = other->user;
	return other != NULL;
}

enum errcode sessions_find(struct sessions *sessions, uint32_t user, struct bytes text, usec_t now,
			   struct session **ret)
{
	struct name *name = names_find(&sessions->names, 0, owner_of(sessions, user), text);
	struct session *session = name ? container_of(name, struct session, name) : NULL;

	if (!session)
		return ERR_session_not_found;
	if (session->state == SESSION_ENDED) {
		if (over_at(sessions, session) <= now) {
			free_closed(sessions, session);
			return ERR_session_not_found;
		}
		return session->reason == SESSION_CLOSED ? ERR_session_not_found
							 : ERR_session_expired;
	}
	if (session->is_closing)
		return ERR_session_not_found;
	if (!session_is_busy(session) && over_at(sessions, session) <= now)
		return ERR_session_expired;
	*ret = session;
	return ERR_NONE;
}

bool sessions_make_room(const struct sessions *sessions, struct session **ret_victim)
{
	*ret_victim = NULL;
	if (sessions->idle.len + sessions->busy.len < sessions->settings.max)
		return true;
	*ret_victim = first(&sessions->idle);
	return *ret_victim != NULL;
}

struct session *sessions_open(struct sessions *sessions, uint32_t user, struct bytes text,
			      usec_t now)
{
	struct session *session;

	session = first(&sessions->spare);
	assert(session);
	names_add(&sessions->names, &session->name, 0, owner_of(sessions, user), text);
	session->created = session->used = now;
	session->is_bound = session->was_bound = session->has_handed_back =
		session->has_lost_state = false;
	session->state_bytes = session->served = 0;
	session->is_closing = false;
	session->turn = NULL;
	session->run = NULL;
	move(session, SESSION_OPEN, &sessions->spare, &sessions->idle);
	return session;
}

void sessions_end(struct sessions *sessions, struct session *session, enum session_reason reason,
		  usec_t now)
{
	assert(!session_is_busy(session));
	sessions->bytes -= session->state_bytes;
	session->state_bytes = 0;
	session->is_bound = false;
	session->reason = reason;
	/* The tombstone of an expired session counts from its expiry, not from now. */
	session->used = reason == SESSION_EXPIRED ? over_at(sessions, session) : now;
	move(session, SESSION_ENDED, &sessions->idle, &sessions->ended);
	if (sessions->ended.len > sessions->settings.max)
		free_closed(sessions, first(&sessions->ended));
}

bool session_enter(struct sessions *sessions, struct session *session, struct request *request,
		   usec_t now)
{
	session->used = now;
	if (session_is_busy(session)) {
		waiting_add(&session->waiting, request);
		return false;
	}
	session->turn = request;
	list_remove(&sessions->idle, &session->in_list);
	list_push_back(&sessions->busy, &session->in_list);
	return true;
}

/* Gives the turn, which nobody has, to the first request that waits; NULL: none does. */
static struct request *next_turn(struct sessions *sessions, struct session *session)
{
	session->turn = waiting_take(&session->waiting);
	if (session->turn)
		return session->turn;
	list_remove(&sessions->busy, &session->in_list);
	list_push_back(&sessions->idle, &session->in_list);
	return NULL;
}

struct request *session_leave(struct sessions *sessions, struct session *session,
			      struct request *request, usec_t now)
{
	session->used = now;
	if (session->turn != request) {
		waiting_remove(&session->waiting, request);
		return NULL;
	}
	session->turn = NULL;
	return session->run ? NULL : next_turn(sessions, session);
}

struct request *session_run_over(struct sessions *sessions, struct session *session, usec_t now)
{
	session->used = now;
	session->run = NULL;
	return session->turn ? NULL : next_turn(sessions, session);
}

void session_bind(struct session *session, uint32_t pool, uint32_t worker, uint32_t life,
		  bool handed)
{
	bool same = session_is_at(session, worker, life);

	/* The old worker may keep state that it never returned: that state is lost. */
	if (!same)
		session_unbind(session);
	session->has_handed_back = handed || (same && session->has_handed_back);
	session->is_bound = session->was_bound = true;
	session->pool = pool;
	session->worker = worker;
	session->life = life;
	session->served++;
}

bool session_is_at(const struct session *session, uint32_t worker, uint32_t life)
{
	return session->is_bound && session->worker == worker && session->life == life;
}

bool session_is_kept(const struct session *session)
{
	return session->is_bound && !session->has_handed_back;
}

void session_unbind(struct session *session)
{
	session->has_lost_state |= session_is_kept(session);
	session->is_bound = false;
}

bool sessions_fits(const struct sessions *sessions, const struct session *session, uint64_t bytes)
{
	return sessions->bytes - session->state_bytes + bytes <= sessions->settings.bytes_max;
}

void sessions_set_state(struct sessions *sessions, struct session *session, uint64_t bytes)
{
	assert(sessions_fits(sessions, session, bytes));
	sessions->bytes += bytes - session->state_bytes;
	session->state_bytes = bytes;
}

struct session *sessions_expired(const struct sessions *sessions, usec_t now)
{
	struct session *session = first(&sessions->idle);

	return session && over_at(sessions, session) <= now ? session : NULL;
}

void sessions_sweep(struct sessions *sessions, usec_t now)
{
	struct session *session;

	while ((session = first(&sessions->ended)) && over_at(sessions, session) <= now)
		free_closed(sessions, session);
}

usec_t sessions_deadline(const struct sessions *sessions)
{
	struct session *idle = first(&sessions->idle);
	struct session *ended = first(&sessions->ended);
	usec_t next = idle ? over_at(sessions, idle) : USEC_INFINITY;

	return ended ? usec_min(next, over_at(sessions, ended)) : next;
}
