/*
 * The service manager: what it hands over (sockets, a watchdog interval), and messages to it.
 *
 * Nothing here blocks.  Without a service manager every call succeeds and does nothing.
 */
#ifndef POOLD_IO_SERVICE_SYSTEMD_H
#define POOLD_IO_SERVICE_SYSTEMD_H

#include "protocol/base.h"

#include <limits.h>
#include <sys/socket.h>
#include <sys/un.h>

#define SERVICE_LISTEN_MAX 16 /* descriptors taken over; more are closed */

struct systemd {
	struct sockaddr_un notify_address;
	socklen_t notify_address_len; /* 0: the service manager takes no messages */
	int notify_fd;		      /* -1: nothing was sent yet */
	char pending[64]; /* the last state that was not sent, as the queue was full; "": none */
	usec_t watchdog_usec;		    /* 0: no watchdog */
	int listen_fds[SERVICE_LISTEN_MAX]; /* -1: given away */
	char *listen_names[SERVICE_LISTEN_MAX];
	unsigned listen_count;
	char state_directory[PATH_MAX]; /* absolute path; "": the service has none */
};

/*
 * Takes over what stands in the environment (NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID,
 * LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES) and removes it from there, so that no worker inherits it.
 * Call once, before anything is started.  Returns 0 or -errno; the environment is clean in either
 * case, and the service may be used as if there were none.  An error that is_passing knows: what was
 * handed over could not be found out now.
 *
 * STATE_DIRECTORY stays, as a pool may hand it to its workers (env_allow); of several directories in
 * it the first is taken.
 */
int systemd_init(struct systemd *systemd);
/* Closes what was not given away. */
void systemd_done(struct systemd *systemd);

/*
 * The handed-over socket of that name (FileDescriptorName=), now the caller's; close-on-exec and
 * non-blocking. Returns a descriptor; -ENOENT when there is none; -EINVAL when it is not a
 * listening Unix stream socket.
 */
int systemd_listen_fd(struct systemd *systemd, const char *name);

/* The longest time between two systemd_watchdog calls; 0: none are wanted.  Call at half of it. */
usec_t systemd_watchdog_usec(const struct systemd *systemd);

/*
 * Each sends the service manager one message.  They return 0; -EAGAIN: its queue is full, or a
 * descriptor or memory is wanting (ready and stopping are sent again with the next call of any of
 * these, the others are dropped); or another -errno.
 */
int systemd_ready(struct systemd *systemd);
int systemd_stopping(struct systemd *systemd);
/* Whether one of these two is still to be sent; and sends it. */
bool systemd_has_pending(const struct systemd *systemd);
int systemd_send_pending(struct systemd *systemd);
int systemd_watchdog(struct systemd *systemd);
/* Asks for so much more time to start or stop, counted from now. */
int systemd_extend_timeout(struct systemd *systemd, usec_t usec);
/* One line for `systemctl status`. */
int systemd_status(struct systemd *systemd, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
