/* What the configuration means to the engine. */
#ifndef POOLD_IO_CONFIG_SETTINGS_H
#define POOLD_IO_CONFIG_SETTINGS_H

#include "daemon/core/settings.h"
#include "daemon/io/config/config.h"

/* A pool's; what it points at stays the configuration's. */
void settings_pool(const struct config_pool *pool, struct pool_settings *ret);

/* The engine's, but for its pools, with a seed from the system. */
struct engine_settings settings_engine(const struct config *config);

#endif
