/* What each pool must and may have by its adapter and its dialect. */
#ifndef POOLD_IO_CONFIG_CONFIG_ADAPTER_H
#define POOLD_IO_CONFIG_CONFIG_ADAPTER_H

#include "daemon/io/config/config_draft.h"

/*
 * Adds a fault for each key that a pool's adapter requires or doesn't allow, and for each [breaker
 * NAME] and [retry NAME] without a pool.  Sets the defaults of each pool's dialect.
 */
void config_check_adapters(struct config_draft *draft);

#endif
