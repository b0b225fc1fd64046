/*
 * An echo worker of NATS in C: `nats_worker PORT`.
 *
 * It subscribes to `work` in a group, so that each request goes to one worker, and publishes each
 * payload to the subject that its request names.  All requests of one read are answered in one
 * write.
 */
#include "tests/bench/bench.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>

#include "tests/bench/peers/wire.h"

#define ANSWERS_MAX ((size_t)64 << 20)

static int connect_port(const char *port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)parse_number(port)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int yes = 1;

	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		err(1, "port %s", port);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	return fd;
}

/* MSG work 1 <answer> <length>.  Returns the length of the message, 0 while it is not whole. */
static size_t answer_message(const uint8_t *line, const uint8_t *end, size_t rest, struct buf *out)
{
	char subject[64];
	size_t len;
	char head[128];

	snprintf(head, sizeof(head), "%.*s", (int)(end - line), (const char *)line);
	if (sscanf(head, "MSG work 1 %63s %zu", subject, &len) != 2)
		errx(1, "%s", head);
	if (rest < len + 2)
		return 0;
	buf_printf(out, "PUB %s %zu\r\n", subject, len);
	buf_put(out, end + 2, len + 2);
	return (size_t)(end - line) + 2 + len + 2;
}

/* Answers all whole messages.  Returns how many bytes those were. */
static size_t serve(const uint8_t *data, size_t len, struct buf *out)
{
	size_t at = 0;

	for (;;) {
		const uint8_t *line = data + at;
		const uint8_t *end = find_text(line, len - at, "\r\n");
		size_t whole;

		if (!end)
			return at;
		whole = (size_t)(end - line) + 2;
		if (*line == 'M')
			whole = answer_message(line, end, len - at - whole, out);
		else if (*line == 'P' && line[1] == 'I')
			put_text(out, "PONG\r\n");
		if (whole == 0)
			return at;
		at += whole;
	}
}

static void write_all(int fd, const uint8_t *data, size_t len)
{
	while (len > 0) {
		ssize_t written = send(fd, data, len, MSG_NOSIGNAL);

		if (written < 0)
			exit(0); /* the server has gone */
		data += written;
		len -= (size_t)written;
	}
}

int main(int argc, char **argv)
{
	struct backlog in = {0};
	struct buf out;
	int fd;

	if (argc != 2)
		errx(2, "usage: nats_worker PORT");
	fd = connect_port(argv[1]);
	buf_init(&out, ANSWERS_MAX);
	put_text(&out, "CONNECT {\"verbose\":false}\r\nSUB work all 1\r\n");
	do {
		write_all(fd, out.data, out.len);
		buf_reset(&out);
		if (backlog_read(&in, fd, READ_ROOM / 64) == 0)
			return 0;
		backlog_take(&in, serve(backlog_front(&in), backlog_len(&in), &out));
	} while (buf_error(&out) == 0);
	errx(1, "memory");
}
