/* Whether the program and the directory of a pool's workers are there, for who looks before a start
 * or after one that failed. */
#ifndef POOLD_IO_CONFIG_CONFIG_PROGRAM_H
#define POOLD_IO_CONFIG_CONFIG_PROGRAM_H

#include "daemon/io/config/config.h"

#include <limits.h>

/* Searches the program of the pool as execvp(3) does, and writes its path to `out`.  Returns false
 * if there is none that this process may run; `out` then is the command's first word. */
bool config_find_program(const struct config_pool *pool, char out[PATH_MAX]);

/* Returns 0, or the errno that says why this process cannot enter the directory. */
int config_directory_fault(const char *path);

/*
 * The folder of /home, /root and /run/user that a file of the pool's command, its directory or one
 * of PYTHONPATH lies in and that this process can't read, as ProtectHome= of a systemd unit has it.
 * NULL: there is none.
 */
const char *config_hidden_home(const struct config_pool *pool);

#endif
