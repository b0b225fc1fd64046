#include "daemon/io/config/config_table.h"

#include "daemon/core/breaker.h"

#include <string.h>

#define FIELD_DAEMON  struct config_daemon
#define FIELD_POOL    struct config_pool
#define FIELD_BREAKER struct config_breaker
#define FIELD_RETRY   struct config_retry
#define FIELD_ERROR   struct policy_row
#define FIELD_HTTP    struct config_http

static const struct option options[] = {
#define OPTION(section_, key_, type_, initial_, min_, max_, help_)                                 \
	[OPTION_##section_##_##key_] = {.key = #key_,                                              \
					.initial = initial_,                                       \
					.help = help_,                                             \
					.min = min_,                                               \
					.max = max_,                                               \
					.offset = offsetof(FIELD_##section_, key_),                \
					.section = SECTION_##section_,                             \
					.type = OPTION_##type_},
#include "daemon/io/config/config.def"
#undef OPTION
};

const struct option *option_get(enum option_id id)
{
	return &options[id];
}

const struct option *option_find(enum option_section section, const char *key)
{
	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		if (options[i].section == section && strcmp(options[i].key, key) == 0)
			return &options[i];
	return NULL;
}

enum option_id option_id(const struct option *option)
{
	return (enum option_id)(option - options);
}

const char *option_section_name(enum option_section section)
{
	static const char *const names[] = {
		[SECTION_DAEMON] = "daemon",   [SECTION_POOL] = "pool",
		[SECTION_BREAKER] = "breaker", [SECTION_RETRY] = "retry",
		[SECTION_ERROR] = "error",     [SECTION_HTTP] = "http",
	};
	static_assert(ARRAY_SIZE(names) == SECTION_COUNT_, "a section has no name");

	return names[section];
}

bool option_section_is_single(enum option_section section)
{
	return section == SECTION_DAEMON || section == SECTION_HTTP;
}

void *option_field(const struct option *option, void *values)
{
	return (char *)values + option->offset;
}

const void *option_field_read(const struct option *option, const void *values)
{
	return (const char *)values + option->offset;
}
