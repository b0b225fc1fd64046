#include "client/lib/options.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

int options_take(const void *given, size_t first, size_t known, void *ret)
{
	const uint8_t *bytes = given;
	size_t size;

	memset(ret, 0, known);
	if (!given)
		return 0;
	memcpy(&size, given, sizeof(size));
	if (size == 0)
		size = first;
	for (size_t i = known; i < size; i++) {
		if (bytes[i] != 0)
			return -EINVAL;
	}
	memcpy(ret, given, size < known ? size : known);
	return 0;
}
