/* Reads a configuration from memory. */
#ifndef POOLD_TESTS_CONFIG_TEXT_H
#define POOLD_TESTS_CONFIG_TEXT_H

#include "daemon/io/config/config.h"

/* Does what config_load does, with `text` as the only file; `file` is its name in errors. */
int config_parse_text(const char *file, struct bytes text, const struct config **ret_config,
		      struct buf *errors);

#endif
