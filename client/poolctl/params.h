/* The arguments of a command as the params of the daemon's method: the `params` functions of struct
 * command, which says what they return.  They have as many arguments as the command takes. */
#ifndef POOLD_POOLCTL_PARAMS_H
#define POOLD_POOLCTL_PARAMS_H

#include "client/poolctl/argument.h"

#include <poold.h>
#include <stdbool.h>

/* All arguments as text. */
bool params_texts(struct poold_writer *writer, char **args, int arg_count, char fault[FAULT_MAX]);
/* [N] */
bool params_count(struct poold_writer *writer, char **args, int arg_count, char fault[FAULT_MAX]);
/* `errors`: [N [KIND]] */
bool params_errors(struct poold_writer *writer, char **args, int arg_count, char fault[FAULT_MAX]);
/* `recovery cancel`: ID */
bool params_id(struct poold_writer *writer, char **args, int arg_count, char fault[FAULT_MAX]);
/* `session close`: SESSION [UID] */
bool params_session(struct poold_writer *writer, char **args, int arg_count, char fault[FAULT_MAX]);
/* `resize`: POOL MIN[..MAX], as [pool, min, max] */
bool params_size(struct poold_writer *writer, char **args, int arg_count, char fault[FAULT_MAX]);
/* `alert`: ALERT [DURATION], as [alert] or [alert, seconds] */
bool params_alert(struct poold_writer *writer, char **args, int arg_count, char fault[FAULT_MAX]);
/* `kill`: POOL WORKER [SIGNAL] */
bool params_worker(struct poold_writer *writer, char **args, int arg_count, char fault[FAULT_MAX]);

#endif
