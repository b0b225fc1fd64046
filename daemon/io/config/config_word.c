#include "daemon/io/config/config_word.h"

#include <errno.h>
#include <string.h>

/* Above the number of every word. */
#define NUMBERS_MAX 32

static const char *const dialects[] = {
	[DIALECT_POOLD] = "poold",
	[DIALECT_MSGPACK_RPC] = "msgpack-rpc",
	[DIALECT_PACKET4_JSON] = "packet4-json",
	[DIALECT_PACKET4_MSGPACK] = "packet4-msgpack",
	[DIALECT_JSONRPC] = "jsonrpc",
};
static const char *const outputs[] = {
	[OUTPUT_LOG] = "log",
	[OUTPUT_INHERIT] = "inherit",
	[OUTPUT_DISCARD] = "discard",
};
static const char *const cgroups[] = {
	[CGROUPS_AUTO] = "auto",
	[CGROUPS_YES] = "yes",
	[CGROUPS_NO] = "no",
};
static const char *const breaker_modes[] = {
	[BREAKER_MODE_ON] = "on",
	[BREAKER_MODE_OBSERVE] = "observe",
	[BREAKER_MODE_OFF] = "off",
};

static_assert(ARRAY_SIZE(dialects) == DIALECT_COUNT_, "a dialect has no word");
static_assert(ARRAY_SIZE(outputs) == OUTPUT_COUNT_, "an output has no word");
static_assert(ARRAY_SIZE(cgroups) == CGROUPS_COUNT_, "a choice has no word");
static_assert(ARRAY_SIZE(breaker_modes) == BREAKER_MODE_COUNT_, "a mode has no word");
static_assert(ALERT_KIND_COUNT_ <= NUMBERS_MAX && LOG_LEVEL_DEBUG < NUMBERS_MAX &&
		      BACKOFF_KIND_COUNT_ <= NUMBERS_MAX,
	      "NUMBERS_MAX is too small");

bool option_is_word(enum option_type type)
{
	return type >= OPTION_LEVEL && type < OPTION_TYPE_COUNT_;
}

/* The words that only the configuration has. */
static const char *own_word(enum option_type type, unsigned number)
{
	switch (type) {
	case OPTION_DIALECT:
		return number < DIALECT_COUNT_ ? dialects[number] : NULL;
	case OPTION_OUTPUT:
		return number < OUTPUT_COUNT_ ? outputs[number] : NULL;
	case OPTION_CGROUPS:
		return number < CGROUPS_COUNT_ ? cgroups[number] : NULL;
	case OPTION_BREAKER_MODE:
		return number < BREAKER_MODE_COUNT_ ? breaker_modes[number] : NULL;
	default:
		assert(false && "an option that is no word");
		return NULL;
	}
}

const char *option_word(enum option_type type, unsigned number)
{
	switch (type) {
	case OPTION_LEVEL:
		return log_level_name((enum log_level)number);
	case OPTION_TARGET:
		return log_target_name((enum log_target)number);
	case OPTION_FORMAT:
		return log_format_name((enum log_format)number);
	case OPTION_ADAPTER:
		return number < POOL_ADAPTER_COUNT_ ? pool_adapter_name(number) : NULL;
	case OPTION_AFFINITY:
		return number < SESSION_AFFINITY_COUNT_ ? session_affinity_name(number) : NULL;
	case OPTION_CURVE:
		return number < BACKOFF_KIND_COUNT_ ? backoff_kind_name(number) : NULL;
	case OPTION_SEVERITY:
		return number < SEVERITY_COUNT_ ? errseverity_name(number) : NULL;
	case OPTION_STRATEGY:
		return number < STRATEGY_COUNT_ ? errstrategy_name(number) : NULL;
	case OPTION_BACKOFF:
		return number < ERRBACKOFF_COUNT_ ? errbackoff_name(number) : NULL;
	case OPTION_FAILOVER:
		return number < FAILOVER_COUNT_ ? errfailover_name(number) : NULL;
	case OPTION_ALERT_KIND:
		return number < ALERT_KIND_COUNT_ ? alert_kind_name(number) : NULL;
	case OPTION_ALERT_SEVERITY:
		return number < ALERT_SEVERITY_COUNT_ ? alert_severity_name(number) : NULL;
	default:
		return own_word(type, number);
	}
}

int option_find_word(enum option_type type, const char *word, unsigned *ret_number)
{
	for (unsigned number = 0; number < NUMBERS_MAX; number++) {
		const char *name = option_word(type, number);

		if (name && strcmp(name, word) == 0) {
			*ret_number = number;
			return 0;
		}
	}
	return -EINVAL;
}

void option_print_words(enum option_type type, struct buf *out)
{
	const char *last = NULL, *separator = "";

	for (unsigned number = 0; number < NUMBERS_MAX; number++) {
		const char *name = option_word(type, number);

		if (!name)
			continue;
		if (last) {
			buf_printf(out, "%s%s", separator, last);
			separator = ", ";
		}
		last = name;
	}
	buf_printf(out, " or %s", last);
}
