/*
 * A channel of the daemon with a test at the other end: what the test says, as a worker of that
 * pool, and what the driver would be told of it, in words.
 */
#ifndef POOLD_TESTS_SPEAK_H
#define POOLD_TESTS_SPEAK_H

#include "daemon/io/config/config.h"
#include "daemon/io/worker/channel.h"

struct speak {
	struct loop loop;
	const struct config *config;
	struct channel channel;
	int peer;
	struct buf reported; /* one line for each thing that the driver was told */
	struct buf heard;    /* what the worker was told since it last listened */
	unsigned ready_count;
	bool broken; /* nothing may be told after that: an assertion */
};

/* Opens a channel to a worker of a pool with these options ("dialect = jsonrpc\n"), and says its
 * first words.  Messages may have `response_max` bytes.  Aborts when that can't be done. */
void speak_open(struct speak *speak, const char *options, size_t response_max);
void speak_close(struct speak *speak);

/* The worker says these bytes, and the daemon reads them all. */
void speak_say(struct speak *speak, struct bytes bytes);

/* The worker is sent a request: `args` in the words of wire.h.  Returns what channel_send does. */
const char *speak_send(struct speak *speak, uint32_t id, const char *method, const char *args);

/* All that was written to the worker since this was last called; valid until it is again. */
struct bytes speak_listen(struct speak *speak);

/* What the driver was told since this was last called, each on a line:
 *
 *	ready CONCURRENCY [batches]
 *	result ID VALUE          failed ID CODE TYPE|MESSAGE
 *	broken CODE: WHY
 *	alive                    step NAME
 */
const char *speak_reported(struct speak *speak);

#endif
