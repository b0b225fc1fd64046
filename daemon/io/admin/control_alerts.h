/* The methods that test and silence alerts. */
#ifndef POOLD_IO_ADMIN_CONTROL_ALERTS_H
#define POOLD_IO_ADMIN_CONTROL_ALERTS_H

#include "daemon/io/admin/control.h"

/* Carries out alert_test or alert_silence for a caller who may; the rest is as in control_answer. */
enum errcode control_alerts(struct driver *driver, const struct caller *caller, enum method method,
			    struct bytes params, struct buf *out, char why[CONTROL_WHY_SIZE]);

#endif
