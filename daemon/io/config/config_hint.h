/* What somebody may have meant who wrote a name that the configuration does not know. */
#ifndef POOLD_IO_CONFIG_CONFIG_HINT_H
#define POOLD_IO_CONFIG_CONFIG_HINT_H

#include "daemon/io/config/config_table.h"

/*
 * Each adds a part of a sentence, such as "did you mean workers?" or "it belongs to [daemon]", or
 * nothing where no known name is near.
 */
void config_hint_key(enum option_section section, const char *key, struct buf *out);
void config_hint_section(const char *name, struct buf *out);
void config_hint_error(const char *name, struct buf *out);

#endif
