/*
 * Property tests over random sequences of operations.
 *
 * An operation is 64 random bits that the property reads as it likes.  A failing sequence is shrunk
 * by leaving operations out for as long as it still fails, then printed with its seed. POOLD_SEED=N
 * in the environment runs that one seed.
 */
#ifndef POOLD_TESTS_SHRINK_H
#define POOLD_TESTS_SHRINK_H

#include "protocol/base.h"

#define SHRINK_OPS_MAX 512

struct shrink_property {
	const char *name;

	/* Runs the operations on fresh state.  Returns NULL, or the text of what does not hold. */
	const char *(*holds)(const uint64_t *ops, size_t len);

	/* Describes one operation for the report; NULL if `explain` describes them all. */
	void (*describe)(uint64_t op, char *text, size_t size);
	void (*explain)(const uint64_t *ops, size_t len);
};

/*
 * Runs `seeds` random sequences of up to `len_max` operations and shrinks the first one that fails:
 * its operations are stored in `ret_ops` (SHRINK_OPS_MAX of them), their number and the seed in
 * `ret_len` and `ret_seed`.  Returns what does not hold, or NULL when all of them hold.
 */
const char *shrink_find(const struct shrink_property *property, unsigned seeds, size_t len_max,
			uint64_t *ret_ops, size_t *ret_len, uint64_t *ret_seed);

/* The same as a test, for prop_share(seeds) of them: prints what failed and ends the running check test. */
void shrink_check(const struct shrink_property *property, unsigned seeds, size_t len_max);

#endif
