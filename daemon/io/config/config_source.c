#include "daemon/io/config/config_source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* One key that a file has. */
struct config_source {
	uint64_t where; /* which key: see where_of */
	struct config_origin origin;
};

struct config_sources {
	struct config_source *items; /* in the order of `where` */
	size_t count;
	size_t capacity;
	char **files; /* every name that an origin points at */
	size_t file_count;
	bool is_short; /* there was no memory for one */
};

static uint64_t where_of(enum option_section section, unsigned of, enum config_key_kind kind,
			 unsigned index)
{
	return (uint64_t)section << 48 | (uint64_t)of << 24 | (uint64_t)kind << 20 | index;
}

static void add(struct config_sources *sources, uint64_t where, const struct config_origin *origin)
{
	struct config_source *items = sources->items;

	if (!origin->file || sources->is_short)
		return;
	if (sources->count == sources->capacity) {
		sources->capacity = sources->capacity > 0 ? 2 * sources->capacity : 64;
		items = reallocarray(items, sources->capacity, sizeof(*items));
		sources->is_short = !items;
		if (!items)
			return;
		sources->items = items;
	}
	items[sources->count++] = (struct config_source){.where = where, .origin = *origin};
}

static void add_options(struct config_sources *sources, enum option_section section, unsigned of,
			const struct config_origin *origins)
{
	for (enum option_id id = 0; id < OPTION_ID_COUNT_; id++)
		if (option_get(id)->section == section)
			add(sources, where_of(section, of, CONFIG_KEY_OPTION, id), &origins[id]);
}

static void add_pool(struct config_sources *sources, unsigned pool,
		     const struct config_origins *origins)
{
	add_options(sources, SECTION_POOL, pool, origins->options);
	for (unsigned i = 0; i < CONFIG_ENV_MAX; i++)
		add(sources, where_of(SECTION_POOL, pool, CONFIG_KEY_ENV, i), &origins->env[i]);
	for (unsigned i = 0; i < CONFIG_ANSWERS_MAX; i++)
		add(sources, where_of(SECTION_POOL, pool, CONFIG_KEY_ANSWER, i),
		    &origins->answers[i]);
}

/* The row of a code has what its own section says, or else that of its category. */
static void add_code(struct config_sources *sources, const struct config_draft *draft,
		     enum errcode code)
{
	const struct config_origins *own = &draft->codes[code];
	const struct config_origins *all = &draft->categories[errcode_info(code)->category];

	for (enum option_id id = 0; id < OPTION_ID_COUNT_; id++)
		if (option_get(id)->section == SECTION_ERROR)
			add(sources, where_of(SECTION_ERROR, code, CONFIG_KEY_OPTION, id),
			    own->options[id].file ? &own->options[id] : &all->options[id]);
}

/* In the order of where_of. */
static void add_all(struct config_sources *sources, const struct config_draft *draft)
{
	unsigned pools = (unsigned)draft->config->pool_count;

	add_options(sources, SECTION_DAEMON, 0, draft->daemon.options);
	for (unsigned i = 0; i < pools; i++)
		add_pool(sources, i, &draft->pools[i]);
	for (unsigned i = 0; i < pools; i++)
		add_options(sources, SECTION_BREAKER, i, draft->pools[i].options);
	for (unsigned i = 0; i < pools; i++)
		add_options(sources, SECTION_RETRY, i, draft->pools[i].options);
	for (enum errcode code = ERR_NONE + 1; code < ERR_COUNT_; code++)
		add_code(sources, draft, code);
	add_options(sources, SECTION_HTTP, 0, draft->daemon.options);
	for (unsigned i = 0; i < draft->config->alert_count; i++)
		add_options(sources, SECTION_ALERT, i, draft->alerts[i].options);
}

int config_sources_keep(struct config_draft *draft)
{
	struct config_sources *sources = calloc(1, sizeof(*sources));

	if (!sources)
		return -ENOMEM;
	draft->config->sources = sources;
	sources->files = calloc(draft->file_count + 1, sizeof(*sources->files));
	if (!sources->files)
		return -ENOMEM;
	memcpy(sources->files, draft->files, draft->file_count * sizeof(*sources->files));
	sources->file_count = draft->file_count;
	draft->file_count = 0;
	add_all(sources, draft);
	return sources->is_short ? -ENOMEM : 0;
}

void config_sources_free(struct config_sources *sources)
{
	if (!sources)
		return;
	for (size_t i = 0; i < sources->file_count; i++)
		free(sources->files[i]);
	free(sources->files);
	free(sources->items);
	free(sources);
}

static int compare(const void *key, const void *item)
{
	uint64_t where = *(const uint64_t *)key;
	uint64_t other = ((const struct config_source *)item)->where;

	return (where > other) - (where < other);
}

bool config_source_of(const struct config *config, enum option_section section, unsigned of,
		      enum config_key_kind kind, unsigned index, struct config_origin *ret)
{
	const struct config_sources *sources = config->sources;
	uint64_t where = where_of(section, of, kind, index);
	const struct config_source *found = NULL;

	if (sources && sources->count > 0)
		found = bsearch(&where, sources->items, sources->count, sizeof(*found), compare);
	if (found)
		*ret = found->origin;
	return found != NULL;
}
