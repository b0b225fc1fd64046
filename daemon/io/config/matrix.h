/* The table of errors for people: what the daemon does about each code unless it is told otherwise.
 */
#ifndef POOLD_IO_CONFIG_MATRIX_H
#define POOLD_IO_CONFIG_MATRIX_H

#include "protocol/buf.h"

/* A table in Markdown, with a row for each code of errcode.def in its order. */
void matrix_describe(struct buf *out);

#endif
