#include "daemon/io/driver/event_ring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int event_ring_init(struct event_ring *ring, unsigned max, size_t size)
{
	*ring = (struct event_ring){.max = max, .size = size};
	if (max == 0)
		return 0;
	ring->records = calloc(max, sizeof(*ring->records));
	ring->bytes = malloc(size);
	return ring->records && ring->bytes ? 0 : -ENOMEM;
}

void event_ring_done(struct event_ring *ring)
{
	free(ring->records);
	free(ring->bytes);
	*ring = (struct event_ring){0};
}

static struct event_record *record_at(const struct event_ring *ring, unsigned place)
{
	return &ring->records[(ring->first + place) % ring->max];
}

static void drop_oldest(struct event_ring *ring)
{
	ring->gone++;
	ring->gone_seq = record_at(ring, 0)->seq;
	ring->first = (ring->first + 1) % ring->max;
	ring->count--;
}

/* Bytes of one record lie together: `secret` behind `open`. */
static size_t length_of(const struct event_record *record)
{
	return record->open.len + record->secret.len;
}

/*
 * Makes room for so many bytes in one piece and returns where.  The records lie in the order of
 * their age round the ring, so those in the way are always the oldest ones.
 */
static size_t make_room(struct event_ring *ring, size_t len)
{
	bool wraps = len > ring->size - ring->next;
	size_t at = wraps ? 0 : ring->next;

	while (ring->count > 0) {
		const struct event_record *oldest = record_at(ring, 0);
		size_t begin = (size_t)(oldest->open.data - ring->bytes);
		bool is_left_behind = wraps && begin >= ring->next;

		if (!is_left_behind && (begin >= at + len || begin + length_of(oldest) <= at))
			break;
		drop_oldest(ring);
	}
	return at;
}

static struct bytes put(uint8_t *to, struct bytes bytes)
{
	if (bytes.len > 0)
		memcpy(to, bytes.data, bytes.len);
	return (struct bytes){to, bytes.len};
}

void event_ring_add(struct event_ring *ring, const struct event_record *record)
{
	size_t len = length_of(record), at;
	struct event_record *added;

	if (ring->max == 0 || len > ring->size) {
		ring->gone++;
		ring->gone_seq = record->seq;
		return;
	}
	if (ring->count == ring->max)
		drop_oldest(ring);
	at = make_room(ring, len);
	added = record_at(ring, ring->count++);
	*added = *record;
	added->open = put(ring->bytes + at, record->open);
	added->secret = put(ring->bytes + at + record->open.len, record->secret);
	ring->next = at + len;
}

/* The place of the oldest one with a larger seq, counted from the oldest of all. */
static unsigned place_after(const struct event_ring *ring, uint64_t seq)
{
	unsigned low = 0, high = ring->count;

	while (low < high) {
		unsigned middle = low + (high - low) / 2;

		if (record_at(ring, middle)->seq > seq)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

const struct event_record *event_ring_after(const struct event_ring *ring, uint64_t seq,
					    unsigned kinds)
{
	for (unsigned place = place_after(ring, seq); place < ring->count; place++)
		if (kinds & 1u << record_at(ring, place)->kind)
			return record_at(ring, place);
	return NULL;
}

uint64_t event_ring_count(const struct event_ring *ring, uint64_t seq, unsigned kinds)
{
	uint64_t count = 0;

	for (unsigned place = place_after(ring, seq); place < ring->count; place++)
		count += (kinds & 1u << record_at(ring, place)->kind) != 0;
	return count;
}
