#include "daemon/io/config/config_pack.h"

#include "daemon/io/base/pack_named.h"
#include "daemon/io/config/config_alert.h"
#include "daemon/io/config/config_option.h"
#include "daemon/io/config/config_source.h"

#include <stdio.h>
#include <string.h>

/* Room for "FILE:LINE". */
#define SOURCE_MAX 5000

/* A section, as it is packed. */
struct section {
	const struct config *config;
	enum option_section section;
	unsigned of; /* as config_source_of has it */
	const char *name;
	const void *values;
	const void *defaults; /* the same with the built-in defaults; NULL: the table has them */
};

/* Where the key was set, or nil. */
static void pack_source(const struct section *section, enum config_key_kind kind, unsigned index,
			struct buf *out)
{
	char text[SOURCE_MAX];
	struct config_origin origin;

	pack_str(out, "source");
	if (!config_source_of(section->config, section->section, section->of, kind, index,
			      &origin)) {
		pack_nil(out);
		return;
	}
	snprintf(text, sizeof(text), "%s:%u", origin.file, origin.line);
	pack_text(out, (struct bytes){(const uint8_t *)text, strlen(text)});
}

static void pack_printed(const struct option *option, const void *values, struct buf *out)
{
	struct buf text;

	buf_init(&text, CONFIG_LINE_MAX);
	option_print(option, values, &text);
	if (buf_error(&text) == 0)
		pack_text(out, (struct bytes){text.data, text.len});
	else
		pack_nil(out);
	buf_free(&text);
}

static void pack_option(const struct section *section, enum option_id id, struct buf *out)
{
	const struct option *option = option_get(id);

	pack_map(out, 4);
	pack_named_str(out, "key", option->key);
	pack_str(out, "value");
	pack_printed(option, section->values, out);
	pack_str(out, "default");
	if (option->initial)
		pack_str(out, option->initial);
	else
		pack_printed(option, section->defaults, out);
	pack_source(section, CONFIG_KEY_OPTION, id, out);
}

static uint32_t count_options(enum option_section section)
{
	uint32_t count = 0;

	for (enum option_id id = 0; id < OPTION_ID_COUNT_; id++)
		count += option_get(id)->section == section;
	return count;
}

/* Begins it, with so many keys beside those of the table. */
static void pack_head(const struct section *section, uint32_t more, struct buf *out)
{
	pack_map(out, 3);
	pack_named_str(out, "section", option_section_name(section->section));
	pack_str(out, "name");
	if (section->name)
		pack_str(out, section->name);
	else
		pack_nil(out);
	pack_str(out, "values");
	pack_array(out, count_options(section->section) + more);
	for (enum option_id id = 0; id < OPTION_ID_COUNT_; id++)
		if (option_get(id)->section == section->section)
			pack_option(section, id, out);
}

/* A key that the table does not have; `value` NULL: it is not told. */
static void pack_own_key(const struct section *section, const char *key, const char *value,
			 enum config_key_kind kind, unsigned index, struct buf *out)
{
	pack_map(out, 4);
	pack_str(out, "key");
	pack_text(out, (struct bytes){(const uint8_t *)key, strlen(key)});
	pack_str(out, "value");
	if (value)
		pack_text(out, (struct bytes){(const uint8_t *)value, strlen(value)});
	else
		pack_nil(out);
	pack_str(out, "default");
	pack_nil(out);
	pack_source(section, kind, index, out);
}

static void pack_env(const struct section *section, const struct config_pool *pool, struct buf *out)
{
	char key[CONFIG_LINE_MAX];

	for (unsigned i = 0; pool->env[i]; i++) {
		snprintf(key, sizeof(key), "env.%.*s", (int)strcspn(pool->env[i], "="),
			 pool->env[i]);
		pack_own_key(section, key, NULL, CONFIG_KEY_ENV, i, out);
	}
}

static void pack_answers(const struct section *section, const struct config_pool *pool,
			 struct buf *out)
{
	char key[CONFIG_METHOD_MAX + sizeof("answer.")];

	for (unsigned i = 0; i < pool->answer_count; i++) {
		const char *method = pool->answers[i].method;

		snprintf(key, sizeof(key), "answer%s%s", method ? "." : "", method ? method : "");
		pack_own_key(section, key, pool->answers[i].text, CONFIG_KEY_ANSWER, i, out);
	}
}

static void pack_pool(const struct config *config, unsigned index, struct buf *out)
{
	const struct config_pool *pool = &config->pools[index];
	struct section section = {.config = config,
				  .section = SECTION_POOL,
				  .of = index,
				  .name = pool->name,
				  .values = pool};
	uint32_t variables = 0;

	while (pool->env[variables])
		variables++;
	pack_head(&section, variables + (uint32_t)pool->answer_count, out);
	pack_answers(&section, pool, out);
	pack_env(&section, pool, out);
	section.section = SECTION_BREAKER;
	section.values = &pool->breaker;
	pack_head(&section, 0, out);
	section.section = SECTION_RETRY;
	section.values = &pool->retry;
	pack_head(&section, 0, out);
}

/* Whether a file sets anything in that section of [error] or [alert]. */
static bool is_set(const struct config *config, enum option_section section, unsigned of)
{
	struct config_origin origin;

	for (enum option_id id = 0; id < OPTION_ID_COUNT_; id++)
		if (option_get(id)->section == section &&
		    config_source_of(config, section, of, CONFIG_KEY_OPTION, id, &origin))
			return true;
	return false;
}

static bool is_code_set(const struct config *config, enum errcode code)
{
	return is_set(config, SECTION_ERROR, code);
}

static void pack_codes(const struct config *config, struct buf *out)
{
	struct policy defaults;

	policy_init(&defaults);
	for (enum errcode code = ERR_NONE + 1; code < ERR_COUNT_; code++) {
		const struct section section = {.config = config,
						.section = SECTION_ERROR,
						.of = code,
						.name = errcode_name(code),
						.values = &config->policy.rows[code],
						.defaults = &defaults.rows[code]};

		if (is_code_set(config, code))
			pack_head(&section, 0, out);
	}
}

static void pack_alerts(const struct config *config, struct buf *out)
{
	for (unsigned i = 0; i < config->alert_count; i++) {
		struct config_alert defaults = {.rule_kind = config->alerts[i].rule_kind};
		const struct section section = {.config = config,
						.section = SECTION_ALERT,
						.of = i,
						.name = config->alerts[i].name,
						.values = &config->alerts[i],
						.defaults = &defaults};

		config_alert_take_defaults(&defaults);
		if (is_set(config, SECTION_ALERT, i))
			pack_head(&section, 0, out);
	}
}

/* Sections of each pool: [pool], [breaker] and [retry]. */
#define POOL_SECTIONS 3

void config_pack(const struct config *config, const struct config_pool *pool, struct buf *out)
{
	const struct section daemon = {
		.config = config, .section = SECTION_DAEMON, .values = &config->daemon};
	const struct section http = {
		.config = config, .section = SECTION_HTTP, .values = &config->http};
	uint32_t count = 2 + POOL_SECTIONS * (uint32_t)config->pool_count;

	if (pool) {
		pack_array(out, POOL_SECTIONS);
		pack_pool(config, (unsigned)(pool - config->pools), out);
		return;
	}
	for (enum errcode code = ERR_NONE + 1; code < ERR_COUNT_; code++)
		count += is_code_set(config, code);
	for (unsigned i = 0; i < config->alert_count; i++)
		count += is_set(config, SECTION_ALERT, i);
	pack_array(out, count);
	pack_head(&daemon, 0, out);
	pack_head(&http, 0, out);
	for (unsigned i = 0; i < config->pool_count; i++)
		pack_pool(config, i, out);
	pack_codes(config, out);
	pack_alerts(config, out);
}
