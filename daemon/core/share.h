/*
 * How many requests each user has somewhere: in the daemon, or in the queue of a pool.
 *
 * Only what is limited is counted.  A user of whom there is nothing takes no memory, so that as many
 * counts are enough as there can be requests in all places together.
 */
#ifndef POOLD_CORE_SHARE_H
#define POOLD_CORE_SHARE_H

#include "daemon/core/table.h"

/* The place that is the whole daemon; the others are the queues of pools, by their numbers. */
#define SHARES_DAEMON UINT32_MAX

struct share {
	struct table_entry entry;
	uint32_t count; /* at least 1 while it is in the table */
};

struct shares {
	struct table table;
	struct share *slots;
	uint32_t max;
	uint32_t used;		  /* slots that were ever in use */
	struct table_entry *free; /* of these, slots that are not in use now */
};

/* `slots` is memory for `max` shares, `buckets` for table_buckets(max) pointers. */
void shares_init(struct shares *shares, struct share *slots, uint32_t max,
		 struct table_entry **buckets);

/* Returns how many requests of the user are in that place. */
uint32_t shares_count(const struct shares *shares, uint32_t place, uint32_t user);

/* Counts one more, or one less, of which there must be one. */
void shares_add(struct shares *shares, uint32_t place, uint32_t user);
void shares_drop(struct shares *shares, uint32_t place, uint32_t user);

#endif
