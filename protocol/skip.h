/*
 * The skipper: finds where one MessagePack value ends, in constant memory, over any split of the
 * bytes.
 *
 * One counter of items still to come stands for the whole nesting, so there is no stack and no
 * limit of depth.  It reads no value and allocates nothing.  Everything it announces is checked
 * against `limit` at once: a header that promises more than the limit leaves room for is refused
 * before anything could be reserved for it.
 */
#ifndef POOLD_PROTOCOL_SKIP_H
#define POOLD_PROTOCOL_SKIP_H

#include "protocol/base.h"

enum skip_result {
	SKIP_MORE = 0, /* every byte given was taken, the value goes on */
	SKIP_DONE,     /* the value is complete; bytes after it were not taken */
	SKIP_BAD,      /* not MessagePack (the byte 0xc1) */
	SKIP_TOO_LARGE /* the value is, or announces to be, longer than the limit */
};

struct skip {
	uint64_t items;	 /* values whose header is still to come, or is in `head` */
	uint64_t raw;	 /* bytes of a str, bin, ext or number still to pass over */
	uint64_t taken;	 /* bytes of the value so far */
	uint64_t limit;	 /* most bytes the value may have */
	uint8_t head[5]; /* a marker with its length field, as far as it has come */
	uint8_t head_len;
	uint8_t head_need; /* bytes the header in `head` has when whole; 0 between headers */
};

/* Starts on a new value of at most `limit` bytes.  With a limit of 0 every value is too large. */
void skip_init(struct skip *skip, uint64_t limit);

/*
 * Reads on.  *ret_taken gets how many of the `len` bytes belong to the value; it says nothing (0)
 * with SKIP_BAD and SKIP_TOO_LARGE.  After anything but SKIP_MORE, call skip_init before the next
 * value.  However the bytes of a value are split, the last result is the same.
 */
enum skip_result skip_feed(struct skip *skip, const uint8_t *data, size_t len, size_t *ret_taken);

/* The least number of bytes that must still come for the value to end (0 once it is done). */
uint64_t skip_need(const struct skip *skip);

/* The length of the whole value at `data`, or 0 when it is not whole, not MessagePack, or over
 * `limit`. */
size_t skip_value(const uint8_t *data, size_t len, uint64_t limit);

#endif
