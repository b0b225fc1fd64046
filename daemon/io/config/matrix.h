/* The table of errors for people: what the daemon does about each code by default. */
#ifndef POOLD_IO_CONFIG_MATRIX_H
#define POOLD_IO_CONFIG_MATRIX_H

#include "protocol/buf.h"

/* Writes a table in Markdown with a row for each code, in the order of errcode.def. */
void matrix_describe(struct buf *out);

#endif
