/* Base64 (RFC 4648, section 4, with padding). */
#ifndef POOLD_POOLCTL_BASE64_H
#define POOLD_POOLCTL_BASE64_H

#include <stddef.h>
#include <stdint.h>

/* Both return memory to be freed by the caller, or NULL without memory.  The text has no zero byte
 * at its end. */
char *base64_encode(const uint8_t *data, size_t len, size_t *ret_len);
/* NULL as well when the text is not base64. */
uint8_t *base64_decode(const char *text, size_t text_len, size_t *ret_len);

#endif
