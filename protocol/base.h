/* What every file of poold may use: time, sizes, a few macros.  No system header beyond C's own. */
#ifndef POOLD_PROTOCOL_BASE_H
#define POOLD_PROTOCOL_BASE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Microseconds on the monotonic clock, or a span of them. */
typedef uint64_t usec_t;

#define USEC_INFINITY UINT64_MAX
#define USEC_PER_MSEC ((usec_t)1000)
#define USEC_PER_SEC  ((usec_t)1000000)

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define container_of(pointer, type, field)                                                         \
	((type *)(void *)((char *)(pointer)-offsetof(type, field)))

#define PRINTF_LIKE(nth, first) __attribute__((format(printf, nth, first)))

/* Bytes that somebody else owns: valid only as long as the function that takes them says. */
struct bytes {
	const uint8_t *data;
	size_t len;
};

/* a + b, or USEC_INFINITY where that does not fit (or one of them is infinite). */
static inline usec_t usec_add(usec_t a, usec_t b)
{
	return a > USEC_INFINITY - b ? USEC_INFINITY : a + b;
}

/* a - b, or 0 where b is later. */
static inline usec_t usec_sub(usec_t a, usec_t b)
{
	return a > b ? a - b : 0;
}

/* span * factor, or USEC_INFINITY where that does not fit. */
static inline usec_t usec_mul(usec_t span, uint64_t factor)
{
	return factor > 0 && span > USEC_INFINITY / factor ? USEC_INFINITY : span * factor;
}

/* The earlier of two points in time, or the shorter of two spans. */
static inline usec_t usec_min(usec_t a, usec_t b)
{
	return a < b ? a : b;
}

/* The later, or the longer. */
static inline usec_t usec_max(usec_t a, usec_t b)
{
	return a > b ? a : b;
}

#endif
