/*
 * A buffer of bytes read from a stream, which splits them into whole MessagePack values.
 *
 * Positions count bytes from the begin of the stream, so they stay valid when the memory moves.
 * The memory grows with the bytes received, never with a length that a header announces.
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
	uint64_t end;	  /* position after the last byte received */
	uint64_t scanned; /* position up to which `skip` has read */
	uint64_t value;	  /* position where the current, incomplete value begins */
	uint64_t kept;	  /* bytes before this position are not needed any more */
	uint8_t *held;	  /* old memory that inbox_hold promised to keep, or NULL */
	bool is_held;
	struct skip skip;
};

void inbox_init(struct inbox *inbox, size_t value_max);
/* Frees the memory; the inbox is as after inbox_init, ready for a new stream. */
void inbox_free(struct inbox *inbox);

/* Memory for the next read, at least one byte.  Pointers from inbox_at become invalid, unless held.
 * -ENOMEM. */
int inbox_space(struct inbox *inbox, uint8_t **ret_data, size_t *ret_len);
/* To be called after `len` bytes were read into that memory. */
void inbox_took(struct inbox *inbox, size_t len);

/* Finds the next whole value.  Returns 1 and its position and length; 0: it is not complete yet;
 * -EPROTO: it is not MessagePack; -EMSGSIZE: it is, or announces to be, larger than value_max. */
int inbox_next(struct inbox *inbox, uint64_t *ret_position, size_t *ret_len);
/* The bytes from a position on that was not released. */
const uint8_t *inbox_at(const struct inbox *inbox, uint64_t position);
/* Releases the bytes before `position`. */
void inbox_release(struct inbox *inbox, uint64_t position);

/* Between these two calls pointers from inbox_at stay valid. */
void inbox_hold(struct inbox *inbox);
void inbox_unhold(struct inbox *inbox);

#endif
