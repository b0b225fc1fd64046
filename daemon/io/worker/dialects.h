/* The table of all dialects. */
#ifndef POOLD_IO_WORKER_DIALECTS_H
#define POOLD_IO_WORKER_DIALECTS_H

#include "daemon/io/config/config.h"
#include "daemon/io/worker/dialect.h"

extern const struct dialect dialect_poold;
extern const struct dialect dialect_msgpack_rpc;
extern const struct dialect dialect_packet4_json;
extern const struct dialect dialect_packet4_msgpack;
extern const struct dialect dialect_jsonrpc;

const struct dialect *dialect_get(enum config_dialect dialect);

#endif
