/* Who is behind an alert, in words: the method, the worker or the client that stands out now. */
#ifndef POOLD_IO_OBSERVE_ALERT_SUSPECT_H
#define POOLD_IO_OBSERVE_ALERT_SUSPECT_H

#include "daemon/io/observe/alert_text.h"

/* Whether alerts of this kind name a method, a worker or a client. */
bool alert_suspect_is_for(enum alert_kind kind);

/* Writes a sentence about the one that the alert of this kind is about in the pool now; which client it
 * is only for ALERT_OPERATORS.  Returns false if it is about none, or if there is none now. */
bool alert_suspect_describe(const struct driver *driver, enum alert_kind kind, uint32_t pool,
			    enum alert_reader reader, char text[ALERT_TEXT_MAX]);

/* Writes the command for a shell that shows that one.  Returns false if there is none. */
bool alert_suspect_command(const struct driver *driver, enum alert_kind kind, uint32_t pool,
			   char text[ALERT_COMMAND_MAX]);

#endif
