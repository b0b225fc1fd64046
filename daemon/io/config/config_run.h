/* The configuration of `poold run`: one pool of Python workers, from a few words instead of a file. */
#ifndef POOLD_IO_CONFIG_CONFIG_RUN_H
#define POOLD_IO_CONFIG_CONFIG_RUN_H

#include "daemon/io/config/config.h"

#define CONFIG_RUN_POOL	   "python"
#define CONFIG_RUN_WORKERS "2"

struct config_run {
	const char *module;  /* MODULE or MODULE:OBJECT, as python3 -m poold.worker takes it */
	const char *python;  /* the interpreter */
	const char *socket;  /* where to listen */
	const char *pool;    /* the pool's name; NULL: CONFIG_RUN_POOL */
	const char *workers; /* as the option; NULL: CONFIG_RUN_WORKERS */
	bool reload;	     /* the module's files will change while it is served */
};

/*
 * Makes the configuration; the rest are the built-in defaults.  It is this user's alone: nobody
 * else may connect, and the log goes to standard error.  The caller owns one reference to
 * *ret_config.
 *
 * Returns 0; -EINVAL when a word is wrong, and then `errors` says so as for config_load; -ENOMEM.
 */
int config_run(const struct config_run *words, const struct config **ret_config,
	       struct buf *errors);

#endif
