/* Where alerts are sent by HTTP: a Unix socket, or an address of this machine. */
#ifndef POOLD_IO_CONFIG_CONFIG_URL_H
#define POOLD_IO_CONFIG_CONFIG_URL_H

#include <stdbool.h>
#include <sys/socket.h>

#define CONFIG_URL_HOST_MAX 64
#define CONFIG_URL_PATH_MAX 256

struct config_url {
	struct sockaddr_storage address;
	socklen_t address_len;
	char host[CONFIG_URL_HOST_MAX]; /* as the header Host has it */
	char path[CONFIG_URL_PATH_MAX];
};

/* Parses "unix:/PATH" (at most 107 bytes of path; the request's path is then that of Alertmanager), or
 * "http://IP:PORT/PATH" with a loopback address in numbers.  Returns 0, or -EINVAL, and then the
 * output is untouched. */
int config_url_parse(const char *text, struct config_url *ret);

#endif
