/* The clocks of the system, in microseconds. */
#ifndef POOLD_IO_BASE_CLOCK_H
#define POOLD_IO_BASE_CLOCK_H

#include "protocol/base.h"

#include <time.h>

static inline usec_t clock_now(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return (usec_t)time.tv_sec * USEC_PER_SEC + (usec_t)time.tv_nsec / 1000;
}

#endif
