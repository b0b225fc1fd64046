/* Short inputs for tables of tests. */
#ifndef POOLD_TESTS_INPUT_H
#define POOLD_TESTS_INPUT_H

#include <stddef.h>
#include <stdint.h>

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

#endif
