/* What is wrong between values that are each right by themselves. */
#ifndef POOLD_IO_CONFIG_CONFIG_CHECK_H
#define POOLD_IO_CONFIG_CONFIG_CHECK_H

#include "daemon/io/config/config_draft.h"

/*
 * Finds the pools that `fallback` names, fits defaults to what was set, and adds a fault for each
 * two values that can't be together.
 */
void config_check(struct config_draft *draft);

#endif
