/*
 * The errors of error_log.h as bytes that a later daemon reads, so that poold.errors outlives this
 * one.  Pure: who calls it has the file.
 *
 * One MessagePack value: ["poold errors", version, since_ms of both rings, entries], and each
 * entry, the newest first: [at_ms, kind, uid or nil, pool or nil, whether callers may read it, the
 * open map, the whole map].  Pools are kept by their names, as their numbers are another
 * configuration's.
 */
#ifndef POOLD_IO_DRIVER_ERROR_SAVED_H
#define POOLD_IO_DRIVER_ERROR_SAVED_H

#include "daemon/io/driver/error_log.h"

struct config;

/* Bytes that the entries of one ring take at most; older ones are left out. */
#define ERROR_SAVED_RING_MAX ((size_t)2 * 1024 * 1024)

/* Bytes of all. */
#define ERROR_SAVED_MAX (2 * ERROR_SAVED_RING_MAX + 1024)

/* `out`: empty, with ERROR_SAVED_MAX as its maximum; its error is -ENOMEM at most. */
void error_saved_pack(const struct error_log *error_log, const struct config *config,
		      struct buf *out);

/*
 * Puts the entries behind those that are there, as far as there is room.  A pool that `config` does
 * not have is none: its entries are whole for their user and for those who control the daemon.
 *
 * Any bytes may be given.  Returns 0; -EPROTO: error_saved_pack has not written that;
 * -EPROTONOSUPPORT: another version has, and in both cases nothing has changed; -ENOMEM: only the
 * newest ones are there.
 */
int error_saved_read(struct error_log *error_log, const struct config *config, struct bytes saved);

#endif
