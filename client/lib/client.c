#include "client/lib/client.h"

#include "client/lib/lookup.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define GRACE_MS_DEFAULT	   1000
#define CONNECT_TIMEOUT_MS_DEFAULT 5000
/* The daemon's default of 64 MiB for a result, and room for the envelope around it. */
#define RESPONSE_MAX_DEFAULT  ((size_t)(64 * 1024 + 64) * 1024)
#define OUTPUT_MAX_DEFAULT    ((size_t)128 * 1024 * 1024)
#define IN_FLIGHT_MAX_DEFAULT 1024

/* Limits of one poold_dispatch: slices of one write, and reads, so that a daemon which keeps
 * sending does not block the caller. */
#define SLICES_MAX 64
#define READS_MAX  16

usec_t client_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (usec_t)now.tv_sec * USEC_PER_SEC + (usec_t)now.tv_nsec / 1000;
}

/* --- Life --- */

static int set_path(struct poold_client *client, const char *path)
{
	client->address.sun_family = AF_UNIX;
	if (!path)
		return lookup_socket(client->address.sun_path, sizeof(client->address.sun_path));
	if (strlen(path) >= sizeof(client->address.sun_path))
		return -EINVAL;
	memcpy(client->address.sun_path, path, strlen(path) + 1);
	return 0;
}

static int set_options(struct poold_client *client, const struct poold_client_options *given)
{
	struct poold_client_options options = given ? *given : (struct poold_client_options){0};
	uint64_t grace_ms, connect_ms;

	if (options.timeout_ms > TIMEOUT_MS_MAX || options.grace_ms > TIMEOUT_MS_MAX ||
	    options.connect_timeout_ms > TIMEOUT_MS_MAX || options.in_flight_max > IN_FLIGHT_LIMIT)
		return -EINVAL;

	grace_ms = options.grace_ms ? options.grace_ms : GRACE_MS_DEFAULT;
	connect_ms = options.connect_timeout_ms ? options.connect_timeout_ms
						: CONNECT_TIMEOUT_MS_DEFAULT;
	client->timeout = options.timeout_ms * USEC_PER_MSEC;
	client->grace = grace_ms * USEC_PER_MSEC;
	client->connect_timeout = connect_ms * USEC_PER_MSEC;
	client->name = strdup(options.name ? options.name : "libpoold");
	if (!client->name)
		return -ENOMEM;
	client_session_init(
		&client->session,
		(struct client_session_limits){
			options.response_max ? options.response_max : RESPONSE_MAX_DEFAULT,
			options.output_max ? options.output_max : OUTPUT_MAX_DEFAULT,
			options.in_flight_max ? options.in_flight_max : IN_FLIGHT_MAX_DEFAULT},
		client->name);
	return 0;
}

int poold_client_new(const char *path, const struct poold_client_options *options,
		     struct poold_client **ret_client)
{
	struct poold_client *client = calloc(1, sizeof(*client));
	int r;

	if (!client)
		return -ENOMEM;
	client->fd = -1;
	r = path && path[0] == '\0' ? -EINVAL : set_path(client, path);
	if (r == 0)
		r = set_options(client, options);
	if (r < 0) {
		free(client);
		return r;
	}
	*ret_client = client;
	return 0;
}

static void disconnect(struct poold_client *client)
{
	if (client->fd >= 0)
		close(client->fd);
	client->fd = -1;
}

void poold_client_free(struct poold_client *client)
{
	if (!client)
		return;
	assert(!client->is_dispatching);
	disconnect(client);
	client_session_done(&client->session);
	free(client->name);
	free(client);
}

const char *poold_client_path(const struct poold_client *client)
{
	return client->address.sun_path;
}

/* --- Connection --- */

/* connect(2) to a Unix socket blocks only while the backlog of the daemon is full; SO_SNDTIMEO
 * limits how long. */
static int open_socket(const struct poold_client *client, int *ret_fd)
{
	struct timeval limit = {(time_t)(client->connect_timeout / USEC_PER_SEC),
				(suseconds_t)(client->connect_timeout % USEC_PER_SEC)};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int r;

	if (fd < 0)
		return -errno;
	r = setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (r == 0) {
		do
			r = connect(fd, (const struct sockaddr *)&client->address,
				    sizeof(client->address));
		while (r < 0 && errno == EINTR);
	}
	if (r < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

int poold_client_connect(struct poold_client *client)
{
	int r;

	if (client->fd >= 0)
		return 0;
	r = open_socket(client, &client->fd);
	if (r == 0) {
		r = client_session_begin(&client->session);
		if (r < 0)
			disconnect(client);
	}
	if (r < 0)
		snprintf(client->message, sizeof(client->message), "cannot connect to %s: %s",
			 client->address.sun_path,
			 r == -EAGAIN ? "the daemon does not accept connections" : strerror(-r));
	return r;
}

/* Reads what has arrived.  Returns 0, or the error after which the connection must be closed. */
static int receive(struct poold_client *client)
{
	for (unsigned i = 0; i < READS_MAX; i++) {
		uint8_t *data;
		size_t room;
		int r = client_session_space(&client->session, &data, &room);
		ssize_t len;

		if (r < 0)
			return r;
		len = recv(client->fd, data, room, MSG_DONTWAIT);
		if (len == 0)
			return -ECONNRESET;
		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0)
			return errno == EAGAIN ? 0 : -errno;
		r = client_session_took(&client->session, (size_t)len);
		if (r < 0)
			return r;
		if ((size_t)len < room)
			return 0;
	}
	return 0;
}

/* Writes as much as the socket takes.  Returns 0 or -errno. */
static int transmit(struct poold_client *client)
{
	struct iovec slices[SLICES_MAX];

	for (;;) {
		struct msghdr message = {.msg_iov = slices};
		ssize_t len;

		message.msg_iovlen = client_session_output(&client->session, slices, SLICES_MAX);
		if (message.msg_iovlen == 0)
			return 0;
		len = sendmsg(client->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0)
			return errno == EAGAIN ? 0 : -errno;
		client_session_wrote(&client->session, (size_t)len);
	}
}

/* A daemon that closed its end of the connection may have sent answers before: read all of them. */
static void receive_rest(struct poold_client *client)
{
	while (receive(client) == 0) {
		struct pollfd more = {.fd = client->fd, .events = POLLIN};

		if (poll(&more, 1, 0) <= 0)
			return;
	}
}

static int transfer(struct poold_client *client, short revents)
{
	int r = transmit(client);

	if (r < 0) {
		receive_rest(client);
		return r;
	}
	if ((revents & (POLLIN | POLLHUP | POLLERR)) != 0)
		r = receive(client);
	return r;
}

static const char *lost_message(int status)
{
	switch (status) {
	case -EPROTO:
		return "the daemon sent bytes that are not valid messages";
	case -EOVERFLOW:
		return "an answer of the daemon is larger than response_max";
	case -ENOMEM:
		return "no memory for the daemon's answer";
	default:
		return "the connection to the daemon ended";
	}
}

/* The errors of a connection that poold.h promises; all others are -ECONNRESET. */
static int lost_status(int r)
{
	return r == -EPROTO || r == -EOVERFLOW || r == -ENOMEM ? r : -ECONNRESET;
}

static void lose_connection(struct poold_client *client, int status)
{
	int r;

	disconnect(client);
	client_session_lost(&client->session, status, lost_message(status));
	if (!client_session_has_output(&client->session))
		return;
	r = poold_client_connect(client);
	if (r < 0)
		client_session_refused(&client->session, r, client->message);
}

int poold_dispatch(struct poold_client *client, short revents)
{
	int r = 0;

	if (client->is_dispatching)
		return -EDEADLK;
	client->is_dispatching = true;
	if (client->fd >= 0)
		r = transfer(client, revents);
	if (r < 0) {
		r = lost_status(r);
		lose_connection(client, r);
	}
	client_session_tick(&client->session, client_now());
	client_session_deliver(&client->session);
	client->is_dispatching = false;
	return r;
}

int poold_fd(const struct poold_client *client)
{
	return client->fd;
}

short poold_events(const struct poold_client *client)
{
	return client_session_has_output(&client->session) ? POLLIN | POLLOUT : POLLIN;
}

int poold_timeout_ms(const struct poold_client *client)
{
	usec_t deadline = client_session_deadline(&client->session);
	usec_t now, wait_ms;

	if (deadline == USEC_INFINITY)
		return -1;
	now = client_now();
	if (deadline <= now)
		return 0;

	/* Rounded up, so that poll does not return before the deadline. */
	wait_ms = (deadline - now + USEC_PER_MSEC - 1) / USEC_PER_MSEC;
	return wait_ms > INT_MAX ? INT_MAX : (int)wait_ms;
}
