/* Rules of alerts: their defaults, and the rules in the core's types. */
#ifndef POOLD_IO_CONFIG_CONFIG_ALERT_H
#define POOLD_IO_CONFIG_CONFIG_ALERT_H

#include "daemon/io/config/config.h"

/* Sets those keys whose default is that of the alert's kind. */
void config_alert_take_defaults(struct config_alert *alert);

/* Whether it is a built-in rule that nothing changes. */
bool config_alert_is_default(const struct config_alert *alert);

/* How a threshold of the kind is written, and its default. */
enum value_unit config_alert_unit(enum alert_kind kind);
struct value_threshold config_alert_threshold(enum alert_kind kind);

/* The rules of a configuration, in its order. */
void config_alert_rules(const struct config *config, struct alert_rule ret[ALERT_RULES_MAX]);

#endif
