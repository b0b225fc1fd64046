/* The options whose value is one word of several: their words and the numbers of these. */
#ifndef POOLD_IO_CONFIG_CONFIG_WORD_H
#define POOLD_IO_CONFIG_CONFIG_WORD_H

#include "daemon/io/config/config_table.h"

/* Whether a type is of this kind.  The functions below take no others. */
bool option_is_word(enum option_type type);

/* The word of that number, or NULL if there is none. */
const char *option_word(enum option_type type, unsigned number);

/* Returns 0, or -EINVAL when it is no word of that type. */
int option_find_word(enum option_type type, const char *word, unsigned *ret_number);

/* Writes "one, two or three". */
void option_print_words(enum option_type type, struct buf *out);

#endif
