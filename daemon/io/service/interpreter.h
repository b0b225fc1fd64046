/* Which Python runs the workers of `poold run`. */
#ifndef POOLD_IO_SERVICE_INTERPRETER_H
#define POOLD_IO_SERVICE_INTERPRETER_H

#include "protocol/base.h"

/*
 * Finds an interpreter that has the packages poold and msgpack and finds `module`, which it is
 * started to say: `wanted` if that is not NULL; in an active virtual environment that one's; else
 * python3 on PATH, which need not be the distribution's, or else /usr/bin/python3.
 *
 * Returns 0, and *ret_python is the caller's to free.  Otherwise standard error says what is
 * missing: -ENOENT: no interpreter has the packages; -ESRCH: there is no such module; -ENOMEM.
 */
int interpreter_find(const char *wanted, const char *module, char **ret_python);

#endif
