/*
 * JSON and MessagePack, each converted to the other without a silent change: what the other can't
 * express is refused.  Only binary has another shape in JSON: base64 text.
 *
 * Integers stay integers and floats stay floats (1.0), keys keep their order, none comes twice.
 *
 * There is no tree between the two: each value is written as it is read.  Wherever memory is needed
 * and refused, the whole conversion fails and says so; it never goes on with less.
 */
#ifndef POOLD_IO_BASE_JSON_H
#define POOLD_IO_BASE_JSON_H

#include "protocol/buf.h"

/* How deep arrays and maps may be nested on the way to JSON, and on the way from it. */
#define JSON_DEPTH_MAX	    512
#define JSON_READ_DEPTH_MAX 2048

/* How much a text may hold, so that one message can't keep the daemon busy: this is the limit for
 * the sum of the weights of all arrays, objects, commas and colons. */
#define JSON_WEIGHT_MAX	   ((size_t)2 * 1024 * 1024)
#define JSON_WEIGHT_ARRAY  3
#define JSON_WEIGHT_OBJECT 8
#define JSON_WEIGHT_COMMA  1
#define JSON_WEIGHT_COLON  3

/* Room for what is wrong with a text, in words, with a zero at the end. */
#define JSON_FAULT_MAX 256

/*
 * Appends one MessagePack value as JSON on one line.  Returns NULL, or in a few words what can't be
 * expressed: a key that is no text, holds a zero byte or comes twice, an ext, NaN or an infinity,
 * text that is not UTF-8, an integer above 9223372036854775807, too deep, too many values, or more
 * than `out` has room or there is memory for (buf_error(out) says which).
 */
const char *json_from_value(struct bytes value, struct buf *out);

/* Appends the text as a JSON string.  Returns as json_from_value. */
const char *json_from_text(struct bytes text, struct buf *out);

/*
 * Appends one JSON value as MessagePack, in the shortest encoding.  Returns 0; -EINVAL, and `fault`
 * says what is wrong at which byte; -ENOBUFS when it is longer than `out` may be; -ENOMEM.  After
 * an error `out` holds what it held before.  On the way it may take up to five bytes for each array
 * and object, also above the maximum of `out`.
 */
int json_to_value(struct bytes text, struct buf *out, char fault[static JSON_FAULT_MAX]);

#endif
