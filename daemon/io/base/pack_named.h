/* Pairs of a map: a name, and its value. */
#ifndef POOLD_IO_BASE_PACK_NAMED_H
#define POOLD_IO_BASE_PACK_NAMED_H

#include "protocol/buf.h"

static inline void pack_named_uint(struct buf *out, const char *name, uint64_t value)
{
	pack_str(out, name);
	pack_uint(out, value);
}

static inline void pack_named_bool(struct buf *out, const char *name, bool value)
{
	pack_str(out, name);
	pack_bool(out, value);
}

static inline void pack_named_str(struct buf *out, const char *name, const char *text)
{
	pack_str(out, name);
	pack_str(out, text);
}

/* `text` of no bytes: nil. */
static inline void pack_named_text(struct buf *out, const char *name, struct bytes text)
{
	pack_str(out, name);
	if (text.len > 0)
		pack_text(out, text);
	else
		pack_nil(out);
}

/* A span in milliseconds, to the microsecond. */
static inline void pack_named_ms(struct buf *out, const char *name, usec_t value)
{
	pack_str(out, name);
	pack_double(out, (double)value / 1e3);
}

/* A span in whole milliseconds. */
static inline void pack_named_whole_ms(struct buf *out, const char *name, usec_t value)
{
	pack_named_uint(out, name, value / USEC_PER_MSEC);
}

#endif
