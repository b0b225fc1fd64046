#include "daemon/core/key.h"

#include <stdio.h>
#include <string.h>

#include "tests/lib/shrink.h"
#include "tests/lib/unit.h"

#define SEC	  USEC_PER_SEC
#define START	  (100 * SEC)
#define TTL	  (10 * SEC)
#define SLOTS	  3
#define BYTES_MAX 100
#define REQUESTS  8

/* Written out here once more, so that a slip in the table shows. */
static const bool allowed[KEY_STATE_COUNT_][KEY_STATE_COUNT_] = {
	[KEY_FREE] = {[KEY_IN_PROGRESS] = true},
	[KEY_IN_PROGRESS] = {[KEY_FREE] = true, [KEY_STORED] = true, [KEY_RESULT_LOST] = true},
	[KEY_STORED] = {[KEY_FREE] = true},
	[KEY_RESULT_LOST] = {[KEY_FREE] = true},
};

struct fixture {
	struct keys keys;
	struct key slots[SLOTS];
	struct name *buckets[4];
	struct request requests[REQUESTS];
};

static void set_up(struct fixture *f)
{
	const struct key_settings settings = {.max = SLOTS, .ttl = TTL, .bytes_max = BYTES_MAX};

	memset(f, 0xa5, sizeof(*f));
	memset(f->requests, 0, sizeof(f->requests));
	keys_init(&f->keys, &settings, f->slots, f->buckets, ARRAY_SIZE(f->buckets), 1);
}

static struct bytes text(const char *word)
{
	return (struct bytes){(const uint8_t *)word, strlen(word)};
}

static struct key *lead(struct fixture *f, const char *word, unsigned request)
{
	return keys_lead(&f->keys, 0, 0, text(word), &f->requests[request]);
}

static struct key *find(struct fixture *f, const char *word, usec_t now)
{
	return keys_find(&f->keys, 0, 0, text(word), now);
}

START_TEST(every_pair_of_states_is_an_edge_or_not)
{
	for (unsigned from = 0; from < KEY_STATE_COUNT_; from++)
		for (unsigned to = 0; to < KEY_STATE_COUNT_; to++)
			ck_assert_int_eq(key_may_move((enum key_state)from, (enum key_state)to),
					 allowed[from][to]);
}
END_TEST

START_TEST(the_first_of_a_key_leads)
{
	struct fixture f;
	struct key *key;

	set_up(&f);
	ck_assert_ptr_null(find(&f, "a", START));
	key = lead(&f, "a", 0);
	ck_assert_int_eq(key->state, KEY_IN_PROGRESS);
	ck_assert_ptr_eq(key->leader, &f.requests[0]);
	ck_assert_ptr_eq(find(&f, "a", START), key);
	ck_assert_ptr_eq(find(&f, "a", START + 1000 * SEC), key); /* as long as it takes */
	ck_assert_uint_eq(keys_deadline(&f.keys), USEC_INFINITY);
}
END_TEST

START_TEST(the_same_key_of_two_pools_is_two)
{
	struct fixture f;
	struct key *key;

	set_up(&f);
	key = keys_lead(&f.keys, 1, 0, text("a"), &f.requests[0]);
	ck_assert_ptr_null(keys_find(&f.keys, 0, 0, text("a"), START));
	ck_assert_ptr_ne(keys_lead(&f.keys, 0, 0, text("a"), &f.requests[1]), key);
}
END_TEST

START_TEST(the_same_key_of_two_users_is_two)
{
	struct fixture f;
	uint32_t user = 0;
	struct key *key;

	set_up(&f);
	key = keys_lead(&f.keys, 1, 7, text("a"), &f.requests[0]);
	ck_assert_ptr_null(keys_find(&f.keys, 1, 8, text("a"), START));
	ck_assert(!keys_has_namesake(&f.keys, 1, 7, text("a"), &user));
	ck_assert(!keys_has_namesake(&f.keys, 0, 8, text("a"), &user));
	ck_assert(keys_has_namesake(&f.keys, 1, 8, text("a"), &user));
	ck_assert_uint_eq(user, 7);
	ck_assert_ptr_ne(keys_lead(&f.keys, 1, 8, text("a"), &f.requests[1]), key);
	ck_assert_ptr_eq(keys_find(&f.keys, 1, 7, text("a"), START), key);
}
END_TEST

START_TEST(a_kept_answer_lives_from_its_success_on)
{
	struct fixture f;
	struct key *key;

	set_up(&f);
	key = lead(&f, "a", 0);
	ck_assert(keys_succeed(&f.keys, key, 40, START));
	ck_assert_int_eq(key->state, KEY_STORED);
	ck_assert_ptr_null(key->leader);
	ck_assert_uint_eq(f.keys.bytes, 40);
	ck_assert_uint_eq(keys_deadline(&f.keys), START + TTL);
	ck_assert_ptr_eq(find(&f, "a", START + TTL - 1), key);
	ck_assert_ptr_null(find(&f, "a", START + TTL));
	ck_assert_ptr_null(keys_expired(&f.keys, START + TTL - 1));
	ck_assert_ptr_eq(keys_expired(&f.keys, START + TTL), key);
	keys_drop(&f.keys, key);
	ck_assert_uint_eq(f.keys.bytes, 0);
	ck_assert_int_eq(key->state, KEY_FREE);
	ck_assert_uint_eq(keys_deadline(&f.keys), USEC_INFINITY);
}
END_TEST

START_TEST(an_answer_without_room_leaves_its_key_spent)
{
	static const struct {
		uint64_t first, second;
		bool kept;
	} cases[] = {{0, BYTES_MAX, true},   {0, BYTES_MAX + 1, false}, {60, 40, true},
		     {60, 41, false},	     {BYTES_MAX, 0, true},	{BYTES_MAX, 1, false},
		     {60, UINT64_MAX, false}};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fixture f;
		struct key *key;

		set_up(&f);
		ck_assert(keys_succeed(&f.keys, lead(&f, "a", 0), cases[i].first, START));
		key = lead(&f, "b", 1);
		ck_assert_int_eq(keys_succeed(&f.keys, key, cases[i].second, START), cases[i].kept);
		ck_assert_int_eq(key->state, cases[i].kept ? KEY_STORED : KEY_RESULT_LOST);
		ck_assert_uint_eq(f.keys.bytes,
				  cases[i].first + (cases[i].kept ? cases[i].second : 0));
		ck_assert_ptr_eq(find(&f, "b", START + TTL - 1), key);
		ck_assert_ptr_null(find(&f, "b", START + TTL));
	}
}
END_TEST

START_TEST(those_that_wait_lead_in_their_order)
{
	struct fixture f;
	struct key *key;

	set_up(&f);
	key = lead(&f, "a", 0);
	for (unsigned i = 1; i <= 3; i++)
		key_wait(key, &f.requests[i]);
	key_leave(key, &f.requests[2]);
	ck_assert_ptr_eq(key_promote(key), &f.requests[1]);
	ck_assert_ptr_eq(key->leader, &f.requests[1]);
	ck_assert_ptr_eq(key_promote(key), &f.requests[3]);
	ck_assert_ptr_null(key_promote(key));
	ck_assert_ptr_eq(key->leader, &f.requests[3]);
	keys_drop(&f.keys, key);
	ck_assert_ptr_null(find(&f, "a", START));
}
END_TEST

/* An answer is never given up early. */
START_TEST(a_full_table_takes_no_new_key)
{
	static const char *const words[SLOTS] = {"a", "b", "c"};
	struct fixture f;

	set_up(&f);
	for (unsigned i = 0; i < SLOTS; i++)
		keys_succeed(&f.keys, lead(&f, words[i], i), 1, START + i);
	ck_assert_ptr_null(lead(&f, "d", 3));
	for (unsigned i = 0; i < SLOTS; i++)
		ck_assert_ptr_nonnull(find(&f, words[i], START + SLOTS));
	keys_drop(&f.keys, keys_expired(&f.keys, START + TTL));
	ck_assert_ptr_nonnull(lead(&f, "d", 3));
}
END_TEST

START_TEST(the_oldest_success_is_over_first)
{
	struct key *a, *b;
	struct fixture f;

	set_up(&f);
	a = lead(&f, "a", 0);
	b = lead(&f, "b", 1);
	keys_succeed(&f.keys, b, 1, START);
	keys_succeed(&f.keys, a, UINT64_MAX, START + 1); /* spent ones too */
	ck_assert_ptr_eq(keys_expired(&f.keys, START + TTL + 1), b);
	keys_drop(&f.keys, b);
	ck_assert_ptr_null(keys_expired(&f.keys, START + TTL));
	ck_assert_ptr_eq(keys_expired(&f.keys, START + TTL + 1), a);
}
END_TEST

/* --- against a model: one record a key, found by walking --- */

#define WORDS 5

/* Two users have each of these words, and to each it is a key of its own. */
static const char *const model_words[WORDS] = {"a", "a", "b", "b", "c"};

static struct key *find_word(struct fixture *f, unsigned word, usec_t now)
{
	return keys_find(&f->keys, 0, word % 2, text(model_words[word]), now);
}

struct record {
	enum key_state state;
	usec_t succeeded;
	uint64_t bytes;
	unsigned line[REQUESTS]; /* the leader first, then who waits */
	unsigned line_len;
};

struct model {
	usec_t now;
	struct record records[WORDS];
	bool used[REQUESTS]; /* it stands in some line */
};

static unsigned model_taken(const struct model *model)
{
	unsigned taken = 0;

	for (unsigned i = 0; i < WORDS; i++)
		taken += model->records[i].state != KEY_FREE;
	return taken;
}

static uint64_t model_bytes(const struct model *model)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < WORDS; i++)
		bytes += model->records[i].state == KEY_STORED ? model->records[i].bytes : 0;
	return bytes;
}

static usec_t model_deadline(const struct model *model)
{
	usec_t next = USEC_INFINITY;

	for (unsigned i = 0; i < WORDS; i++)
		if (model->records[i].state == KEY_STORED ||
		    model->records[i].state == KEY_RESULT_LOST)
			next = usec_min(next, model->records[i].succeeded + TTL);
	return next;
}

static void model_leave(struct model *model, struct record *record, unsigned at)
{
	model->used[record->line[at]] = false;
	record->line_len--;
	for (unsigned i = at; i < record->line_len; i++)
		record->line[i] = record->line[i + 1];
}

static const char *come(struct fixture *f, struct model *model, unsigned word, unsigned slot)
{
	struct record *record = &model->records[word];
	struct key *key = find_word(f, word, model->now);

	if ((key ? key->state : KEY_FREE) != record->state)
		return "a key is found in another state than in the model";
	if (model->used[slot] || record->state == KEY_STORED || record->state == KEY_RESULT_LOST)
		return NULL;
	if (record->state == KEY_IN_PROGRESS) {
		key_wait(key, &f->requests[slot]);
	} else {
		key = keys_lead(&f->keys, 0, word % 2, text(model_words[word]), &f->requests[slot]);
		if ((key == NULL) != (model_taken(model) == SLOTS))
			return "a new key is refused, or taken, against the model";
		if (!key)
			return NULL;
		record->state = KEY_IN_PROGRESS;
	}
	record->line[record->line_len++] = slot;
	model->used[slot] = true;
	return NULL;
}

static const char *succeed(struct fixture *f, struct model *model, unsigned word, uint64_t bytes)
{
	struct record *record = &model->records[word];
	bool fits = model_bytes(model) + bytes <= BYTES_MAX;
	struct key *key = find_word(f, word, model->now);

	if (record->state != KEY_IN_PROGRESS)
		return NULL;
	if (keys_succeed(&f->keys, key, bytes, model->now) != fits)
		return "an answer is kept, or not, against the model";
	model_leave(model, record, 0);
	while (key_promote(key))
		model_leave(model, record, 0);
	key->leader = NULL;
	record->state = fits ? KEY_STORED : KEY_RESULT_LOST;
	record->succeeded = model->now;
	record->bytes = bytes;
	return NULL;
}

static const char *lead_fails(struct fixture *f, struct model *model, unsigned word)
{
	struct record *record = &model->records[word];
	struct key *key = find_word(f, word, model->now);
	struct request *next;

	if (record->state != KEY_IN_PROGRESS)
		return NULL;
	model_leave(model, record, 0);
	next = key_promote(key);
	if (next != (record->line_len > 0 ? &f->requests[record->line[0]] : NULL))
		return "another one leads than in the model";
	if (next)
		return NULL;
	keys_drop(&f->keys, key);
	record->state = KEY_FREE;
	return NULL;
}

static const char *leave(struct fixture *f, struct model *model, unsigned word, unsigned slot)
{
	struct record *record = &model->records[word];

	for (unsigned i = 1; i < record->line_len; i++)
		if (record->line[i] == slot) {
			key_leave(find_word(f, word, model->now), &f->requests[slot]);
			model_leave(model, record, i);
		}
	return NULL;
}

static const char *pass_time(struct fixture *f, struct model *model, usec_t span)
{
	struct key *key;

	model->now += span;
	for (unsigned i = 0; i < WORDS; i++) {
		struct record *record = &model->records[i];
		bool completed = record->state == KEY_STORED || record->state == KEY_RESULT_LOST;

		if (completed && record->succeeded + TTL <= model->now)
			record->state = KEY_FREE;
	}
	while ((key = keys_expired(&f->keys, model->now)))
		keys_drop(&f->keys, key);
	return NULL;
}

enum op_kind {
	OP_COME = 0,
	OP_SUCCEED,
	OP_FAIL,
	OP_LEAVE,
	OP_TIME,
	OP_COUNT_
};

static enum op_kind kind_of(uint64_t op)
{
	static const enum op_kind kinds[] = {OP_COME, OP_COME,	OP_COME, OP_SUCCEED,
					     OP_FAIL, OP_LEAVE, OP_TIME, OP_COME};

	return kinds[op % ARRAY_SIZE(kinds)];
}

static const char *apply(struct fixture *f, struct model *model, uint64_t op)
{
	unsigned word = (unsigned)(op >> 8) % WORDS, slot = (unsigned)(op >> 16) % REQUESTS;
	unsigned number = (unsigned)(op >> 24) % 60;

	switch (kind_of(op)) {
	case OP_COME:
		return come(f, model, word, slot);
	case OP_SUCCEED:
		return succeed(f, model, word, number);
	case OP_FAIL:
		return lead_fails(f, model, word);
	case OP_LEAVE:
		return leave(f, model, word, slot);
	case OP_TIME:
	case OP_COUNT_:
		break;
	}
	return pass_time(f, model, number * SEC / 8);
}

static const char *agrees_with_model(const uint64_t *ops, size_t len)
{
	struct model model = {.now = START};
	struct fixture f;

	set_up(&f);
	for (size_t i = 0; i < len; i++) {
		const char *wrong = apply(&f, &model, ops[i]);

		if (wrong)
			return wrong;
		if (f.keys.bytes != model_bytes(&model))
			return "the bytes are not the model's";
		if (keys_deadline(&f.keys) != model_deadline(&model))
			return "the deadline is not the model's";
		if (f.keys.spare.len != SLOTS - model_taken(&model))
			return "there are more or fewer keys than in the model";
	}
	return NULL;
}

static void describe(uint64_t op, char *line, size_t size)
{
	static const char *const names[OP_COUNT_] = {"comes with", "succeeds", "fails",
						     "stops waiting for", "time passes"};

	snprintf(line, size, "request %u, key %s, number %u: %s", (unsigned)(op >> 16) % REQUESTS,
		 model_words[(op >> 8) % WORDS], (unsigned)(op >> 24) % 60, names[kind_of(op)]);
}

START_TEST(random_sequences_agree_with_the_model)
{
	static const struct shrink_property property = {"key", agrees_with_model, describe, NULL};

	shrink_check(&property, 3000, 200);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		every_pair_of_states_is_an_edge_or_not,
		the_first_of_a_key_leads,
		the_same_key_of_two_pools_is_two,
		the_same_key_of_two_users_is_two,
		a_kept_answer_lives_from_its_success_on,
		an_answer_without_room_leaves_its_key_spent,
		those_that_wait_lead_in_their_order,
		a_full_table_takes_no_new_key,
		the_oldest_success_is_over_first,
		random_sequences_agree_with_the_model,
	};

	return unit_main("key", tests, ARRAY_SIZE(tests));
}
