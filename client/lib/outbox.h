/*
 * Messages to be written to a stream, in order.  The first may be partly written: a message that
 * has been begun is written to its end, any other can still be dropped.
 */
#ifndef POOLD_LIB_OUTBOX_H
#define POOLD_LIB_OUTBOX_H

#include "protocol/list.h"

#include <sys/uio.h>

struct frame;

struct outbox {
	struct list frames;
	size_t written; /* bytes of the first frame already written */
	size_t bytes;	/* of all frames, including the written part of the first */
};

void outbox_init(struct outbox *outbox);
/* Frees all frames. */
void outbox_done(struct outbox *outbox);

/* A frame that holds copies of the parts, one after the other.  It is to be passed to outbox_add or
 * outbox_add_first.  NULL: out of memory. */
struct frame *frame_new(const struct bytes *parts, size_t part_count);
/* Frees a frame that is in no outbox.  Does nothing if `frame` is NULL. */
void frame_free(struct frame *frame);
/* All its bytes, which belong to it. */
struct bytes frame_bytes(const struct frame *frame);

/*
 * Adds a frame at the end, or at the begin (nothing may have been written of the first frame then),
 * and takes ownership of it.  `holder`, unless it is NULL, is set to the frame, and to NULL when
 * the frame is written or dropped.  When it is written, `keeper`, unless it is NULL, is set to it,
 * and owns it; else it is freed.
 */
void outbox_add(struct outbox *outbox, struct frame *frame, struct frame **holder,
		struct frame **keeper);
void outbox_add_first(struct outbox *outbox, struct frame *frame, struct frame **holder);
/* Takes out a frame of which nothing was written; its holder becomes NULL, its keeper owns it. */
void outbox_take_back(struct outbox *outbox, struct frame *frame);
/* Drops a frame.  A partly written one is still written to its end; its holder becomes NULL, and
 * nobody keeps it. */
void outbox_drop(struct outbox *outbox, struct frame *frame);
/* Whether the frame is partly written. */
bool outbox_has_begun(const struct outbox *outbox, const struct frame *frame);
/* To be called when the stream has ended: a partly written frame starts again on the next stream;
 * frames without a holder are dropped. */
void outbox_restart(struct outbox *outbox);

bool outbox_is_empty(const struct outbox *outbox);
/* The next bytes to write, as up to `max` slices.  Returns the number of slices. */
size_t outbox_slices(const struct outbox *outbox, struct iovec *slices, size_t max);
/* To be called after `len` of those bytes were written. */
void outbox_wrote(struct outbox *outbox, size_t len);

#endif
