#include "daemon/io/config/config_dialect.h"

#include "daemon/io/config/config_word.h"

#include <errno.h>

/* Sets of dialects, as masks. */
#define OF(dialect)  (1u << (dialect))
#define OF_PACKETS   (OF(DIALECT_PACKET4_JSON) | OF(DIALECT_PACKET4_MSGPACK))
#define OF_NOTIFIERS (OF(DIALECT_MSGPACK_RPC) | OF(DIALECT_JSONRPC))

/* The options that only some dialects have, and the option that each requires or excludes. */
static const struct {
	enum option_id id;
	unsigned dialects;
	enum option_id other; /* OPTION_ID_COUNT_: none */
	bool is_required;     /* else it is excluded */
} uses[] = {
	{OPTION_POOL_ready_call, OF_PACKETS | OF_NOTIFIERS, OPTION_ID_COUNT_, false},
	{OPTION_POOL_ready_params, OF_PACKETS | OF_NOTIFIERS, OPTION_POOL_ready_call, true},
	{OPTION_POOL_ready_then, OF(DIALECT_JSONRPC), OPTION_POOL_ready_call, true},
	{OPTION_POOL_ready_notification, OF_NOTIFIERS, OPTION_POOL_ready_call, false},
	{OPTION_POOL_ping_call, OF_PACKETS | OF_NOTIFIERS, OPTION_ID_COUNT_, false},
	{OPTION_POOL_cancel_notification, OF(DIALECT_JSONRPC), OPTION_ID_COUNT_, false},
	{OPTION_POOL_progress_notification, OF(DIALECT_JSONRPC), OPTION_ID_COUNT_, false},
};

static const char *text_of(const struct config_pool *pool, enum option_id id)
{
	return *(char *const *)option_field_read(option_get(id), pool);
}

static void check_use(struct config_draft *draft, size_t i, size_t use)
{
	const struct config_pool *pool = &draft->config->pools[i];
	const char *key = option_get(uses[use].id)->key;
	const char *found = text_of(pool, uses[use].id);
	struct config_origin origin = draft->pools[i].options[uses[use].id];
	bool with_other;

	if (!*found)
		return;
	if (pool->adapter == POOL_STATIC || !(uses[use].dialects & OF(pool->dialect))) {
		config_fault(
			&draft->faults, origin,
			"[pool %s] %s: found \"%.*s\", but the key is not allowed where %s = %s",
			pool->name, key, config_shown_len(found), found,
			pool->adapter == POOL_STATIC ? "adapter" : "dialect",
			pool->adapter == POOL_STATIC ? option_word(OPTION_ADAPTER, pool->adapter)
						     : option_word(OPTION_DIALECT, pool->dialect));
		return;
	}
	if (uses[use].other == OPTION_ID_COUNT_)
		return;
	with_other = *text_of(pool, uses[use].other) != '\0';
	if (with_other != uses[use].is_required)
		config_fault(&draft->faults, origin,
			     "[pool %s] %s: found \"%.*s\", but the key is not allowed %s %s",
			     pool->name, key, config_shown_len(found), found,
			     with_other ? "together with" : "without",
			     option_get(uses[use].other)->key);
}

static void set_default(struct config_draft *draft, size_t i, enum option_id id, const char *text)
{
	if (!draft->pools[i].options[id].file &&
	    option_set(option_get(id), &draft->config->pools[i], text) < 0)
		draft->error = -ENOMEM;
}

/* The defaults of each dialect that are others than those in config.def. */
static void set_defaults(struct config_draft *draft, size_t i)
{
	unsigned dialect = OF(draft->config->pools[i].dialect);

	if (dialect & OF_PACKETS) {
		set_default(draft, i, OPTION_POOL_ready_call, "ping");
		set_default(draft, i, OPTION_POOL_ping_call, "ping");
	}
	/* A jsonrpc worker may run the requests that it was sent in any order. */
	if (dialect & (OF_PACKETS | OF(DIALECT_JSONRPC)))
		set_default(draft, i, OPTION_POOL_prefetch, "0");
}

/* The longest line is not below the least one: it follows where the file says nothing of it. */
static void check_line(struct config_draft *draft, size_t i)
{
	struct config_pool *pool = &draft->config->pools[i];
	struct config_origin origin = draft->pools[i].options[OPTION_POOL_prefetch_max];

	if (pool->prefetch_max >= pool->prefetch)
		return;
	if (!origin.file)
		pool->prefetch_max = pool->prefetch;
	else
		config_fault(
			&draft->faults, origin,
			"[pool %s] prefetch_max: found \"%u\", allowed is at least what prefetch "
			"is (%u)",
			pool->name, pool->prefetch_max, pool->prefetch);
}

void config_check_dialect(struct config_draft *draft, size_t i)
{
	struct config_pool *pool = &draft->config->pools[i];
	const struct config_origin *origins = draft->pools[i].options;

	/* Few servers at a socket speak poold's own dialect. */
	if (pool->adapter == POOL_SOCKET && !origins[OPTION_POOL_dialect].file)
		pool->dialect = DIALECT_MSGPACK_RPC;
	if (pool->adapter == POOL_STATIC && pool->dialect != DIALECT_POOLD)
		config_fault(&draft->faults, origins[OPTION_POOL_dialect],
			     "[pool %s] dialect: found \"%s\", but the key is not allowed where "
			     "adapter = %s",
			     pool->name, option_word(OPTION_DIALECT, pool->dialect),
			     option_word(OPTION_ADAPTER, pool->adapter));
	else if (pool->adapter != POOL_STATIC)
		set_defaults(draft, i);
	for (size_t use = 0; use < ARRAY_SIZE(uses); use++)
		check_use(draft, i, use);
	if (OF(pool->dialect) & OF_PACKETS && pool->prefetch > 0)
		config_fault(&draft->faults, origins[OPTION_POOL_prefetch],
			     "[pool %s] prefetch: found \"%u\", allowed is 0 where dialect = %s",
			     pool->name, pool->prefetch,
			     option_word(OPTION_DIALECT, pool->dialect));
	check_line(draft, i);
}
