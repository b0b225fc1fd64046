/*
 * A cursor over whole MessagePack in memory, for the few values the daemon does read: envelopes,
 * options, small maps.
 *
 * Every reader returns 0 and moves on, or returns -EPROTO (another type, or the bytes end) or
 * -ERANGE (a number that does not fit) and stays where it is.  Nothing is copied or allocated:
 * strings and values are slices of the input.
 */
#ifndef POOLD_PROTOCOL_READ_H
#define POOLD_PROTOCOL_READ_H

#include "protocol/base.h"

struct reader {
	const uint8_t *at;
	const uint8_t *end;
};

enum value_type {
	VALUE_NIL = 0,
	VALUE_BOOL,
	VALUE_INT, /* any integer */
	VALUE_FLOAT,
	VALUE_STR,
	VALUE_BIN,
	VALUE_ARRAY,
	VALUE_MAP,
	VALUE_EXT,
	VALUE_NONE /* no value here: the end, or 0xc1 */
};

void reader_init(struct reader *reader, const uint8_t *data, size_t len);
bool reader_at_end(const struct reader *reader);

/* The type of the next value, which is not read. */
enum value_type read_peek(const struct reader *reader);

int read_nil(struct reader *reader);
int read_bool(struct reader *reader, bool *ret);
int read_uint(struct reader *reader, uint64_t *ret);
int read_int(struct reader *reader, int64_t *ret);
/* A float of either width, or an integer, as a double. */
int read_double(struct reader *reader, double *ret);
/* A str (not a bin); the slice is not zero-terminated and not checked to be UTF-8. */
int read_str(struct reader *reader, struct bytes *ret);
/* A bin or a str. */
int read_bin(struct reader *reader, struct bytes *ret);
int read_array(struct reader *reader, uint32_t *ret_count);
int read_map(struct reader *reader, uint32_t *ret_pairs);
/* Any one value, whole, as the bytes it came in. */
int read_value(struct reader *reader, struct bytes *ret);

/* Whether the slice holds exactly this text. */
bool bytes_equal(struct bytes bytes, const char *text);

#endif
