#include "daemon/io/config/config_adapter.h"

#include "daemon/io/config/config_dialect.h"
#include "daemon/io/config/config_word.h"

/* The key that says where the answers come from: each adapter requires one and allows no other. */
enum source {
	SOURCE_COMMAND = 0,
	SOURCE_ADDRESS,
	SOURCE_ANSWER,
	SOURCE_COUNT_
};

static const char *const source_keys[] = {
	[SOURCE_COMMAND] = "command",
	[SOURCE_ADDRESS] = "address",
	[SOURCE_ANSWER] = "answer",
};

static const enum source sources[] = {
	[POOL_PROCESS] = SOURCE_COMMAND,
	[POOL_SOCKET] = SOURCE_ADDRESS,
	[POOL_STATIC] = SOURCE_ANSWER,
};

static_assert(ARRAY_SIZE(sources) == POOL_ADAPTER_COUNT_, "an adapter has no source");

/* The value of that key in the pool and its origin; NULL: it is not set. */
static const char *find_source(const struct config_draft *draft, size_t i, enum source source,
			       struct config_origin *ret_origin)
{
	const struct config_pool *pool = &draft->config->pools[i];
	const struct config_origins *origins = &draft->pools[i];
	const char *text = NULL;

	switch (source) {
	case SOURCE_COMMAND:
		*ret_origin = origins->options[OPTION_POOL_command];
		text = pool->argc > 0 ? pool->command : NULL;
		break;
	case SOURCE_ADDRESS:
		*ret_origin = origins->options[OPTION_POOL_address];
		text = *pool->address ? pool->address : NULL;
		break;
	case SOURCE_ANSWER:
		*ret_origin = origins->answers[0];
		text = pool->answer_count > 0 ? pool->answers[0].text : NULL;
		break;
	case SOURCE_COUNT_:
		break;
	}
	return text;
}

static void check_source(struct config_draft *draft, size_t i, enum source source)
{
	const struct config_pool *pool = &draft->config->pools[i];
	const char *adapter = option_word(OPTION_ADAPTER, pool->adapter);
	bool needed = sources[pool->adapter] == source;
	struct config_origin origin;
	const char *found = find_source(draft, i, source, &origin);

	if (needed && !found)
		config_fault(&draft->faults, draft->pools[i].sections[SECTION_POOL],
			     "[pool %s] %s: not set, but required where adapter = %s", pool->name,
			     source_keys[source], adapter);
	if (!needed && found)
		config_fault(&draft->faults, origin,
			     "[pool %s] %s: found \"%.*s\", but the key is not allowed where "
			     "adapter = %s",
			     pool->name, source_keys[source], config_shown_len(found), found,
			     adapter);
}

/* Only workers that speak poold's own dialect can be forked from a fork server. */
static void check_prefork(struct config_draft *draft, size_t i)
{
	const struct config_pool *pool = &draft->config->pools[i];
	bool can_fork = pool->adapter == POOL_PROCESS && pool->dialect == DIALECT_POOLD;

	if (pool->prefork && !can_fork)
		config_fault(&draft->faults, draft->pools[i].options[OPTION_POOL_prefork],
			     "[pool %s] prefork: found yes, allowed is no where adapter = %s and "
			     "dialect = %s",
			     pool->name, option_word(OPTION_ADAPTER, pool->adapter),
			     option_word(OPTION_DIALECT, pool->dialect));
}

/* [breaker NAME] and [retry NAME] need a [pool NAME]. */
static void check_orphan_sections(struct config_draft *draft, size_t i)
{
	static const enum option_section parts[] = {SECTION_BREAKER, SECTION_RETRY};
	const char *name = draft->config->pools[i].name;

	for (size_t j = 0; j < ARRAY_SIZE(parts); j++)
		if (draft->pools[i].sections[parts[j]].file)
			config_fault(&draft->faults, draft->pools[i].sections[parts[j]],
				     CONFIG_TITLE
				     ": a section [pool %s] is required, but there is none",
				     CONFIG_TITLE_ARGS(parts[j], name), name);
}

void config_check_adapters(struct config_draft *draft)
{
	for (size_t i = 0; i < draft->config->pool_count; i++) {
		if (!draft->pools[i].sections[SECTION_POOL].file) {
			check_orphan_sections(draft, i);
			continue;
		}
		if (draft->pools[i].has_bad_key)
			continue;
		for (enum source source = 0; source < SOURCE_COUNT_; source++)
			check_source(draft, i, source);
		config_check_dialect(draft, i);
		check_prefork(draft, i);
	}
}
