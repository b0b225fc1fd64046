/* What the dialects of MessagePack-RPC have in common. */
#ifndef POOLD_IO_WORKER_DIALECT_RPC_H
#define POOLD_IO_WORKER_DIALECT_RPC_H

#include "daemon/io/worker/dialect.h"

/* Takes a message: responses go to `on_response` and notifications to `on_notification`; requests,
 * which the daemon has no use for, are answered with an error. */
struct rpc_handler {
	void (*on_response)(struct channel *channel, uint32_t id,
			    const struct channel_answer *answer);
	void (*on_notification)(struct channel *channel, struct chunk *chunk,
				const struct envelope *envelope);
};

void rpc_take_message(struct channel *channel, struct chunk *chunk, struct bytes message,
		      const struct rpc_handler *handler);

#endif
