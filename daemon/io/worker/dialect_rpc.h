/* What the dialects of MessagePack-RPC share. */
#ifndef POOLD_IO_WORKER_DIALECT_RPC_H
#define POOLD_IO_WORKER_DIALECT_RPC_H

#include "daemon/io/worker/channel.h"
#include "protocol/envelope.h"

struct rpc_handler {
	void (*on_response)(struct channel *channel, uint32_t id,
			    const struct channel_answer *answer);
	void (*on_notification)(struct channel *channel, struct chunk *chunk,
				const struct envelope *envelope);
};

/* As the dialect's on_no_memory: the id of a response, or of a `chunk`, is among its first bytes. */
bool rpc_lose_message(struct channel *channel, struct bytes begun);

/* As the dialect's find_id. */
uint32_t rpc_find_id(struct bytes begun);

/* Reads a message and hands it to the handler.  A request is answered with an error: the daemon
 * takes none from workers. */
void rpc_take_message(struct channel *channel, struct chunk *chunk, struct bytes message,
		      const struct rpc_handler *handler);

#endif
