#include "daemon/io/observe/alert_post.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define AGAIN_EVERY (60 * USEC_PER_SEC)
#define RETRY_AFTER (10 * USEC_PER_SEC)
#define LASTS_MS    UINT64_C(240000) /* an alert that is not sent again for so long has ended */
#define REQUEST_MAX ((size_t)512 * 1024)
#define HEAD_MAX    1024

static void begin(struct alert_post *post);

/* --- what is to be sent --- */

static struct alert_post_entry *find(struct alert_post *post, const struct alert_notice *notice)
{
	for (unsigned i = 0; i < post->count; i++)
		if (post->entries[i].notice.firing == notice->firing)
			return &post->entries[i];
	return NULL;
}

static void forget(struct alert_post *post, unsigned index)
{
	post->count--;
	memmove(&post->entries[index], &post->entries[index + 1],
		(post->count - index) * sizeof(post->entries[0]));
}

/* Room for one more: the oldest that is over makes place for it. */
static struct alert_post_entry *add(struct alert_post *post)
{
	for (unsigned i = 0; i < post->count && post->count == ALERT_POST_MAX; i++)
		if (!post->entries[i].notice.is_raised)
			forget(post, i);
	if (post->count == ALERT_POST_MAX)
		return NULL;
	return &post->entries[post->count++];
}

static bool any_fires(const struct alert_post *post)
{
	for (unsigned i = 0; i < post->count; i++)
		if (post->entries[i].notice.is_raised)
			return true;
	return false;
}

/* --- the end of a request --- */

static void close_request(struct alert_post *post)
{
	if (post->fd < 0)
		return;
	event_del(&post->io);
	close(post->fd);
	post->fd = -1;
	buf_free(&post->request);
}

static void fail(struct alert_post *post, const char *why)
{
	close_request(post);
	post->driver->stats.alerts_undelivered++;
	if (post->failures++ == 0)
		log_warning("alert_url %s: alerts are not taken, which is tried again: %s",
			    post->driver->config->daemon.alert_url, why);
	loop_set_event_timer(&post->timer, RETRY_AFTER);
}

static void succeed(struct alert_post *post)
{
	close_request(post);
	if (post->failures > 0)
		log_notice("alert_url %s: alerts are taken again, after %" PRIu64
			   " requests that failed",
			   post->driver->config->daemon.alert_url, post->failures);
	post->failures = 0;
	for (unsigned i = post->count; i-- > 0;)
		if (post->entries[i].is_under_way && !post->entries[i].notice.is_raised)
			forget(post, i);
	event_del(&post->timer);
	if (post->has_changed)
		begin(post);
	else if (any_fires(post))
		loop_set_event_timer(&post->timer, AGAIN_EVERY);
}

static void judge(struct alert_post *post)
{
	char text[64];

	post->answer[post->answer_len] = '\0';
	if (post->answer_len < ALERT_POST_STATUS) {
		fail(post, "the server closed the connection without an answer");
	} else if (strncmp(post->answer, "HTTP/1.", 7) != 0) {
		fail(post, "the answer is not HTTP");
	} else if (post->answer[9] != '2') {
		snprintf(text, sizeof(text), "the server answered with status %s",
			 post->answer + 9);
		fail(post, text);
	} else {
		succeed(post);
	}
}

/* --- sending and receiving --- */

static void receive(struct alert_post *post)
{
	ssize_t n = recv(post->fd, post->answer + post->answer_len,
			 ALERT_POST_STATUS - post->answer_len, 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		post->answer_len += (size_t)n;
	if (n <= 0 || post->answer_len == ALERT_POST_STATUS)
		judge(post);
}

static void on_readable(evutil_socket_t fd, short what, void *argument)
{
	(void)fd;
	(void)what;
	receive(argument);
}

static int await(struct alert_post *post, short what, event_callback_fn callback)
{
	event_assign(&post->io, post->driver->loop->base, post->fd, (short)(what | EV_PERSIST),
		     callback, post);
	return event_add(&post->io, NULL) < 0 ? -ENOMEM : 0;
}

static void on_writable(evutil_socket_t fd, short what, void *argument)
{
	struct alert_post *post = argument;
	ssize_t n = send(post->fd, post->request.data + post->sent, post->request.len - post->sent,
			 MSG_NOSIGNAL);

	(void)fd;
	(void)what;
	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		fail(post, strerror(errno));
		return;
	}
	if (n > 0)
		post->sent += (size_t)n;
	if (post->sent < post->request.len)
		return;
	event_del(&post->io);
	if (await(post, EV_READ, on_readable) < 0)
		fail(post, strerror(ENOMEM));
}

/* --- the beginning --- */

static void put_body(struct alert_post *post, struct buf *body)
{
	uint64_t until = loop_wall_ms() + LASTS_MS;

	buf_printf(body, "[");
	for (unsigned i = 0; i < post->count; i++) {
		buf_printf(body, "%s", i > 0 ? ",\n" : "");
		alert_notice_post(&post->entries[i].notice, until, body);
		post->entries[i].is_under_way = true;
	}
	buf_printf(body, "]\n");
}

static int make_request(struct alert_post *post)
{
	struct buf body;
	int r;

	buf_init(&body, REQUEST_MAX);
	buf_init(&post->request, REQUEST_MAX + HEAD_MAX);
	put_body(post, &body);
	buf_printf(&post->request,
		   "POST %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: poold/" POOLD_VERSION
		   "\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n"
		   "Connection: close\r\n\r\n",
		   post->url.path, post->url.host, body.len);
	buf_put(&post->request, body.data, body.len);
	r = buf_error(&body) < 0 ? buf_error(&body) : buf_error(&post->request);
	buf_free(&body);
	post->sent = 0;
	post->answer_len = 0;
	return r;
}

static int open_socket(struct alert_post *post)
{
	int fd = socket(post->url.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	post->fd = fd;
	if (connect(fd, (const struct sockaddr *)&post->url.address, post->url.address_len) < 0 &&
	    errno != EINPROGRESS)
		return -errno;
	return await(post, EV_WRITE, on_writable);
}

static void begin(struct alert_post *post)
{
	int r;

	post->has_changed = false;
	r = make_request(post);
	if (r == 0)
		r = open_socket(post);
	if (r < 0) {
		buf_free(&post->request);
		fail(post, strerror(-r));
		return;
	}
	loop_set_event_timer(&post->timer, post->driver->config->daemon.alert_timeout);
}

/* The request takes too long, or the next one is due. */
static void on_timer(evutil_socket_t fd, short what, void *argument)
{
	struct alert_post *post = argument;

	(void)fd;
	(void)what;
	if (post->fd >= 0)
		fail(post, "the server did not answer within alert_timeout");
	else if (post->count > 0 && !driver_is_stopping(post->driver))
		begin(post);
}

/* --- for the owner --- */

void alert_post_init(struct alert_post *post, struct driver *driver)
{
	*post = (struct alert_post){.driver = driver, .fd = -1};
	post->is_on = config_url_parse(driver->config->daemon.alert_url, &post->url) == 0;
	evtimer_assign(&post->timer, driver->loop->base, on_timer, post);
	event_assign(&post->io, driver->loop->base, -1, 0, on_readable, post);
}

void alert_post_done(struct alert_post *post)
{
	event_del(&post->timer);
	close_request(post);
}

void alert_post_send(struct alert_post *post, const struct alert_notice *notice)
{
	struct alert_notice latest = *notice;
	struct alert_post_entry *entry;

	if (!post->is_on)
		return;
	entry = find(post, notice);
	/* The same to the millisecond, although the clocks are read anew. */
	if (entry)
		latest.raised_ms = entry->notice.raised_ms;
	if (!entry)
		entry = add(post);
	if (!entry) {
		post->driver->stats.alerts_undelivered++;
		log_warning("alert_url: %d alerts fire already, %s is left out", ALERT_POST_MAX,
			    notice->rule->name);
		return;
	}
	*entry = (struct alert_post_entry){.notice = latest};
	post->has_changed = true;
	/* After a failure the timer decides. */
	if (post->fd < 0 && post->failures == 0)
		begin(post);
}
