#include "daemon/io/worker/dialects.h"

const struct dialect *dialect_get(enum config_dialect dialect)
{
	static const struct dialect *const dialects[] = {
		[DIALECT_POOLD] = &dialect_poold,
		[DIALECT_MSGPACK_RPC] = &dialect_msgpack_rpc,
		[DIALECT_PACKET4_JSON] = &dialect_packet4_json,
		[DIALECT_PACKET4_MSGPACK] = &dialect_packet4_msgpack,
		[DIALECT_JSONRPC] = &dialect_jsonrpc,
	};
	static_assert(ARRAY_SIZE(dialects) == DIALECT_COUNT_, "a dialect has no file");

	return dialects[dialect];
}
