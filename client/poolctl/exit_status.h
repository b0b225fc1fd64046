/* The exit statuses of the commands that say how well it is: the `exit_status` functions of struct
 * command. */
#ifndef POOLD_POOLCTL_EXIT_STATUS_H
#define POOLD_POOLCTL_EXIT_STATUS_H

#include "client/poolctl/options.h"

#include <jansson.h>

/* Of the pool, NULL: of all.  0, EXIT_FAILED where it is degraded, EXIT_DOWN; --live and --ready
 * are content with less. */
int exit_status_of_health(const struct options *options, const json_t *health, const char *pool);

/* Of the worst finding about the pool, NULL: about all: 0, EXIT_FAILED for a warning, EXIT_DOWN for
 * a fault. */
int exit_status_of_doctor(const struct options *options, const json_t *findings, const char *pool);

#endif
