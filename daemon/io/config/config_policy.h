/*
 * What the configuration means to the core: a pool's settings in the core's own types.  Where a
 * file says nothing they are the core's own defaults.
 */
#ifndef POOLD_IO_CONFIG_CONFIG_POLICY_H
#define POOLD_IO_CONFIG_CONFIG_POLICY_H

#include "daemon/core/breaker.h"
#include "daemon/core/budget.h"
#include "daemon/io/config/config.h"

void config_breaker_settings(const struct config_pool *pool, struct breaker_settings *ret);

/* ret->list is the configuration's own: it is valid as long as that. */
void config_backoff_settings(const struct config_pool *pool, struct backoff_settings *ret);

void config_budget_settings(const struct config_pool *pool, struct budget_settings *ret);

#endif
