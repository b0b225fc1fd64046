/* Types, time arithmetic and macros for all files of poold.  Includes headers of standard C
 * only. */
#ifndef POOLD_PROTOCOL_BASE_H
#define POOLD_PROTOCOL_BASE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A point in time of the monotonic clock, or a time span, in microseconds. */
typedef uint64_t usec_t;

#define USEC_INFINITY UINT64_MAX
#define USEC_PER_MSEC ((usec_t)1000)
#define USEC_PER_SEC  ((usec_t)1000000)

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define container_of(pointer, type, field)                                                         \
	((type *)(void *)((char *)(pointer)-offsetof(type, field)))

/* Of a function that nearly no request needs: failures, start and end, what an operator asks, what
 * few callers want.  It, and the branches that lead to it, stand apart from what runs for each
 * request, which then fits better into the processor's cache of instructions. */
#define COLD __attribute__((cold))

/* An assertion fails as rarely, but assert.h does not say so. */
#ifndef NDEBUG
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wredundant-decls"
COLD extern __typeof__(__assert_fail) __assert_fail; // NOLINT(readability-redundant-declaration)
#pragma GCC diagnostic pop
#endif

#define PRINTF_LIKE(nth, first) __attribute__((format(printf, nth, first)))

/* A slice of memory that somebody else owns.  The function that takes or returns it says how long
 * it is valid. */
struct bytes {
	const uint8_t *data;
	size_t len;
};

/* a + b, or USEC_INFINITY if the sum does not fit or one of them is infinite. */
static inline usec_t usec_add(usec_t a, usec_t b)
{
	return a > USEC_INFINITY - b ? USEC_INFINITY : a + b;
}

/* a - b, or 0 if b is later than a. */
static inline usec_t usec_sub(usec_t a, usec_t b)
{
	return a > b ? a - b : 0;
}

/* span * factor, or USEC_INFINITY if the product does not fit. */
static inline usec_t usec_mul(usec_t span, uint64_t factor)
{
	return factor > 0 && span > USEC_INFINITY / factor ? USEC_INFINITY : span * factor;
}

/* The earlier of two points in time, or the shorter of two spans. */
static inline usec_t usec_min(usec_t a, usec_t b)
{
	return a < b ? a : b;
}

/* The later of two points in time, or the longer of two spans. */
static inline usec_t usec_max(usec_t a, usec_t b)
{
	return a > b ? a : b;
}

#endif
