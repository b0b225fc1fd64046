/*
 * Progress of a jsonrpc worker's requests: `params._meta.progressToken` of a request asks for
 * notifications with that token, which become parts of a stream (PROTOCOL.md 5.4).
 *
 * A token is one attempt's alone: the daemon chooses it, and puts the caller's own into the parts
 * again.  So what comes late, or with a token that somebody guessed, reaches no other caller.
 */
#ifndef POOLD_IO_WORKER_PROGRESS_H
#define POOLD_IO_WORKER_PROGRESS_H

#include "protocol/buf.h"
#include "protocol/list.h"

/* The attempts of one worker process that report progress.  Empty: list_init. */
struct progress {
	struct list attempts;
};

void progress_init(struct progress *progress);
void progress_clear(struct progress *progress);

/*
 * Appends the arguments of an attempt as its worker is to get them: a map has the token `id` in
 * `_meta` if `is_stream`, and no token otherwise.  Returns whether they were appended: if not, they
 * are to be sent unchanged, as they are no map and not empty, or there is no token to be removed.
 * What is wrong with the bytes is left for whoever converts them.
 */
bool progress_put_args(struct bytes args, uint32_t id, bool is_stream, struct buf *out);

/* Awaits progress of attempt `id`, which got its token with these arguments.  -ENOMEM. */
int progress_begin(struct progress *progress, uint32_t id, struct bytes args);
/* The attempt was answered, or never sent.  Does nothing if no progress of it is awaited. */
void progress_end(struct progress *progress, uint32_t id);

/* Appends the params of a progress notification as a part for the caller, with the caller's own
 * token, or none if it had none.  Returns the attempt's id, or 0: nobody awaits it. */
uint32_t progress_take(const struct progress *progress, struct bytes params, struct buf *out);

#endif
