#include "daemon/io/trail.h"

#include <stdio.h>
#include <stdlib.h>

#include "daemon/io/vault.h"

void trail_add(struct trail **trail, const struct error *error, usec_t started)
{
	struct trail *kept = *trail ? *trail : calloc(1, sizeof(*kept));
	size_t place;

	if (!kept)
		return;
	*trail = kept;
	place = kept->count < TRAIL_MAX ? kept->count++ : TRAIL_MAX - 1;
	snprintf(kept->messages[place], TRAIL_MESSAGE, "%s",
		 error->message ? error->message : errcode_info(error->code)->text);
	kept->attempts[place] = (struct error_attempt){
		.pool = error->pool,
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

void trail_free(struct trail *trail)
{
	if (!trail)
		return;
	bytes_free(&trail->detail);
	free(trail);
}
