#include "daemon/io/frontend/http.h"

#include "daemon/io/base/log.h"
#include "daemon/io/config/config_address.h"
#include "daemon/io/driver/state.h"
#include "daemon/io/frontend/http_connection.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* Accepted in one turn at most. */
#define ACCEPTS_PER_TURN 8

/* When accepting is tried again that failed. */
#define RETRY_PAUSE (200 * USEC_PER_MSEC)

/* How often it is looked for connections that are too slow. */
#define CHECK_PAUSE USEC_PER_SEC

static const char unix_scheme[] = "unix:";

static struct http_connection *of_node(struct list_node *node)
{
	return list_entry(node, struct http_connection, in_connections);
}

/* --- accepting --- */

static void pause_accepting(struct http *http)
{
	event_del(&http->accept_event);
	http->is_paused = true;
	loop_set_event_timer(&http->retry_timer, RETRY_PAUSE);
}

static void resume_accepting(struct http *http)
{
	if (!http->is_paused || http->fd < 0)
		return;
	http->is_paused = false;
	event_del(&http->retry_timer);
	if (event_add(&http->accept_event, NULL) < 0)
		pause_accepting(http);
}

static void on_retry(evutil_socket_t fd, short what, void *argument)
{
	(void)fd;
	(void)what;
	resume_accepting(argument);
}

/* Whether the last tenth of the descriptors has begun, which is for workers.  The lowest free one
 * says how many are in use. */
static bool is_short_of_descriptors(const struct http *http)
{
	struct rlimit limit;
	int lowest = fcntl(http->fd, F_DUPFD_CLOEXEC, 0);

	if (lowest >= 0)
		close(lowest);
	return lowest < 0 || (getrlimit(RLIMIT_NOFILE, &limit) == 0 &&
			      (rlim_t)lowest >= limit.rlim_cur - limit.rlim_cur / 10);
}

static_assert(HTTP_CONNECTIONS_MAX < LINK_LEFT_MAX, "they are looked at together");

/* Ends the connections of those that have left. */
static void end_left(struct http *http)
{
	struct link *links[LINK_LEFT_MAX];
	struct list_node *node;
	unsigned count = 0;

	list_for_each (node, &http->connections)
		if (of_node(node)->state != HTTP_CLOSED && count < LINK_LEFT_MAX)
			links[count++] = &of_node(node)->link;
	link_read_left(links, count);
}

/* Closes the one that has been idle for the longest time, unless one was closed in this turn already.
 * False: none is idle. */
static bool make_place(struct http *http)
{
	struct http_connection *oldest = NULL;
	struct list_node *node;

	end_left(http);
	list_for_each (node, &http->connections) {
		struct http_connection *connection = of_node(node);

		if (connection->state == HTTP_CLOSED)
			return true;
		if (http_connection_is_idle(connection) &&
		    (!oldest || connection->since < oldest->since))
			oldest = connection;
	}
	if (oldest)
		http_connection_close(oldest);
	return oldest != NULL;
}

/* Returns whether to go on accepting. */
static bool accept_one(struct http *http)
{
	bool is_full = http->connections.len >= HTTP_CONNECTIONS_MAX;
	int fd;

	if (is_short_of_descriptors(http)) {
		pause_accepting(http);
		return false;
	}
	fd = accept4(http->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0) {
		if (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR)
			pause_accepting(http);
		return false;
	}
	if ((is_full && !make_place(http)) || http_connection_open(http, fd) < 0) {
		http->driver->stats.http_refused++;
		close(fd);
	}
	/* The one that is closed for another stays in the list until the end of the turn. */
	return !is_full;
}

static void on_acceptable(evutil_socket_t fd, short what, void *argument)
{
	struct http *http = argument;

	(void)fd;
	(void)what;
	for (unsigned i = 0; i < ACCEPTS_PER_TURN; i++)
		if (!accept_one(http))
			break;
	if (!list_empty(&http->connections) && !event_pending(&http->check_timer, EV_TIMEOUT, NULL))
		loop_set_event_timer(&http->check_timer, CHECK_PAUSE);
}

static void on_check(evutil_socket_t fd, short what, void *argument)
{
	struct http *http = argument;
	usec_t now = loop_now(http->driver->loop);
	struct list_node *node, *after;

	(void)fd;
	(void)what;
	list_for_each_safe (node, after, &http->connections)
		http_connection_check(of_node(node), now);
	if (!http_answers_tidy(&http->answers) || !list_empty(&http->connections))
		loop_set_event_timer(&http->check_timer, CHECK_PAUSE);
}

/* --- the socket's file --- */

static void watch_socket(struct http *http)
{
	event_assign(&http->accept_event, http->driver->loop->base, http->fd, EV_READ | EV_PERSIST,
		     on_acceptable, http);
	http->is_paused = false;
	if (event_add(&http->accept_event, NULL) < 0)
		pause_accepting(http);
}

static void on_file_due(evutil_socket_t event_fd, short what, void *argument)
{
	struct http *http = argument;
	int fd = socket_file_keep(&http->file, http->fd, &http->is_in_trouble);

	(void)event_fd;
	(void)what;
	if (fd >= 0) {
		event_del(&http->accept_event);
		event_del(&http->retry_timer);
		close(http->fd);
		http->fd = fd;
		watch_socket(http);
	}
	loop_set_event_timer(&http->file_timer, socket_file_pause(http->is_in_trouble));
}

/* --- from start to end --- */

/* A socket that listens at an IP.  Returns it or -errno. */
static int listen_at(const char *listen_text)
{
	struct sockaddr_storage address;
	socklen_t len;
	int on = 1, fd, r;

	r = config_listen_parse(listen_text, &address, &len);
	if (r < 0)
		return r;
	fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (const struct sockaddr *)&address, len) == 0 &&
	    listen(fd, HTTP_CONNECTIONS_MAX) == 0)
		return fd;
	r = -errno;
	close(fd);
	return r;
}

static int open_socket(struct http *http, char why[static SOCKET_FILE_WHY_SIZE])
{
	const char *text = http->config->http.listen;
	int fd;

	if (strncmp(text, unix_scheme, strlen(unix_scheme)) == 0)
		return socket_file_open(&http->file, text + strlen(unix_scheme),
					http->config->daemon.socket_mode, why);
	http->file.path = NULL;
	fd = listen_at(text);
	if (fd < 0)
		snprintf(why, SOCKET_FILE_WHY_SIZE, "%s", strerror(-fd));
	return fd;
}

int http_open(struct http *http, struct driver *driver, char why[static SOCKET_FILE_WHY_SIZE])
{
	struct event_base *base = driver->loop->base;
	const struct config_http *config = &driver->config->http;

	*http = (struct http){.driver = driver, .fd = -1, .on_place = resume_accepting};
	list_init(&http->connections);
	if (*config->listen == '\0')
		return 0;
	http->config = config_ref(driver->config);
	http_answers_init(&http->answers, driver, config->listen, config->texts);
	http_streams_init(&http->streams, &http->answers, config->texts);
	evtimer_assign(&http->retry_timer, base, on_retry, http);
	evtimer_assign(&http->check_timer, base, on_check, http);
	evtimer_assign(&http->file_timer, base, on_file_due, http);
	http->fd = open_socket(http, why);
	if (http->fd < 0) {
		int r = http->fd;

		config_unref(http->config);
		http->fd = -1;
		http->config = NULL;
		return r;
	}
	watch_socket(http);
	if (http->file.path)
		loop_set_event_timer(&http->file_timer, socket_file_pause(false));
	log_notice("answering HTTP at %s", config->listen);
	return 0;
}

void http_notify_closing(struct http *http)
{
	if (http->config)
		http_streams_finish(&http->streams);
}

void http_close(struct http *http)
{
	struct list_node *node, *after;

	if (!http->config)
		return;
	event_del(&http->accept_event);
	event_del(&http->retry_timer);
	event_del(&http->check_timer);
	event_del(&http->file_timer);
	list_for_each_safe (node, after, &http->connections)
		http_connection_close(of_node(node));
	http_streams_done(&http->streams);
	http_answers_done(&http->answers);
	close(http->fd);
	http->fd = -1;
	if (http->file.path)
		socket_file_close(&http->file);
	config_unref(http->config);
	http->config = NULL;
}
