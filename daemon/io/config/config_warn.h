/* What is allowed in a configuration, and most likely wrong on this machine. */
#ifndef POOLD_IO_CONFIG_CONFIG_WARN_H
#define POOLD_IO_CONFIG_CONFIG_WARN_H

#include "daemon/io/config/config_draft.h"

/* Adds a line for each to the draft's warnings.  Looks for programs, folders, users and groups, so
 * that it may take a while: it is for who asks for a check, not for each start. */
void config_warn(struct config_draft *draft);

#endif
