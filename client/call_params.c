#include "client/call_params.h"

static const char *const priority_names[] = {
	[POOLD_PRIORITY_CRITICAL] = "critical",
	[POOLD_PRIORITY_NORMAL] = "normal",
	[POOLD_PRIORITY_SHEDDABLE] = "sheddable",
};

static uint32_t count_options(const struct poold_call_options *options)
{
	return 0u + (options->timeout_ms > 0) + (options->idempotent != POOLD_DEFAULT) +
	       (options->priority != POOLD_PRIORITY_DEFAULT) + (options->max_attempts > 0) +
	       options->meta + (options->trace != NULL);
}

static void pack_options(struct buf *buf, const struct poold_call_options *options)
{
	pack_map(buf, count_options(options));
	if (options->timeout_ms > 0) {
		pack_str(buf, "timeout_ms");
		pack_uint(buf, options->timeout_ms);
	}
	if (options->idempotent != POOLD_DEFAULT) {
		pack_str(buf, "idempotent");
		pack_bool(buf, options->idempotent == POOLD_YES);
	}
	if (options->priority != POOLD_PRIORITY_DEFAULT) {
		pack_str(buf, "priority");
		pack_str(buf, priority_names[options->priority]);
	}
	if (options->max_attempts > 0) {
		pack_str(buf, "max_attempts");
		pack_uint(buf, options->max_attempts);
	}
	if (options->meta) {
		pack_str(buf, "meta");
		pack_bool(buf, true);
	}
	if (options->trace) {
		pack_str(buf, "trace");
		pack_str(buf, options->trace);
	}
}

bool call_is_valid(const struct poold_call_options *options)
{
	return options->idempotent <= POOLD_NO && options->priority < ARRAY_SIZE(priority_names);
}

int call_pack(const char *pool, const char *method, const struct poold_call_options *options,
	      struct buf *before, struct buf *after)
{
	bool has_options = count_options(options) > 0;

	pack_array(before, has_options ? 4 : 3);
	pack_str(before, pool);
	pack_str(before, method);
	if (has_options)
		pack_options(after, options);
	return buf_error(before) < 0 ? buf_error(before) : buf_error(after);
}
