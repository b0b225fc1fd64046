#include "daemon/io/config/config_draft.h"

#include "daemon/io/config/config_alert.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int set_defaults(enum option_section section, void *values)
{
	for (enum option_id id = 0; id < OPTION_ID_COUNT_; id++) {
		const struct option *option = option_get(id);
		int r = 0;

		if (option->section == section && option->initial)
			r = option_set(option, values, option->initial);
		if (r < 0)
			return r;
	}
	return 0;
}

int config_draft_add_alert(struct config *config, enum alert_kind kind, const char *name)
{
	struct config_alert *alert = &config->alerts[config->alert_count];

	*alert = (struct config_alert){.rule_kind = kind, .is_built_in = kind != ALERT_KIND_COUNT_};
	config->alert_count++; /* from here on config_unref frees what it has */
	if (alert->is_built_in)
		config_alert_take_defaults(alert);
	alert->name = strdup(name);
	return alert->name ? set_defaults(SECTION_ALERT, alert) : -ENOMEM;
}

static int add_built_in_alerts(struct config *config)
{
	int r = 0;

	for (enum alert_kind kind = 0; kind < ALERT_KIND_COUNT_ && r == 0; kind++)
		r = config_draft_add_alert(config, kind, alert_kind_name(kind));
	return r;
}

static struct config *config_new(void)
{
	struct config *config = calloc(1, sizeof(*config));

	if (!config)
		return NULL;
	config->references = 1;
	config->self = config;
	policy_init(&config->policy);
	config->pools = calloc(CONFIG_POOLS_MAX, sizeof(*config->pools));
	config->alerts = calloc(ALERT_RULES_MAX, sizeof(*config->alerts));
	if (!config->pools || !config->alerts || add_built_in_alerts(config) < 0 ||
	    set_defaults(SECTION_DAEMON, &config->daemon) < 0 ||
	    set_defaults(SECTION_HTTP, &config->http) < 0) {
		config_unref(config);
		return NULL;
	}
	return config;
}

int config_draft_new(struct config_draft **ret_draft)
{
	struct config_draft *draft = calloc(1, sizeof(*draft));

	if (!draft)
		return -ENOMEM;
	draft->config = config_new();
	if (!draft->config) {
		free(draft);
		return -ENOMEM;
	}
	*ret_draft = draft;
	return 0;
}

void config_draft_free(struct config_draft *draft)
{
	if (!draft)
		return;
	config_unref(draft->config);
	for (size_t i = 0; i < draft->file_count; i++)
		free(draft->files[i]);
	free(draft);
}

void *config_draft_values(const struct config_draft *draft, enum option_section section,
			  size_t pool)
{
	struct config *config = draft->config;

	switch (section) {
	case SECTION_POOL:
		return &config->pools[pool];
	case SECTION_BREAKER:
		return &config->pools[pool].breaker;
	case SECTION_RETRY:
		return &config->pools[pool].retry;
	case SECTION_HTTP:
		return &config->http;
	default:
		return &config->daemon;
	}
}

int config_draft_add_pool(struct config_draft *draft, const char *name)
{
	struct config *config = draft->config;
	size_t index = config->pool_count;
	struct config_pool *pool = &config->pools[index];
	int r = 0;

	*pool = (struct config_pool){.config = config};
	config->pool_count++; /* from here on config_unref frees what it has */
	pool->name = strdup(name);
	pool->name_len = strlen(name);
	pool->env = calloc(CONFIG_ENV_MAX + 1, sizeof(*pool->env));
	if (!pool->name || !pool->env)
		return -ENOMEM;
	for (enum option_section section = SECTION_POOL; section <= SECTION_RETRY && r == 0;
	     section++)
		r = set_defaults(section, config_draft_values(draft, section, index));
	return r;
}

struct config_origin config_draft_origin(const struct config_draft *draft, unsigned line)
{
	return (struct config_origin){draft->file, line};
}
