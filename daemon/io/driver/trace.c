#include "daemon/io/driver/trace.h"

#include "daemon/io/driver/state.h"

/* A span id, which is never 0. */
static uint64_t new_span(struct driver *driver)
{
	uint64_t span;

	do
		span = prng_next(&driver->spans);
	while (span == 0);
	return span;
}

void trace_begin(struct driver *driver, struct trace *trace, struct bytes text, struct bytes state)
{
	*trace = (struct trace){.text = text};
	if (text.len == 0 || traceparent_parse(text, &trace->parsed) < 0)
		return;
	trace->is_w3c = true;
	trace->state = state;
	trace->span = new_span(driver);
}

struct bytes trace_attempt(struct driver *driver, struct trace *trace,
			   uint8_t room[static TRACEPARENT_LEN])
{
	if (!trace->is_w3c)
		return trace->text;
	trace->attempt_span = new_span(driver);
	traceparent_format(&trace->parsed, trace->attempt_span, room);
	return (struct bytes){room, TRACEPARENT_LEN};
}

struct bytes trace_id(const struct trace *trace)
{
	return trace->is_w3c ? trace->parsed.trace_id : trace->text;
}

void trace_fill(const struct trace *trace, struct error *error)
{
	error->trace = trace_id(trace);
	error->span = trace->span;
	error->attempt_span = trace->attempt_span;
}
