#include "tests/lib/shrink.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/prop.h"
#include "tests/lib/unit.h"

struct probation {
	const struct shrink_property *property;
	const uint64_t *ops;
	size_t len;
	const char *wrong;
};

static void run_probation(void *argument)
{
	struct probation *probation = argument;

	probation->wrong = probation->property->holds(probation->ops, probation->len);
}

/* An assertion that fails in the code under test can be shrunk like any other property. */
static const char *judge(const struct shrink_property *property, const uint64_t *ops, size_t len,
			 bool quiet)
{
	struct probation probation = {.property = property, .ops = ops, .len = len};

	return unit_aborts(run_probation, &probation, quiet) ? "an assertion failed (see above)"
							     : probation.wrong;
}

static size_t generate(uint64_t seed, size_t len_max, uint64_t *ops)
{
	struct prop prop = prop_seeded(seed);
	size_t len = (size_t)prop_between(&prop, 1, len_max);

	for (size_t i = 0; i < len; i++)
		ops[i] = prop_next(&prop);
	return len;
}

/* Copies the sequence without the `count` operations from `first` on. */
static size_t without(const uint64_t *ops, size_t len, size_t first, size_t count, uint64_t *ret)
{
	memcpy(ret, ops, first * sizeof(*ops));
	memcpy(ret + first, ops + first + count, (len - first - count) * sizeof(*ops));
	return len - count;
}

/* Leaves out halves, quarters and so on down to single operations while the rest still fails. */
static size_t shrink(const struct shrink_property *property, uint64_t *ops, size_t len)
{
	uint64_t shorter[SHRINK_OPS_MAX];

	for (size_t chunk = len / 2 > 0 ? len / 2 : 1; chunk > 0;) {
		bool dropped = false;

		for (size_t first = 0; first + chunk <= len;) {
			size_t rest = without(ops, len, first, chunk, shorter);

			if (!judge(property, shorter, rest, true)) {
				first += chunk;
				continue;
			}
			memcpy(ops, shorter, rest * sizeof(*ops));
			len = rest;
			dropped = true;
		}
		if (!dropped || chunk > len)
			chunk /= 2;
	}
	return len;
}

const char *shrink_find(const struct shrink_property *property, unsigned seeds, size_t len_max,
			uint64_t *ret_ops, size_t *ret_len, uint64_t *ret_seed)
{
	const char *only = getenv("POOLD_SEED");

	assert(len_max <= SHRINK_OPS_MAX);
	for (unsigned i = 0; i < (only ? 1 : seeds); i++) {
		uint64_t seed = only ? strtoull(only, NULL, 0) : i;
		size_t len = generate(seed, len_max, ret_ops);

		if (judge(property, ret_ops, len, true)) {
			*ret_len = shrink(property, ret_ops, len);
			*ret_seed = seed;
			return judge(property, ret_ops, *ret_len, false);
		}
	}
	return NULL;
}

void shrink_check(const struct shrink_property *property, unsigned seeds, size_t len_max)
{
	uint64_t ops[SHRINK_OPS_MAX];
	uint64_t seed;
	size_t len;
	const char *wrong = shrink_find(property, prop_share(seeds), len_max, ops, &len, &seed);

	if (!wrong)
		return;
	fprintf(stderr, "%s: %s\nshrunk to %zu operations (POOLD_SEED=%" PRIu64 "):\n",
		property->name, wrong, len, seed);
	for (size_t i = 0; i < len && property->describe; i++) {
		char text[160];

		property->describe(ops[i], text, sizeof(text));
		fprintf(stderr, "  %s\n", text);
	}
	if (property->explain)
		property->explain(ops, len);
	ck_abort_msg("%s: %s (POOLD_SEED=%" PRIu64 ")", property->name, wrong, seed);
}
