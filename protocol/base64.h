/* Base64 (RFC 4648, section 4, with padding). */
#ifndef POOLD_PROTOCOL_BASE64_H
#define POOLD_PROTOCOL_BASE64_H

#include "protocol/base.h"

/* Characters of the base64 of `len` bytes. */
#define BASE64_LEN(len) (((len) + 2) / 3 * 4)

/* Bytes that a base64 of `len` characters stands for, at most. */
#define BASE64_BYTES_MAX(len) ((len) / 4 * 3)

/* Writes the base64 of the bytes into `out`, without a zero at its end.  Returns how many
 * characters that are, BASE64_LEN(data.len). */
size_t base64_encode(struct bytes data, char *out);

/*
 * Writes what the text stands for into `out`, which has room for BASE64_BYTES_MAX(text.len).
 * Returns 0, and *ret_len says how many bytes that are; or -EINVAL: the text is not base64.  White
 * space is not allowed.
 */
int base64_decode(struct bytes text, uint8_t *out, size_t *ret_len);

#endif
