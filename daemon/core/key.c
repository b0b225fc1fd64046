#include "daemon/core/key.h"

static const unsigned next_states[KEY_STATE_COUNT_] = {
#define STATE(name, word, next, text) next,
	KEY_STATES(STATE)
#undef STATE
};

bool key_may_move(enum key_state from, enum key_state to)
{
	return next_states[from] & 1u << to;
}

static struct list *list_of(struct keys *keys, enum key_state state)
{
	switch (state) {
	case KEY_IN_PROGRESS:
		return &keys->in_progress;
	case KEY_STORED:
	case KEY_RESULT_LOST:
		return &keys->completed;
	case KEY_FREE:
	case KEY_STATE_COUNT_:
		break;
	}
	return &keys->spare;
}

static void move(struct keys *keys, struct key *key, enum key_state state)
{
	assert(key_may_move(key->state, state));
	list_remove(list_of(keys, key->state), &key->in_list);
	key->state = state;
	list_push_back(list_of(keys, state), &key->in_list);
}

void keys_init(struct keys *keys, const struct key_settings *settings, struct key *slots,
	       struct name **buckets, uint32_t bucket_count, uint64_t seed)
{
	*keys = (struct keys){.settings = *settings, .slots = slots};
	names_init(&keys->names, buckets, bucket_count, seed);
	list_init(&keys->spare);
	list_init(&keys->in_progress);
	list_init(&keys->completed);
	for (uint32_t i = 0; i < settings->max; i++) {
		slots[i] = (struct key){.state = KEY_FREE};
		waiting_init(&slots[i].waiting);
		list_push_back(&keys->spare, &slots[i].in_list);
	}
}

static usec_t over_at(const struct keys *keys, const struct key *key)
{
	return usec_add(key->succeeded, keys->settings.ttl);
}

bool keys_has_namesake(const struct keys *keys, uint32_t pool, uint32_t user, struct bytes text,
		       uint32_t *ret_user)
{
	const struct name *other = names_find_other(&keys->names, pool, user, text);

	if (other)
		*ret_user = other->user;
	return other != NULL;
}

struct key *keys_find(const struct keys *keys, uint32_t pool, uint32_t user, struct bytes text,
		      usec_t now)
{
	struct name *name = names_find(&keys->names, pool, user, text);
	struct key *key = name ? container_of(name, struct key, name) : NULL;

	if (key && key->state != KEY_IN_PROGRESS && over_at(keys, key) <= now)
		return NULL;
	return key;
}

struct key *keys_lead(struct keys *keys, uint32_t pool, uint32_t user, struct bytes text,
		      struct request *leader)
{
	struct list_node *node = list_first(&keys->spare);
	struct key *key = node ? list_entry(node, struct key, in_list) : NULL;

	if (!key)
		return NULL;
	assert(!names_find(&keys->names, pool, user, text));
	names_add(&keys->names, &key->name, pool, user, text);
	key->leader = leader;
	key->run = NULL;
	key->outcome_unknown = false;
	key->failed_by = ERR_NONE;
	key->bytes = 0;
	move(keys, key, KEY_IN_PROGRESS);
	return key;
}

void key_wait(struct key *key, struct request *request)
{
	assert(key->state == KEY_IN_PROGRESS);
	waiting_add(&key->waiting, request);
}

void key_leave(struct key *key, struct request *request)
{
	waiting_remove(&key->waiting, request);
}

struct request *key_promote(struct key *key)
{
	struct request *first = waiting_take(&key->waiting);

	if (first)
		key->leader = first;
	return first;
}

bool keys_succeed(struct keys *keys, struct key *key, uint64_t bytes, usec_t now)
{
	bool fits = bytes <= keys->settings.bytes_max &&
		    keys->bytes <= keys->settings.bytes_max - bytes;

	key->leader = NULL;
	key->run = NULL;
	key->succeeded = now;
	if (fits) {
		key->bytes = bytes;
		keys->bytes += bytes;
	}
	move(keys, key, fits ? KEY_STORED : KEY_RESULT_LOST);
	return fits;
}

void keys_lose(struct keys *keys, struct key *key, usec_t now)
{
	key->leader = NULL;
	key->run = NULL;
	key->succeeded = now;
	move(keys, key, KEY_RESULT_LOST);
}

void keys_drop(struct keys *keys, struct key *key)
{
	assert(!waiting_first(&key->waiting) && !key->run);
	keys->bytes -= key->bytes;
	key->bytes = 0;
	key->leader = NULL;
	names_remove(&keys->names, &key->name);
	move(keys, key, KEY_FREE);
}

static struct key *oldest(const struct keys *keys)
{
	struct list_node *node = list_first(&keys->completed);

	return node ? list_entry(node, struct key, in_list) : NULL;
}

struct key *keys_expired(const struct keys *keys, usec_t now)
{
	struct key *key = oldest(keys);

	return key && over_at(keys, key) <= now ? key : NULL;
}

usec_t keys_deadline(const struct keys *keys)
{
	struct key *key = oldest(keys);

	return key ? over_at(keys, key) : USEC_INFINITY;
}
