#include "tests/lib/played_daemon.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/lib/wire.h"

#define BYTES_MAX ((size_t)16 * 1024 * 1024)

void daemon_listens(struct played_daemon *daemon)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	strcpy(address.sun_path, daemon->path);
	daemon->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(daemon->listener, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(daemon->listener, 5), 0);
}

void daemon_begins(struct played_daemon *daemon)
{
	*daemon = (struct played_daemon){.folder = "/tmp/poold-test-XXXXXX", .fd = -1};
	ck_assert_ptr_nonnull(mkdtemp(daemon->folder));
	snprintf(daemon->path, sizeof(daemon->path), "%s/sock", daemon->folder);
	daemon_listens(daemon);
}

void daemon_closes(struct played_daemon *daemon)
{
	if (daemon->fd >= 0)
		close(daemon->fd);
	daemon->fd = -1;
}

void daemon_ends(struct played_daemon *daemon)
{
	daemon_closes(daemon);
	close(daemon->listener);
	unlink(daemon->path);
	rmdir(daemon->folder);
}

void daemon_accepts(struct played_daemon *daemon)
{
	daemon->fd = accept4(daemon->listener, NULL, NULL, SOCK_CLOEXEC);
	ck_assert_int_ge(daemon->fd, 0);
}

void daemon_says_bytes(struct played_daemon *daemon, const void *data, size_t len)
{
	ck_assert_int_eq(send(daemon->fd, data, len, 0), (ssize_t)len);
}

void daemon_says(struct played_daemon *daemon, const char *text)
{
	struct buf buf;

	buf_init(&buf, BYTES_MAX);
	wire_put(&buf, text);
	daemon_says_bytes(daemon, buf.data, buf.len);
	buf_free(&buf);
}

const char *daemon_heard(struct played_daemon *daemon)
{
	static uint8_t data[1024 * 1024];
	ssize_t len = recv(daemon->fd, data, sizeof(data), MSG_DONTWAIT);
	const char *text = len > 0 ? wire_text(data, (size_t)len) : "";
	const char *hello = strstr(text, "'poold.hello'");

	return hello ? strchr(hello, '\n') + 1 : text;
}
