#include "daemon/io/config/config_table.h"

#include "daemon/core/breaker.h"

#include <string.h>

/* The field has the name of the key, but for alerts: `for` can be none. */
#define OFFSET_DAEMON(key)  offsetof(struct config_daemon, key)
#define OFFSET_POOL(key)    offsetof(struct config_pool, key)
#define OFFSET_BREAKER(key) offsetof(struct config_breaker, key)
#define OFFSET_RETRY(key)   offsetof(struct config_retry, key)
#define OFFSET_ERROR(key)   offsetof(struct policy_row, key)
#define OFFSET_HTTP(key)    offsetof(struct config_http, key)
#define OFFSET_ALERT(key)   offsetof(struct config_alert, rule_##key)

static const struct option options[] = {
#define OPTION(section_, key_, type_, initial_, min_, max_, help_)                                 \
	[OPTION_##section_##_##key_] = {.key = #key_,                                              \
					.initial = initial_,                                       \
					.help = help_,                                             \
					.min = min_,                                               \
					.max = max_,                                               \
					.offset = OFFSET_##section_(key_),                         \
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
		[SECTION_ALERT] = "alert",
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
