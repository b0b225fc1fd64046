/* An alert that was raised or resolved, as its destinations get it. */
#ifndef POOLD_IO_OBSERVE_ALERT_NOTICE_H
#define POOLD_IO_OBSERVE_ALERT_NOTICE_H

#include "daemon/io/observe/alert_text.h"

struct alert_notice {
	const struct alert_rule *rule; /* these two last as long as the daemon */
	const char *pool;	       /* NULL: it is about the daemon */
	bool is_raised;
	bool is_test;
	uint64_t firing; /* its number */
	uint64_t highest;
	uint64_t raised_ms;   /* these two: milliseconds since 1970 */
	uint64_t resolved_ms; /* 0: it still fires */
	char text[ALERT_TEXT_MAX];
};

struct alert_notice alert_notice(const struct driver *driver, const struct alert_rule *rule,
				 const struct alert_effect *effect);

/* Appends it as one JSON object: see alert_command in poold.conf(5). */
void alert_notice_json(const struct alert_notice *notice, struct buf *out);

/* Appends it as one object of Alertmanager's API; one that fires ends at `until_ms` unless it is sent
 * again before that. */
void alert_notice_post(const struct alert_notice *notice, uint64_t until_ms, struct buf *out);

#endif
