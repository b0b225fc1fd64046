/*
 * Bytes as they come in from a stream, cut into whole MessagePack values.
 *
 * Positions count bytes since the stream began, so they stay true when the memory behind them
 * moves.  The memory follows what has come, never what a header announces.
 */
#ifndef POOLD_LIB_INBOX_H
#define POOLD_LIB_INBOX_H

#include "protocol/base.h"
#include "protocol/skip.h"

struct inbox {
	uint8_t *data;
	size_t capacity;
	size_t value_max; /* bytes of one value */
	uint64_t base;	  /* position of data[0] */
	uint64_t end;	  /* position after the last byte that has come */
	uint64_t scanned; /* position up to which `skip` has read */
	uint64_t value;	  /* position where the value now being read began */
	uint64_t kept;	  /* position before which nobody needs the bytes */
	uint8_t *held;	  /* old memory that inbox_hold promised to keep, or NULL */
	bool hold;
	struct skip skip;
};

void inbox_init(struct inbox *inbox, size_t value_max);
/* Gives the memory back; the inbox is as after inbox_init, ready for a new stream. */
void inbox_free(struct inbox *inbox);

/* Room for the next bytes: at least one, mostly many.  Bytes got from inbox_at move, unless held.
 * -ENOMEM. */
int inbox_space(struct inbox *inbox, uint8_t **ret_data, size_t *ret_len);
/* `len` bytes have come into that room. */
void inbox_took(struct inbox *inbox, size_t len);

/* Finds the next whole value: 1 and where it is, 0 when it has not come whole, -EPROTO when it is
 * not MessagePack, -EMSGSIZE when it is, or announces to be, over value_max. */
int inbox_next(struct inbox *inbox, uint64_t *ret_position, size_t *ret_len);
/* The byte at a position that was not released. */
const uint8_t *inbox_at(const struct inbox *inbox, uint64_t position);
/* Nobody needs the bytes before `position` any more. */
void inbox_release(struct inbox *inbox, uint64_t position);

/* While held, bytes got from inbox_at stay where they are. */
void inbox_hold(struct inbox *inbox);
void inbox_unhold(struct inbox *inbox);

#endif
