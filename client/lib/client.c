#include "client/lib/call_params.h"
#include "client/lib/client_session.h"
#include "client/lib/poold.h"
#include "client/lib/reply.h"
#include "client/lib/value.h"

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
/* The daemon's default of 64 MiB for a result, and room for what stands around it. */
#define RESPONSE_MAX_DEFAULT  ((size_t)(64 * 1024 + 64) * 1024)
#define OUTPUT_MAX_DEFAULT    ((size_t)128 * 1024 * 1024)
#define IN_FLIGHT_MAX_DEFAULT 1024
#define TIMEOUT_MS_MAX	      ((uint64_t)1000 * 60 * 60 * 24 * 365)

/* One dispatch writes and reads at most this often, so that a flood cannot hold the caller. */
#define SLICES_MAX 64
#define READS_MAX  16

struct poold_client {
	struct sockaddr_un address;
	int fd; /* -1: not connected */
	bool is_dispatching;
	usec_t timeout; /* 0: none */
	usec_t grace;
	usec_t connect_timeout;
	struct client_session session;
	char *name;
	char message[256]; /* why there is no connection */
};

static usec_t now_usec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (usec_t)now.tv_sec * USEC_PER_SEC + (usec_t)now.tv_nsec / 1000;
}

/* --- Life --- */

static int set_path(struct poold_client *client, const char *path)
{
	if (!path)
		path = getenv("POOLD_SOCKET");
	if (!path || path[0] == '\0')
		path = POOLD_SOCKET_DEFAULT;
	if (strlen(path) >= sizeof(client->address.sun_path))
		return -EINVAL;
	client->address.sun_family = AF_UNIX;
	memcpy(client->address.sun_path, path, strlen(path) + 1);
	return 0;
}

static int set_options(struct poold_client *client, const struct poold_client_options *given)
{
	struct poold_client_options options = given ? *given : (struct poold_client_options){0};

	if (options.timeout_ms > TIMEOUT_MS_MAX || options.grace_ms > TIMEOUT_MS_MAX ||
	    options.connect_timeout_ms > TIMEOUT_MS_MAX || options.in_flight_max > IN_FLIGHT_LIMIT)
		return -EINVAL;

	uint64_t grace_ms = options.grace_ms ? options.grace_ms : GRACE_MS_DEFAULT;
	uint64_t connect_ms = options.connect_timeout_ms ? options.connect_timeout_ms
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

/* Connecting to a Unix socket waits only while the daemon's backlog is full; the send timeout of
 * the socket limits that. */
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
			 r == -EAGAIN ? "it takes no connections" : strerror(-r));
	return r;
}

/* Reads what there is.  0, or why the connection is of no use any more. */
static int receive(struct poold_client *client)
{
	for (unsigned i = 0; i < READS_MAX; i++) {
		uint8_t *data;
		size_t room;
		int r = client_session_space(&client->session, &data, &room);

		if (r < 0)
			return r;

		ssize_t len = recv(client->fd, data, room, MSG_DONTWAIT);

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

/* Writes what can be written. */
static int transmit(struct poold_client *client)
{
	struct iovec slices[SLICES_MAX];

	for (;;) {
		struct msghdr message = {.msg_iov = slices};

		message.msg_iovlen = client_session_output(&client->session, slices, SLICES_MAX);
		if (message.msg_iovlen == 0)
			return 0;

		ssize_t len = sendmsg(client->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0)
			return errno == EAGAIN ? 0 : -errno;
		client_session_wrote(&client->session, (size_t)len);
	}
}

/* A peer that takes no more bytes may still have answered: read to the end before giving it up. */
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
		return "the daemon's bytes could not be read";
	case -EOVERFLOW:
		return "an answer of the daemon is over response_max";
	case -ENOMEM:
		return "no memory for the daemon's answer";
	default:
		return "the connection to the daemon ended";
	}
}

/* What went wrong with a connection, as one of the few that a caller is told. */
static int lost_status(int r)
{
	return r == -EPROTO || r == -EOVERFLOW || r == -ENOMEM ? r : -ECONNRESET;
}

static void lose_connection(struct poold_client *client, int status)
{
	disconnect(client);
	client_session_lost(&client->session, status, lost_message(status));
	if (!client_session_has_output(&client->session))
		return;

	int r = poold_client_connect(client);

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
	client_session_tick(&client->session, now_usec());
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
	usec_t now;

	if (deadline == USEC_INFINITY)
		return -1;
	now = now_usec();
	if (deadline <= now)
		return 0;

	/* Rounded up: a poll that wakes too early would only be asked again. */
	usec_t wait_ms = (deadline - now + USEC_PER_MSEC - 1) / USEC_PER_MSEC;

	return wait_ms > INT_MAX ? INT_MAX : (int)wait_ms;
}

/* --- Requests --- */

static usec_t deadline_after(usec_t timeout)
{
	return timeout == 0 ? USEC_INFINITY : now_usec() + timeout;
}

/* The daemon keeps a call's time; the client gives up only when the daemon does not. */
static usec_t call_deadline(const struct poold_client *client, uint64_t timeout_ms)
{
	return timeout_ms == 0 ? USEC_INFINITY
			       : deadline_after(timeout_ms * USEC_PER_MSEC + client->grace);
}

static int start(struct poold_client *client, const struct client_start *start, uint32_t *ret_id)
{
	uint32_t id;
	int r = poold_client_connect(client);

	if (r < 0)
		return r;
	r = client_session_start(&client->session, start, &id);
	if (r == 0 && ret_id)
		*ret_id = id;
	return r;
}

/* What poold_call takes, and what an answer later needs. */
// NOLINTNEXTLINE(readability-function-size)
int poold_call_start(struct poold_client *client, const char *pool, const char *method,
		     struct poold_bytes args, const struct poold_call_options *given,
		     poold_callback callback, void *userdata, uint32_t *ret_id)
{
	static const uint8_t nil = 0xc0;
	struct poold_call_options options = given ? *given : (struct poold_call_options){0};
	struct bytes value = args.data ? bytes_from_public(args) : (struct bytes){&nil, 1};
	struct buf before, after;
	int r;

	if (options.timeout_ms == 0)
		options.timeout_ms = client->timeout / USEC_PER_MSEC;
	if (options.timeout_ms > TIMEOUT_MS_MAX || !call_is_valid(&options) ||
	    !bytes_are_value(value))
		return -EINVAL;
	buf_init(&before, SIZE_MAX);
	buf_init(&after, SIZE_MAX);
	r = call_pack(pool, method, &options, &before, &after);

	if (r == 0) {
		struct bytes parts[] = {{before.data, before.len}, value, {after.data, after.len}};

		r = start(client,
			  &(struct client_start){.method = "poold.call",
						 .parts = parts,
						 .part_count = ARRAY_SIZE(parts),
						 .deadline =
							 call_deadline(client, options.timeout_ms),
						 .callback = callback,
						 .userdata = userdata,
						 .stream = {options.on_chunk, options.on_restart,
							    options.stream_userdata}},
			  ret_id);
	}
	buf_free(&before);
	buf_free(&after);
	return r;
}

int poold_request_start(struct poold_client *client, const char *method, struct poold_bytes params,
			uint64_t timeout_ms, poold_callback callback, void *userdata,
			uint32_t *ret_id)
{
	static const uint8_t empty_list = 0x90;
	struct bytes part =
		params.data ? bytes_from_public(params) : (struct bytes){&empty_list, 1};
	usec_t timeout = timeout_ms > 0 ? timeout_ms * USEC_PER_MSEC : client->timeout;

	if (timeout_ms > TIMEOUT_MS_MAX)
		return -EINVAL;
	return start(client,
		     &(struct client_start){.method = method,
					    .parts = &part,
					    .part_count = 1,
					    .deadline = deadline_after(timeout),
					    .callback = callback,
					    .userdata = userdata},
		     ret_id);
}

int poold_cancel(struct poold_client *client, uint32_t id)
{
	return client_session_cancel(&client->session, id);
}

void poold_set_event_callback(struct poold_client *client, poold_event_callback callback,
			      void *userdata)
{
	client->session.on_event = callback;
	client->session.event_userdata = userdata;
}

/* --- Waiting --- */

/* What a blocking request waits for. */
struct wait {
	bool is_over;
	struct poold_reply *reply;
};

static void on_reply(void *userdata, const struct poold_reply *reply)
{
	struct wait *wait = userdata;

	reply_copy(reply, wait->reply);
	wait->is_over = true;
}

static const char *refusal_message(const struct poold_client *client, int status)
{
	switch (status) {
	case -EINVAL:
		return "the arguments make no request";
	case -EMSGSIZE:
		return "the request is over the daemon's message_max";
	case -EBUSY:
		return "too many requests are in flight on this client";
	case -EDEADLK:
		return "a callback may not wait on its own client";
	case -ENOMEM:
		return "no memory for the request";
	default:
		return client->message;
	}
}

/* Waits for the request that was just started, or tells why it was not. */
static int finish(struct poold_client *client, int started, struct wait *wait)
{
	short revents = 0;

	if (started < 0) {
		struct poold_reply refusal = reply_local_error(started, POOLD_EXECUTED_NO,
							       refusal_message(client, started));

		reply_copy(&refusal, wait->reply);
		return started;
	}
	for (;;) {
		poold_dispatch(client, revents);
		if (wait->is_over)
			return wait->reply->status;

		struct pollfd ready = {.fd = client->fd, .events = poold_events(client)};

		/* Interrupted or timed out: revents stays 0, and the next dispatch sees to it. */
		poll(&ready, 1, poold_timeout_ms(client));
		revents = ready.revents;
	}
}

/* Answers to requests given up earlier may lie in the socket unread, and hold their places. */
static bool has_collected(struct poold_client *client)
{
	return poold_dispatch(client, POLLIN) == 0;
}

int poold_call(struct poold_client *client, const char *pool, const char *method,
	       struct poold_bytes args, const struct poold_call_options *options,
	       struct poold_reply *ret_reply)
{
	struct wait wait = {.reply = ret_reply};
	int r = -EDEADLK;

	*ret_reply = (struct poold_reply){0};
	if (!client->is_dispatching)
		r = poold_call_start(client, pool, method, args, options, on_reply, &wait, NULL);
	if (r == -EBUSY && has_collected(client))
		r = poold_call_start(client, pool, method, args, options, on_reply, &wait, NULL);
	return finish(client, r, &wait);
}

int poold_request(struct poold_client *client, const char *method, struct poold_bytes params,
		  uint64_t timeout_ms, struct poold_reply *ret_reply)
{
	struct wait wait = {.reply = ret_reply};
	int r = -EDEADLK;

	*ret_reply = (struct poold_reply){0};
	if (!client->is_dispatching)
		r = poold_request_start(client, method, params, timeout_ms, on_reply, &wait, NULL);
	if (r == -EBUSY && has_collected(client))
		r = poold_request_start(client, method, params, timeout_ms, on_reply, &wait, NULL);
	return finish(client, r, &wait);
}
