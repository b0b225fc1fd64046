/*
 * Repeatable randomness for tests: a seeded generator, and loops of random cases.
 *
 *	struct prop_rounds rounds = prop_rounds(1000);
 *	struct prop prop;
 *
 *	while (prop_round(&rounds, &prop)) {
 *		uint64_t len = prop_between(&prop, 0, 100);
 *
 *		prop_check(&prop, works_with(len), "length %" PRIu64, len);
 *	}
 *
 * Each round has a seed of its own, which prop_check prints when it fails; POOLD_SEED=number in the
 * environment runs that one round again.
 */
#ifndef POOLD_TESTS_PROP_H
#define POOLD_TESTS_PROP_H

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct prop {
	uint64_t seed;
	uint64_t state;
};

static inline struct prop prop_seeded(uint64_t seed)
{
	return (struct prop){.seed = seed, .state = seed};
}

/* The next 64 random bits (splitmix64, in which neighbouring seeds give unrelated sequences). */
static inline uint64_t prop_next(struct prop *prop)
{
	uint64_t z = prop->state += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

/* A number from 0 to `bound` - 1; `bound` is above 0. */
static inline uint64_t prop_below(struct prop *prop, uint64_t bound)
{
	return prop_next(prop) % bound;
}

/* A number from `low` to `high`, both included, and not all of 64 bits. */
static inline uint64_t prop_between(struct prop *prop, uint64_t low, uint64_t high)
{
	return low + prop_below(prop, high - low + 1);
}

static inline bool prop_chance(struct prop *prop, unsigned percent)
{
	return prop_below(prop, 100) < percent;
}

/* Returns the rounds to run of so many: POOLD_ROUNDS, if set, is their percentage. */
static inline unsigned prop_share(unsigned rounds)
{
	const char *percent = getenv("POOLD_ROUNDS");

	return percent ? rounds * (unsigned)strtoul(percent, NULL, 10) / 100 + 1 : rounds;
}

struct prop_rounds {
	uint64_t seed; /* of the next round */
	unsigned left;
};

/* Returns that many rounds (see prop_share) with seeds from the current time, or one round with the
 * seed in POOLD_SEED. */
static inline struct prop_rounds prop_rounds(unsigned rounds)
{
	const char *given = getenv("POOLD_SEED");
	struct timespec now;

	if (given)
		return (struct prop_rounds){strtoull(given, NULL, 0), 1};
	(void)timespec_get(&now, TIME_UTC);
	return (struct prop_rounds){(uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec,
				    prop_share(rounds)};
}

/* Begins the next round with its own generator.  Returns false when all are done. */
static inline bool prop_round(struct prop_rounds *rounds, struct prop *ret)
{
	if (rounds->left == 0)
		return false;
	rounds->left--;
	*ret = prop_seeded(rounds->seed++);
	return true;
}

/* Fails the running check test, and prints what was wrong (a printf format) and the seed. */
#define prop_check(prop, condition, ...)                                                           \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			char prop_text_[256];                                                      \
			snprintf(prop_text_, sizeof(prop_text_), __VA_ARGS__);                     \
			ck_abort_msg("%s is false: %s (POOLD_SEED=%" PRIu64 ")", #condition,       \
				     prop_text_, (prop)->seed);                                    \
		}                                                                                  \
	} while (0)

#endif
