/* FastCGI, for php-fpm: a connection for each request, since one that is kept holds a process. */
#ifndef POOLD_TESTS_BENCH_PEERS_WIRE_FASTCGI_H
#define POOLD_TESTS_BENCH_PEERS_WIRE_FASTCGI_H

#include "tests/bench/peers/wire.h"

#define FASTCGI_HEAD 8

enum fastcgi_type {
	FASTCGI_BEGIN = 1,
	FASTCGI_END = 3,
	FASTCGI_PARAMS = 4,
	FASTCGI_STDIN = 5,
	FASTCGI_STDOUT = 6,
};

static void fastcgi_put(struct buf *out, enum fastcgi_type type, const void *data, size_t len)
{
	buf_put(out, (uint8_t[]){1, (uint8_t)type, 0, 1}, 4);
	put_be16(out, len);
	put_be16(out, 0);
	buf_put(out, data, len);
}

/* The path of the script is in the environment: only it differs from run to run. */
static void fastcgi_ask(struct buf *out, uint32_t connection, struct bytes payload)
{
	static const uint8_t responder[FASTCGI_HEAD] = {0, 1};
	const char *script = getenv("ECHO_SCRIPT");
	char length[24];
	const char *const pairs[] = {
		"SCRIPT_FILENAME", script ? script : "",
		"REQUEST_METHOD",  "POST",
		"CONTENT_LENGTH",  length,
		"SERVER_PROTOCOL", "HTTP/1.1",
	};
	struct buf params;

	(void)connection;
	snprintf(length, sizeof(length), "%zu", payload.len);
	buf_init(&params, 4096);
	for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i += 2) {
		put_be32(&params, strlen(pairs[i]) | UINT32_C(1) << 31);
		put_be32(&params, strlen(pairs[i + 1]) | UINT32_C(1) << 31);
		put_text(&params, pairs[i]);
		put_text(&params, pairs[i + 1]);
	}
	fastcgi_put(out, FASTCGI_BEGIN, responder, sizeof(responder));
	fastcgi_put(out, FASTCGI_PARAMS, params.data, params.len);
	fastcgi_put(out, FASTCGI_PARAMS, NULL, 0);
	fastcgi_put(out, FASTCGI_STDIN, payload.data, payload.len);
	fastcgi_put(out, FASTCGI_STDIN, NULL, 0);
	buf_free(&params);
}

/* The payload is what stands behind the headers in the records of standard output: for so little,
 * there is one. */
static size_t fastcgi_answer(const uint8_t *data, size_t len, struct bytes *ret_payload)
{
	*ret_payload = (struct bytes){0};
	for (size_t at = 0; len - at >= FASTCGI_HEAD;) {
		const uint8_t *record = data + at;
		size_t content = read_be16(record + 4);

		at += FASTCGI_HEAD + content + record[6];
		if (at > len)
			return 0;
		if (record[1] == FASTCGI_END)
			return at;
		const uint8_t *body = find_text(record + FASTCGI_HEAD, content, "\r\n\r\n");

		if (record[1] != FASTCGI_STDOUT || (content > 0 && !body))
			errx(1, "%.*s", (int)content, (const char *)record + FASTCGI_HEAD);
		if (content > 0) {
			ret_payload->data = body + 4;
			ret_payload->len = (size_t)(record + FASTCGI_HEAD + content - body - 4);
		}
	}
	return 0;
}

static const struct wire wire_fastcgi = {
	.name = "fastcgi",
	.is_once = true,
	.ask = fastcgi_ask,
	.answer = fastcgi_answer,
};

#endif
