#include "daemon/io/frontend/listener.h"

#include "daemon/io/driver/state.h"
#include "daemon/io/frontend/connection.h"
#include "daemon/io/frontend/frontend.h"
#include "daemon/io/frontend/places.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* Accepted in one turn at most, so that those who are in go on being served. */
#define ACCEPTS_PER_TURN 64

/* Whether somebody answers at that address. */
static bool is_alive(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool alive;

	if (fd < 0)
		return false;
	alive = connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ||
		errno == EAGAIN;
	close(fd);
	return alive;
}

static int bind_at(int fd, const struct sockaddr_un *address)
{
	struct stat status;

	if (bind(fd, (const struct sockaddr *)address, sizeof(*address)) == 0)
		return 0;
	if (errno != EADDRINUSE || lstat(address->sun_path, &status) < 0 ||
	    !S_ISSOCK(status.st_mode) || is_alive(address))
		return -EADDRINUSE;
	/* Left behind by a daemon that was killed. */
	if (unlink(address->sun_path) < 0 ||
	    bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
		return -errno;
	return 0;
}

static int open_socket(const struct config_daemon *config, struct sockaddr_un *ret_address,
		       int *ret_fd)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	mode_t mask;
	int fd, r;

	if (strlen(config->socket) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, config->socket, strlen(config->socket));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	/* Nobody may connect before the mode is set. */
	mask = umask(0777);
	r = bind_at(fd, &address);
	umask(mask);
	if (r == 0 && chmod(config->socket, config->socket_mode) < 0)
		r = -errno;
	if (r == 0 && listen(fd, SOMAXCONN) < 0)
		r = -errno;
	if (r < 0) {
		close(fd);
		return r;
	}
	*ret_address = address;
	*ret_fd = fd;
	return 0;
}

static void pause_accepting(struct listener *listener, const char *why)
{
	unsigned held;

	event_del(&listener->accept_event);
	listener->is_paused = true;
	if (log_limit_pass(&listener->limit, loop_now(listener->frontend->driver->loop), &held))
		log_warning("no new connections until one is closed: %s (%u times before)", why,
			    held);
}

void listener_resume(struct listener *listener)
{
	if (!listener->is_paused || listener->fd < 0)
		return;
	listener->is_paused = false;
	event_add(&listener->accept_event, NULL);
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
	fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
			pause_accepting(listener, strerror(errno));
		return errno == ECONNABORTED || errno == EINTR;
	}
	if (connection_open(frontend, fd, &connection) < 0) {
		close(fd);
		return true;
	}
	return places_give(connection) != PLACES_MADE;
}

static void on_acceptable(evutil_socket_t fd, short what, void *argument)
{
	(void)fd;
	(void)what;
	for (unsigned i = 0; i < ACCEPTS_PER_TURN; i++)
		if (!accept_one(argument))
			return;
}

int listener_open(struct listener *listener, struct frontend *frontend, int fd)
{
	int r = 0;

	*listener = (struct listener){
		.frontend = frontend, .fd = fd, .is_owned = fd < 0, .limit.per_second = 1};
	if (fd < 0)
		r = open_socket(&frontend->driver->config->daemon, &listener->address,
				&listener->fd);
	if (r < 0) {
		listener->fd = -1;
		return r;
	}
	event_assign(&listener->accept_event, frontend->driver->loop->base, listener->fd,
		     EV_READ | EV_PERSIST, on_acceptable, listener);
	return event_add(&listener->accept_event, NULL) < 0 ? -ENOMEM : 0;
}

void listener_close(struct listener *listener)
{
	if (listener->fd < 0)
		return;
	event_del(&listener->accept_event);
	close(listener->fd);
	if (listener->is_owned)
		unlink(listener->address.sun_path);
	listener->fd = -1;
}
