/*
 * JSON and MessagePack, each said in the other without a silent change: what the other can't say is
 * refused.  Binary alone has another shape in JSON: base64 text.
 *
 * Integers stay integers and floats stay floats (1.0), keys keep their order, none comes twice.
 */
#ifndef POOLD_IO_JSON_H
#define POOLD_IO_JSON_H

#include "protocol/buf.h"

/* How deep arrays and maps may stand in each other, on the way to JSON and on the way back. */
#define JSON_DEPTH_MAX	    512
#define JSON_READ_DEPTH_MAX 1024

/* What a JSON text may weigh (json_weight). */
#define JSON_WEIGHT_MAX ((size_t)2 * 1024 * 1024)

/* Room for what is wrong with a text, with its end. */
#define JSON_FAULT_MAX 256

/*
 * How much work and memory reading the text takes: one for each item of an array, more for members,
 * arrays and objects.  A text above JSON_WEIGHT_MAX is not read, so that the daemon does not stand
 * still for it.
 */
size_t json_weight(struct bytes text);
bool json_is_too_heavy(struct bytes text);

/*
 * Appends one MessagePack value as JSON on one line.  Returns NULL, or in a few words what can't be
 * said: a key that is no text, holds a zero byte or comes twice, an ext, NaN or an infinity, text
 * that is not UTF-8, an integer above 9223372036854775807, too deep, too many values, or too long
 * for `out` (also where there is no memory for it).
 */
const char *json_from_value(struct bytes value, struct buf *out);

/* Appends the text as a JSON string.  Returns NULL, or what can't be said. */
const char *json_from_text(struct bytes text, struct buf *out);

/*
 * Appends one JSON value as MessagePack, in the shortest encoding.  Returns 0; -EINVAL, and `fault`
 * says what is wrong where; -ENOBUFS when it is longer than `out` may be; -ENOMEM.
 */
int json_to_value(struct bytes text, struct buf *out, char fault[static JSON_FAULT_MAX]);

#endif
