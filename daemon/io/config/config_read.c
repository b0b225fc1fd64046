#include "daemon/io/config/config_read.h"

#include "daemon/io/config/config_hint.h"
#include "daemon/io/config/config_ini.h"
#include "daemon/io/config/config_key.h"
#include "daemon/io/config/config_list.h"

#include <errno.h>
#include <string.h>

/* A section may occur again in a later file, but not in the same one. */
static void enter_section(struct config_draft *draft, unsigned line, enum option_section section,
			  const char *name, struct config_origins *origins)
{
	struct config_origin *head = &origins->sections[section];

	if (head->file == draft->file) {
		config_fault(&draft->faults, config_draft_origin(draft, line),
			     CONFIG_TITLE ": found twice in this file, first in line %u",
			     CONFIG_TITLE_ARGS(section, name), head->line);
		return;
	}
	*head = config_draft_origin(draft, line);
	draft->keys = KEYS_READ;
	draft->section = section;
	draft->name = name;
	draft->category = ERRCAT_COUNT_;
	draft->origins = origins;
}

/* Whether a pool or an alert may have that name; if not, the fault is noted. */
static bool check_name(struct config_draft *draft, unsigned line, const char *what,
		       const char *name)
{
	if (is_pool_name(name))
		return true;
	config_fault(&draft->faults, config_draft_origin(draft, line),
		     "%s name: found \"%.*s\", allowed are 1 to %d of the characters a-z, "
		     "0-9, _ and -, beginning with a letter, but not \"poold\"",
		     what, config_shown_len(name), name, CONFIG_NAME_MAX);
	return false;
}

/* [pool NAME], [breaker NAME] or [retry NAME]: they may come in any order. */
static void enter_pool(struct config_draft *draft, unsigned line, enum option_section section,
		       const char *name)
{
	struct config *config = draft->config;
	size_t i = 0;

	if (!check_name(draft, line, "pool", name))
		return;
	while (i < config->pool_count && strcmp(config->pools[i].name, name) != 0)
		i++;
	if (i == CONFIG_POOLS_MAX) {
		config_fault(&draft->faults, config_draft_origin(draft, line),
			     CONFIG_TITLE ": found more than %d pools, allowed are %d at most",
			     CONFIG_TITLE_ARGS(section, name), CONFIG_POOLS_MAX, CONFIG_POOLS_MAX);
		return;
	}
	if (i == config->pool_count && config_draft_add_pool(draft, name) < 0) {
		draft->error = -ENOMEM;
		return;
	}
	draft->values = config_draft_values(draft, section, i);
	enter_section(draft, line, section, config->pools[i].name, &draft->pools[i]);
}

static void report_unknown_error(struct config_draft *draft, unsigned line, const char *name)
{
	struct buf known;

	buf_init(&known, CONFIG_LINE_MAX);
	config_hint_error(name, &known);
	if (known.len > 0) {
		config_fault(&draft->faults, config_draft_origin(draft, line),
			     "error name: found \"%.*s\"; %.*s", config_shown_len(name), name,
			     (int)known.len, (const char *)known.data);
		buf_free(&known);
		return;
	}
	for (enum errcategory category = 0; category < ERRCAT_COUNT_; category++)
		buf_printf(&known, "%s%s", category ? ", " : "", errcategory_name(category));
	buf_printf(&known, ") or a code (");
	for (enum errcode code = ERR_NONE + 1; code < ERR_COUNT_; code++)
		buf_printf(&known, "%s%s", code > ERR_NONE + 1 ? ", " : "", errcode_name(code));
	config_fault(&draft->faults, config_draft_origin(draft, line),
		     "error name: found \"%.*s\", allowed are a category (%.*s)",
		     config_shown_len(name), name, (int)known.len, (const char *)known.data);
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
		report_unknown_error(draft, line, name);
	}
}

/* The index of the rule of that name, or alert_count. */
static size_t find_alert(const struct config *config, const char *name)
{
	size_t i = 0;

	while (i < config->alert_count && strcmp(config->alerts[i].name, name) != 0)
		i++;
	return i;
}

static void enter_alert(struct config_draft *draft, unsigned line, const char *name)
{
	struct config *config = draft->config;
	size_t i = find_alert(config, name);

	if (!check_name(draft, line, "alert", name))
		return;
	if (i == ALERT_RULES_MAX) {
		config_fault(&draft->faults, config_draft_origin(draft, line),
			     CONFIG_TITLE ": found more than %d rules, allowed are %d at most, the "
					  "built-in ones included",
			     CONFIG_TITLE_ARGS(SECTION_ALERT, name), ALERT_RULES_MAX,
			     ALERT_RULES_MAX);
		return;
	}
	if (i == config->alert_count &&
	    config_draft_add_alert(config, ALERT_KIND_COUNT_, name) < 0) {
		draft->error = -ENOMEM;
		return;
	}
	draft->values = &config->alerts[i];
	enter_section(draft, line, SECTION_ALERT, config->alerts[i].name, &draft->alerts[i]);
}

/* The section with that first word, or SECTION_COUNT_. */
static enum option_section find_section(const char *word, size_t len)
{
	enum option_section section = 0;

	while (section < SECTION_COUNT_ && (strlen(option_section_name(section)) != len ||
					    memcmp(option_section_name(section), word, len) != 0))
		section++;
	return section;
}

static void report_unknown_section(struct config_draft *draft, unsigned line, const char *name)
{
	struct buf hint;

	buf_init(&hint, CONFIG_LINE_MAX);
	config_hint_section(name, &hint);
	if (hint.len > 0)
		config_fault(&draft->faults, config_draft_origin(draft, line),
			     "section: found [%.*s]; %.*s", config_shown_len(name), name,
			     (int)hint.len, (const char *)hint.data);
	else
		config_fault(&draft->faults, config_draft_origin(draft, line),
			     "section: found [%.*s], allowed are [daemon], [pool NAME], "
			     "[breaker NAME], [retry NAME], [error NAME], [http] and [alert NAME]",
			     config_shown_len(name), name);
	buf_free(&hint);
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
	if (section != SECTION_COUNT_ && option_section_is_single(section) && *rest == '\0') {
		draft->values = config_draft_values(draft, section, 0);
		enter_section(draft, line, section, "", &draft->daemon);
	} else if (section == SECTION_ERROR) {
		enter_error(draft, line, rest);
	} else if (section == SECTION_ALERT) {
		enter_alert(draft, line, rest);
	} else if (section != SECTION_COUNT_ && !option_section_is_single(section)) {
		enter_pool(draft, line, section, rest);
	} else {
		report_unknown_section(draft, line, name);
	}
}

static void on_key(void *user, unsigned line, const char *key, const char *value)
{
	struct config_draft *draft = user;

	if (draft->error < 0)
		return;
	if (draft->keys == KEYS_BEFORE_SECTION)
		config_fault(&draft->faults, config_draft_origin(draft, line),
			     "%.*s: found before the first [section], but a key must be in one",
			     config_shown_len(key), key);
	if (draft->keys != KEYS_READ)
		return;
	config_read_key(draft, line, key, value);
}

static void on_fault(void *user, unsigned line, const char *fault)
{
	struct config_draft *draft = user;

	config_fault(&draft->faults, config_draft_origin(draft, line), "this line %s", fault);
}

void config_read(struct config_draft *draft, const char *file, struct bytes text)
{
	const struct ini_events events = {on_section, on_key, on_fault, draft};

	assert(draft->file_count < ARRAY_SIZE(draft->files));
	draft->file = strdup(file);
	if (!draft->file) {
		draft->error = -ENOMEM;
		return;
	}
	draft->files[draft->file_count++] = draft->file;
	draft->keys = KEYS_BEFORE_SECTION;
	config_ini_parse(text, &events);
}
