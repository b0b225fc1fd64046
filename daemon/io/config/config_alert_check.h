/* What is wrong with the sections [alert NAME], and what they leave out. */
#ifndef POOLD_IO_CONFIG_CONFIG_ALERT_CHECK_H
#define POOLD_IO_CONFIG_CONFIG_ALERT_CHECK_H

#include "daemon/io/config/config_draft.h"

/* Fills in what the sections leave out, and finds the pools that they name. */
void config_check_alerts(struct config_draft *draft);

/* Refuses rules that no value can reach. */
void config_check_alerts_fire(struct config_draft *draft);

#endif
