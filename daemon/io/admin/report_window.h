/* What the methods poold.status, pools and stats answer about the last minutes of a pool
 * (PROTOCOL.md): maps that stand behind a name; and what poold.methods does. */
#ifndef POOLD_IO_ADMIN_REPORT_WINDOW_H
#define POOLD_IO_ADMIN_REPORT_WINDOW_H

#include "daemon/io/driver/driver.h"

/* `name`: the window of that length, which ends now. */
void report_pack_window(const struct driver *driver, struct buf *out, uint32_t pool,
			const char *name, usec_t length);

/* "windows": the windows of 10 s, 1, 5 and 15 min, and since the start. */
void report_pack_windows(const struct driver *driver, struct buf *out, uint32_t pool);

/* "peaks": the most connections and bytes of buffers, in the same windows. */
void report_pack_peaks(const struct driver *driver, struct buf *out);

/* `name`: how long requests waited and ran in the minute of so long ago: window_minute. */
void report_pack_earlier(const struct driver *driver, struct buf *out, uint32_t pool,
			 const char *name, usec_t ago);

/* The whole answer of poold.methods: the methods of the pools that the caller may call. */
void report_methods(const struct driver *driver, const struct caller *caller, struct buf *out);

#endif
