/* A worker's environment: the daemon's own variables that the pool allows, the pool's env.NAME, and
 * what the dialect needs. */
#ifndef POOLD_IO_WORKER_ENVIRONMENT_H
#define POOLD_IO_WORKER_ENVIRONMENT_H

#include <stddef.h>

struct spawn_context;
struct start;

/*
 * The environment of a worker of the pool, or of its fork server.  A list of "NAME=value" that ends
 * with NULL, for environment_free; NULL without memory.  Each name is there once; the later value
 * wins.
 */
char **environment_new(const struct start *start, const struct spawn_context *context);

/* Takes NULL. */
void environment_free(char **environment);

#endif
