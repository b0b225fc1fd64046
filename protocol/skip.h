/*
 * The skipper: finds the end of a MessagePack value, in constant memory, however the bytes are
 * split.
 *
 * It counts the values still to come, at all depths together, so it needs no stack and no limit of
 * depth.  It decodes no value and allocates nothing.  Each length and count is checked against the
 * limit at once, so a header that announces too much is rejected before memory is allocated for it.
 */
#ifndef POOLD_PROTOCOL_SKIP_H
#define POOLD_PROTOCOL_SKIP_H

#include "protocol/base.h"

enum skip_result {
	SKIP_MORE = 0, /* all bytes were taken; the value continues */
	SKIP_DONE,     /* the value is complete; bytes after it were not taken */
	SKIP_BAD,      /* not MessagePack (the byte 0xc1) */
	SKIP_TOO_LARGE /* the value is, or announces to be, larger than the limit */
};

struct skip {
	uint64_t items;	 /* values whose header is still to come, or is in `head` */
	uint64_t raw;	 /* bytes of a str, bin, ext or number still to be skipped */
	uint64_t taken;	 /* bytes of the value so far */
	uint64_t limit;	 /* of the value, in bytes */
	uint8_t head[5]; /* a marker with its length field, as far as received */
	uint8_t head_len;
	uint8_t head_need; /* length of the header in `head` when complete; 0 between headers */
};

/* Begins a new value of at most `limit` bytes.  With a limit of 0 every value is too large. */
void skip_init(struct skip *skip, uint64_t limit);

/*
 * Continues with the next bytes.  *ret_taken is set to the number of those that belong to the
 * value; 0 with SKIP_BAD and SKIP_TOO_LARGE.  After any result but SKIP_MORE, skip_init must be
 * called before the next value.  The last result does not depend on how the bytes of a value are
 * split.
 */
enum skip_result skip_feed(struct skip *skip, const uint8_t *data, size_t len, size_t *ret_taken);

/* The least number of bytes that are still to come before the value is complete; 0: it is complete.
 */
uint64_t skip_need(const struct skip *skip);

/* The length of the value at `data`; 0: it is incomplete, not MessagePack, or larger than
 * `limit`. */
size_t skip_value(const uint8_t *data, size_t len, uint64_t limit);

#endif
