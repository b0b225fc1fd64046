/* The value of one option: from text to its field, and back. */
#ifndef POOLD_IO_CONFIG_CONFIG_OPTION_H
#define POOLD_IO_CONFIG_CONFIG_OPTION_H

#include "daemon/io/config/config_table.h"
#include "protocol/buf.h"

/*
 * Sets the option's value in `values`, the struct of its section, and frees the one before.
 * Returns 0; -EINVAL when the text is not allowed, and then nothing has changed; -ENOMEM.
 */
int option_set(const struct option *option, void *values, const char *text);
/* Frees what the value owns. */
void option_clear(const struct option *option, void *values);
/* Writes the value as option_set reads it. */
void option_print(const struct option *option, const void *values, struct buf *out);
/* Writes what is allowed: "a number from 1 to 10". */
void option_print_allowed(const struct option *option, struct buf *out);

/* The value of a COUNT, SIZE or DURATION; the largest of a RANGE or of DURATIONS. */
uint64_t option_number(const struct option *option, const void *values);

#endif
