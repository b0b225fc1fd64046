/* A worker's environment: the daemon's own variables that the pool allows, the pool's env.NAME, and
 * what the dialect needs. */
#ifndef POOLD_IO_WORKER_ENVIRONMENT_H
#define POOLD_IO_WORKER_ENVIRONMENT_H

#include <stddef.h>

struct config_pool;
struct identity;

/*
 * The environment of worker `number` (from 1) of the pool, or of its fork server (number 0), with
 * its tags (process_tag.h): `instance` is the daemon's name, `life` that of this life of the
 * process, `identity` the user that it runs as; a message from it may have `response_max` bytes.  A list of "NAME=value" that ends with NULL, for
 * environment_free; NULL without memory.  Each name is there once; the later value wins.
 */
char **environment_new(const struct config_pool *pool, unsigned number, const char *instance,
		       const char *life, const struct identity *identity, size_t response_max);

/* Takes NULL. */
void environment_free(char **environment);

#endif
