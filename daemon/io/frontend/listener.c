#include "daemon/io/frontend/listener.h"

#include "daemon/io/driver/refusal.h"
#include "daemon/io/driver/state.h"
#include "daemon/io/frontend/connection.h"
#include "daemon/io/frontend/connection_open.h"
#include "daemon/io/frontend/frontend.h"
#include "daemon/io/frontend/places.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Accepted in one turn at most, so that those who are in go on being served. */
#define ACCEPTS_PER_TURN 64
/* And for so long: who comes costs more than a call, as it is found out who that is. */
#define ACCEPTS_TIME (usec_t)250

/* When accepting is tried again that failed. */
#define RETRY_PAUSE (200 * USEC_PER_MSEC)

/* While it keeps failing, a line in the log as often as this. */
#define WARN_PAUSE (10 * USEC_PER_SEC)

/* Connections that wait when the daemon stops to listen: the kernel keeps no more by default. */
#define BACKLOG_MAX 4096

/* --- accepting --- */

/* Until a connection is closed or the timer ends. */
static void pause_accepting(struct listener *listener, const char *why)
{
	usec_t now = loop_now(listener->frontend->driver->loop);

	event_del(&listener->accept_event);
	listener->is_paused = true;
	loop_set_event_timer(&listener->retry_timer, RETRY_PAUSE);
	if (listener->warned_at != 0 && usec_sub(now, listener->warned_at) < WARN_PAUSE)
		return;
	listener->warned_at = now;
	log_warning("no new connections until one is closed: %s", why);
}

void listener_resume(struct listener *listener)
{
	if (!listener->is_paused || listener->fd < 0)
		return;
	listener->is_paused = false;
	event_del(&listener->retry_timer);
	if (event_add(&listener->accept_event, NULL) < 0)
		pause_accepting(listener, "no memory");
}

static void on_retry(evutil_socket_t fd, short what, void *argument)
{
	(void)fd;
	(void)what;
	listener_resume(argument);
}

/*
 * Whether the connections have taken so many descriptors that the last tenth begins, which is for
 * workers.  The lowest free one says how many are in use; it is looked for only where the last
 * connection came near.  As many connections as are kept for control come in nevertheless.
 */
static bool is_short_of_descriptors(struct listener *listener)
{
	const struct frontend *frontend = listener->frontend;
	struct rlimit limit;
	rlim_t reserve_from;
	int lowest;

	if (frontend->connections.len <= frontend->driver->config->daemon.control_reserve ||
	    getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return false;
	reserve_from = limit.rlim_cur - limit.rlim_cur / 10;
	if (listener->last_fd < 0 || (rlim_t)listener->last_fd + ACCEPTS_PER_TURN < reserve_from)
		return false;
	lowest = fcntl(listener->fd, F_DUPFD_CLOEXEC, 0);
	if (lowest >= 0)
		close(lowest);
	return lowest < 0 || (rlim_t)lowest >= reserve_from;
}

/* Returns whether to go on accepting. */
static bool take_accept_error(struct listener *listener, int error)
{
	if (error == ECONNABORTED || error == EINTR)
		return true;
	if (error != EAGAIN && !listener->is_closing)
		pause_accepting(listener, strerror(error));
	return false;
}

/* Returns whether to go on accepting: in a turn only one connection is closed for another. */
static bool accept_one(struct listener *listener)
{
	struct frontend *frontend = listener->frontend;
	struct connection *connection;
	int fd;

	if (!places_may_accept(frontend)) {
		pause_accepting(listener, "connections_max is reached");
		return false;
	}
	if (is_short_of_descriptors(listener)) {
		pause_accepting(listener, "the last descriptors are kept for workers");
		return false;
	}
	fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return take_accept_error(listener, errno);
	listener->last_fd = fd;
	if (connection_open(frontend, fd, &connection) < 0) {
		close(fd);
		refusal_count_unopened(frontend->driver);
		return true;
	}
	return places_give(connection) != PLACES_MADE;
}

static void on_acceptable(evutil_socket_t fd, short what, void *argument)
{
	struct listener *listener = argument;
	struct turn *turn = &listener->frontend->driver->loop->turn;
	usec_t until;

	(void)fd;
	(void)what;
	turn_begin(turn);
	until = usec_add(turn_measure(turn), ACCEPTS_TIME);
	for (unsigned i = 0; i < ACCEPTS_PER_TURN; i++)
		if (!accept_one(listener) || turn_measure(turn) >= until)
			return;
}

/* --- the socket's file --- */

/* A file that was handed over can only be missed. */
static void miss_handed_file(struct listener *listener)
{
	struct file_identity found = {0};

	if (listener->is_in_trouble || (file_identify(listener->handed_path, &found) == 0 &&
					file_is_same(&found, &listener->handed_file)))
		return;
	listener->is_in_trouble = true;
	log_warning(
		"the socket's file %s is gone or another: nobody finds this daemon; the service "
		"manager has made it and must make it anew, as by systemctl restart "
		"poold.socket poold.service",
		listener->handed_path);
}

static int watch_socket(struct listener *listener)
{
	event_assign(&listener->accept_event, listener->frontend->driver->loop->base, listener->fd,
		     EV_READ | EV_PERSIST, on_acceptable, listener);
	return event_add(&listener->accept_event, NULL) < 0 ? -ENOMEM : 0;
}

/* Another socket takes the place of the one that nobody finds any more. */
static void exchange_socket(struct listener *listener, int fd)
{
	event_del(&listener->accept_event);
	event_del(&listener->retry_timer);
	close(listener->fd);
	listener->fd = fd;
	listener->is_paused = false;
	if (watch_socket(listener) < 0)
		pause_accepting(listener, "no memory");
}

static void keep_file(struct listener *listener)
{
	int fd = socket_file_keep(&listener->file, listener->fd, &listener->is_in_trouble);

	if (fd >= 0)
		exchange_socket(listener, fd);
}

static void check_file(struct listener *listener)
{
	if (listener->is_owned)
		keep_file(listener);
	else
		miss_handed_file(listener);
	loop_set_event_timer(&listener->file_timer, socket_file_pause(listener->is_in_trouble));
}

static void on_file_due(evutil_socket_t fd, short what, void *argument)
{
	(void)fd;
	(void)what;
	check_file(argument);
}

/* Where the file of a socket that was handed over is; false: it has none. */
static bool find_handed_file(struct listener *listener)
{
	struct sockaddr_un address = {0};
	socklen_t len = sizeof(address);

	if (getsockname(listener->fd, (struct sockaddr *)&address, &len) < 0 ||
	    address.sun_path[0] != '/')
		return false;
	snprintf(listener->handed_path, sizeof(listener->handed_path), "%.*s",
		 (int)sizeof(address.sun_path), address.sun_path);
	return file_identify(listener->handed_path, &listener->handed_file) == 0;
}

/* --- from start to end --- */

int listener_open(struct listener *listener, struct frontend *frontend, int fd,
		  char why[static SOCKET_FILE_WHY_SIZE])
{
	const struct config_daemon *config = &frontend->driver->config->daemon;
	struct event_base *base = frontend->driver->loop->base;

	*listener = (struct listener){
		.frontend = frontend, .fd = fd, .is_owned = fd < 0, .last_fd = -1};
	if (fd < 0) {
		fd = socket_file_open(&listener->file, config->socket, config->socket_mode, why);
		listener->fd = fd < 0 ? -1 : fd;
		if (fd < 0)
			return fd;
	}
	evtimer_assign(&listener->retry_timer, base, on_retry, listener);
	evtimer_assign(&listener->file_timer, base, on_file_due, listener);
	if (watch_socket(listener) < 0) {
		snprintf(why, SOCKET_FILE_WHY_SIZE, "no memory");
		listener_close(listener);
		return -ENOMEM;
	}
	if (listener->is_owned || find_handed_file(listener))
		loop_set_event_timer(&listener->file_timer, socket_file_pause(false));
	return 0;
}

void listener_close(struct listener *listener)
{
	if (listener->fd < 0)
		return;
	if (listener->is_owned) {
		/* Nobody can connect any more, and those who have are still there. */
		listener->is_closing = true;
		socket_file_hide(&listener->file);
		(void)shutdown(listener->fd, SHUT_RD);
		for (unsigned i = 0; i < BACKLOG_MAX && accept_one(listener); i++)
			;
	}
	event_del(&listener->accept_event);
	event_del(&listener->retry_timer);
	event_del(&listener->file_timer);
	close(listener->fd);
	listener->fd = -1;
	if (listener->is_owned)
		socket_file_close(&listener->file);
}
