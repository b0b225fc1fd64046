#include "daemon/core/session.h"

#include <stdio.h>
#include <string.h>

#include "tests/lib/shrink.h"
#include "tests/lib/unit.h"

#define SEC	  USEC_PER_SEC
#define START	  (100 * SEC)
#define TTL	  (10 * SEC)
#define MAX	  3
#define SLOTS	  (2 * MAX + 1)
#define BYTES_MAX 100
#define REQUESTS  8

/* Written out here once more, so that a slip in the table shows. */
static const bool allowed[SESSION_STATE_COUNT_][SESSION_STATE_COUNT_] = {
	[SESSION_FREE] = {[SESSION_OPEN] = true},
	[SESSION_OPEN] = {[SESSION_ENDED] = true},
	[SESSION_ENDED] = {[SESSION_FREE] = true},
};

struct fixture {
	struct sessions sessions;
	struct session slots[SLOTS];
	struct name *buckets[4];
	struct request requests[REQUESTS];
};

static void set_up(struct fixture *f)
{
	const struct session_settings settings = {
		.max = MAX, .ttl = TTL, .state_max = BYTES_MAX, .bytes_max = BYTES_MAX};

	memset(f, 0xa5, sizeof(*f));
	memset(f->requests, 0, sizeof(f->requests));
	ck_assert_uint_eq(sessions_slots(&settings), SLOTS);
	sessions_init(&f->sessions, &settings, f->slots, f->buckets, ARRAY_SIZE(f->buckets), 1);
}

static struct bytes text(const char *word)
{
	return (struct bytes){(const uint8_t *)word, strlen(word)};
}

static struct session *opened(struct fixture *f, const char *word, usec_t now)
{
	return sessions_open(&f->sessions, 0, text(word), now);
}

static void assert_found(struct fixture *f, const char *word, usec_t now, enum errcode code)
{
	struct session *session = NULL;

	ck_assert_str_eq(errcode_name(sessions_find(&f->sessions, 0, text(word), now, &session)),
			 errcode_name(code));
	ck_assert_int_eq(session != NULL, code == ERR_NONE);
}

START_TEST(every_pair_of_states_is_an_edge_or_not)
{
	for (unsigned from = 0; from < SESSION_STATE_COUNT_; from++)
		for (unsigned to = 0; to < SESSION_STATE_COUNT_; to++)
			ck_assert_int_eq(
				session_may_move((enum session_state)from, (enum session_state)to),
				allowed[from][to]);
}
END_TEST

START_TEST(every_reason_and_affinity_has_a_name)
{
	static const char *const reasons[SESSION_REASON_COUNT_] = {"closed", "expired", "evicted",
								   "moved", "lost"};
	static const char *const affinities[SESSION_AFFINITY_COUNT_] = {"hint", "queue", "strict"};

	for (unsigned i = 0; i < SESSION_REASON_COUNT_; i++)
		ck_assert_str_eq(session_reason_name((enum session_reason)i), reasons[i]);
	for (unsigned i = 0; i < SESSION_AFFINITY_COUNT_; i++)
		ck_assert_str_eq(session_affinity_name((enum session_affinity)i), affinities[i]);
}
END_TEST

/* --- turns --- */

START_TEST(one_at_a_time_in_the_order_they_came)
{
	struct session *session;
	struct fixture f;

	set_up(&f);
	session = opened(&f, "a", START);
	ck_assert(session_enter(&f.sessions, session, &f.requests[0], START));
	for (unsigned i = 1; i <= 3; i++)
		ck_assert(!session_enter(&f.sessions, session, &f.requests[i], START + i));
	ck_assert_ptr_null(session_leave(&f.sessions, session, &f.requests[2], START + 4));
	ck_assert_ptr_eq(session_leave(&f.sessions, session, &f.requests[0], START + 5),
			 &f.requests[1]);
	ck_assert_ptr_eq(session->turn, &f.requests[1]);
	ck_assert_ptr_eq(session_leave(&f.sessions, session, &f.requests[1], START + 6),
			 &f.requests[3]);
	ck_assert_ptr_null(session_leave(&f.sessions, session, &f.requests[3], START + 7));
	ck_assert_ptr_null(session->turn);
	ck_assert_uint_eq(session->used, START + 7);
}
END_TEST

/* --- ends --- */

START_TEST(a_session_expires_when_it_is_not_used)
{
	struct session *session;
	struct fixture f;

	set_up(&f);
	assert_found(&f, "a", START, ERR_session_not_found);
	session = opened(&f, "a", START);
	assert_found(&f, "a", START + TTL - 1, ERR_NONE);
	assert_found(&f, "a", START + TTL, ERR_session_expired); /* though nobody looked before */
	session_enter(&f.sessions, session, &f.requests[0], START + TTL - 1);
	assert_found(&f, "a", START + 10 * TTL, ERR_NONE); /* in use for as long as it takes */
	ck_assert_uint_eq(sessions_deadline(&f.sessions), USEC_INFINITY);
	session_leave(&f.sessions, session, &f.requests[0], START + 10 * TTL);
	ck_assert_uint_eq(sessions_deadline(&f.sessions), START + 11 * TTL);
	ck_assert_ptr_null(sessions_expired(&f.sessions, START + 11 * TTL - 1));
	ck_assert_ptr_eq(sessions_expired(&f.sessions, START + 11 * TTL), session);
}
END_TEST

START_TEST(a_tombstone_tells_expired_and_closed_apart)
{
	static const struct {
		enum session_reason reason;
		enum errcode code;
	} ends[] = {{SESSION_CLOSED, ERR_session_not_found},
		    {SESSION_EXPIRED, ERR_session_expired},
		    {SESSION_EVICTED, ERR_session_expired}};

	for (unsigned i = 0; i < ARRAY_SIZE(ends); i++) {
		struct fixture f;

		set_up(&f);
		sessions_end(&f.sessions, opened(&f, "a", START), ends[i].reason, START + TTL);
		assert_found(&f, "a", START + 2 * TTL - 1, ends[i].code);
		ck_assert_ptr_nonnull(names_find(&f.sessions.names, 0, 0, text("a")));
		assert_found(&f, "a", START + 2 * TTL, ERR_session_not_found);
		ck_assert_ptr_null(names_find(&f.sessions.names, 0, 0, text("a")));
		opened(&f, "a", START + 2 * TTL);
	}
}
END_TEST

/* However late it was seen. */
START_TEST(the_tombstone_of_the_expired_counts_from_when_it_did)
{
	struct fixture f;

	set_up(&f);
	sessions_end(&f.sessions, opened(&f, "a", START), SESSION_EXPIRED, START + TTL + 5 * SEC);
	ck_assert_uint_eq(sessions_deadline(&f.sessions), START + 2 * TTL);
	sessions_sweep(&f.sessions, START + 2 * TTL - 1);
	assert_found(&f, "a", START + 2 * TTL - 1, ERR_session_expired);
	sessions_sweep(&f.sessions, START + 2 * TTL);
	ck_assert_uint_eq(f.sessions.ended.len, 0);
	ck_assert_uint_eq(f.sessions.spare.len, SLOTS);
}
END_TEST

START_TEST(who_is_closing_is_not_found)
{
	struct session *session;
	struct fixture f;

	set_up(&f);
	session = opened(&f, "a", START);
	session_enter(&f.sessions, session, &f.requests[0], START);
	session->is_closing = true;
	assert_found(&f, "a", START, ERR_session_not_found);
}
END_TEST

START_TEST(the_longest_unused_makes_room)
{
	struct session *a, *b, *c, *victim;
	struct fixture f;

	set_up(&f);
	a = opened(&f, "a", START);
	b = opened(&f, "b", START + 1);
	ck_assert(sessions_make_room(&f.sessions, &victim));
	ck_assert_ptr_null(victim);
	c = opened(&f, "c", START + 2);
	ck_assert(sessions_make_room(&f.sessions, &victim));
	ck_assert_ptr_eq(victim, a);
	session_enter(&f.sessions, a, &f.requests[0], START + 3);
	session_leave(&f.sessions, a, &f.requests[0], START + 4);
	ck_assert(sessions_make_room(&f.sessions, &victim));
	ck_assert_ptr_eq(victim, b);
	session_enter(&f.sessions, b, &f.requests[0], START + 5);
	session_enter(&f.sessions, c, &f.requests[1], START + 6);
	ck_assert(sessions_make_room(&f.sessions, &victim));
	ck_assert_ptr_eq(victim, a);
	session_enter(&f.sessions, a, &f.requests[2], START + 7);
	ck_assert_msg(!sessions_make_room(&f.sessions, &victim), "all are in use");
}
END_TEST

START_TEST(there_are_as_many_tombstones_as_sessions)
{
	static const char *const words[] = {"a", "b", "c", "d", "e"};
	struct fixture f;

	set_up(&f);
	for (unsigned i = 0; i < ARRAY_SIZE(words); i++)
		sessions_end(&f.sessions, opened(&f, words[i], START), SESSION_EVICTED, START + i);
	ck_assert_uint_eq(f.sessions.ended.len, MAX);
	for (unsigned i = 0; i < ARRAY_SIZE(words); i++)
		assert_found(&f, words[i], START + 9,
			     i < ARRAY_SIZE(words) - MAX ? ERR_session_not_found
							 : ERR_session_expired);
}
END_TEST

/* --- the worker it is bound to, and its state --- */

START_TEST(a_session_is_bound_to_one_life_of_a_worker)
{
	struct session *session;
	struct fixture f;

	set_up(&f);
	session = opened(&f, "a", START);
	ck_assert(!session_is_at(session, 0, 0));
	session_bind(session, 1, 5, 7, false);
	ck_assert(session_is_at(session, 5, 7));
	ck_assert(!session_is_at(session, 5, 8));
	ck_assert(!session_is_at(session, 4, 7));
	ck_assert_uint_eq(session->pool, 1);
	ck_assert_uint_eq(session->served, 1);
	session_unbind(session);
	ck_assert(!session_is_at(session, 5, 7));
	ck_assert(session->was_bound);
}
END_TEST

START_TEST(what_was_never_handed_back_is_lost_with_its_worker)
{
	static const struct {
		const char *why;
		bool first, second, same, lost;
	} cases[] = {
		{"never handed back", false, false, true, true},
		{"handed back at first", true, false, true, false},
		{"handed back at last", false, true, true, false},
		{"another worker has it now, and has not", true, false, false, true},
		{"neither has", false, false, false, true},
		{"another worker has it now, and has, but the first had not", false, true, false,
		 true},
		{"each has handed it back", true, true, false, false},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct session *session;
		struct fixture f;

		set_up(&f);
		session = opened(&f, "a", START);
		session_bind(session, 0, 1, 1, cases[i].first);
		session_bind(session, 0, cases[i].same ? 1 : 2, 1, cases[i].second);
		session_unbind(session);
		ck_assert_msg(session->has_lost_state == cases[i].lost, "%s", cases[i].why);
		session->has_lost_state = false;
		session_unbind(session);
		ck_assert_msg(!session->has_lost_state, "nothing is lost twice");
	}
}
END_TEST

START_TEST(states_share_the_room_for_all)
{
	struct session *a, *b;
	struct fixture f;

	set_up(&f);
	a = opened(&f, "a", START);
	b = opened(&f, "b", START);
	sessions_set_state(&f.sessions, a, 60);
	ck_assert(sessions_fits(&f.sessions, b, 40));
	ck_assert(!sessions_fits(&f.sessions, b, 41));
	ck_assert(sessions_fits(&f.sessions, a, 100)); /* in place of its own */
	ck_assert(!sessions_fits(&f.sessions, a, 101));
	sessions_set_state(&f.sessions, a, 10);
	sessions_set_state(&f.sessions, b, 90);
	ck_assert_uint_eq(f.sessions.bytes, 100);
	sessions_set_state(&f.sessions, a, 0);
	sessions_end(&f.sessions, b, SESSION_CLOSED, START);
	ck_assert_uint_eq(f.sessions.bytes, 0);
}
END_TEST

START_TEST(a_new_session_knows_nothing_of_the_slots_old_one)
{
	struct session *session;
	struct fixture f;

	set_up(&f);
	for (unsigned i = 0; i < SLOTS; i++) {
		f.slots[i].is_bound = f.slots[i].was_bound = f.slots[i].has_handed_back = true;
		f.slots[i].has_lost_state = f.slots[i].is_closing = true;
		f.slots[i].served = f.slots[i].state_bytes = 7;
	}
	session = opened(&f, "a", START);
	ck_assert(!session->is_bound && !session->was_bound && !session->has_handed_back);
	ck_assert(!session->has_lost_state && !session->is_closing);
	ck_assert_uint_eq(session->served, 0);
	ck_assert_uint_eq(session->state_bytes, 0);
	ck_assert_uint_eq(session->created, START);
}
END_TEST

START_TEST(the_same_name_of_two_users_is_two)
{
	struct session *mine, *theirs, *found;
	struct fixture f;
	uint32_t user = 0;

	set_up(&f);
	mine = sessions_open(&f.sessions, 7, text("a"), START);
	ck_assert(!sessions_has_namesake(&f.sessions, 7, text("a"), &user));
	ck_assert(sessions_has_namesake(&f.sessions, 8, text("a"), &user));
	ck_assert_uint_eq(user, 7);
	ck_assert(!sessions_has_namesake(&f.sessions, 8, text("b"), &user));
	ck_assert_int_eq(sessions_find(&f.sessions, 8, text("a"), START, &found),
			 ERR_session_not_found);
	ck_assert(!sessions_knows(&f.sessions, 8, text("a")));
	theirs = sessions_open(&f.sessions, 8, text("a"), START);
	ck_assert_ptr_ne(mine, theirs);
	ck_assert_int_eq(sessions_find(&f.sessions, 8, text("a"), START, &found), ERR_NONE);
	ck_assert_ptr_eq(found, theirs);
	sessions_end(&f.sessions, theirs, SESSION_CLOSED, START);
	ck_assert_int_eq(sessions_find(&f.sessions, 7, text("a"), START, &found), ERR_NONE);
	ck_assert_ptr_eq(found, mine);
}
END_TEST

START_TEST(shared_sessions_are_those_of_all_users)
{
	struct session *opened, *found;
	struct fixture f;
	uint32_t user;

	set_up(&f);
	f.sessions.settings.is_shared = true;
	opened = sessions_open(&f.sessions, 7, text("a"), START);
	ck_assert_int_eq(sessions_find(&f.sessions, 8, text("a"), START, &found), ERR_NONE);
	ck_assert_ptr_eq(found, opened);
	ck_assert(sessions_knows(&f.sessions, 9, text("a")));
	ck_assert(!sessions_has_namesake(&f.sessions, 8, text("a"), &user));
}
END_TEST

/* --- against a model: one record a name, everything found by walking --- */

#define WORDS 6

/* Two users have each of these words, and to each it is a session of its own. */
static const char *const model_words[WORDS] = {"a", "a", "b", "b", "c", "c"};

static uint32_t user_of(size_t word)
{
	return (uint32_t)(word % 2);
}

struct record {
	enum session_state state;
	bool closed; /* while ENDED: by somebody */
	usec_t used;
	unsigned stamp; /* of when it became idle, or ended */
	uint64_t bytes;
	unsigned line[REQUESTS]; /* whose turn it is, then who waits */
	unsigned line_len;
	bool bound, handed, lost;
	unsigned worker;
};

struct model {
	usec_t now;
	unsigned stamps;
	struct record records[WORDS];
	bool used[REQUESTS]; /* it stands in some line */
};

static unsigned model_count(const struct model *model, enum session_state state, bool idle)
{
	unsigned count = 0;

	for (unsigned i = 0; i < WORDS; i++)
		count += model->records[i].state == state &&
			 (model->records[i].line_len == 0) == idle;
	return count;
}

static uint64_t model_bytes(const struct model *model)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < WORDS; i++)
		bytes += model->records[i].bytes;
	return bytes;
}

/* The one of that state without requests that was stamped first. */
static struct record *model_oldest(struct model *model, enum session_state state)
{
	struct record *oldest = NULL;

	for (unsigned i = 0; i < WORDS; i++) {
		struct record *record = &model->records[i];

		if (record->state == state && record->line_len == 0 &&
		    (!oldest || record->stamp < oldest->stamp))
			oldest = record;
	}
	return oldest;
}

static usec_t model_deadline(const struct model *model)
{
	usec_t next = USEC_INFINITY;

	for (unsigned i = 0; i < WORDS; i++) {
		const struct record *record = &model->records[i];

		if (record->state != SESSION_FREE && record->line_len == 0)
			next = usec_min(next, record->used + TTL);
	}
	return next;
}

static void model_end(struct model *model, struct record *record, bool closed, usec_t at)
{
	record->state = SESSION_ENDED;
	record->closed = closed;
	record->used = at;
	record->stamp = model->stamps++;
	record->bytes = 0;
	record->bound = false;
	if (model_count(model, SESSION_ENDED, true) > MAX)
		model_oldest(model, SESSION_ENDED)->state = SESSION_FREE;
}

static enum errcode model_find(const struct record *record)
{
	if (record->state == SESSION_OPEN)
		return ERR_NONE;
	return record->state == SESSION_ENDED && !record->closed ? ERR_session_expired
								 : ERR_session_not_found;
}

static const char *open_one(struct fixture *f, struct model *model, unsigned word)
{
	struct record *record = &model->records[word], *expected = NULL;
	bool full =
		model_count(model, SESSION_OPEN, true) + model_count(model, SESSION_OPEN, false) ==
		MAX;
	struct session *victim;

	if (full)
		expected = model_oldest(model, SESSION_OPEN);
	if (sessions_make_room(&f->sessions, &victim) == (full && !expected))
		return "there is room, or none, against the model";
	if (full && !expected)
		return NULL;
	if (victim &&
	    victim != container_of(names_find(&f->sessions.names, 0,
					      user_of((size_t)(expected - model->records)),
					      text(model_words[expected - model->records])),
				   struct session, name))
		return "the victim is not the longest unused";
	if (victim) {
		sessions_end(&f->sessions, victim, SESSION_EVICTED, model->now);
		model_end(model, expected, false, model->now);
	}
	sessions_open(&f->sessions, user_of(word), text(model_words[word]), model->now);
	*record = (struct record){
		.state = SESSION_OPEN, .used = model->now, .stamp = model->stamps++};
	return NULL;
}

static const char *come(struct fixture *f, struct model *model, unsigned word, unsigned slot)
{
	struct record *record = &model->records[word];
	struct session *session;
	const char *wrong;

	if (record->state == SESSION_FREE && (wrong = open_one(f, model, word)))
		return wrong;
	if (record->state != SESSION_OPEN || model->used[slot])
		return NULL;
	if (sessions_find(&f->sessions, user_of(word), text(model_words[word]), model->now,
			  &session) != ERR_NONE)
		return "an open session is not found";
	if (session_enter(&f->sessions, session, &f->requests[slot], model->now) !=
	    (record->line_len == 0))
		return "a request has the turn, or waits, against the model";
	record->line[record->line_len++] = slot;
	record->used = model->now;
	model->used[slot] = true;
	return NULL;
}

static const char *go(struct fixture *f, struct model *model, unsigned word, unsigned at)
{
	struct record *record = &model->records[word];
	struct request *next, *expected = NULL;
	struct session *session;
	unsigned slot;

	if (record->state != SESSION_OPEN || record->line_len == 0)
		return NULL;
	at %= record->line_len;
	slot = record->line[at];
	sessions_find(&f->sessions, user_of(word), text(model_words[word]), model->now, &session);
	next = session_leave(&f->sessions, session, &f->requests[slot], model->now);
	model->used[slot] = false;
	record->line_len--;
	for (unsigned i = at; i < record->line_len; i++)
		record->line[i] = record->line[i + 1];
	record->used = model->now;
	record->stamp = model->stamps++;
	if (at == 0 && record->line_len > 0)
		expected = &f->requests[record->line[0]];
	return next == expected ? NULL : "it is another one's turn than in the model";
}

static const char *serve(struct fixture *f, struct model *model, unsigned word, uint64_t op)
{
	struct record *record = &model->records[word];
	unsigned worker = (unsigned)(op >> 32) % 3;
	uint64_t bytes = (op >> 24) % 60;
	bool handed = op >> 40 & 1, fits;
	struct session *session;

	if (record->state != SESSION_OPEN || record->line_len == 0)
		return NULL;
	sessions_find(&f->sessions, user_of(word), text(model_words[word]), model->now, &session);
	session_bind(session, 0, worker, 1, handed);
	record->lost |= record->bound && record->worker != worker && !record->handed;
	record->handed = handed || (record->bound && record->worker == worker && record->handed);
	record->bound = true;
	record->worker = worker;
	fits = model_bytes(model) - record->bytes + bytes <= BYTES_MAX;
	if (sessions_fits(&f->sessions, session, bytes) != fits)
		return "a state fits, or does not, against the model";
	if (handed && fits) {
		sessions_set_state(&f->sessions, session, bytes);
		record->bytes = bytes;
	}
	return NULL;
}

static const char *lose(struct fixture *f, struct model *model, unsigned word)
{
	struct record *record = &model->records[word];
	struct session *session;

	if (record->state != SESSION_OPEN)
		return NULL;
	sessions_find(&f->sessions, user_of(word), text(model_words[word]), model->now, &session);
	session_unbind(session);
	record->lost |= record->bound && !record->handed;
	record->bound = false;
	return session->has_lost_state == record->lost ? NULL
						       : "state is lost, or not, against the model";
}

static const char *close_one(struct fixture *f, struct model *model, unsigned word)
{
	struct record *record = &model->records[word];
	struct session *session;

	if (record->state != SESSION_OPEN || record->line_len > 0)
		return NULL;
	sessions_find(&f->sessions, user_of(word), text(model_words[word]), model->now, &session);
	sessions_end(&f->sessions, session, SESSION_CLOSED, model->now);
	model_end(model, record, true, model->now);
	return NULL;
}

/* On the way there, the timer comes whenever it is due, or once at the end: it makes no difference.
 */
static const char *pass_time(struct fixture *f, struct model *model, usec_t span)
{
	struct record *first;
	struct session *session;

	model->now += span;
	while ((first = model_oldest(model, SESSION_OPEN)) && first->used + TTL <= model->now)
		model_end(model, first, false, first->used + TTL);
	while ((first = model_oldest(model, SESSION_ENDED)) && first->used + TTL <= model->now)
		first->state = SESSION_FREE;
	while ((session = sessions_expired(&f->sessions, model->now)))
		sessions_end(&f->sessions, session, SESSION_EXPIRED, model->now);
	sessions_sweep(&f->sessions, model->now);
	return NULL;
}

enum op_kind {
	OP_COME = 0,
	OP_GO,
	OP_SERVE,
	OP_LOSE,
	OP_CLOSE,
	OP_TIME,
	OP_COUNT_
};

static enum op_kind kind_of(uint64_t op)
{
	static const enum op_kind kinds[] = {OP_COME,  OP_COME, OP_GO,	  OP_GO,
					     OP_SERVE, OP_LOSE, OP_CLOSE, OP_TIME};

	return kinds[op % ARRAY_SIZE(kinds)];
}

static const char *apply(struct fixture *f, struct model *model, uint64_t op)
{
	unsigned word = (unsigned)(op >> 8) % WORDS, slot = (unsigned)(op >> 16) % REQUESTS;

	switch (kind_of(op)) {
	case OP_COME:
		return come(f, model, word, slot);
	case OP_GO:
		return go(f, model, word, slot);
	case OP_SERVE:
		return serve(f, model, word, op);
	case OP_LOSE:
		return lose(f, model, word);
	case OP_CLOSE:
		return close_one(f, model, word);
	case OP_TIME:
	case OP_COUNT_:
		break;
	}
	return pass_time(f, model, (op >> 24) % 60 * SEC / 8);
}

static const char *compare(struct fixture *f, struct model *model)
{
	struct session *session;

	for (unsigned i = 0; i < WORDS; i++)
		if (sessions_find(&f->sessions, user_of(i), text(model_words[i]), model->now,
				  &session) != model_find(&model->records[i]))
			return "a session is found otherwise than in the model";
	if (f->sessions.idle.len != model_count(model, SESSION_OPEN, true) ||
	    f->sessions.busy.len != model_count(model, SESSION_OPEN, false) ||
	    f->sessions.ended.len != model_count(model, SESSION_ENDED, true))
		return "there are more or fewer than in the model";
	if (f->sessions.bytes != model_bytes(model))
		return "the bytes are not the model's";
	if (sessions_deadline(&f->sessions) != model_deadline(model))
		return "the deadline is not the model's";
	return NULL;
}

static const char *agrees_with_model(const uint64_t *ops, size_t len)
{
	struct model model = {.now = START};
	struct fixture f;

	set_up(&f);
	for (size_t i = 0; i < len; i++) {
		const char *wrong = apply(&f, &model, ops[i]);

		if (!wrong)
			wrong = compare(&f, &model);
		if (wrong)
			return wrong;
	}
	return NULL;
}

static void describe(uint64_t op, char *line, size_t size)
{
	static const char *const names[OP_COUNT_] = {
		"comes", "goes", "is served", "loses its worker", "is closed", "time passes"};

	snprintf(line, size, "session %s, request %u, number %u, worker %u, handed %u: %s",
		 model_words[(op >> 8) % WORDS], (unsigned)(op >> 16) % REQUESTS,
		 (unsigned)(op >> 24) % 60, (unsigned)(op >> 32) % 3, (unsigned)(op >> 40 & 1),
		 names[kind_of(op)]);
}

START_TEST(random_sequences_agree_with_the_model)
{
	static const struct shrink_property property = {"session", agrees_with_model, describe,
							NULL};

	shrink_check(&property, 3000, 200);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		every_pair_of_states_is_an_edge_or_not,
		every_reason_and_affinity_has_a_name,
		one_at_a_time_in_the_order_they_came,
		a_session_expires_when_it_is_not_used,
		a_tombstone_tells_expired_and_closed_apart,
		the_tombstone_of_the_expired_counts_from_when_it_did,
		who_is_closing_is_not_found,
		the_longest_unused_makes_room,
		there_are_as_many_tombstones_as_sessions,
		a_session_is_bound_to_one_life_of_a_worker,
		what_was_never_handed_back_is_lost_with_its_worker,
		states_share_the_room_for_all,
		a_new_session_knows_nothing_of_the_slots_old_one,
		random_sequences_agree_with_the_model,
		the_same_name_of_two_users_is_two,
		shared_sessions_are_those_of_all_users,
	};

	return unit_main("session", tests, ARRAY_SIZE(tests));
}
