/* HTTP, and the protocol of uwsgi, whose answers are those of HTTP: a connection for each request,
 * as a web server in front of gunicorn or uwsgi makes it. */
#ifndef POOLD_TESTS_BENCH_PEERS_WIRE_HTTP_H
#define POOLD_TESTS_BENCH_PEERS_WIRE_HTTP_H

#include "tests/bench/peers/wire.h"

static void http_ask(struct buf *out, uint32_t connection, struct bytes payload)
{
	(void)connection;
	buf_printf(out, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n", payload.len);
	put_text(out, "Connection: close\r\n\r\n");
	buf_put(out, payload.data, payload.len);
}

static size_t http_answer(const uint8_t *data, size_t len, struct bytes *ret_payload)
{
	const uint8_t *body = find_text(data, len, "\r\n\r\n");
	const uint8_t *length;

	if (!body)
		return 0;
	body += 4;
	if (!find_text(data, (size_t)(body - data), " 200 "))
		errx(1, "%.*s", (int)(body - data), (const char *)data);
	length = find_text(data, (size_t)(body - data), "Content-Length: ");
	if (!length)
		errx(1, "an answer without Content-Length");
	ret_payload->data = body;
	ret_payload->len = strtoul((const char *)length + 16, NULL, 10);
	if (ret_payload->len > len - (size_t)(body - data))
		return 0;
	return (size_t)(body - data) + ret_payload->len;
}

/* A length has two bytes, the least significant first. */
static void uwsgi_put(struct buf *out, const char *text)
{
	size_t len = strlen(text);

	buf_put(out, (uint8_t[]){(uint8_t)len, (uint8_t)(len >> 8)}, 2);
	buf_put(out, text, len);
}

static void uwsgi_ask(struct buf *out, uint32_t connection, struct bytes payload)
{
	char length[24];
	const char *const variables[] = {
		"REQUEST_METHOD",  "POST",     "PATH_INFO",	 "/",	 "REQUEST_URI", "/",
		"QUERY_STRING",	   "",	       "SERVER_NAME",	 "x",	 "SERVER_PORT", "80",
		"SERVER_PROTOCOL", "HTTP/1.1", "CONTENT_LENGTH", length,
	};
	struct buf body;

	(void)connection;
	snprintf(length, sizeof(length), "%zu", payload.len);
	buf_init(&body, 4096);
	for (size_t i = 0; i < sizeof(variables) / sizeof(*variables); i++)
		uwsgi_put(&body, variables[i]);
	buf_put(out, (uint8_t[]){0, (uint8_t)body.len, (uint8_t)(body.len >> 8), 0}, 4);
	buf_put(out, body.data, body.len);
	buf_put(out, payload.data, payload.len);
	buf_free(&body);
}

static const struct wire wire_http = {
	.name = "http",
	.is_once = true,
	.ask = http_ask,
	.answer = http_answer,
};

static const struct wire wire_uwsgi = {
	.name = "uwsgi",
	.is_once = true,
	.ask = uwsgi_ask,
	.answer = http_answer,
};

#endif
