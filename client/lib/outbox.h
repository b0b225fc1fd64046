/*
 * Messages on their way out of a stream, in order.  The first may be partly written; what has begun
 * goes out whole, what has not may still be taken back.
 */
#ifndef POOLD_LIB_OUTBOX_H
#define POOLD_LIB_OUTBOX_H

#include "protocol/base.h"

#include <sys/queue.h>
#include <sys/uio.h>

struct frame;
TAILQ_HEAD(frame_list, frame);

struct outbox {
	struct frame_list frames;
	size_t written; /* bytes of the first frame already written */
	size_t bytes;	/* of all frames, what is written of the first included */
};

void outbox_init(struct outbox *outbox);
/* Drops all frames. */
void outbox_done(struct outbox *outbox);

/* A frame of the parts one after the other, which are copied.  It belongs to nobody until it is
 * added.  NULL: no memory. */
struct frame *frame_new(const struct bytes *parts, size_t part_count);

/*
 * Adds a frame behind the others, or before them all (none of which may have begun), and takes it
 * over.  `holder`, where it is not NULL, is set to the frame, and to NULL as soon as the frame is
 * written or gone.
 */
void outbox_add(struct outbox *outbox, struct frame *frame, struct frame **holder);
void outbox_add_first(struct outbox *outbox, struct frame *frame, struct frame **holder);
/* Takes a frame back; where it has begun it goes out all the same, and only its holder forgets it.
 */
void outbox_drop(struct outbox *outbox, struct frame *frame);
/* Whether a part of the frame was written. */
bool outbox_has_begun(const struct outbox *outbox, const struct frame *frame);
/* The stream ended: what was begun begins anew on the next, and what nobody holds is dropped. */
void outbox_restart(struct outbox *outbox);

bool outbox_is_empty(const struct outbox *outbox);
/* The next bytes to write, as up to `max` slices.  Returns how many. */
size_t outbox_slices(const struct outbox *outbox, struct iovec *slices, size_t max);
/* `len` of those bytes were written. */
void outbox_wrote(struct outbox *outbox, size_t len);

#endif
