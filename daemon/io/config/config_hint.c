#include "daemon/io/config/config_hint.h"

#include "daemon/io/config/config_list.h"
#include "protocol/nearest.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char *const titles[] = {
	[SECTION_DAEMON] = "[daemon]",	      [SECTION_POOL] = "[pool NAME]",
	[SECTION_BREAKER] = "[breaker NAME]", [SECTION_RETRY] = "[retry NAME]",
	[SECTION_ERROR] = "[error NAME]",     [SECTION_HTTP] = "[http]",
	[SECTION_ALERT] = "[alert NAME]",
};
static_assert(ARRAY_SIZE(titles) == SECTION_COUNT_, "a section has no title");

/* The sections that have exactly this key.  Returns whether there are any. */
static bool say_where_it_belongs(const char *key, struct buf *out)
{
	bool any = false;

	for (enum option_section section = 0; section < SECTION_COUNT_; section++) {
		if (!option_find(section, key))
			continue;
		buf_printf(out, "%s%s", any ? " or " : "it belongs to ", titles[section]);
		any = true;
	}
	return any;
}

static void offer_keys(struct nearest *nearest, enum option_section section)
{
	for (enum option_id id = 0; id < OPTION_ID_COUNT_; id++)
		if (option_get(id)->section == section)
			nearest_offer(nearest, option_get(id)->key);
}

void config_hint_key(enum option_section section, const char *key, struct buf *out)
{
	struct nearest nearest;
	const char *own;

	if (say_where_it_belongs(key, out))
		return;
	if (section == SECTION_POOL && strncasecmp(key, "env", 3) == 0) {
		buf_printf(out, "did you mean env.NAME = VALUE?");
		return;
	}
	nearest_init(&nearest, key);
	offer_keys(&nearest, section);
	if (section == SECTION_POOL)
		nearest_offer(&nearest, "answer");
	own = nearest.found;
	/* A key of another section must be nearer. */
	for (section = 0; section < SECTION_COUNT_ && nearest.found == own; section++)
		offer_keys(&nearest, section);
	if (nearest.found && nearest.found == own)
		buf_printf(out, "did you mean %s?", own);
	else if (nearest.found)
		buf_printf(out, "did you mean %s of %s?", nearest.found, titles[section - 1]);
}

/* Whether it is the word of a section without a name. */
static bool is_single(const char *word)
{
	for (enum option_section section = 0; section < SECTION_COUNT_; section++)
		if (option_section_is_single(section) &&
		    strcmp(word, option_section_name(section)) == 0)
			return true;
	return false;
}

void config_hint_section(const char *name, struct buf *out)
{
	static const char separators[] = " \t:.\"'/";
	char word[CONFIG_NAME_MAX + 1];
	size_t len = strcspn(name, separators);
	const char *rest = name + len + strspn(name + len, separators);
	int rest_len = (int)strcspn(rest, separators);
	struct nearest nearest;

	if (len > CONFIG_NAME_MAX || rest_len > CONFIG_NAME_MAX)
		return;
	snprintf(word, sizeof(word), "%.*s", (int)len, name);
	nearest_init(&nearest, word);
	for (enum option_section section = 0; section < SECTION_COUNT_; section++)
		nearest_offer(&nearest, option_section_name(section));
	if (!nearest.found)
		return;
	if (is_single(nearest.found))
		buf_printf(out, "did you mean [%s]?", nearest.found);
	else
		buf_printf(out, "did you mean [%s %.*s]?", nearest.found, *rest ? rest_len : 4,
			   *rest ? rest : "NAME");
}

void config_hint_error(const char *name, struct buf *out)
{
	struct nearest nearest;

	nearest_init(&nearest, name);
	for (enum errcategory category = 0; category < ERRCAT_COUNT_; category++)
		nearest_offer(&nearest, errcategory_name(category));
	for (enum errcode code = ERR_NONE + 1; code < ERR_COUNT_; code++)
		nearest_offer(&nearest, errcode_name(code));
	if (nearest.found)
		buf_printf(out, "did you mean %s?", nearest.found);
}
