#include "daemon/io/driver/attempt_history.h"

#include "daemon/io/base/slot_store.h"

#include <stdio.h>
#include <stdlib.h>

void attempt_history_add(struct attempt_history **history, const struct error *error,
			 usec_t started)
{
	struct attempt_history *all = *history ? *history : calloc(1, sizeof(*all));
	size_t place;

	if (!all)
		return;
	*history = all;
	place = all->count < ATTEMPT_HISTORY_MAX ? all->count++ : ATTEMPT_HISTORY_MAX - 1;
	snprintf(all->messages[place], sizeof(all->messages[place]), "%s",
		 error->message ? error->message : errcode_info(error->code)->text);
	snprintf(all->pools[place], sizeof(all->pools[place]), "%s", error->pool);
	all->attempts[place] = (struct error_attempt){
		.pool = all->pools[place],
		.worker = error->worker,
		.code = error->code,
		.message = all->messages[place],
		.started = started,
		.run = error->run,
		.delay = all->delay,
		.span = error->attempt_span,
	};
	all->delay = 0;
	bytes_free(&all->detail);
	all->detail = bytes_copy(error->detail);
}

void attempt_history_free(struct attempt_history *history)
{
	if (!history)
		return;
	bytes_free(&history->detail);
	free(history);
}
