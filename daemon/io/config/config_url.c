#include "daemon/io/config/config_url.h"

#include "daemon/io/config/config_address.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

static const char unix_prefix[] = "unix:";
static const char http_prefix[] = "http://";

/* What Alertmanager listens for. */
#define DEFAULT_PATH "/api/v2/alerts"

static int parse_unix(const char *text, struct config_url *url)
{
	if (*text != '/')
		return -EINVAL;
	snprintf(url->host, sizeof(url->host), "localhost");
	snprintf(url->path, sizeof(url->path), DEFAULT_PATH);
	return config_address_parse(text, &url->address, &url->address_len);
}

static bool is_loopback(const struct sockaddr_storage *address)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	if (address->ss_family == AF_INET) {
		memcpy(&v4, address, sizeof(v4));
		return ntohl(v4.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	}
	memcpy(&v6, address, sizeof(v6));
	return IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr);
}

/* Nothing that would end the request's first line. */
static bool is_path(const char *text)
{
	for (; *text; text++)
		if (*text <= ' ' || *text > '~')
			return false;
	return true;
}

static int parse_http(const char *text, struct config_url *url)
{
	char address[sizeof("tcp:") + CONFIG_URL_HOST_MAX];
	size_t len = strcspn(text, "/");
	const char *path = text[len] ? text + len : DEFAULT_PATH;

	if (len >= sizeof(url->host) || strlen(path) >= sizeof(url->path) || !is_path(path))
		return -EINVAL;
	snprintf(url->host, sizeof(url->host), "%.*s", (int)len, text);
	snprintf(url->path, sizeof(url->path), "%s", path);
	snprintf(address, sizeof(address), "tcp:%s", url->host);
	if (config_address_parse(address, &url->address, &url->address_len) < 0 ||
	    !is_loopback(&url->address))
		return -EINVAL;
	return 0;
}

int config_url_parse(const char *text, struct config_url *ret)
{
	struct config_url url = {0};
	int r = -EINVAL;

	if (strncmp(text, unix_prefix, strlen(unix_prefix)) == 0)
		r = parse_unix(text + strlen(unix_prefix), &url);
	else if (strncmp(text, http_prefix, strlen(http_prefix)) == 0)
		r = parse_http(text + strlen(http_prefix), &url);
	if (r == 0)
		*ret = url;
	return r;
}
