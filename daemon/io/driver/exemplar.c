#include "daemon/io/driver/exemplar.h"

#include "daemon/io/base/clock.h"
#include "daemon/io/driver/state.h"

#include <string.h>

const usec_t latency_bounds[LATENCY_BOUNDS] = {127,    255,	511,	 1023,	   2047,    4095,
					       8191,   16383,	32767,	 65535,	   131071,  262143,
					       524287, 1048575, 4194303, 16777215, 67108863};

void exemplars_put(struct exemplars *exemplars, const struct traceparent *traceparent, usec_t value,
		   usec_t at)
{
	struct exemplar *exemplar;
	unsigned bucket = 0;

	while (bucket < LATENCY_BOUNDS && value > latency_bounds[bucket])
		bucket++;
	exemplar = &exemplars->buckets[bucket];
	memcpy(exemplar->trace_id, traceparent->trace_id.data, TRACE_ID_LEN);
	exemplar->value = value;
	exemplar->at = at;
}

void exemplar_take(struct driver *driver, const struct call *call, const struct effect *effect)
{
	usec_t now = loop_now(driver->loop);
	struct request_view request;

	if (!call->trace.is_w3c || !(call->trace.parsed.flags & TRACEPARENT_SAMPLED))
		return;
	engine_view_request(driver->engine, call->slot, &request);
	/* The engine counts the time of no refusal. */
	if (effect->type == EFFECT_ERROR && request.attempts == 0 && now < request.deadline)
		return;
	exemplars_put(&driver->exemplars[effect->pool], &call->trace.parsed,
		      usec_sub(now, request.submitted), clock_now(CLOCK_REALTIME));
}
