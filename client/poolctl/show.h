/* What the daemon says of itself, shown to people.  Every function prints to stdout; what an older
 * or newer daemon leaves out shows as "-". */
#ifndef POOLD_POOLCTL_SHOW_H
#define POOLD_POOLCTL_SHOW_H

#include <jansson.h>

/* The arguments: the result of the daemon's method of that name, and the pool that is wanted
 * (NULL: all; status, stats, metrics and version show all in any case). */
void show_status(const json_t *status, const char *wanted);
void show_health(const json_t *health, const char *wanted);
void show_pools(const json_t *pools, const char *wanted);
void show_workers(const json_t *workers, const char *wanted);
void show_stats(const json_t *stats, const char *wanted);
void show_metrics(const json_t *metrics, const char *wanted);
void show_version(const json_t *version, const char *wanted);
void show_breakers(const json_t *breakers, const char *wanted);
void show_recoveries(const json_t *recoveries, const char *wanted);
void show_doctor(const json_t *findings, const char *wanted);
void show_errors(const json_t *errors, const char *wanted);
void show_sessions(const json_t *sessions, const char *wanted);
/* What became of one breaker that was changed, and of something that can only be done. */
void show_breaker(const json_t *breaker, const char *wanted);
void show_done(const json_t *result, const char *wanted);
/* What was begun or done with the workers of a pool. */
void show_restart(const json_t *result, const char *wanted);
void show_resize(const json_t *result, const char *wanted);
void show_kill(const json_t *result, const char *wanted);
void show_drained(const json_t *result, const char *wanted);

/* One line of one event; one more where events were lost before it. */
void show_event(const json_t *event);

/* The error map of a call that failed, to stderr. */
void show_error(const json_t *error);

#endif
