/*
 * MessagePack as text, for tests that compare messages: JSON with single quotes.
 *
 *	[1, 7, nil, {'a': -1, 'b': 1.5}]     true, false, 'text', and b'raw' for a bin
 */
#ifndef POOLD_TESTS_WIRE_H
#define POOLD_TESTS_WIRE_H

#include "protocol/base.h"
#include "protocol/buf.h"

/* Appends the values that the text holds; aborts if the text is not valid. */
void wire_put(struct buf *buf, const char *text);

/* Appends the text of all values in the bytes, with a newline after each.  Ends with "..." at bytes
 * that are no value. */
void wire_render(struct buf *buf, const uint8_t *data, size_t len);

/* Returns the same as a string, in one of a few static buffers. */
const char *wire_text(const void *data, size_t len);

#endif
