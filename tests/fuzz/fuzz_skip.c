/*
 * The skipper on any bytes.  The first byte chooses the split and the limit, the rest is the value.
 *
 *  - msgpack-c and the naive model find the same end, where they find one
 *  - the result does not depend on the split
 *  - a limit changes nothing but to SKIP_TOO_LARGE
 */
#include <assert.h>

#include "protocol/skip.h"
#include "tests/lib/input.h"
#include "tests/lib/naive.h"
#include "tests/lib/prop.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct outcome {
	enum skip_result result;
	uint64_t taken;
};

static enum skip_result feed_piece(struct skip *skip, const uint8_t *data, size_t len,
				   size_t *ret_taken)
{
	uint8_t *piece = input_exact(data, len);
	enum skip_result result = skip_feed(skip, piece, len, ret_taken);

	free(piece);
	return result;
}

static struct outcome feed(struct prop *prop, const uint8_t *data, size_t len, uint64_t limit,
			   size_t longest)
{
	struct outcome outcome = {SKIP_MORE, 0};
	struct skip skip;
	size_t at = 0;

	skip_init(&skip, limit);
	while (outcome.result == SKIP_MORE && at < len) {
		size_t step = (size_t)prop_between(prop, 1, longest);
		size_t taken;

		if (step > len - at)
			step = len - at;
		outcome.result = feed_piece(&skip, data + at, step, &taken);
		outcome.taken += taken;
		assert(taken <= step);
		assert(outcome.result != SKIP_MORE || taken == step);
		assert(outcome.result != SKIP_MORE || skip_need(&skip) > 0);
		assert(outcome.result > SKIP_DONE || skip.taken == outcome.taken);
		at += step;
	}
	if (outcome.result > SKIP_DONE)
		outcome.taken = 0;
	return outcome;
}

static void check_models(const uint8_t *data, size_t len, struct outcome whole)
{
	struct naive naive = naive_value(data, len);
	size_t packed = naive_msgpack_length(&naive);

	assert((whole.result == SKIP_BAD) == naive.bad);
	assert((whole.result == SKIP_MORE) == naive.cut);
	assert(whole.result != SKIP_DONE || whole.taken == naive.at);
	assert(packed == 0 || (whole.result == SKIP_DONE && whole.taken == packed));
	assert(skip_value(data, len, UINT64_MAX) == whole.taken || whole.result != SKIP_DONE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (len < 2)
		return 0;

	struct prop prop = prop_seeded(data[0]);

	data++;
	len--;

	struct outcome whole = feed(&prop, data, len, UINT64_MAX, 1);
	uint64_t limit = prop_below(&prop, len + 2);
	struct outcome limited = feed(&prop, data, len, limit, 1);

	check_models(data, len, whole);
	if (whole.result == SKIP_DONE)
		assert(limited.result == (whole.taken <= limit ? SKIP_DONE : SKIP_TOO_LARGE));
	for (size_t longest = 2; longest <= 2 * len; longest *= 2) {
		struct outcome cut = feed(&prop, data, len, UINT64_MAX, longest);

		assert(cut.result == whole.result && cut.taken == whole.taken);
		cut = feed(&prop, data, len, limit, longest);
		assert(cut.result == limited.result && cut.taken == limited.taken);
	}
	return 0;
}
