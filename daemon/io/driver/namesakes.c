#include "daemon/io/driver/namesakes.h"

#include "daemon/io/base/log.h"
#include "daemon/io/driver/caller.h"
#include "daemon/io/driver/state.h"

#include <inttypes.h>

/* The pair, as the one of the two that came second is or was; NULL: there is no room for it. */
static struct namesake *find(struct namesakes *namesakes, const struct namesake *wanted)
{
	struct namesake *pair = namesakes->pairs;

	for (unsigned i = 0; i < namesakes->count; i++, pair++) {
		bool is_same = pair->user == wanted->user && pair->other == wanted->other;
		bool is_reverse = pair->user == wanted->other && pair->other == wanted->user;

		if (pair->is_key == wanted->is_key && pair->pool == wanted->pool &&
		    (is_same || is_reverse))
			return pair;
	}
	if (namesakes->count == NAMESAKES_MAX)
		return NULL;
	namesakes->count++;
	*pair = *wanted;
	return pair;
}

static void tell(const struct driver *driver, const struct namesake *pair)
{
	const char *pool = driver_pool_config(driver, pair->pool)->name;
	const struct log_field fields[] = {{"pool", pool}};

	if (pair->is_key)
		log_event(LOG_LEVEL_WARNING, NULL, fields, ARRAY_SIZE(fields),
			  "uid %" PRIu32 " uses an idempotency key of uid %" PRIu32
			  ": each has its own, unless the pool says keys_shared = yes",
			  pair->user, pair->other);
	else
		log_warning("uid %" PRIu32 " uses the name of a session of uid %" PRIu32
			    ": each has its own, unless [daemon] says sessions_shared = yes",
			    pair->user, pair->other);
}

void namesakes_take(struct driver *driver, const struct effect *effect)
{
	const struct namesake wanted = {
		.is_key = effect->namesake.is_key,
		.pool = effect->namesake.is_key ? effect->pool : 0,
		.user = driver->calls.calls[effect->request].caller->uid,
		.other = effect->namesake.user,
	};
	struct namesake *pair = find(&driver->namesakes, &wanted);

	if (pair && pair->times++ == 0)
		tell(driver, pair);
}
