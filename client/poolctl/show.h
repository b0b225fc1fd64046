/* The `show` functions of struct command: they print the result of a daemon's method to stdout, as
 * tables and sentences for people.  Fields that the daemon left out are printed as "-". */
#ifndef POOLD_POOLCTL_SHOW_H
#define POOLD_POOLCTL_SHOW_H

#include "client/poolctl/table.h"

#include <jansson.h>
#include <stdbool.h>

struct since;

/* `wanted` is the pool to show, NULL: all pools.  status, stats, metrics and version ignore it. */
void show_status(const json_t *status, const char *wanted);
void show_health(const json_t *health, const char *wanted);
void show_pools(const json_t *pools, const char *wanted);
void show_methods(const json_t *methods, const char *wanted);
void show_workers(const json_t *workers, const char *wanted);
void show_stats(const json_t *stats, const char *wanted);
void show_metrics(const json_t *metrics, const char *wanted);
void show_version(const json_t *version, const char *wanted);
void show_breakers(const json_t *breakers, const char *wanted);
void show_recoveries(const json_t *recoveries, const char *wanted);
void show_doctor(const json_t *findings, const char *wanted);
void show_errors(const json_t *errors, const char *wanted);
/* Since when errors of the kind (NULL: of all) are known, from the daemon's status. */
void show_errors_since(const json_t *status, const char *kind);
void show_sessions(const json_t *sessions, const char *wanted);
void show_clients(const json_t *clients, const char *wanted);
void show_requests(const json_t *requests, const char *wanted);
void show_config(const json_t *config, const char *wanted);
/* The request that was ended by `cancel`. */
void show_cancelled(const json_t *request, const char *wanted);
/* The new state of one breaker. */
void show_breaker(const json_t *breaker, const char *wanted);
void show_alerts(const json_t *alerts, const char *wanted);
/* The result of `alert`. */
void show_alert(const json_t *result, const char *wanted);
/* "done", or "not done" for a result of false. */
void show_done(const json_t *result, const char *wanted);
/* The results of restart, resize, kill, drain and resume. */
void show_restart(const json_t *result, const char *wanted);
void show_resize(const json_t *result, const char *wanted);
void show_kill(const json_t *result, const char *wanted);
void show_drained(const json_t *result, const char *wanted);

/* Five cells for a window of a pool: RATE, OK%, P50, P99, WAIT. */
void show_window_cells(struct table *table, const json_t *window);

/* Three more: for what most of the time was waited, the longest queue, and how long no worker was
 * free. */
void show_wait_cells(struct table *table, const json_t *window);

/* One event as one line: its number, time, kind, and a sentence. */
void show_event(const json_t *event);
/* Whether it names the pool (NULL: any) and came then or later.  A gap is of every pool. */
bool show_event_is_of(const json_t *event, const char *pool, const struct since *since);

/* Prints the error map of a failed request to stderr. */
void show_error(const json_t *error);

/* The end of a text: its last few lines. */
const char *show_last_lines(const char *text);

#endif
