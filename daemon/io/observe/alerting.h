/*
 * Alerts of the running daemon: once a second readings are taken, and what is raised or resolved is
 * reported in the log, as an event, to alert_command and to alert_url.
 *
 * Nothing is measured before the daemon has started, so that pools whose workers are still on their
 * way are no alert, nor while it stops.
 */
#ifndef POOLD_IO_OBSERVE_ALERTING_H
#define POOLD_IO_OBSERVE_ALERTING_H

#include "daemon/core/alert.h"
#include "daemon/io/base/loop.h"
#include "daemon/io/observe/alert_command.h"
#include "daemon/io/observe/alert_post.h"
#include "protocol/buf.h"

struct driver;

/* How long an alert fires that an operator tests. */
#define ALERTING_TEST (10 * USEC_PER_SEC)

/* The longest silence. */
#define ALERTING_SILENCE_MAX ((usec_t)7 * 86400 * USEC_PER_SEC)

struct alerting {
	struct driver *driver;
	struct alert_rule rules[ALERT_RULES_MAX];
	struct alerts alerts;
	struct alert *slots;
	struct alert_pool *pools;  /* readings */
	struct suspects *suspects; /* of each pool */
	struct event timer;
	struct alert_command command;
	struct alert_post post;
};

/* Makes the alerts of the driver's configuration, and lets its reports find them.  Returns 0 or
 * -ENOMEM; after an error `alerting` may be given to alerting_done too. */
int alerting_init(struct alerting *alerting, struct driver *driver);
void alerting_done(struct alerting *alerting);

/* Begins to measure. */
void alerting_start(struct alerting *alerting);

/* The alert of that pool that fires, tests, silenced ones and those whose value is low again apart,
 * after that at *cursor, which begins with 0; ALERT_NO_POOL: of the daemon.  Returns false when
 * there are no more, or `alerting` is NULL. */
bool alerting_next(const struct alerting *alerting, uint32_t pool, size_t *cursor,
		   struct alert_view *ret);

/* The rule of that name; NULL: there is none. */
const struct alert_rule *alerting_find(const struct alerting *alerting, struct bytes name);

/* Lets the rule's alert fire as a test.  Returns 0, -EALREADY or -ENOENT: see alerts_test. */
int alerting_test(struct alerting *alerting, const struct alert_rule *rule);

/* Silences the rule's alerts for `span`; 0: ends that.  `uid` is for the log. */
void alerting_silence(struct alerting *alerting, const struct alert_rule *rule, usec_t span,
		      uint32_t uid);

/* Packs the answer to poold.alerts for that caller. */
void alerting_pack(const struct alerting *alerting, const struct caller *caller, struct buf *out);

#endif
