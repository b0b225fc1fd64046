/*
 * The structs inside the engine, for reading.  Only the core, the tests and the simulator include
 * this: the rest of the daemon reads the views of engine_view.h.
 */
#ifndef POOLD_CORE_ENGINE_INSPECT_H
#define POOLD_CORE_ENGINE_INSPECT_H

#include "daemon/core/engine.h"
#include "daemon/core/pool.h"
#include "daemon/core/session.h"

/* Pools by their number; workers, requests and sessions by their slot. */
const struct pool *engine_pool(const struct engine *engine, uint32_t pool);
const struct worker *engine_worker(const struct engine *engine, uint32_t worker);
const struct request *engine_request(const struct engine *engine, uint32_t request);
const struct session *engine_session(const struct engine *engine, uint32_t session);

/* The slot of a session that one of these returned. */
uint32_t engine_session_slot(const struct engine *engine, const struct session *session);

/* Checks every internal invariant.  Returns NULL, or the text of the first one that does not hold.
 * For tests: it walks through the whole state. */
const char *engine_check(const struct engine *engine);

#endif
