/* Words of the command line that stand for a number. */
#ifndef POOLD_POOLCTL_ARGUMENT_H
#define POOLD_POOLCTL_ARGUMENT_H

#include <stdbool.h>
#include <stdint.h>

/* Room for what is wrong with a word of the command line, in words. */
#define FAULT_MAX 512

/* Reads a whole number without a sign.  Returns false, and leaves *ret as it is, if the text is
 * anything else or the number is larger than 64 bits. */
bool argument_number(const char *text, uint64_t *ret);

/* Reads a duration in milliseconds: "250ms", "5s", "2min", "1h", or a number of seconds; at least
 * 1 ms and at most a day.  Returns false, and leaves *ret_ms as it is, if the text is none. */
bool argument_duration(const char *text, uint64_t *ret_ms);

/* What a word is not that is none, for: "5m" is not ... */
#define ARGUMENT_DURATION                                                                          \
	"a duration from 1ms to 24h: write 5min, 300s, 250ms, 1h, or a number of seconds"
#define ARGUMENT_WORKER "the number of a worker; poolctl workers shows them"

#endif
