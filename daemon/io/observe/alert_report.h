/* What alerts are raised and resolved: as lines of the log and as events. */
#ifndef POOLD_IO_OBSERVE_ALERT_REPORT_H
#define POOLD_IO_OBSERVE_ALERT_REPORT_H

#include "daemon/core/alert.h"

struct driver;

/* Reports an effect of the alerts; `rule` is the effect's. */
void alert_report(struct driver *driver, const struct alert_rule *rule,
		  const struct alert_effect *effect);

#endif
