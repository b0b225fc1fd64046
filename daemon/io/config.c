#include "daemon/io/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/io/config_option.h"

const struct config_pool *config_find_pool(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->pool_count; i++)
		if (strcmp(config->pools[i].name, name) == 0)
			return &config->pools[i];
	return NULL;
}

static void section_clear(enum option_section section, void *values)
{
	for (enum option_id id = 0; id < OPTION_ID_COUNT_; id++)
		if (option_get(id)->section == section)
			option_clear(option_get(id), values);
}

void config_free(struct config *config)
{
	if (!config)
		return;
	section_clear(SECTION_DAEMON, &config->daemon);
	for (size_t i = 0; i < config->pool_count; i++) {
		section_clear(SECTION_POOL, &config->pools[i]);
		strv_free(config->pools[i].env);
		free(config->pools[i].name);
	}
	free(config->pools);
	free(config);
}

static void dump_section(enum option_section section, const void *values, struct buf *out)
{
	for (enum option_id id = 0; id < OPTION_ID_COUNT_; id++) {
		const struct option *option = option_get(id);

		if (option->section != section)
			continue;
		buf_printf(out, "%s = ", option->key);
		option_print(option, values, out);
		buf_printf(out, "\n");
	}
}

void config_dump(const struct config *config, struct buf *out)
{
	buf_printf(out, "[daemon]\n");
	dump_section(SECTION_DAEMON, &config->daemon, out);
	for (size_t i = 0; i < config->pool_count; i++) {
		const struct config_pool *pool = &config->pools[i];

		buf_printf(out, "\n[pool %s]\n", pool->name);
		dump_section(SECTION_POOL, pool, out);
		for (char *const *env = pool->env; *env; env++) {
			const char *equals = strchr(*env, '=');

			buf_printf(out, "env.%.*s = %s\n", (int)(equals - *env), *env, equals + 1);
		}
	}
}

static void describe_option(const struct option *option, struct buf *out)
{
	buf_printf(out, "\n  %s\n      %s\n      ", option->key, option->help);
	option_print_allowed(option, out);
	if (!option->initial)
		buf_printf(out, "; must be given\n");
	else if (option->initial[0] == '\0')
		buf_printf(out, "; default: nothing\n");
	else
		buf_printf(out, "; default: %s\n", option->initial);
}

void config_describe(struct buf *out)
{
	static const char *const titles[] = {
		[SECTION_DAEMON] = "[daemon]",
		[SECTION_POOL] = "[pool NAME]",
	};

	for (enum option_section section = 0; section < SECTION_COUNT_; section++) {
		buf_printf(out, "%s%s\n", section == SECTION_DAEMON ? "" : "\n", titles[section]);
		for (enum option_id id = 0; id < OPTION_ID_COUNT_; id++)
			if (option_get(id)->section == section)
				describe_option(option_get(id), out);
	}
	buf_printf(out,
		   "\n  env.VARIABLE\n      A variable in the environment of the workers.\n"
		   "      any text; at most %d of them\n",
		   CONFIG_ENV_MAX);
}
