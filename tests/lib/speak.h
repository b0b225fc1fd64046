/*
 * A channel of the daemon with a test at the other end, in the place of a worker: what the test
 * sends, and what the driver would get from the channel, in words.
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
	struct buf reported; /* one line for each call of the handler */
	struct buf heard;    /* what was sent to the worker since it last listened */
	unsigned ready_count;
	bool broken; /* no call of the handler may come after that: an assertion */
};

/* Opens a channel to a worker of a pool with these options ("dialect = jsonrpc\n"), and sends
 * its first message.  Messages may have `response_max` bytes.  Aborts when that can't be done. */
void speak_open(struct speak *speak, const char *options, size_t response_max);
void speak_close(struct speak *speak);

/* The worker sends these bytes, and the daemon reads them all. */
void speak_say(struct speak *speak, struct bytes bytes);

/* The worker is sent a request: `args` in the words of wire.h.  Returns what channel_send does. */
const char *speak_send(struct speak *speak, uint32_t id, const char *method, const char *args);

/* All that was written to the worker since this was last called; valid until it is again. */
struct bytes speak_listen(struct speak *speak);

/* The calls of the handler since this was last called, each on a line:
 *
 *	ready CONCURRENCY [batches]
 *	result ID VALUE          failed ID CODE TYPE|MESSAGE
 *	broken CODE: WHY
 *	alive                    step NAME
 */
const char *speak_reported(struct speak *speak);

#endif
