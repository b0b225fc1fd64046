/* A naive model of MessagePack's structure, to which the skipper is compared: it recurses, has no
 * limit, and reads every marker as the format's specification describes it. */
#ifndef POOLD_TESTS_LIB_NAIVE_H
#define POOLD_TESTS_LIB_NAIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <msgpack/unpack.h>

struct naive {
	const uint8_t *data;
	size_t len;
	size_t at;
	uint64_t announced_max; /* the largest count or length that a header had */
	bool bad;		/* a 0xc1 was met */
	bool cut;		/* the bytes end within the value */
};

static inline uint64_t naive_number(struct naive *naive, size_t width)
{
	uint64_t number = 0;

	if (naive->len - naive->at < width) {
		naive->cut = true;
		naive->at = naive->len;
		return 0;
	}
	for (size_t i = 0; i < width; i++)
		number = number * 256 + naive->data[naive->at++];
	if (number > naive->announced_max)
		naive->announced_max = number;
	return number;
}

static inline void naive_pass(struct naive *naive, uint64_t len)
{
	if (naive->len - naive->at < len) {
		naive->cut = true;
		naive->at = naive->len;
		return;
	}
	naive->at += (size_t)len;
}

static inline void naive_walk(struct naive *naive);

static inline void naive_walk_all(struct naive *naive, uint64_t count)
{
	while (count-- > 0 && !naive->bad && !naive->cut)
		naive_walk(naive);
}

static inline void naive_walk(struct naive *naive)
{
	if (naive->at == naive->len) {
		naive->cut = true;
		return;
	}

	uint8_t marker = naive->data[naive->at++];

	if (marker <= 0x7f || marker >= 0xe0)
		return;
	if (marker <= 0x8f)
		naive_walk_all(naive, 2 * (marker - 0x80u));
	else if (marker <= 0x9f)
		naive_walk_all(naive, marker - 0x90u);
	else if (marker <= 0xbf)
		naive_pass(naive, marker - 0xa0u);
	else if (marker == 0xc1)
		naive->bad = true;
	else if (marker >= 0xc4 && marker <= 0xc6)
		naive_pass(naive, naive_number(naive, (size_t)1 << (marker - 0xc4)));
	else if (marker >= 0xc7 && marker <= 0xc9)
		naive_pass(naive, 1 + naive_number(naive, (size_t)1 << (marker - 0xc7)));
	else if (marker == 0xca || marker == 0xcb)
		naive_pass(naive, marker == 0xca ? 4 : 8);
	else if (marker >= 0xcc && marker <= 0xcf)
		naive_pass(naive, (uint64_t)1 << (marker - 0xcc));
	else if (marker >= 0xd0 && marker <= 0xd3)
		naive_pass(naive, (uint64_t)1 << (marker - 0xd0));
	else if (marker >= 0xd4 && marker <= 0xd8)
		naive_pass(naive, 1 + ((uint64_t)1 << (marker - 0xd4)));
	else if (marker >= 0xd9 && marker <= 0xdb)
		naive_pass(naive, naive_number(naive, (size_t)1 << (marker - 0xd9)));
	else if (marker == 0xdc || marker == 0xdd)
		naive_walk_all(naive, naive_number(naive, marker == 0xdc ? 2 : 4));
	else if (marker == 0xde || marker == 0xdf)
		naive_walk_all(naive, 2 * naive_number(naive, marker == 0xde ? 2 : 4));
}

/* Walks over the first value of the bytes. */
static inline struct naive naive_value(const uint8_t *data, size_t len)
{
	struct naive naive = {.data = data, .len = len};

	naive_walk(&naive);
	return naive;
}

/*
 * Returns the length of the first value according to msgpack-c, or 0 where it finds none.  It is
 * not asked when a header announces more than the bytes could hold, since it would allocate
 * memory for that.
 */
static inline size_t naive_msgpack_length(const struct naive *naive)
{
	msgpack_unpacked unpacked;
	size_t length = 0;

	if (naive->announced_max > naive->len)
		return 0;
	msgpack_unpacked_init(&unpacked);
	if (msgpack_unpack_next(&unpacked, (const char *)naive->data, naive->len, &length) !=
	    MSGPACK_UNPACK_SUCCESS)
		length = 0;
	msgpack_unpacked_destroy(&unpacked);
	return length;
}

#endif
