#include "daemon/io/driver/attempt_history.h"

#include "daemon/io/base/slot_store.h"

#include <stdio.h>
#include <stdlib.h>

void attempt_history_add(struct attempt_history **attempt_history, const struct error *error,
			 usec_t started)
{
	struct attempt_history *kept =
		*attempt_history ? *attempt_history : calloc(1, sizeof(*kept));
	size_t place;

	if (!kept)
		return;
	*attempt_history = kept;
	place = kept->count < ATTEMPT_HISTORY_MAX ? kept->count++ : ATTEMPT_HISTORY_MAX - 1;
	snprintf(kept->messages[place], ATTEMPT_HISTORY_MESSAGE, "%s",
		 error->message ? error->message : errcode_info(error->code)->text);
	snprintf(kept->pools[place], sizeof(kept->pools[place]), "%s", error->pool);
	kept->attempts[place] = (struct error_attempt){
		.pool = kept->pools[place],
		.worker = error->worker,
		.code = error->code,
		.message = kept->messages[place],
		.started = started,
		.run = error->run,
		.delay = kept->delay,
	};
	kept->delay = 0;
	bytes_free(&kept->detail);
	kept->detail = bytes_copy(error->detail);
}

void attempt_history_free(struct attempt_history *attempt_history)
{
	if (!attempt_history)
		return;
	bytes_free(&attempt_history->detail);
	free(attempt_history);
}
