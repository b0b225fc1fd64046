/* A channel of the daemon with a test in the place of the worker: what the test sends, and as text
 * the calls that the driver would get from the channel. */
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
	struct buf heard;    /* what was sent to the worker since the last speak_listen */
	unsigned ready_count;
	bool broken; /* after this an assertion fails at any call of the handler */
};

/* Opens a channel to a worker of a pool with these options ("dialect = jsonrpc\n"), and sends its
 * first message.  Messages may have up to `response_max` bytes.  Aborts on failure. */
void speak_open(struct speak *speak, const char *options, size_t response_max);
void speak_close(struct speak *speak);

/* Sends these bytes as the worker, and has the daemon read all of them. */
void speak_say(struct speak *speak, struct bytes bytes);

/* Sends the worker a request; `args` is in the notation of wire.h.  Returns as channel_send. */
const char *speak_send(struct speak *speak, uint32_t id, const char *method, const char *args);
/* The same for a caller that takes the answer in parts. */
const char *speak_stream(struct speak *speak, uint32_t id, const char *method, const char *args);

/* Returns all that was written to the worker since the last call; valid until the next call. */
struct bytes speak_listen(struct speak *speak);

/* The calls of the handler since this was last called, each on a line:
 *
 *	ready CONCURRENCY [announces] [batches] [recalls] [pages]
 *	result ID VALUE          failed ID CODE TYPE|MESSAGE          recalled ID
 *	broken CODE: WHY
 *	alive                    step NAME
 *	lost ID [part]
 */
const char *speak_reported(struct speak *speak);

#endif
