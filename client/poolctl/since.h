/* The point from which on events are wanted: the word behind --since. */
#ifndef POOLD_POOLCTL_SINCE_H
#define POOLD_POOLCTL_SINCE_H

#include <stdbool.h>
#include <stdint.h>

struct since {
	bool is_seq;
	uint64_t seq;	/* the event behind which it begins */
	uint64_t at_ms; /* the time from which on, in milliseconds since 1970 */
};

/* What a word is not that is none. */
#define SINCE_WORDS                                                                                \
	"the number of an event (1234), a time (\"14:30\", \"2026-11-23 14:30:00\"), or how long " \
	"ago (90s, 15min, 2h)"

/* Reads it; `now_ms`: the present time.  Without a day the time is the last such one.  Returns
 * false, and leaves *ret as it is, if the text is none. */
bool since_read(const char *text, uint64_t now_ms, struct since *ret);

#endif
