#include "daemon/io/config_draft.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/io/config_ini.h"
#include "protocol/utf8.h"

/* Bytes of a found value that an error repeats. */
#define FOUND_MAX 200

/* How much of a text that was found is shown. */
static int shown(const char *text)
{
	return (int)utf8_cut((struct bytes){(const uint8_t *)text, strlen(text)}, FOUND_MAX).len;
}

static struct config_origin here(const struct config_draft *draft, unsigned line)
{
	return (struct config_origin){draft->file, line};
}

static bool is_pool_name(const char *name)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789_-";
	size_t len = strlen(name);

	return len > 0 && len <= CONFIG_NAME_MAX && *name >= 'a' && *name <= 'z' &&
	       strspn(name, allowed) == len && strcmp(name, "poold") != 0;
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

static int add_pool(struct config *config, const char *name)
{
	struct config_pool *pool = &config->pools[config->pool_count];

	*pool = (struct config_pool){0};
	config->pool_count++; /* from here on config_free sees to it */
	pool->name = strdup(name);
	pool->env = calloc(CONFIG_ENV_MAX + 1, sizeof(*pool->env));
	pool->command = calloc(1, 1);
	pool->argv = calloc(1, sizeof(*pool->argv));
	if (!pool->name || !pool->env || !pool->command || !pool->argv)
		return -ENOMEM;
	return set_defaults(SECTION_POOL, pool);
}

static struct config *config_new(void)
{
	struct config *config = calloc(1, sizeof(*config));

	if (!config)
		return NULL;
	config->pools = calloc(CONFIG_POOLS_MAX, sizeof(*config->pools));
	if (!config->pools || set_defaults(SECTION_DAEMON, &config->daemon) < 0) {
		config_free(config);
		return NULL;
	}
	return config;
}

/* A section may come again in a later file, not in the same. */
static void enter_section(struct config_draft *draft, unsigned line, enum option_section section,
			  struct config_pool *pool)
{
	struct config *config = draft->config;
	struct config_trace *trace = pool ? &draft->pools[pool - config->pools] : &draft->daemon;

	if (trace->head.file == draft->file) {
		config_fault(&draft->faults, here(draft, line),
			     "[%s%s]: found twice in this file, first in line %u",
			     pool ? "pool " : "daemon", pool ? pool->name : "", trace->head.line);
		return;
	}
	trace->head = here(draft, line);
	draft->keys = KEYS_TAKEN;
	draft->section = section;
	draft->pool = pool ? pool->name : NULL;
	draft->values = pool ? (void *)pool : &config->daemon;
	draft->trace = trace;
}

static void enter_pool(struct config_draft *draft, unsigned line, const char *name)
{
	struct config *config = draft->config;
	size_t i = 0;

	if (!is_pool_name(name)) {
		config_fault(&draft->faults, here(draft, line),
			     "pool name: found \"%.*s\", allowed are 1 to %d of a-z, 0-9, _ and -, "
			     "a letter first, and not \"poold\"",
			     shown(name), name, CONFIG_NAME_MAX);
		return;
	}
	while (i < config->pool_count && strcmp(config->pools[i].name, name) != 0)
		i++;
	if (i == CONFIG_POOLS_MAX) {
		config_fault(&draft->faults, here(draft, line),
			     "[pool %s]: found more than %d pools, which are the most allowed",
			     name, CONFIG_POOLS_MAX);
		return;
	}
	if (i == config->pool_count && add_pool(config, name) < 0) {
		draft->error = -ENOMEM;
		return;
	}
	enter_section(draft, line, SECTION_POOL, &config->pools[i]);
}

static void on_section(void *user, unsigned line, const char *name)
{
	static const char pool[] = "pool";
	struct config_draft *draft = user;

	draft->keys = KEYS_SKIPPED;
	if (draft->error < 0)
		return;
	if (strcmp(name, "daemon") == 0)
		enter_section(draft, line, SECTION_DAEMON, NULL);
	else if (strcmp(name, pool) == 0 || strncmp(name, "pool ", strlen("pool ")) == 0)
		enter_pool(draft, line, name + strlen(pool) + strspn(name + strlen(pool), " \t"));
	else
		config_fault(&draft->faults, here(draft, line),
			     "section: found [%.*s], allowed are [daemon] and [pool NAME]",
			     shown(name), name);
}

/* One fault of a key in the current section. */
static void key_fault(struct config_draft *draft, unsigned line, const char *key,
		      const char *format, ...) PRINTF_LIKE(4, 5);

static void key_fault(struct config_draft *draft, unsigned line, const char *key,
		      const char *format, ...)
{
	char text[4 * FOUND_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	config_fault(&draft->faults, here(draft, line), "[%s%s] %.*s: %s",
		     draft->pool ? "pool " : "daemon", draft->pool ? draft->pool : "", FOUND_MAX,
		     key, text);
}

/* Notes where a key was found; false when the same file has it already. */
static bool note_key(struct config_draft *draft, unsigned line, const char *key,
		     struct config_origin *origin)
{
	if (origin->file == draft->file) {
		key_fault(draft, line, key, "found twice, first in line %u", origin->line);
		return false;
	}
	*origin = here(draft, line);
	return true;
}

static void unknown_key(struct config_draft *draft, unsigned line, const char *key)
{
	struct buf known;

	buf_init(&known, CONFIG_LINE_MAX);
	for (enum option_id id = 0; id < OPTION_ID_COUNT_; id++)
		if (option_get(id)->section == draft->section)
			buf_printf(&known, "%s, ", option_get(id)->key);
	if (draft->section == SECTION_POOL)
		buf_printf(&known, "env.NAME, ");
	key_fault(draft, line, key, "unknown key, allowed are %.*s", (int)known.len - 2,
		  (const char *)known.data);
	buf_free(&known);
}

static void on_option(struct config_draft *draft, unsigned line, const char *key, const char *value)
{
	const struct option *option = option_find(draft->section, key);
	struct buf allowed;
	int r;

	if (!option) {
		unknown_key(draft, line, key);
		return;
	}
	if (!note_key(draft, line, key, &draft->trace->options[option_id(option)]))
		return;
	r = option_set(option, draft->values, value);
	if (r == -ENOMEM)
		draft->error = r;
	if (r != -EINVAL)
		return;
	buf_init(&allowed, CONFIG_LINE_MAX);
	option_print_allowed(option, &allowed);
	key_fault(draft, line, key, "found \"%.*s\", allowed is %.*s", shown(value), value,
		  (int)allowed.len, (const char *)allowed.data);
	buf_free(&allowed);
}

/* The place of a variable in the pool's list: its own, or the first free one. */
static size_t find_variable(char *const *env, const char *name)
{
	size_t i = 0, len = strlen(name);

	while (env[i] && !(strncmp(env[i], name, len) == 0 && env[i][len] == '='))
		i++;
	return i;
}

static void on_variable(struct config_draft *draft, unsigned line, const char *key,
			const char *value)
{
	struct config_pool *pool = draft->values;
	const char *name = key + strlen("env.");
	char *variable;

	if (!is_variable_name(name) || strncmp(name, "POOLD_", strlen("POOLD_")) == 0) {
		key_fault(draft, line, key,
			  "found a variable \"%.*s\", allowed are letters, digits and _, no digit "
			  "first, and not POOLD_ at the beginning",
			  shown(name), name);
		return;
	}

	size_t i = find_variable(pool->env, name);

	if (i == CONFIG_ENV_MAX) {
		key_fault(draft, line, key,
			  "found more than %d variables, which are the most allowed",
			  CONFIG_ENV_MAX);
		return;
	}
	if (!note_key(draft, line, key, &draft->trace->env[i]))
		return;
	if (asprintf(&variable, "%s=%s", name, value) < 0) {
		draft->error = -ENOMEM;
		return;
	}
	free(pool->env[i]);
	pool->env[i] = variable;
}

static void on_key(void *user, unsigned line, const char *key, const char *value)
{
	struct config_draft *draft = user;

	if (draft->error < 0)
		return;
	if (draft->keys == KEYS_EARLY)
		config_fault(&draft->faults, here(draft, line),
			     "%.*s: found before the first [section]", shown(key), key);
	if (draft->keys != KEYS_TAKEN)
		return;
	if (draft->section == SECTION_POOL && strncmp(key, "env.", strlen("env.")) == 0)
		on_variable(draft, line, key, value);
	else
		on_option(draft, line, key, value);
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
	config_free(draft->config);
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

/* What has no default must have been given. */
static void check_given(struct config_draft *draft)
{
	for (size_t i = 0; i < draft->config->pool_count; i++)
		if (!draft->pools[i].options[OPTION_POOL_command].file)
			config_fault(&draft->faults, draft->pools[i].head,
				     "[pool %s] command: found none, and it must be given",
				     draft->config->pools[i].name);
}

int config_draft_finish(struct config_draft *draft, struct config **ret_config)
{
	int r;

	if (draft->error < 0)
		return draft->error;
	check_given(draft);
	/* A value that was refused left its default behind: what follows from that is no news. */
	if (draft->faults.count == 0)
		config_check(draft);
	r = config_faults_end(&draft->faults);
	if (r < 0)
		return r;
	*ret_config = draft->config;
	draft->config = NULL;
	return 0;
}
