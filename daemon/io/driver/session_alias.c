#include "daemon/io/driver/session_alias.h"

#include "daemon/io/driver/state.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Whether it could be taken for the name of another user's. */
static bool looks_like_alias(struct bytes name)
{
	size_t digits = 0;

	while (digits < name.len && name.data[digits] >= '0' && name.data[digits] <= '9')
		digits++;
	return digits > 0 && digits < name.len && name.data[digits] == ':';
}

struct bytes session_alias(const struct driver *driver, uint32_t user, struct bytes name,
			   uint8_t out[SESSION_ALIAS_MAX])
{
	char head[16];
	int len;

	if (name.len == 0 || driver->config->daemon.sessions_shared ||
	    (user == geteuid() && !looks_like_alias(name)))
		return name;
	len = snprintf(head, sizeof(head), "%" PRIu32 ":", user);
	memcpy(out, head, (size_t)len);
	memcpy(out + len, name.data, name.len);
	return (struct bytes){out, (size_t)len + name.len};
}
