/*
 * The names by which workers know sessions.
 *
 * A worker keeps what it has for a session under one name, and serves all users.  So that two users
 * with the same name are two sessions there too, a worker gets UID:NAME; of the daemon's own user,
 * and where sessions are shared, NAME alone.
 */
#ifndef POOLD_IO_DRIVER_SESSION_ALIAS_H
#define POOLD_IO_DRIVER_SESSION_ALIAS_H

#include "daemon/core/names.h"

struct driver;

/* Room for a name with ten digits and a colon before it. */
#define SESSION_ALIAS_MAX (NAME_LEN_MAX + 11)

/* The name for workers of the user's session `name`, which may be empty (none).  It is in `out` or
 * `name` itself. */
struct bytes session_alias(const struct driver *driver, uint32_t user, struct bytes name,
			   uint8_t out[SESSION_ALIAS_MAX]);

#endif
