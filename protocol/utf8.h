/* UTF-8, where text comes from peers who may send anything. */
#ifndef POOLD_PROTOCOL_UTF8_H
#define POOLD_PROTOCOL_UTF8_H

#include "protocol/base.h"

/* How many bytes from the beginning are valid UTF-8 of whole characters (RFC 3629: no overlong
 * forms, no surrogates, nothing above U+10FFFF).  It is text.len when all of it is valid. */
size_t utf8_valid_prefix(struct bytes text);

/* The beginning of the text: at most `max` bytes, with no character cut in two. */
struct bytes utf8_cut(struct bytes text, size_t max);

#endif
