#include "daemon/io/config/config.h"

#include "daemon/io/config/config_alert.h"
#include "daemon/io/config/config_answer.h"
#include "daemon/io/config/config_option.h"
#include "daemon/io/config/config_source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static void free_config(struct config *config)
{
	section_clear(SECTION_DAEMON, &config->daemon);
	section_clear(SECTION_HTTP, &config->http);
	for (size_t i = 0; i < config->pool_count; i++) {
		section_clear(SECTION_POOL, &config->pools[i]);
		section_clear(SECTION_BREAKER, &config->pools[i].breaker);
		section_clear(SECTION_RETRY, &config->pools[i].retry);
		config_answers_clear(&config->pools[i]);
		strv_free(config->pools[i].env);
		free(config->pools[i].name);
	}
	for (size_t i = 0; i < config->alert_count; i++) {
		section_clear(SECTION_ALERT, &config->alerts[i]);
		free(config->alerts[i].name);
	}
	free(config->alerts);
	config_sources_free(config->sources);
	free(config->pools);
	free(config);
}

const struct config *config_ref(const struct config *config)
{
	assert(config->references > 0);
	config->self->references++;
	return config;
}

void config_unref(const struct config *config)
{
	if (!config)
		return;
	assert(config->references > 0);
	config->self->references--;
	if (config->references == 0)
		free_config(config->self);
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

static void dump_pool(const struct config_pool *pool, struct buf *out)
{
	buf_printf(out, "\n[pool %s]\n", pool->name);
	dump_section(SECTION_POOL, pool, out);
	for (size_t i = 0; i < pool->answer_count; i++) {
		const char *method = pool->answers[i].method;

		buf_printf(out, "answer%s%s = %s\n", method ? "." : "", method ? method : "",
			   pool->answers[i].text);
	}
	for (char *const *env = pool->env; *env; env++) {
		const char *equals = strchr(*env, '=');

		buf_printf(out, "env.%.*s = %s\n", (int)(equals - *env), *env, equals + 1);
	}
	buf_printf(out, "\n[breaker %s]\n", pool->name);
	dump_section(SECTION_BREAKER, &pool->breaker, out);
	buf_printf(out, "\n[retry %s]\n", pool->name);
	dump_section(SECTION_RETRY, &pool->retry, out);
}

static bool is_same_row(const struct policy_row *a, const struct policy_row *b)
{
	return a->severity == b->severity && a->strategy == b->strategy &&
	       a->retries == b->retries && a->backoff == b->backoff &&
	       a->counts_worker == b->counts_worker && a->counts_breaker == b->counts_breaker &&
	       a->fails_over == b->fails_over;
}

/* The rows that are not as errcode.def has them. */
static void dump_policy(const struct policy *policy, struct buf *out)
{
	struct policy defaults;

	policy_init(&defaults);
	for (enum errcode code = ERR_NONE + 1; code < ERR_COUNT_; code++) {
		if (is_same_row(&policy->rows[code], &defaults.rows[code]))
			continue;
		buf_printf(out, "\n[error %s]\n", errcode_name(code));
		dump_section(SECTION_ERROR, &policy->rows[code], out);
	}
}

/* The rules that are not as alert_rule.def has them. */
static void dump_alerts(const struct config *config, struct buf *out)
{
	for (size_t i = 0; i < config->alert_count; i++) {
		const struct config_alert *alert = &config->alerts[i];

		if (config_alert_is_default(alert))
			continue;
		buf_printf(out, "\n[alert %s]\n", alert->name);
		dump_section(SECTION_ALERT, alert, out);
	}
}

void config_dump(const struct config *config, struct buf *out)
{
	buf_printf(out, "[daemon]\n");
	dump_section(SECTION_DAEMON, &config->daemon, out);
	buf_printf(out, "\n[http]\n");
	dump_section(SECTION_HTTP, &config->http, out);
	for (size_t i = 0; i < config->pool_count; i++)
		dump_pool(&config->pools[i], out);
	dump_policy(&config->policy, out);
	dump_alerts(config, out);
}

static void describe_option(const struct option *option, struct buf *out)
{
	buf_printf(out, "\n  %s\n      %s\n      ", option->key, option->help);
	option_print_allowed(option, out);
	if (!option->initial)
		buf_printf(out, "; default: that of the %s\n",
			   option->section == SECTION_ALERT ? "kind" : "error");
	else if (option->initial[0] == '\0')
		buf_printf(out, "; default: empty\n");
	else
		buf_printf(out, "; default: %s\n", option->initial);
}

/* The keys of a pool that are not in the table. */
static void describe_rest(struct buf *out)
{
	buf_printf(out,
		   "\n  answer\n"
		   "      Answer of a static pool to each method that has no answer.METHOD.\n"
		   "      one JSON value; default: empty\n"
		   "\n  answer.METHOD\n"
		   "      Answer of a static pool to that method.\n"
		   "      one JSON value; at most %d answers in all\n"
		   "\n  env.VARIABLE\n"
		   "      Value of that variable in the environment of the workers.\n"
		   "      any text; at most %d variables\n",
		   CONFIG_ANSWERS_MAX, CONFIG_ENV_MAX);
}

void config_describe(struct buf *out)
{
	static const char *const titles[] = {
		[SECTION_DAEMON] = "[daemon]",
		[SECTION_POOL] = "[pool NAME]",
		[SECTION_BREAKER] = "[breaker NAME], for the pool of that name",
		[SECTION_RETRY] = "[retry NAME], for the pool of that name",
		[SECTION_ERROR] = "[error NAME], for the error or category of that name",
		[SECTION_HTTP] = "[http]",
		[SECTION_ALERT] =
			"[alert NAME], for the built-in rule of that name, or for a new one",
	};
	static_assert(ARRAY_SIZE(titles) == SECTION_COUNT_, "a section has no title");

	for (enum option_section section = 0; section < SECTION_COUNT_; section++) {
		buf_printf(out, "%s%s\n", section == SECTION_DAEMON ? "" : "\n", titles[section]);
		for (enum option_id id = 0; id < OPTION_ID_COUNT_; id++)
			if (option_get(id)->section == section)
				describe_option(option_get(id), out);
		if (section == SECTION_POOL)
			describe_rest(out);
	}
}
