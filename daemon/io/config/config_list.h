/* The options whose value is a list: words of a command, names, delays. */
#ifndef POOLD_IO_CONFIG_CONFIG_LIST_H
#define POOLD_IO_CONFIG_CONFIG_LIST_H

#include "daemon/io/config/config_table.h"

/* Whether a type is a list.  The functions below take only lists, and do the same as the functions
 * of config_option.h that call them. */
bool option_is_list(enum option_type type);

int option_set_list(const struct option *option, void *values, const char *text);
void option_clear_list(const struct option *option, void *values);
void option_print_list(const struct option *option, const void *values, struct buf *out);
void option_print_list_allowed(const struct option *option, struct buf *out);

/* The longest of a list of delays; 0 when there are none. */
usec_t option_longest_delay(const struct option *option, const void *values);

/* Whether an environment variable may have that name. */
bool is_variable_name(const char *name);
/* Whether a pool may have that name. */
bool is_pool_name(const char *name);

#endif
