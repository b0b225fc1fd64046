#include "client/lib/client.h"

#include "client/lib/lookup.h"
#include "client/lib/options.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
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
/* Limit of the rounds of READS_MAX reads from a daemon that takes nothing any more. */
#define LAST_ROUNDS_MAX 16

/* How long to wait for another try while the backlog of the daemon is full. */
#define RETRY_AFTER (10 * USEC_PER_MSEC)

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

/* Different for each client, also where many processes are started at once. */
static uint64_t client_seed(const struct poold_client *client)
{
	return client_now() ^ ((uint64_t)getpid() << 32) ^ (uint64_t)(uintptr_t)client;
}

static int set_options(struct poold_client *client, const struct poold_client_options *given)
{
	struct poold_client_options options;
	uint64_t grace_ms, connect_ms;
	int r = options_take(given, offsetof(struct poold_client_options, no_reconnect),
			     sizeof(options), &options);

	if (r < 0)
		return r;
	if (options.timeout_ms > TIMEOUT_MS_MAX || options.grace_ms > TIMEOUT_MS_MAX ||
	    options.connect_timeout_ms > TIMEOUT_MS_MAX || options.in_flight_max > IN_FLIGHT_LIMIT)
		return -EINVAL;

	grace_ms = options.grace_ms ? options.grace_ms : GRACE_MS_DEFAULT;
	connect_ms = options.connect_timeout_ms ? options.connect_timeout_ms
						: CONNECT_TIMEOUT_MS_DEFAULT;
	client->timeout = options.timeout_ms * USEC_PER_MSEC;
	client->grace = grace_ms * USEC_PER_MSEC;
	client->connect_timeout = connect_ms * USEC_PER_MSEC;
	client->reconnects = !options.no_reconnect;
	client->name = strdup(options.name ? options.name : "libpoold");
	if (!client->name)
		return -ENOMEM;
	client_session_init(
		&client->session,
		(struct client_session_limits){
			options.response_max ? options.response_max : RESPONSE_MAX_DEFAULT,
			options.output_max ? options.output_max : OUTPUT_MAX_DEFAULT,
			options.in_flight_max ? options.in_flight_max : IN_FLIGHT_MAX_DEFAULT,
			client->reconnects, client_seed(client)},
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

/* A socket that has none of the numbers of standard files: a program that has closed one of those may
 * print all the same.  Returns it, or -errno. */
static int make_socket(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int moved;

	if (fd < 0)
		return -errno;
	if (fd > STDERR_FILENO)
		return fd;
	moved = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	if (moved < 0)
		moved = -errno;
	close(fd);
	return moved;
}

/* -EAGAIN: the backlog of the daemon is full. */
static int open_socket(const struct poold_client *client, int *ret_fd)
{
	int fd = make_socket();
	int r;

	if (fd < 0)
		return fd;
	r = connect(fd, (const struct sockaddr *)&client->address, sizeof(client->address));
	if (r < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

/* What a caller can do something about, beside the system's own words. */
static const char *failure_hint(int r)
{
	switch (r) {
	case -EAGAIN:
		return "it did not accept the connection";
	case -ENOENT:
		return "no socket file was there";
	case -ECONNREFUSED:
		return "nobody listened there";
	default:
		return "no connection was possible";
	}
}

/* `waited`: how long it was tried, 0 for a single try. */
static void describe_failure(struct poold_client *client, int r, usec_t waited)
{
	const char *reason = r == -EAGAIN ? "the daemon does not accept connections" : strerror(-r);
	int len = snprintf(client->message, sizeof(client->message), "cannot connect to %s: %s",
			   client->address.sun_path, reason);

	if (waited >= USEC_PER_SEC / 20 && len > 0 && (size_t)len < sizeof(client->message))
		snprintf(client->message + len, sizeof(client->message) - (size_t)len,
			 "; %s for %.1f s", failure_hint(r), (double)waited / (double)USEC_PER_SEC);
}

/* One try to connect. */
static int try_connect(struct poold_client *client)
{
	int r = open_socket(client, &client->fd);

	if (r < 0)
		return r;
	r = client_session_begin(&client->session);
	if (r < 0)
		disconnect(client);
	return r;
}

void client_begin_to_connect(struct poold_client *client)
{
	client->failing_since = 0;
	client->retry_at = 0;
}

/* Whether another try may succeed: there may be a daemon soon. */
static bool is_passing(const struct poold_client *client, int r)
{
	return r == -EAGAIN || (client->reconnects && (r == -ENOENT || r == -ECONNREFUSED));
}

/* The requests whose time is over finish; the others wait for the next try.  With a full backlog
 * there is a daemon, and a request waits for it as for its answer, until its deadline. */
static void wait_for_daemon(struct poold_client *client, int r, usec_t now, bool is_over)
{
	usec_t ended = r == -EAGAIN ? 0 : now;
	usec_t next;

	describe_failure(client, r, now - client->failing_since);
	next = client_session_unreachable(&client->session, ended, is_over, r, client->message);
	client->retry_at = now + client_session_pause(&client->session);
	if (next > now && next < client->retry_at)
		client->retry_at = next;
}

int client_connect(struct poold_client *client)
{
	usec_t now = client_now();
	bool is_over;
	int r;

	if (client->fd >= 0 || now < client->retry_at)
		return 0;
	r = try_connect(client);
	if (r == 0 || !is_passing(client, r)) {
		client_begin_to_connect(client);
		if (r < 0)
			describe_failure(client, r, 0);
		return r;
	}
	if (client->failing_since == 0)
		client->failing_since = now;
	is_over = now >= client->failing_since + client->connect_timeout;
	if (client->reconnects) {
		wait_for_daemon(client, r, now, is_over);
		return 0;
	}
	if (!is_over) {
		client->retry_at = now + RETRY_AFTER;
		return 0;
	}
	describe_failure(client, r, 0);
	client_begin_to_connect(client);
	return r;
}

int poold_client_connect(struct poold_client *client)
{
	usec_t until = client_now() + client->connect_timeout;
	int r = client->fd >= 0 ? 0 : try_connect(client);

	while (r == -EAGAIN && client_now() < until) {
		poll(NULL, 0, RETRY_AFTER / USEC_PER_MSEC);
		r = try_connect(client);
	}
	if (r < 0)
		describe_failure(client, r, 0);
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
	for (unsigned i = 0; i < LAST_ROUNDS_MAX && receive(client) == 0; i++) {
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

/* Connects if requests wait for that; without a connection, they fail. */
static void connect_for_waiting(struct poold_client *client)
{
	int r;

	if (!client_session_wants_connection(&client->session)) {
		client_begin_to_connect(client);
		return;
	}
	r = client_connect(client);
	if (r < 0)
		client_session_refused(&client->session, r, client->message);
}

static void lose_connection(struct poold_client *client, int status, const char *message)
{
	disconnect(client);
	client_session_lost(&client->session, status, message);
	/* A daemon that takes connections but never says a word is not asked all the time. */
	if (client->reconnects && client->session.tries++ > 0)
		client->retry_at = client_now() + client_session_pause(&client->session);
	connect_for_waiting(client);
}

int client_leave_if_dead(struct poold_client *client)
{
	if (client->fd < 0 || !client_session_is_dead(&client->session))
		return 0;
	lose_connection(client, -ECONNRESET, "the daemon did not answer for a long time");
	return -ECONNRESET;
}

int poold_dispatch(struct poold_client *client, short revents)
{
	int r = 0;

	if (client->is_dispatching)
		return -EDEADLK;
	client->is_dispatching = true;
	if (client->fd >= 0)
		r = transfer(client, revents);
	else
		connect_for_waiting(client);
	if (r < 0) {
		r = lost_status(r);
		lose_connection(client, r, lost_message(r));
	}
	if (r == 0 && client_session_is_left(&client->session))
		lose_connection(client, -ECONNRESET, lost_message(-ECONNRESET));
	client_session_tick(&client->session, client_now());
	if (r == 0)
		r = client_leave_if_dead(client);
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

	if (client->fd < 0 && client->retry_at > 0 && client->retry_at < deadline)
		deadline = client->retry_at;

	if (deadline == USEC_INFINITY)
		return -1;
	now = client_now();
	if (deadline <= now)
		return 0;

	/* Rounded up, so that poll does not return before the deadline. */
	wait_ms = (deadline - now + USEC_PER_MSEC - 1) / USEC_PER_MSEC;
	return wait_ms > INT_MAX ? INT_MAX : (int)wait_ms;
}
