/* Checks of text that may not be valid UTF-8. */
#ifndef POOLD_PROTOCOL_UTF8_H
#define POOLD_PROTOCOL_UTF8_H

#include "protocol/base.h"

/* The length of the whole, valid character that the `left` bytes, at least one, begin with; 0: there
 * is none. */
size_t utf8_char(const uint8_t *at, size_t left);

/* The number in Unicode of one whole, valid character. */
uint32_t utf8_code(struct bytes character);

/*
 * Whether a terminal may obey the character instead of showing it, or show others in another order:
 * a control character (C0, DEL, C1), a mark that changes the direction of text, or a separator of
 * lines.  `character` is one whole, valid character.
 */
bool utf8_is_command(struct bytes character);

/* The length of the longest prefix that is valid UTF-8 (RFC 3629: no overlong forms, no surrogates,
 * nothing above U+10FFFF); text.len if the whole text is valid. */
size_t utf8_valid_prefix(struct bytes text);

/* The longest prefix of at most `max` bytes that does not end within a character. */
struct bytes utf8_cut(struct bytes text, size_t max);

#endif
