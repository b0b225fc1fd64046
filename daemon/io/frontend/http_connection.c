#include "daemon/io/frontend/http_connection.h"

#include "daemon/io/driver/state.h"
#include "daemon/io/frontend/http.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>

/* From the first byte of a request to its last; from the connection to the first request; from an
 * answer to the next request. */
#define REQUEST_TIME (5 * USEC_PER_SEC)
#define FIRST_TIME   (10 * USEC_PER_SEC)
#define IDLE_TIME    (75 * USEC_PER_SEC)

/* Within which an answer must be read, and how long its reader may stand still. */
#define ANSWER_TIME (30 * USEC_PER_SEC)
#define STALL_TIME  (10 * USEC_PER_SEC)

/* How long a peer whose request is refused may go on writing, so that it gets to read why. */
#define LINGER_TIME USEC_PER_SEC

/* Requests of one connection. */
#define REQUESTS_MAX 1000

/* Room for the head of an answer. */
#define ANSWER_HEAD_MAX 1024

static struct http_connection *of_link(void *owner)
{
	return owner;
}

static usec_t now_of(const struct http_connection *connection)
{
	return loop_now(connection->http->driver->loop);
}

static void enter(struct http_connection *connection, enum http_state state)
{
	connection->state = state;
	connection->since = now_of(connection);
	connection->begun_at = 0;
}

void http_connection_close(struct http_connection *connection)
{
	if (connection->state == HTTP_CLOSED)
		return;
	enter(connection, HTTP_CLOSED);
	http_stream_close(&connection->stream);
	link_close(&connection->link);
}

/* --- answers --- */

static void put_head(struct http_connection *connection, const struct http_answer *answer,
		     bool is_kept)
{
	time_t seconds = (time_t)(loop_wall_ms() / 1000);
	char head[ANSWER_HEAD_MAX], date[64] = "";
	char extent[48] = "X-Accel-Buffering: no\r\n"; /* a web server in front passes it on */
	struct tm parts;
	int len;

	if (gmtime_r(&seconds, &parts))
		strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &parts);
	if (!answer->is_stream)
		snprintf(extent, sizeof(extent), "Content-Length: %zu\r\n", answer->body.len);
	len = snprintf(head, sizeof(head),
		       "HTTP/1.1 %d %s\r\n"
		       "Date: %s\r\n"
		       "Content-Type: %s\r\n"
		       "%s"
		       "Cache-Control: no-store\r\n"
		       "X-Content-Type-Options: nosniff\r\n"
		       "Content-Security-Policy: %s\r\n"
		       "Cross-Origin-Resource-Policy: same-origin\r\n"
		       "Referrer-Policy: no-referrer\r\n"
		       "%s"
		       "Connection: %s\r\n"
		       "\r\n",
		       answer->status, http_status_text(answer->status), date, answer->type, extent,
		       answer->policy,
		       answer->status == HTTP_METHOD_NOT_ALLOWED ? "Allow: GET, HEAD\r\n" : "",
		       is_kept ? "keep-alive" : "close");
	link_put(&connection->link, head, (size_t)len);
}

static void put_answer(struct http_connection *connection, struct http_answer *answer,
		       bool with_body, bool is_kept)
{
	put_head(connection, answer, is_kept);
	if (with_body && answer->body.len > 0)
		link_put_shared(&connection->link, answer->chunk, answer->body);
	chunk_unref(answer->chunk);
}

/* The last answer.  The peer may still be writing: it reads why only if its connection stays for a
 * moment. */
static void refuse(struct http_connection *connection, enum http_status status, bool with_body)
{
	struct http_answer answer;

	connection->http->driver->stats.http_refused++;
	http_answer_status(status, &answer);
	put_answer(connection, &answer, with_body, false);
	link_finish_output(&connection->link);
	enter(connection, HTTP_REFUSED);
}

/* Its end is that of the connection, so that it needs no length, whatever the version of HTTP.  The
 * link is read on, as else it would not be noticed when the peer goes. */
static void begin_stream(struct http_connection *connection, const struct http_request *request,
			 const struct http_answer *answer)
{
	put_head(connection, answer, false);
	if (request->is_head) {
		enter(connection, HTTP_ANSWERING);
		link_close_when_written(&connection->link);
		return;
	}
	enter(connection, HTTP_STREAMING);
	http_stream_open(&connection->http->streams, &connection->stream, &connection->link,
			 request);
}

static void on_message(void *owner, struct chunk *chunk, struct bytes message)
{
	struct http_connection *connection = of_link(owner);
	struct http_request request;
	struct http_answer answer;
	enum http_status status;

	(void)chunk;
	if (connection->state == HTTP_STREAMING)
		http_connection_close(connection);
	if (connection->state != HTTP_READING)
		return;
	status = http_request_parse(message, &request);
	if (status != HTTP_OK) {
		refuse(connection, status, !request.is_head);
		return;
	}
	connection->http->driver->stats.http_requests++;
	request.is_kept &= ++connection->requests < REQUESTS_MAX;
	http_answer(&connection->http->answers, &request, &answer);
	if (answer.is_stream && !http_streams_have_room(&connection->http->streams)) {
		connection->http->driver->stats.http_refused++;
		http_answer_status(HTTP_UNAVAILABLE, &answer);
	}
	if (answer.is_stream) {
		begin_stream(connection, &request, &answer);
		return;
	}
	put_answer(connection, &answer, !request.is_head, request.is_kept);
	enter(connection, HTTP_ANSWERING);
	if (request.is_kept)
		link_set_reading(&connection->link, false);
	else
		link_close_when_written(&connection->link);
}

static void on_drained(void *owner)
{
	struct http_connection *connection = of_link(owner);

	if (connection->state != HTTP_ANSWERING)
		return;
	enter(connection, HTTP_READING);
	link_set_reading(&connection->link, true);
}

static void on_end(void *owner, enum link_end end, int error, struct bytes begun)
{
	struct http_connection *connection = of_link(owner);

	(void)error;
	(void)begun;
	if (connection->state == HTTP_READING && end == LINK_END_TOO_LARGE) {
		refuse(connection, HTTP_HEADERS_TOO_LARGE, true);
	} else if (connection->state == HTTP_READING && end == LINK_END_NO_MEMORY) {
		refuse(connection, HTTP_UNAVAILABLE, true);
	} else if (connection->state != HTTP_REFUSED || end != LINK_END_TOO_LARGE) {
		connection->http->driver->stats.http_refused += end == LINK_END_STALLED;
		http_connection_close(connection);
	}
}

static void on_free(struct link *link)
{
	struct http_connection *connection = container_of(link, struct http_connection, link);
	struct http *http = connection->http;

	http_stream_close(&connection->stream);
	list_remove(&http->connections, &connection->in_connections);
	free(connection);
	http->on_place(http);
}

static const struct link_handler link_handler = {
	.on_message = on_message,
	.on_end = on_end,
	.on_drained = on_drained,
	.on_free = on_free,
};

/* --- its life --- */

int http_connection_open(struct http *http, int fd)
{
	struct http_connection *connection = calloc(1, sizeof(*connection));
	int r;

	if (!connection)
		return -ENOMEM;
	connection->http = http;
	r = link_open(&connection->link, http->driver->loop, stream_of_socket(fd), FRAMING_HTTP,
		      HTTP_HEAD_MAX, &link_handler, connection);
	if (r < 0) {
		free(connection);
		return r;
	}
	connection->link.kept = &connection->kept;
	connection->link.stall_timeout = STALL_TIME;
	list_push_back(&http->connections, &connection->in_connections);
	enter(connection, HTTP_READING);
	return 0;
}

static void check_reading(struct http_connection *connection, usec_t now)
{
	usec_t limit = connection->requests == 0 ? FIRST_TIME : IDLE_TIME;

	if (link_begun(&connection->link).len == 0) {
		connection->begun_at = 0;
		if (usec_sub(now, connection->since) >= limit)
			http_connection_close(connection);
	} else if (connection->begun_at == 0) {
		connection->begun_at = now;
	} else if (usec_sub(now, connection->begun_at) >= REQUEST_TIME) {
		refuse(connection, HTTP_REQUEST_TIMEOUT, true);
	}
}

static void check_stream(struct http_connection *connection, usec_t now)
{
	const struct http_stream *stream = &connection->stream;

	if (!stream->streams || connection->link.out.bytes == 0 ||
	    usec_sub(now, stream->put_at) < ANSWER_TIME)
		return;
	connection->http->driver->stats.http_refused++;
	http_connection_close(connection);
}

void http_connection_check(struct http_connection *connection, usec_t now)
{
	usec_t passed = usec_sub(now, connection->since);

	switch (connection->state) {
	case HTTP_READING:
		check_reading(connection, now);
		break;
	case HTTP_ANSWERING:
		if (passed < ANSWER_TIME)
			break;
		connection->http->driver->stats.http_refused++;
		http_connection_close(connection);
		break;
	case HTTP_STREAMING:
		check_stream(connection, now);
		break;
	case HTTP_REFUSED:
		if (passed >= LINGER_TIME)
			http_connection_close(connection);
		break;
	case HTTP_CLOSED:
		break;
	}
}

bool http_connection_is_idle(const struct http_connection *connection)
{
	int bytes = 0;

	if (connection->state == HTTP_REFUSED)
		return true;
	return connection->state == HTTP_READING &&
	       ioctl(connection->link.stream.in, FIONREAD, &bytes) == 0 && bytes == 0;
}
