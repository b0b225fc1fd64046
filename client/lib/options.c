#include "client/lib/options.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

int options_take(const void *given, size_t known, void *ret)
{
	const uint8_t *bytes = given;
	size_t size;

	memset(ret, 0, known);
	if (!given)
		return 0;
	memcpy(&size, given, sizeof(size));
	/* Nothing was added to a struct yet: what version 0.1 has is all of it. */
	if (size == 0)
		size = known;
	for (size_t i = known; i < size; i++) {
		if (bytes[i] != 0)
			return -EINVAL;
	}
	memcpy(ret, given, size < known ? size : known);
	return 0;
}
