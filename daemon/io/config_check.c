#include "daemon/io/config_draft.h"

#include <inttypes.h>

/* RULE(section, lesser, section, greater, by how much it must be greater at least, what would come
 * of it) */
#define RULES(RULE)                                                                                \
	RULE(DAEMON, control_reserve, DAEMON, connections_max, 1, "no client could connect")       \
	RULE(DAEMON, output_pause, DAEMON, output_max, 0, "a slow reader is closed unwarned")      \
	RULE(DAEMON, message_max, DAEMON, output_max, 0, "an echo could not be delivered")         \
	RULE(DAEMON, response_max, DAEMON, output_max, 0, "an answer could not be delivered")      \
	RULE(DAEMON, output_max, DAEMON, memory_max, 0, "one connection could use all memory")     \
	RULE(POOL, workers, DAEMON, workers_max, 0, "not all could be started")                    \
	RULE(POOL, timeout, POOL, timeout_max, 0, "no request may wait so long")                   \
	RULE(POOL, queue_max, DAEMON, requests_max, 0, "the queue could not fill")                 \
	RULE(POOL, queue_bytes_max, DAEMON, memory_max, 0, "one queue could use all memory")       \
	RULE(POOL, restart_delay, POOL, restart_delay_max, 0, "the delay could not be kept")

struct rule {
	enum option_id lesser, greater;
	uint64_t least;
	const char *outcome;
};

static const struct rule rules[] = {
#define RULE(section_a, a, section_b, b, least, outcome)                                           \
	{OPTION_##section_a##_##a, OPTION_##section_b##_##b, least, outcome},
	RULES(RULE)
#undef RULE
};

/* One side of a rule: an option in one section of the draft. */
struct side {
	const struct option *option;
	const void *values;
	const char *pool; /* NULL: section [daemon] */
	struct config_origin origin;
};

static struct side side_of(const struct config_draft *draft, enum option_id id, size_t pool)
{
	const struct option *option = option_get(id);

	if (option->section == SECTION_DAEMON)
		return (struct side){option, &draft->config->daemon, NULL,
				     draft->daemon.options[id]};
	return (struct side){option, &draft->config->pools[pool], draft->config->pools[pool].name,
			     draft->pools[pool].options[id]};
}

static void print_side(const struct side *side, struct buf *out)
{
	if (side->pool)
		buf_printf(out, "[pool %s] %s = ", side->pool, side->option->key);
	else
		buf_printf(out, "[daemon] %s = ", side->option->key);
	option_print(side->option, side->values, out);
	if (!side->origin.file)
		buf_printf(out, " (the default)");
}

static void check_rule(struct config_draft *draft, const struct rule *rule, size_t pool)
{
	struct side lesser = side_of(draft, rule->lesser, pool);
	struct side greater = side_of(draft, rule->greater, pool);
	struct buf text;

	if (usec_add(option_number(lesser.option, lesser.values), rule->least) <=
	    option_number(greater.option, greater.values))
		return;
	buf_init(&text, CONFIG_LINE_MAX);
	print_side(&lesser, &text);
	buf_printf(&text, " is %s ", rule->least ? "not below" : "above");
	print_side(&greater, &text);
	buf_printf(&text, ": %s", rule->outcome);
	config_fault(&draft->faults, lesser.origin.file ? lesser.origin : greater.origin, "%.*s",
		     (int)text.len, (const char *)text.data);
	buf_free(&text);
}

/* Each pool alone may be within workers_max, and all together above it. */
static void check_workers(struct config_draft *draft)
{
	const struct config *config = draft->config;
	uint64_t sum = 0;

	for (size_t i = 0; i < config->pool_count; i++) {
		if (config->pools[i].workers.max > config->daemon.workers_max)
			return; /* told by its rule */
		sum += config->pools[i].workers.max;
	}
	if (sum > config->daemon.workers_max)
		config_fault(&draft->faults, draft->daemon.options[OPTION_DAEMON_workers_max],
			     "the workers of all pools are %" PRIu64
			     " at most, above [daemon] workers_max = %u",
			     sum, config->daemon.workers_max);
}

void config_check(struct config_draft *draft)
{
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		bool each_pool = option_get(rules[i].lesser)->section == SECTION_POOL;
		size_t times = each_pool ? draft->config->pool_count : 1;

		for (size_t pool = 0; pool < times; pool++)
			check_rule(draft, &rules[i], pool);
	}
	check_workers(draft);
}
