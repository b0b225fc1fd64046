/* Short inputs for tables of tests. */
#ifndef POOLD_TESTS_INPUT_H
#define POOLD_TESTS_INPUT_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct input {
	size_t len;
	uint8_t data[24];
};

/* INPUT(0x92, 1, 2): these bytes. */
#define INPUT(...)                                                                                 \
	{                                                                                          \
		sizeof((uint8_t[]){__VA_ARGS__}),                                                  \
		{                                                                                  \
			__VA_ARGS__                                                                \
		}                                                                                  \
	}

/* Returns a copy in memory of exactly its size, so that a sanitizer detects a read beyond it.  The
 * caller frees it. */
static inline uint8_t *input_exact(const uint8_t *data, size_t len)
{
	uint8_t *copy = malloc(len);

	if (len > 0 && copy)
		memcpy(copy, data, len);
	return copy;
}

#endif
