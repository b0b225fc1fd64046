#include "daemon/io/service/systemd.h"

#include "daemon/io/base/log_text.h"
#include "daemon/io/base/passing.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

/* Bytes of the line for `systemctl status`. */
#define STATUS_MAX 512

/* "/path", or "@name" for an abstract socket.  Returns 0 or -EINVAL. */
static int parse_address(const char *text, struct sockaddr_un *ret_address, socklen_t *ret_len)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t len = strlen(text);

	if ((*text != '/' && *text != '@') || len < 2 || len >= sizeof(address.sun_path))
		return -EINVAL;
	memcpy(address.sun_path, text, len);
	if (*text == '@')
		address.sun_path[0] = '\0';
	*ret_address = address;
	/* The name of an abstract socket ends with the length, that of a file with a zero byte. */
	*ret_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (*text == '/'));
	return 0;
}

static int take_notify(struct systemd *systemd)
{
	const char *text = getenv("NOTIFY_SOCKET");

	if (!text)
		return 0;
	return parse_address(text, &systemd->notify_address, &systemd->notify_address_len);
}

static int take_watchdog(struct systemd *systemd)
{
	uint64_t usec;
	int r = sd_watchdog_enabled(true, &usec);

	if (r > 0)
		systemd->watchdog_usec = usec;
	return r < 0 ? r : 0;
}

static int take_sockets(struct systemd *systemd)
{
	char **names = NULL;
	int count = sd_listen_fds_with_names(true, &names);

	if (count < 0)
		return count;
	for (int i = 0; i < count; i++) {
		if (i < SERVICE_LISTEN_MAX) {
			systemd->listen_fds[i] = SD_LISTEN_FDS_START + i;
			systemd->listen_names[i] = names[i];
			systemd->listen_count++;
		} else {
			close(SD_LISTEN_FDS_START + i);
			free(names[i]);
		}
	}
	free(names);
	return 0;
}

static void take_state_directory(struct systemd *systemd)
{
	const char *paths = getenv("STATE_DIRECTORY");
	size_t len = paths ? strcspn(paths, ":") : 0;

	if (len > 0 && *paths == '/' && len < sizeof(systemd->state_directory))
		memcpy(systemd->state_directory, paths, len);
}

int systemd_init(struct systemd *systemd)
{
	int notify, watchdog, sockets;

	*systemd = (struct systemd){.notify_fd = -1};
	take_state_directory(systemd);
	notify = take_notify(systemd);
	watchdog = take_watchdog(systemd);
	sockets = take_sockets(systemd);
	unsetenv("NOTIFY_SOCKET");
	if (notify < 0)
		return notify;
	return watchdog < 0 ? watchdog : sockets;
}

void systemd_done(struct systemd *systemd)
{
	if (systemd->notify_fd >= 0)
		close(systemd->notify_fd);
	for (unsigned i = 0; i < systemd->listen_count; i++) {
		if (systemd->listen_fds[i] >= 0)
			close(systemd->listen_fds[i]);
		free(systemd->listen_names[i]);
	}
	*systemd = (struct systemd){.notify_fd = -1};
}

static int make_nonblocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
	return 0;
}

int systemd_listen_fd(struct systemd *systemd, const char *name)
{
	for (unsigned i = 0; i < systemd->listen_count; i++) {
		int fd = systemd->listen_fds[i];
		int r;

		if (fd < 0 || strcmp(systemd->listen_names[i], name) != 0)
			continue;
		if (sd_is_socket_unix(fd, SOCK_STREAM, true, NULL, 0) <= 0)
			return -EINVAL;
		r = make_nonblocking(fd);
		if (r < 0)
			return r;
		systemd->listen_fds[i] = -1;
		return fd;
	}
	return -ENOENT;
}

usec_t systemd_watchdog_usec(const struct systemd *systemd)
{
	return systemd->watchdog_usec;
}

/* sd_notify(3) blocks while the service manager's queue is full, so the datagram is sent here. */
static int send_datagram(struct systemd *systemd, const char *text)
{
	if (systemd->notify_fd < 0)
		systemd->notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (systemd->notify_fd < 0 ||
	    sendto(systemd->notify_fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL,
		   (const struct sockaddr *)&systemd->notify_address,
		   systemd->notify_address_len) < 0)
		return -errno;
	return 0;
}

static int send_text(struct systemd *systemd, const char *text)
{
	int r = 0;

	if (systemd->notify_address_len > 0)
		r = send_datagram(systemd, text);
	return is_passing(r) ? -EAGAIN : r;
}

bool systemd_has_pending(const struct systemd *systemd)
{
	return systemd->pending[0] != '\0';
}

int systemd_send_pending(struct systemd *systemd)
{
	int r;

	if (!systemd_has_pending(systemd))
		return 0;
	r = send_text(systemd, systemd->pending);
	/* It is tried again only where the queue was full, or something else was short. */
	if (r != -EAGAIN)
		systemd->pending[0] = '\0';
	return r;
}

/* A state takes the place of one that is still pending: the service manager acts on the last. */
static int notify_state(struct systemd *systemd, const char *text)
{
	snprintf(systemd->pending, sizeof(systemd->pending), "%s", text);
	return systemd_send_pending(systemd);
}

static int notify(struct systemd *systemd, const char *text)
{
	int r = systemd_send_pending(systemd);

	return r < 0 ? r : send_text(systemd, text);
}

int systemd_ready(struct systemd *systemd)
{
	return notify_state(systemd, "READY=1");
}

int systemd_stopping(struct systemd *systemd)
{
	return notify_state(systemd, "STOPPING=1");
}

int systemd_watchdog(struct systemd *systemd)
{
	return notify(systemd, "WATCHDOG=1");
}

int systemd_extend_timeout(struct systemd *systemd, usec_t usec)
{
	char text[64];

	snprintf(text, sizeof(text), "EXTEND_TIMEOUT_USEC=%" PRIu64, usec);
	return notify(systemd, text);
}

int systemd_status(struct systemd *systemd, const char *format, ...)
{
	char status[STATUS_MAX + 1], text[sizeof("STATUS=") + STATUS_MAX] = "STATUS=";
	va_list args;

	va_start(args, format);
	vsnprintf(status, sizeof(status), format, args);
	va_end(args);
	/* A newline would begin another assignment. */
	log_text_escape((struct bytes){(const uint8_t *)status, strlen(status)},
			text + strlen(text), STATUS_MAX + 1);
	return notify(systemd, text);
}
