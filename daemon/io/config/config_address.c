#include "daemon/io/config/config_address.h"

#include "daemon/io/config/config_value.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

static int parse_path(const char *text, struct sockaddr_storage *ret_address, socklen_t *ret_len)
{
	struct sockaddr_un unix_address = {.sun_family = AF_UNIX};
	size_t len = strlen(text);

	if (len >= sizeof(unix_address.sun_path))
		return -EINVAL;
	memcpy(unix_address.sun_path, text, len);
	*ret_address = (struct sockaddr_storage){0};
	memcpy(ret_address, &unix_address, sizeof(unix_address));
	*ret_len = sizeof(unix_address);
	return 0;
}

/* Parses an IP without brackets. */
static int parse_ip(const char *text, bool is_v6, uint16_t port,
		    struct sockaddr_storage *ret_address, socklen_t *ret_len)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};

	if (is_v6 ? inet_pton(AF_INET6, text, &v6.sin6_addr) != 1
		  : inet_pton(AF_INET, text, &v4.sin_addr) != 1)
		return -EINVAL;
	*ret_address = (struct sockaddr_storage){0};
	if (is_v6)
		memcpy(ret_address, &v6, sizeof(v6));
	else
		memcpy(ret_address, &v4, sizeof(v4));
	*ret_len = is_v6 ? sizeof(v6) : sizeof(v4);
	return 0;
}

static int parse_tcp(const char *text, struct sockaddr_storage *ret_address, socklen_t *ret_len)
{
	const char *colon = strrchr(text, ':');
	char ip[INET6_ADDRSTRLEN];
	size_t len = colon ? (size_t)(colon - text) : 0;
	bool is_v6 = len > 2 && text[0] == '[' && text[len - 1] == ']';
	unsigned port;

	if (!colon || value_parse_unsigned(colon + 1, &port) < 0 || port == 0 || port > UINT16_MAX)
		return -EINVAL;
	if (is_v6) {
		text++;
		len -= 2;
	}
	if (len >= sizeof(ip))
		return -EINVAL;
	memcpy(ip, text, len);
	ip[len] = '\0';
	return parse_ip(ip, is_v6, (uint16_t)port, ret_address, ret_len);
}

int config_address_parse(const char *text, struct sockaddr_storage *ret_address, socklen_t *ret_len)
{
	static const char tcp[] = "tcp:";

	if (text[0] == '/')
		return parse_path(text, ret_address, ret_len);
	if (strncmp(text, tcp, strlen(tcp)) == 0)
		return parse_tcp(text + strlen(tcp), ret_address, ret_len);
	return -EINVAL;
}

/* 127.0.0.0/8 and ::1. */
static bool is_loopback(const struct sockaddr_storage *address)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	if (address->ss_family == AF_INET) {
		memcpy(&v4, address, sizeof(v4));
		return ntohl(v4.sin_addr.s_addr) >> IN_CLASSA_NSHIFT == IN_LOOPBACKNET;
	}
	memcpy(&v6, address, sizeof(v6));
	return IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr);
}

int config_listen_parse(const char *text, struct sockaddr_storage *ret_address, socklen_t *ret_len)
{
	static const char scheme[] = "unix:";
	struct sockaddr_storage address;
	socklen_t len;

	if (strncmp(text, scheme, strlen(scheme)) == 0 && text[strlen(scheme)] == '/')
		return parse_path(text + strlen(scheme), ret_address, ret_len);
	if (parse_tcp(text, &address, &len) < 0 || !is_loopback(&address))
		return -EINVAL;
	*ret_address = address;
	*ret_len = len;
	return 0;
}
