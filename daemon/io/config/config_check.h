/* From a draft that has read all its texts to the finished configuration. */
#ifndef POOLD_IO_CONFIG_CONFIG_CHECK_H
#define POOLD_IO_CONFIG_CONFIG_CHECK_H

#include "daemon/io/config/config_draft.h"

/*
 * Checks each pool by its adapter and dialect, finds the pools that `fallback` names, checks the
 * values that must fit together, and hands out the draft's configuration with one reference.
 * Returns 0; -EINVAL when the draft has faults, and then each has its line; -ENOMEM.
 */
int config_check(struct config_draft *draft, const struct config **ret_config);

#endif
