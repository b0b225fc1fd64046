/* Notifications from the daemon: a part of a streamed answer, or an event. */
#ifndef POOLD_LIB_NOTICE_H
#define POOLD_LIB_NOTICE_H

#include "protocol/base.h"
#include "protocol/envelope.h"

enum notice_kind {
	NOTICE_UNKNOWN = 0, /* of a later version, or malformed: to be ignored */
	NOTICE_CHUNK,
	NOTICE_RESTART,
	NOTICE_EVENT,
	NOTICE_CLOSING /* the daemon will close the connection */
};

struct notice {
	enum notice_kind kind;
	uint32_t id;	    /* chunk, restart: of the request */
	struct bytes value; /* chunk: one value; event: one map.  Points into the envelope */
};

/* Reads a notification. */
struct notice notice_read(const struct envelope *envelope);

#endif
