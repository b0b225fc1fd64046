/*
 * JSON and MessagePack, each converted to the other without a silent change: what the other can't
 * express is refused.  Only binary has another shape in JSON: base64 text.
 *
 * Integers stay integers and floats stay floats (1.0), keys keep their order, none comes twice.
 */
#ifndef POOLD_IO_BASE_JSON_H
#define POOLD_IO_BASE_JSON_H

#include "protocol/buf.h"

/* How deep arrays and maps may be nested on the way to JSON. */
#define JSON_DEPTH_MAX 512

/* What a JSON text may weigh (json_weight). */
#define JSON_WEIGHT_MAX ((size_t)2 * 1024 * 1024)

/* Room for what is wrong with a text, in words, with a zero at the end. */
#define JSON_FAULT_MAX 256

/*
 * How much memory reading the text takes, in pieces of some 32 bytes: one for each item of an
 * array, more for members and objects.  Reading is refused above JSON_WEIGHT_MAX, as `[{},{},{}...`
 * would take a hundred times its own size.
 */
size_t json_weight(struct bytes text);

/*
 * Appends one MessagePack value as JSON on one line.  Returns NULL, or in a few words what can't be
 * expressed: a key that is no text, holds a zero byte or comes twice, an ext, NaN or an infinity,
 * text that is not UTF-8, an integer above 9223372036854775807, too deep, too many values, or too
 * long for `out` (also where there is no memory for it).
 */
const char *json_from_value(struct bytes value, struct buf *out);

/* Appends the text as a JSON string.  Returns NULL, or what can't be expressed. */
const char *json_from_text(struct bytes text, struct buf *out);

/*
 * Appends one JSON value as MessagePack, in the shortest encoding.  Returns 0; -EINVAL, and `fault`
 * says what is wrong where; -ENOBUFS when it is longer than `out` may be; -ENOMEM.
 */
int json_to_value(struct bytes text, struct buf *out, char fault[static JSON_FAULT_MAX]);

#endif
