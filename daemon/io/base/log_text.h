/* Text made safe for a log: one line, no control bytes, valid UTF-8. */
#ifndef POOLD_IO_BASE_LOG_TEXT_H
#define POOLD_IO_BASE_LOG_TEXT_H

#include "protocol/base.h"

/*
 * Writes the text to `out` (`size` bytes, at least 8) and a zero byte after it: a newline as \n, a
 * tab as \t, other characters that a terminal may obey (utf8_is_command) and each byte that is not
 * UTF-8 as \xNN.  What doesn't fit is
 * left out, and "..." says so. Returns the bytes written without the zero byte.
 */
size_t log_text_escape(struct bytes text, char *out, size_t size);

#endif
