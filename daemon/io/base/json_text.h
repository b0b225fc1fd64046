/* Strings of JSON: what is between two quotes. */
#ifndef POOLD_IO_BASE_JSON_TEXT_H
#define POOLD_IO_BASE_JSON_TEXT_H

#include "protocol/buf.h"

/* How many bytes at the beginning are ASCII that stands for itself in a JSON string: no control
 * characters, quotes and backslashes. */
size_t json_plain_prefix(const uint8_t *data, size_t len);

/*
 * Reads a string, whose first quote is behind us.  Returns where its last one is, and *ret_len is
 * its length without escapes; or where it is wrong, which *ret_why says, else NULL.
 */
const uint8_t *json_scan_text(const uint8_t *at, const uint8_t *end, size_t *ret_len,
			      const char **ret_why);

/* Appends a string without its escapes; it was read with json_scan_text, up to `end`. */
void json_decode_text(const uint8_t *at, const uint8_t *end, struct buf *out);

#endif
