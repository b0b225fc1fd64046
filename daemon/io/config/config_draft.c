#include "daemon/io/config/config_draft.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/io/config/config_ini.h"
#include "daemon/io/config/config_list.h"
#include "protocol/utf8.h"

/* Bytes of a found value that an error repeats. */
#define FOUND_MAX 200

int config_shown(const char *text)
{
	return (int)utf8_cut((struct bytes){(const uint8_t *)text, strlen(text)}, FOUND_MAX).len;
}

static struct config_origin here(const struct config_draft *draft, unsigned line)
{
	return (struct config_origin){draft->file, line};
}

static int set_defaults(enum option_section section, void *values)
{
	for (enum option_id id = 0; id < OPTION_ID_COUNT_; id++) {
		const struct option *option = option_get(id);

		if (option->section != section || !option->initial)
			continue;

		int r = option_set(option, values, option->initial);

		if (r < 0)
			return r;
	}
	return 0;
}

void *config_section_values(struct config *config, enum option_section section, size_t pool)
{
	switch (section) {
	case SECTION_POOL:
		return &config->pools[pool];
	case SECTION_BREAKER:
		return &config->pools[pool].breaker;
	case SECTION_RETRY:
		return &config->pools[pool].retry;
	default:
		return &config->daemon;
	}
}

static int add_pool(struct config *config, const char *name)
{
	size_t index = config->pool_count;
	struct config_pool *pool = &config->pools[index];
	int r = 0;

	*pool = (struct config_pool){.config = config};
	config->pool_count++; /* from here on config_unref frees what it has */
	pool->name = strdup(name);
	pool->env = calloc(CONFIG_ENV_MAX + 1, sizeof(*pool->env));
	if (!pool->name || !pool->env)
		return -ENOMEM;
	for (enum option_section section = SECTION_POOL; section <= SECTION_RETRY && r == 0;
	     section++)
		r = set_defaults(section, config_section_values(config, section, index));
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
	if (!config->pools || set_defaults(SECTION_DAEMON, &config->daemon) < 0) {
		config_unref(config);
		return NULL;
	}
	return config;
}

/* A section may come again in a later file, not in the same. */
static void enter_section(struct config_draft *draft, unsigned line, enum option_section section,
			  const char *name, struct config_trace *trace)
{
	struct config_origin *head = &trace->heads[section];

	if (head->file == draft->file) {
		config_fault(&draft->faults, here(draft, line),
			     CONFIG_TITLE ": found twice in this file, first in line %u",
			     CONFIG_TITLE_ARGS(section, name), head->line);
		return;
	}
	*head = here(draft, line);
	draft->keys = KEYS_TAKEN;
	draft->section = section;
	draft->name = name;
	draft->category = ERRCAT_COUNT_;
	draft->trace = trace;
}

/* [pool NAME], or what belongs to a pool; each may come before the others. */
static void enter_pool(struct config_draft *draft, unsigned line, enum option_section section,
		       const char *name)
{
	struct config *config = draft->config;
	size_t i = 0;

	if (!is_pool_name(name)) {
		config_fault(&draft->faults, here(draft, line),
			     "pool name: found \"%.*s\", allowed are 1 to %d of a-z, 0-9, _ and -, "
			     "a letter first, and not \"poold\"",
			     config_shown(name), name, CONFIG_NAME_MAX);
		return;
	}
	while (i < config->pool_count && strcmp(config->pools[i].name, name) != 0)
		i++;
	if (i == CONFIG_POOLS_MAX) {
		config_fault(&draft->faults, here(draft, line),
			     CONFIG_TITLE ": found more than %d pools, which are the most allowed",
			     CONFIG_TITLE_ARGS(section, name), CONFIG_POOLS_MAX);
		return;
	}
	if (i == config->pool_count && add_pool(config, name) < 0) {
		draft->error = -ENOMEM;
		return;
	}
	draft->values = config_section_values(config, section, i);
	enter_section(draft, line, section, config->pools[i].name, &draft->pools[i]);
}

static void unknown_error(struct config_draft *draft, unsigned line, const char *name)
{
	struct buf known;

	buf_init(&known, CONFIG_LINE_MAX);
	for (enum errcategory category = 0; category < ERRCAT_COUNT_; category++)
		buf_printf(&known, "%s%s", category ? ", " : "", errcategory_name(category));
	buf_printf(&known, ") or a code (");
	for (enum errcode code = ERR_NONE + 1; code < ERR_COUNT_; code++)
		buf_printf(&known, "%s%s", code > ERR_NONE + 1 ? ", " : "", errcode_name(code));
	config_fault(&draft->faults, here(draft, line),
		     "error name: found \"%.*s\", allowed are a category (%.*s)",
		     config_shown(name), name, (int)known.len, (const char *)known.data);
	buf_free(&known);
}

static void enter_error(struct config_draft *draft, unsigned line, const char *name)
{
	enum errcode code = errcode_find(name, strlen(name));
	enum errcategory category = errcategory_find(name, strlen(name));

	if (code != ERR_NONE) {
		draft->values = &draft->config->policy.rows[code];
		enter_section(draft, line, SECTION_ERROR, errcode_name(code), &draft->codes[code]);
	} else if (category != ERRCAT_COUNT_) {
		draft->values = &draft->row;
		enter_section(draft, line, SECTION_ERROR, errcategory_name(category),
			      &draft->categories[category]);
		draft->category = category;
	} else {
		unknown_error(draft, line, name);
	}
}

/* The section of that word, or SECTION_COUNT_. */
static enum option_section find_section(const char *word, size_t len)
{
	enum option_section section = 0;

	while (section < SECTION_COUNT_ && (strlen(option_section_name(section)) != len ||
					    memcmp(option_section_name(section), word, len) != 0))
		section++;
	return section;
}

static void on_section(void *user, unsigned line, const char *name)
{
	struct config_draft *draft = user;
	size_t len = strcspn(name, " \t");
	const char *rest = name + len + strspn(name + len, " \t");
	enum option_section section = find_section(name, len);

	draft->keys = KEYS_SKIPPED;
	if (draft->error < 0)
		return;
	if (section == SECTION_DAEMON && *rest == '\0') {
		draft->values = &draft->config->daemon;
		enter_section(draft, line, section, "", &draft->daemon);
	} else if (section == SECTION_ERROR) {
		enter_error(draft, line, rest);
	} else if (section != SECTION_DAEMON && section != SECTION_COUNT_) {
		enter_pool(draft, line, section, rest);
	} else {
		config_fault(&draft->faults, here(draft, line),
			     "section: found [%.*s], allowed are [daemon], [pool NAME], "
			     "[breaker NAME], [retry NAME] and [error NAME]",
			     config_shown(name), name);
	}
}

static void on_key(void *user, unsigned line, const char *key, const char *value)
{
	struct config_draft *draft = user;

	if (draft->error < 0)
		return;
	if (draft->keys == KEYS_EARLY)
		config_fault(&draft->faults, here(draft, line),
			     "%.*s: found before the first [section]", config_shown(key), key);
	if (draft->keys != KEYS_TAKEN)
		return;
	config_draft_key(draft, line, key, value);
}

static void on_fault(void *user, unsigned line, const char *fault)
{
	struct config_draft *draft = user;

	config_fault(&draft->faults, here(draft, line), "this line %s", fault);
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

void config_draft_read(struct config_draft *draft, const char *file, struct bytes text)
{
	const struct ini_events events = {on_section, on_key, on_fault, draft};

	assert(draft->file_count < ARRAY_SIZE(draft->files));
	draft->file = strdup(file);
	if (!draft->file) {
		draft->error = -ENOMEM;
		return;
	}
	draft->files[draft->file_count++] = draft->file;
	draft->keys = KEYS_EARLY;
	if (config_ini_parse(text, &events) < 0)
		draft->error = -ENOMEM;
}

int config_draft_finish(struct config_draft *draft, const struct config **ret_config)
{
	int r;

	if (draft->error < 0)
		return draft->error;
	config_check_adapters(draft);
	/* A value that was refused left its default behind: what follows from that is no news. */
	if (draft->faults.count == 0) {
		config_resolve_chains(draft);
		config_check(draft);
	}
	r = config_faults_end(&draft->faults);
	if (r < 0)
		return r;
	*ret_config = draft->config;
	draft->config = NULL;
	return 0;
}
