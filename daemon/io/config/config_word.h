/* The options whose value is one word of several: their words, and the number behind each. */
#ifndef POOLD_IO_CONFIG_CONFIG_WORD_H
#define POOLD_IO_CONFIG_CONFIG_WORD_H

#include "daemon/io/config/config_table.h"

/* Whether the type is of this kind; only those are passed to the functions below. */
bool option_is_word(enum option_type type);

/* The word, or NULL where the number stands for none. */
const char *option_word(enum option_type type, unsigned number);

/* Returns 0 or -EINVAL when it is none of the type's words. */
int option_find_word(enum option_type type, const char *word, unsigned *ret_number);

/* Writes "one, two or three". */
void option_print_words(enum option_type type, struct buf *out);

#endif
