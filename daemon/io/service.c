#include "daemon/io/service.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <systemd/sd-daemon.h>

#include "daemon/io/log_text.h"

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

static int take_notify(struct service *service)
{
	const char *text = getenv("NOTIFY_SOCKET");
	int fd, r;

	if (!text)
		return 0;
	r = parse_address(text, &service->notify_address, &service->notify_address_len);
	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	service->notify_fd = fd;
	return 0;
}

static int take_watchdog(struct service *service)
{
	uint64_t usec;
	int r = sd_watchdog_enabled(true, &usec);

	if (r > 0)
		service->watchdog_usec = usec;
	return r < 0 ? r : 0;
}

static int take_sockets(struct service *service)
{
	char **names = NULL;
	int count = sd_listen_fds_with_names(true, &names);

	if (count < 0)
		return count;
	for (int i = 0; i < count; i++) {
		if (i < SERVICE_LISTEN_MAX) {
			service->listen_fds[i] = SD_LISTEN_FDS_START + i;
			service->listen_names[i] = names[i];
			service->listen_count++;
		} else {
			close(SD_LISTEN_FDS_START + i);
			free(names[i]);
		}
	}
	free(names);
	return 0;
}

int service_init(struct service *service)
{
	int notify, watchdog, sockets;

	*service = (struct service){.notify_fd = -1};
	notify = take_notify(service);
	watchdog = take_watchdog(service);
	sockets = take_sockets(service);
	unsetenv("NOTIFY_SOCKET");
	if (notify < 0)
		return notify;
	return watchdog < 0 ? watchdog : sockets;
}

void service_done(struct service *service)
{
	if (service->notify_fd >= 0)
		close(service->notify_fd);
	for (unsigned i = 0; i < service->listen_count; i++) {
		if (service->listen_fds[i] >= 0)
			close(service->listen_fds[i]);
		free(service->listen_names[i]);
	}
	*service = (struct service){.notify_fd = -1};
}

static int make_nonblocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
	return 0;
}

int service_listen_fd(struct service *service, const char *name)
{
	for (unsigned i = 0; i < service->listen_count; i++) {
		int fd = service->listen_fds[i];

		if (fd < 0 || strcmp(service->listen_names[i], name) != 0)
			continue;
		if (sd_is_socket_unix(fd, SOCK_STREAM, true, NULL, 0) <= 0)
			return -EINVAL;

		int r = make_nonblocking(fd);

		if (r < 0)
			return r;
		service->listen_fds[i] = -1;
		return fd;
	}
	return -ENOENT;
}

usec_t service_watchdog_usec(const struct service *service)
{
	return service->watchdog_usec;
}

/* libsystemd's own sd_notify waits while the manager's queue is full: so the datagram is sent here.
 */
static int notify(struct service *service, const char *text)
{
	ssize_t n;

	if (service->notify_fd < 0)
		return 0;
	n = sendto(service->notify_fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL,
		   (const struct sockaddr *)&service->notify_address, service->notify_address_len);
	if (n >= 0)
		return 0;
	return errno == EWOULDBLOCK || errno == ENOBUFS ? -EAGAIN : -errno;
}

bool service_owes(const struct service *service)
{
	return service->owed[0] != '\0';
}

/* Tells the state that wasn't taken before, if there is one. */
int service_tell_owed(struct service *service)
{
	int r;

	if (!service_owes(service))
		return 0;
	r = notify(service, service->owed);
	/* Only a full queue is worth another try. */
	if (r != -EAGAIN)
		service->owed[0] = '\0';
	return r;
}

/* A state takes the place of one that is still owed: the service manager acts on the last. */
static int tell_state(struct service *service, const char *format, ...) PRINTF_LIKE(2, 3);

static int tell_state(struct service *service, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(service->owed, sizeof(service->owed), format, args);
	va_end(args);
	return service_tell_owed(service);
}

static int tell(struct service *service, const char *text)
{
	int r = service_tell_owed(service);

	return r < 0 ? r : notify(service, text);
}

int service_ready(struct service *service)
{
	return tell_state(service, "READY=1");
}

int service_reloading(struct service *service, usec_t now)
{
	return tell_state(service, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, now);
}

int service_stopping(struct service *service)
{
	return tell_state(service, "STOPPING=1");
}

int service_watchdog(struct service *service)
{
	return tell(service, "WATCHDOG=1");
}

int service_extend_timeout(struct service *service, usec_t usec)
{
	char text[64];

	snprintf(text, sizeof(text), "EXTEND_TIMEOUT_USEC=%" PRIu64, usec);
	return tell(service, text);
}

int service_status(struct service *service, const char *format, ...)
{
	char status[STATUS_MAX + 1], text[sizeof("STATUS=") + STATUS_MAX] = "STATUS=";
	va_list args;

	va_start(args, format);
	vsnprintf(status, sizeof(status), format, args);
	va_end(args);
	/* A newline would begin another assignment. */
	log_text_escape((struct bytes){(const uint8_t *)status, strlen(status)},
			text + strlen(text), STATUS_MAX + 1);
	return tell(service, text);
}
