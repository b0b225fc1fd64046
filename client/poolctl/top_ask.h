/* The questions of `poolctl top`: one bundle of calls on one connection, whose answers become a
 * sample.  Nothing blocks. */
#ifndef POOLD_POOLCTL_TOP_ASK_H
#define POOLD_POOLCTL_TOP_ASK_H

#include "client/poolctl/top_model.h"

#include <poold.h>
#include <stdbool.h>
#include <stdint.h>

/* At most so many of each are asked for. */
#define TOP_REQUESTS_MAX 200
#define TOP_CLIENTS_MAX	 200
#define TOP_ERRORS_MAX	 64

struct top_ask {
	struct poold_client *client;
	uint64_t wait_ms; /* for each answer */
	struct top_sample sample;
	unsigned pending;
	int status; /* 0, or the first error of the bundle */
	char fault[256];
	struct top_slot {
		struct top_ask *ask;
		bool is_unknown; /* the daemon has no such method */
	} slots[TOP_ANSWER_COUNT_];
};

void top_ask_init(struct top_ask *ask, struct poold_client *client, uint64_t wait_ms);
/* Frees what has come.  Requests in flight must be over, or the client freed. */
void top_ask_done(struct top_ask *ask);

/* What is always asked. */
#define TOP_ASK_ALWAYS (1u << TOP_STATUS | 1u << TOP_STATS | 1u << TOP_BREAKERS | 1u << TOP_ERRORS)
#define TOP_ASK_ALL    ((1u << TOP_ANSWER_COUNT_) - 1u)

/* Begins a bundle of the answers in the mask; none must be pending.  It is over when `pending` is 0:
 * then `status` says whether `sample` can be used. */
void top_ask_begin(struct top_ask *ask, unsigned mask, bool all_requests);

#endif
