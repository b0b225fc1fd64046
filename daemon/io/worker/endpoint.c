#include "daemon/io/worker/endpoint.h"

#include "daemon/io/config/config_address.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

void endpoint_init(struct endpoint *endpoint)
{
	*endpoint = (struct endpoint){.fd = -1};
}

static int error_of(int fd)
{
	int error = 0;
	socklen_t len = sizeof(error);

	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 ? -errno : -error;
}

static void on_writable(evutil_socket_t fd, short what, void *argument)
{
	struct endpoint *endpoint = argument;
	int error = error_of(fd);

	(void)what;
	endpoint->fd = -1;
	if (error < 0)
		close(fd);
	endpoint->on_connected(endpoint->owner, error < 0 ? -1 : fd, error);
}

static int open_socket(const struct sockaddr_storage *address)
{
	int fd = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int on = 1;

	if (fd < 0)
		return -errno;
	/* What a turn of the loop sends leaves in one write already. */
	if (address->ss_family != AF_UNIX)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

int endpoint_connect(struct endpoint *endpoint, struct loop *loop, const char *address,
		     void (*on_connected)(void *owner, int fd, int error), void *owner)
{
	struct sockaddr_storage peer;
	socklen_t len;
	int r = config_address_parse(address, &peer, &len);

	if (r < 0)
		return r;
	r = open_socket(&peer);
	if (r < 0)
		return r;
	*endpoint = (struct endpoint){
		.loop = loop, .fd = r, .on_connected = on_connected, .owner = owner};
	/* EAGAIN: the queue of a Unix socket is full, and no event would say when it is not any
	 * more.  So that is a failure, and tried again like one. */
	if (connect(endpoint->fd, (struct sockaddr *)&peer, len) < 0 && errno != EINPROGRESS) {
		r = -errno;
	} else {
		/* on_connected is called from the loop, even if the connection is there at once. */
		event_assign(&endpoint->event, loop->base, endpoint->fd, EV_WRITE, on_writable,
			     endpoint);
		r = event_add(&endpoint->event, NULL) < 0 ? -ENOMEM : 0;
	}
	if (r < 0) {
		close(endpoint->fd);
		endpoint->fd = -1;
	}
	return r;
}

void endpoint_cancel(struct endpoint *endpoint)
{
	if (endpoint->fd < 0)
		return;
	event_del(&endpoint->event);
	close(endpoint->fd);
	endpoint->fd = -1;
}
