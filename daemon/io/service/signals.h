/*
 * Signals to the daemon.  All that are handled here are blocked from the first moment to the last
 * and read from a descriptor, so that none ends the process by itself; each comes with its sender.
 *
 * SIGQUIT, SIGKILL and those of faults are left as they are.
 */
#ifndef POOLD_IO_SERVICE_SIGNALS_H
#define POOLD_IO_SERVICE_SIGNALS_H

#include "daemon/io/base/log.h"
#include "daemon/io/base/loop.h"

#define SIGNALS_SENDER_SIZE 64

struct signals {
	int fd; /* -1: closed */
	struct event event;
	struct log_limit limit;
	/* For SIGTERM, SIGINT and SIGHUP; `sender` is for the log. */
	void (*on_signal)(void *owner, int number, const char *sender);
	void *owner;
	struct loop *loop;
};

/* Blocks the signals that have no meaning for the daemon, such as SIGUSR1.  Before anything else. */
void signals_block_unused(void);

/* Blocks SIGTERM, SIGINT and SIGHUP too, until they are read. */
void signals_block_all(void);

/* Reads them: those that were sent since they were blocked come first.  The others are a line in
 * the log.  Returns 0 or -errno. */
int signals_open(struct signals *signals, struct loop *loop,
		 void (*on_signal)(void *owner, int number, const char *sender), void *owner);

/* They stay blocked. */
void signals_close(struct signals *signals);

/* "SIGUSR1"; a signal without a name is "signal 99". */
void signals_name(int number, char *out, size_t size);

#endif
