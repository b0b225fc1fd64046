/*
 * The last events, for those who subscribe later or read slowly.
 *
 * A ring of records, and a ring of bytes in which each record has its packed pairs in one piece.  A
 * new event takes the place of the oldest ones, as many as it needs.  All memory is reserved at the
 * start.
 */
#ifndef POOLD_IO_DRIVER_EVENT_RING_H
#define POOLD_IO_DRIVER_EVENT_RING_H

#include "daemon/io/driver/rights.h"

struct event_record {
	uint64_t seq;
	uint64_t at_ms; /* since 1970 */
	unsigned kind;	/* enum event_kind */
	uint32_t pairs; /* in `open` */
	uint32_t secret_pairs;
	struct audience audience; /* who alone gets `secret` */
	struct bytes open;	  /* pairs of a map without its head; in the ring */
	struct bytes secret;
};

struct event_ring {
	struct event_record *records; /* from `first` on round the ring, by seq */
	unsigned max;
	unsigned first;
	unsigned count;
	uint8_t *bytes;
	size_t size;
	size_t next;	   /* where the bytes of the next record go */
	uint64_t gone;	   /* events that are not kept any more */
	uint64_t gone_seq; /* of the last of them */
};

/* Keeps up to `max` records (0: none) in `size` bytes.  Returns 0 or -ENOMEM. */
int event_ring_init(struct event_ring *ring, unsigned max, size_t size);
void event_ring_done(struct event_ring *ring);

/* Keeps a copy.  Its seq is larger than all before. */
void event_ring_add(struct event_ring *ring, const struct event_record *record);

/* The oldest one with a larger seq and one of these kinds (a mask of 1u << kind), or NULL; valid
 * until the next one is added. */
const struct event_record *event_ring_after(const struct event_ring *ring, uint64_t seq,
					    unsigned kinds);

/* How many of these kinds have a larger seq. */
uint64_t event_ring_count(const struct event_ring *ring, uint64_t seq, unsigned kinds);

#endif
