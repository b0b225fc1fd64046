/*
 * The configuration in the core's own types.  Every field that an option or an [error NAME] section
 * sets is filled in: the core needs no defaults of its own.
 */
#ifndef POOLD_IO_CONFIG_SETTINGS_H
#define POOLD_IO_CONFIG_SETTINGS_H

#include "daemon/core/settings.h"
#include "daemon/io/config/config.h"

/* The settings of a pool.  What they point at belongs to the configuration. */
void settings_pool(const struct config_pool *pool, struct pool_settings *ret);

/*
 * The settings of the engine with a seed from the system, but for `pools`, which the caller adds.
 * What they point at belongs to the configuration.
 */
struct engine_settings settings_engine(const struct config *config);

#endif
