/* Refused calls that will be offered again, the earliest first: a binary heap. */
#ifndef POOLD_TESTS_BENCH_REPEATS_H
#define POOLD_TESTS_BENCH_REPEATS_H

#include "tests/bench/bench.h"

struct repeat {
	uint64_t when_nsec;
	uint8_t class;
};

/* All zero: none. */
struct repeats {
	struct repeat *heap;
	size_t count;
	size_t room;
};

static inline void repeats_swap(struct repeats *repeats, size_t a, size_t b)
{
	struct repeat held = repeats->heap[a];

	repeats->heap[a] = repeats->heap[b];
	repeats->heap[b] = held;
}

static inline void repeats_add(struct repeats *repeats, uint64_t when_nsec, uint8_t class)
{
	size_t at = repeats->count++;

	if (repeats->count > repeats->room) {
		repeats->room = repeats->room ? repeats->room * 2 : 1024;
		repeats->heap = realloc(repeats->heap, repeats->room * sizeof(*repeats->heap));
		if (!repeats->heap)
			err(1, "memory");
	}
	repeats->heap[at] = (struct repeat){when_nsec, class};
	while (at > 0 && repeats->heap[(at - 1) / 2].when_nsec > repeats->heap[at].when_nsec) {
		repeats_swap(repeats, at, (at - 1) / 2);
		at = (at - 1) / 2;
	}
}

/* Takes the earliest out; there is one. */
static inline struct repeat repeats_take(struct repeats *repeats)
{
	struct repeat first = repeats->heap[0];
	size_t at = 0;

	repeats->heap[0] = repeats->heap[--repeats->count];
	for (;;) {
		size_t least = at;

		for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < repeats->count;
		     child++)
			if (repeats->heap[child].when_nsec < repeats->heap[least].when_nsec)
				least = child;
		if (least == at)
			return first;
		repeats_swap(repeats, at, least);
		at = least;
	}
}

#endif
