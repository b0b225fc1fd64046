#include "daemon/io/base/chunk.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

/* 4 MiB of spare blocks: more is given back to the system. */
#define SPARE_MAX 256

static const size_t percents[CHUNK_LEVEL_COUNT_] = {
	[CHUNK_CROWDED] = 85, [CHUNK_SCARCE] = 92, [CHUNK_LAST] = 95};

void chunk_store_init(struct chunk_store *store, size_t bytes_max)
{
	*store = (struct chunk_store){.bytes_max = bytes_max};
	for (unsigned i = 0; i < CHUNK_LEVEL_COUNT_; i++)
		store->levels[i] = bytes_max / 100 * percents[i];
	store->over_max = bytes_max / 100 * 80;
}

int chunk_store_keep(struct chunk_store *store, unsigned count)
{
	store->kept_max = count;
	while (store->kept_count < store->kept_max) {
		struct chunk *chunk = malloc(sizeof(*chunk) + CHUNK_SIZE);

		if (!chunk)
			return -ENOMEM;
		chunk->next = store->kept;
		store->kept = chunk;
		store->kept_count++;
	}
	return 0;
}

static void free_all(struct chunk *chunk)
{
	while (chunk) {
		struct chunk *next = chunk->next;

		free(chunk);
		chunk = next;
	}
}

void chunk_store_done(struct chunk_store *store)
{
	assert(store->bytes == 0);
	free_all(store->spare);
	free_all(store->kept);
}

enum chunk_level chunk_level(const struct chunk_store *store)
{
	unsigned level = CHUNK_PLENTY;

	while (level + 1 < CHUNK_LEVEL_COUNT_ && store->bytes >= store->levels[level + 1])
		level++;
	return (enum chunk_level)level;
}

size_t chunk_share(const struct chunk_store *store)
{
	size_t end = store->levels[CHUNK_SCARCE];
	size_t half = store->bytes < end ? (end - store->bytes) / 2 : 0;

	return half > CHUNK_SHARE_MIN ? half : CHUNK_SHARE_MIN;
}

static bool has_room(const struct chunk_store *store, size_t more, size_t limit)
{
	return more <= limit && store->bytes <= limit - more;
}

bool chunk_may_take(const struct chunk_store *store, size_t more, size_t total, size_t limit)
{
	if (total > chunk_share(store) && limit > store->over_max)
		limit = store->over_max;
	return has_room(store, more, limit);
}

static COLD struct chunk *take_kept(struct chunk_store *store)
{
	struct chunk *chunk = store->kept;

	if (chunk) {
		store->kept = chunk->next;
		store->kept_count--;
	}
	return chunk;
}

static void count(struct chunk_store *store, size_t more)
{
	store->bytes += more;
	if (store->bytes > store->bytes_high)
		store->bytes_high = store->bytes;
}

/* `may`: whether it is granted; `from_kept`: also one that is set aside. */
static struct chunk *make(struct chunk_store *store, size_t capacity, bool may, bool from_kept)
{
	struct chunk *chunk = NULL;

	if (may) {
		if (capacity == CHUNK_SIZE && store->spare) {
			chunk = store->spare;
			store->spare = chunk->next;
			store->spare_count--;
		} else {
			chunk = malloc(sizeof(*chunk) + capacity);
		}
	}
	if (!chunk && from_kept && capacity == CHUNK_SIZE)
		chunk = take_kept(store);
	if (!chunk) {
		store->refused++;
		store->exhausted += may;
		return NULL;
	}
	*chunk = (struct chunk){.store = store, .capacity = capacity, .references = 1};
	count(store, capacity);
	return chunk;
}

static size_t at_least_common(size_t capacity)
{
	return capacity > CHUNK_SIZE ? capacity : CHUNK_SIZE;
}

struct chunk *chunk_new(struct chunk_store *store, size_t capacity)
{
	capacity = at_least_common(capacity);
	return make(store, capacity, has_room(store, capacity, store->bytes_max), false);
}

struct chunk *chunk_new_for(struct chunk_store *store, size_t capacity, size_t total, size_t limit)
{
	capacity = at_least_common(capacity);
	return make(store, capacity, chunk_may_take(store, capacity, total, limit), false);
}

struct chunk *chunk_new_reserved(struct chunk_store *store, size_t capacity)
{
	return make(store, at_least_common(capacity), true, true);
}

/* What stands before the bytes of a chunk. */
#define CHUNK_HEAD offsetof(struct chunk, data)

void chunk_buf_init(struct buf *buf, size_t max)
{
	static const uint8_t room[CHUNK_HEAD];

	buf_init(buf, max < SIZE_MAX - CHUNK_HEAD ? max + CHUNK_HEAD : max);
	buf_put(buf, room, CHUNK_HEAD);
}

struct bytes chunk_buf_bytes(const struct buf *buf)
{
	if (buf->len < CHUNK_HEAD)
		return (struct bytes){0};
	return (struct bytes){buf->data + CHUNK_HEAD, buf->len - CHUNK_HEAD};
}

struct chunk *chunk_from_buf(struct chunk_store *store, struct buf *buf)
{
	size_t capacity = chunk_buf_bytes(buf).len;
	struct chunk *chunk;

	if (buf_error(buf) < 0)
		return NULL;
	/* The memory is there already: to refuse little of it would gain nothing. */
	if (capacity > CHUNK_SIZE && !chunk_may_take(store, capacity, capacity, store->bytes_max)) {
		store->refused++;
		return NULL;
	}
	/* What it holds may be kept for long; a buffer has up to as much again for growth.  A chunk
	 * is never smaller than itself. */
	chunk = realloc(buf->data, buf->len < sizeof(*chunk) ? sizeof(*chunk) : buf->len);
	if (!chunk)
		chunk = (struct chunk *)(void *)buf->data;
	/* One by one: the first bytes lie in the padding behind the last. */
	chunk->store = store;
	chunk->next = NULL;
	chunk->capacity = capacity;
	chunk->references = 1;
	count(store, capacity);
	buf_init(buf, buf->max);
	return chunk;
}

struct chunk *chunk_ref(struct chunk *chunk)
{
	chunk->references++;
	return chunk;
}

void chunk_unref(struct chunk *chunk)
{
	struct chunk_store *store;

	if (!chunk || --chunk->references > 0)
		return;
	store = chunk->store;
	store->bytes -= chunk->capacity;
	store->has_returned = true;
	if (chunk->capacity == CHUNK_SIZE && store->kept_count < store->kept_max) {
		chunk->next = store->kept;
		store->kept = chunk;
		store->kept_count++;
		return;
	}
	if (chunk->capacity != CHUNK_SIZE || store->spare_count >= SPARE_MAX) {
		store->is_trimmable = true;
		free(chunk);
		return;
	}
	chunk->next = store->spare;
	store->spare = chunk;
	store->spare_count++;
}

struct chunk *chunk_grow(struct chunk *chunk, size_t capacity, size_t total, size_t limit)
{
	struct chunk_store *store = chunk->store;
	size_t more = capacity - chunk->capacity;
	bool may = chunk_may_take(store, more, total, limit);
	struct chunk *grown = NULL;

	assert(chunk->references == 1 && capacity >= chunk->capacity);
	if (may)
		grown = realloc(chunk, sizeof(*chunk) + capacity);
	if (!grown) {
		store->refused++;
		store->exhausted += may;
		return NULL;
	}
	grown->capacity = capacity;
	count(store, more);
	return grown;
}

struct chunk *chunk_shrink(struct chunk *chunk, size_t capacity)
{
	struct chunk_store *store = chunk->store;
	size_t less = chunk->capacity - capacity;
	struct chunk *shrunk;

	assert(chunk->references == 1 && capacity <= chunk->capacity);
	shrunk = realloc(chunk, sizeof(*chunk) + capacity);
	if (!shrunk)
		return chunk;
	shrunk->capacity = capacity;
	store->bytes -= less;
	store->has_returned = true;
	return shrunk;
}
