/*
 * The command that is run for each alert: one at a time, while the others wait in a bounded queue.
 *
 * It gets the alert as JSON on its standard input and in its environment.  It is killed with its
 * process group when it takes too long or writes too much.  Its failures are logged.
 */
#ifndef POOLD_IO_OBSERVE_ALERT_COMMAND_H
#define POOLD_IO_OBSERVE_ALERT_COMMAND_H

#include "daemon/io/observe/alert_notice.h"
#include "daemon/io/worker/process.h"

#define ALERT_COMMAND_QUEUE 64

/* Bytes of output after which it is killed, and how many of them a failure repeats. */
#define ALERT_COMMAND_OUTPUT_MAX ((size_t)64 * 1024)
#define ALERT_COMMAND_SHOWN	 512

struct alert_command {
	struct driver *driver;
	char *path; /* the configuration's; "": there is none */
	struct alert_notice queue[ALERT_COMMAND_QUEUE];
	unsigned first;
	unsigned count; /* the one that runs included */

	bool is_running;
	struct process process;
	int output; /* the reading end; -1: closed */
	struct event readable;
	struct event deadline;
	bool is_late; /* it was killed: these two */
	bool is_flood;
	size_t written;
	char shown[ALERT_COMMAND_SHOWN];
	size_t shown_len;
};

void alert_command_init(struct alert_command *command, struct driver *driver);
/* Kills what still runs. */
void alert_command_done(struct alert_command *command);

/* Has the command run for the notice, now or when those before it have ended. */
void alert_command_send(struct alert_command *command, const struct alert_notice *notice);

#endif
