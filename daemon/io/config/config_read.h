/* One text of the configuration into a draft: its sections, and the keys in them. */
#ifndef POOLD_IO_CONFIG_CONFIG_READ_H
#define POOLD_IO_CONFIG_CONFIG_READ_H

#include "daemon/io/config/config_draft.h"

/*
 * Reads one more text on top of what the draft has, CONFIG_FILES_MAX + 1 of them at most.  Faults
 * and errors are kept in the draft.
 */
void config_read(struct config_draft *draft, const char *file, struct bytes text);

#endif
