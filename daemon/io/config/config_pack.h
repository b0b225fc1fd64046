/* The configuration as MessagePack, for poold.config. */
#ifndef POOLD_IO_CONFIG_CONFIG_PACK_H
#define POOLD_IO_CONFIG_CONFIG_PACK_H

#include "daemon/io/config/config.h"

/*
 * Packs an array of sections, as PROTOCOL.md says: each key with its value, its default, and where
 * it was set.  The values of env.NAME are left out: they are often secret.  `pool`: its sections
 * alone; NULL: all.
 */
void config_pack(const struct config *config, const struct config_pool *pool, struct buf *out);

#endif
