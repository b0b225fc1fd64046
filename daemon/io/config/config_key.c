#include "daemon/io/config/config_key.h"

#include "daemon/io/config/config_answer.h"
#include "daemon/io/config/config_hint.h"
#include "daemon/io/config/config_list.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Room for one fault without its key. */
#define FAULT_MAX 2000

/* One fault of a key in the current section. */
static void key_fault(struct config_draft *draft, unsigned line, const char *key,
		      const char *format, ...) PRINTF_LIKE(4, 5);

static void key_fault(struct config_draft *draft, unsigned line, const char *key,
		      const char *format, ...)
{
	char text[FAULT_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	draft->origins->has_bad_key = true;
	config_fault(&draft->faults, config_draft_origin(draft, line), CONFIG_TITLE " %.*s: %s",
		     CONFIG_TITLE_ARGS(draft->section, draft->name), config_shown_len(key), key,
		     text);
}

/* Records where a key was found.  Returns false, with a fault, when the file has it already. */
static bool record_key(struct config_draft *draft, unsigned line, const char *key,
		       struct config_origin *origin)
{
	if (origin->file == draft->file) {
		key_fault(draft, line, key, "found twice, first in line %u", origin->line);
		return false;
	}
	*origin = config_draft_origin(draft, line);
	return true;
}

static void list_keys(const struct config_draft *draft, struct buf *known)
{
	for (enum option_id id = 0; id < OPTION_ID_COUNT_; id++)
		if (option_get(id)->section == draft->section)
			buf_printf(known, "%s, ", option_get(id)->key);
	if (draft->section == SECTION_POOL)
		buf_printf(known, "answer, answer.METHOD, env.NAME, ");
}

/* All keys are listed only where none of them is near. */
static void report_unknown_key(struct config_draft *draft, unsigned line, const char *key)
{
	struct buf text;

	buf_init(&text, CONFIG_LINE_MAX);
	config_hint_key(draft->section, key, &text);
	if (text.len > 0) {
		key_fault(draft, line, key, "unknown key; %.*s", (int)text.len,
			  (const char *)text.data);
	} else {
		list_keys(draft, &text);
		key_fault(draft, line, key, "unknown key, allowed are %.*s", (int)text.len - 2,
			  (const char *)text.data);
	}
	buf_free(&text);
}

/*
 * A value for a category is set for each of its codes that has no value of its own so far; a value
 * for the code that is read later replaces it.  So the section of a code takes precedence over that
 * of its category in any order.
 */
static int set_value(struct config_draft *draft, const struct option *option, const char *value)
{
	int r = option_set(option, draft->values, value);

	if (draft->category == ERRCAT_COUNT_)
		return r;
	for (enum errcode code = ERR_NONE + 1; code < ERR_COUNT_ && r == 0; code++)
		if (errcode_info(code)->category == draft->category &&
		    !draft->codes[code].options[option_id(option)].file)
			r = option_set(option, &draft->config->policy.rows[code], value);
	return r;
}

static void on_option(struct config_draft *draft, unsigned line, const char *key, const char *value)
{
	const struct option *option = option_find(draft->section, key);
	struct buf allowed;
	int r;

	if (!option) {
		report_unknown_key(draft, line, key);
		return;
	}
	if (!record_key(draft, line, key, &draft->origins->options[option_id(option)]))
		return;
	r = set_value(draft, option, value);
	if (r == -ENOMEM)
		draft->error = r;
	if (r != -EINVAL)
		return;
	buf_init(&allowed, CONFIG_LINE_MAX);
	option_print_allowed(option, &allowed);
	key_fault(draft, line, key, "found \"%.*s\", allowed is %.*s", config_shown_len(value),
		  value, (int)allowed.len, (const char *)allowed.data);
	buf_free(&allowed);
}

/* The index of a variable in the pool's list, or that of the first free entry. */
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
	size_t i = find_variable(pool->env, name);
	char *variable;

	if (!is_variable_name(name) || strncmp(name, "POOLD_", strlen("POOLD_")) == 0) {
		key_fault(draft, line, key,
			  "found the variable name \"%.*s\", allowed are letters, digits and _, "
			  "beginning with neither a digit nor POOLD_",
			  config_shown_len(name), name);
		return;
	}
	if (i == CONFIG_ENV_MAX) {
		key_fault(draft, line, key, "found more than %d variables, allowed are %d at most",
			  CONFIG_ENV_MAX, CONFIG_ENV_MAX);
		return;
	}
	if (!record_key(draft, line, key, &draft->origins->env[i]))
		return;
	if (asprintf(&variable, "%s=%s", name, value) < 0) {
		draft->error = -ENOMEM;
		return;
	}
	free(pool->env[i]);
	pool->env[i] = variable;
}

/* The METHOD of answer.METHOD, or NULL for the key answer. */
static const char *method_of(const char *key)
{
	const char *dot = strchr(key, '.');

	return dot ? dot + 1 : NULL;
}

static void report_answer(struct config_draft *draft, unsigned line, const char *key, int r,
			  const char *value, const char *fault)
{
	if (r == -ENOMEM)
		draft->error = r;
	else if (r == -E2BIG)
		key_fault(draft, line, key, "found more than %d answers, allowed are %d at most",
			  CONFIG_ANSWERS_MAX, CONFIG_ANSWERS_MAX);
	else if (r < 0)
		key_fault(draft, line, key, "found \"%.*s\", allowed is one JSON value (%s)",
			  config_shown_len(value), value, fault);
}

static void on_answer(struct config_draft *draft, unsigned line, const char *key, const char *value)
{
	struct config_pool *pool = draft->values;
	const char *method = method_of(key);
	const struct config_answer *before = config_answer_find(pool, method);
	size_t i = before ? (size_t)(before - pool->answers) : pool->answer_count;
	char fault[JSON_FAULT_MAX];
	int r;

	if (method && (*method == '\0' || strlen(method) > CONFIG_METHOD_MAX)) {
		key_fault(draft, line, key, "found a method name of %zu bytes, allowed are 1 to %d",
			  strlen(method), CONFIG_METHOD_MAX);
		return;
	}
	if (before && !record_key(draft, line, key, &draft->origins->answers[i]))
		return;
	r = config_answer_set(pool, method, value, fault);
	if (r == 0)
		draft->origins->answers[i] = config_draft_origin(draft, line);
	report_answer(draft, line, key, r, value, fault);
}

void config_read_key(struct config_draft *draft, unsigned line, const char *key, const char *value)
{
	static const char env[] = "env.", answer[] = "answer";
	bool in_pool = draft->section == SECTION_POOL;

	if (in_pool && strncmp(key, env, strlen(env)) == 0)
		on_variable(draft, line, key, value);
	else if (in_pool && strncmp(key, answer, strlen(answer)) == 0 &&
		 (key[strlen(answer)] == '\0' || key[strlen(answer)] == '.'))
		on_answer(draft, line, key, value);
	else
		on_option(draft, line, key, value);
}
