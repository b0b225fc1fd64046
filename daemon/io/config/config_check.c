#include "daemon/io/config/config_check.h"

#include "daemon/io/config/config_adapter.h"
#include "daemon/io/config/config_alert_check.h"
#include "daemon/io/config/config_warn.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/*
 * RULE(section, lesser, section, greater, by how much at least, reason): the one value must not be
 * above the other, or must be that much below it; otherwise the reason holds.
 */
#define RULES(RULE)                                                                                \
	RULE(DAEMON, control_reserve, DAEMON, connections_max, 1,                                  \
	     "otherwise no client could connect")                                                  \
	RULE(DAEMON, output_pause, DAEMON, output_max, 0,                                          \
	     "a slow client would be disconnected before the daemon stops reading from it")        \
	RULE(DAEMON, message_max, DAEMON, output_max, 0,                                           \
	     "an answer as large as its request could not be sent")                                \
	RULE(DAEMON, response_max, DAEMON, output_max, 0, "the largest answer could not be sent")  \
	RULE(DAEMON, output_max, DAEMON, memory_max, 0, "one connection could use all memory")     \
	RULE(DAEMON, session_state_max, DAEMON, session_bytes_max, 0,                              \
	     "the largest state could not be kept")                                                \
	RULE(DAEMON, session_bytes_max, DAEMON, memory_max, 0,                                     \
	     "the sessions could use all memory")                                                  \
	RULE(DAEMON, key_bytes_max, DAEMON, memory_max, 0,                                         \
	     "the kept answers could use all memory")                                              \
	RULE(POOL, workers, DAEMON, workers_max, 0, "not all of them could be started")            \
	RULE(POOL, timeout, POOL, timeout_max, 0, "no request may take that long")                 \
	RULE(POOL, attempt_timeout, POOL, timeout_max, 0, "no request may take that long")         \
	RULE(POOL, queue_max, DAEMON, requests_max, 0, "the queue could not fill")                 \
	RULE(POOL, queue_per_uid, POOL, queue_max, 0, "all users together may have no more")       \
	RULE(DAEMON, requests_per_uid, DAEMON, requests_max, 0,                                    \
	     "all users together may have no more")                                                \
	RULE(POOL, queue_bytes_max, DAEMON, memory_max, 0, "one queue could use all memory")       \
	RULE(POOL, restart_delay, POOL, restart_delay_max, 0,                                      \
	     "the first delay would exceed the longest")                                           \
	RULE(BREAKER, open_timeout, BREAKER, open_timeout_max, 0,                                  \
	     "the first time would exceed the longest")                                            \
	RULE(RETRY, base, RETRY, cap, 0, "every delay would be the cap")                           \
	RULE(RETRY, delays, RETRY, cap, 0, "a delay would exceed the longest")

struct rule {
	enum option_id lesser, greater;
	uint64_t least;
	const char *reason;
};

static const struct rule rules[] = {
#define RULE(section_a, a, section_b, b, least, reason)                                            \
	{OPTION_##section_a##_##a, OPTION_##section_b##_##b, least, reason},
	RULES(RULE)
#undef RULE
};

/* One side of a rule: an option in one section of the draft. */
struct side {
	const struct option *option;
	const void *values;
	const char *name; /* of the pool, or "" */
	struct config_origin origin;
};

static struct side side_of(const struct config_draft *draft, enum option_id id, size_t pool)
{
	const struct option *option = option_get(id);

	if (option->section == SECTION_DAEMON)
		return (struct side){option, &draft->config->daemon, "", draft->daemon.options[id]};
	return (struct side){option, config_draft_values(draft, option->section, pool),
			     draft->config->pools[pool].name, draft->pools[pool].options[id]};
}

static void print_side(const struct side *side, struct buf *out)
{
	buf_printf(out, CONFIG_TITLE " %s = ", CONFIG_TITLE_ARGS(side->option->section, side->name),
		   side->option->key);
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
	buf_printf(&text, " must %s ", rule->least ? "be below" : "not be above");
	print_side(&greater, &text);
	buf_printf(&text, ": %s", rule->reason);
	config_fault(&draft->faults, lesser.origin.file ? lesser.origin : greater.origin, "%.*s",
		     (int)text.len, (const char *)text.data);
	buf_free(&text);
}

/* Each pool alone may be within workers_max and all together above it. */
static void check_workers(struct config_draft *draft)
{
	const struct config *config = draft->config;
	uint64_t sum = 0;

	for (size_t i = 0; i < config->pool_count; i++) {
		if (config->pools[i].adapter == POOL_STATIC)
			continue; /* it has no workers */
		if (config->pools[i].workers.max > config->daemon.workers_max)
			return; /* its rule reports it */
		sum += config->pools[i].workers.max + config->pools[i].spares;
	}
	if (sum > config->daemon.workers_max)
		config_fault(&draft->faults, draft->daemon.options[OPTION_DAEMON_workers_max],
			     "[daemon] workers_max = %u must not be below %" PRIu64
			     ", the sum of the largest workers and the spares of all pools",
			     config->daemon.workers_max, sum);
}

/* Values that have no effect, or not the intended one, as the others are. */
static void check_effect(struct config_draft *draft, size_t i)
{
	const struct config_pool *pool = &draft->config->pools[i];
	const struct config_origin *origins = draft->pools[i].options;
	bool custom = pool->retry.backoff == BACKOFF_CUSTOM;

	if (pool->breaker.slow_call_rate > 0 && pool->breaker.slow_call_duration == 0)
		config_fault(&draft->faults, origins[OPTION_BREAKER_slow_call_rate],
			     "[breaker %s] slow_call_rate = %u has no effect while "
			     "slow_call_duration = 0: no call is slow",
			     pool->name, pool->breaker.slow_call_rate);
	if (custom && pool->retry.delay_count == 0)
		config_fault(
			&draft->faults, origins[OPTION_RETRY_backoff],
			"[retry %s] backoff = custom requires the key delays, which is not set",
			pool->name);
	if (!custom && pool->retry.delay_count > 0)
		config_fault(&draft->faults, origins[OPTION_RETRY_delays],
			     "[retry %s] delays has no effect while backoff = %s, only with "
			     "backoff = custom",
			     pool->name, backoff_kind_name(pool->retry.backoff));
}

/* To lower memory_max lowers these defaults too. */
static void fit_defaults(struct config_draft *draft)
{
	struct config_daemon *daemon = &draft->config->daemon;
	const struct config_origin *origins = draft->daemon.options;

	if (!origins[OPTION_DAEMON_session_bytes_max].file &&
	    daemon->session_bytes_max > daemon->memory_max)
		daemon->session_bytes_max = daemon->memory_max;
	if (!origins[OPTION_DAEMON_key_bytes_max].file &&
	    daemon->key_bytes_max > daemon->memory_max)
		daemon->key_bytes_max = daemon->memory_max;
}

/* What is wrong with the nth name in the pool's list, or NULL. */
static const char *resolve(struct config *config, struct config_pool *pool, size_t nth)
{
	const struct config_pool *found = config_find_pool(config, pool->fallback[nth]);

	if (!found)
		return "which is not a pool";
	if (found == pool)
		return "which is the pool itself";
	for (size_t i = 0; i < nth; i++)
		if (strcmp(pool->fallback[i], pool->fallback[nth]) == 0)
			return "which is named twice";
	pool->fallbacks[nth] = (uint32_t)(found - config->pools);
	pool->fallback_count = nth + 1;
	return NULL;
}

static void resolve_fallbacks(struct config_draft *draft)
{
	for (size_t i = 0; i < draft->config->pool_count; i++) {
		struct config_pool *pool = &draft->config->pools[i];

		for (size_t nth = 0; pool->fallback[nth]; nth++) {
			const char *fault = resolve(draft->config, pool, nth);

			if (!fault)
				continue;
			config_fault(
				&draft->faults, draft->pools[i].options[OPTION_POOL_fallback],
				"[pool %s] fallback: found \"%s\", %s; allowed are other pools, "
				"each once",
				pool->name, pool->fallback[nth], fault);
			break;
		}
	}
}

static void check_together(struct config_draft *draft)
{
	size_t pool_count = draft->config->pool_count;

	resolve_fallbacks(draft);
	fit_defaults(draft);
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		bool once = option_get(rules[i].lesser)->section == SECTION_DAEMON;

		for (size_t pool = 0; pool < (once ? 1 : pool_count); pool++)
			check_rule(draft, &rules[i], pool);
	}
	for (size_t pool = 0; pool < pool_count; pool++)
		check_effect(draft, pool);
	check_workers(draft);
	config_check_alerts_fire(draft);
}

int config_check(struct config_draft *draft, const struct config **ret_config)
{
	int r;

	if (draft->error < 0)
		return draft->error;
	config_check_adapters(draft);
	config_check_alerts(draft);
	/* A refused value left its default behind: what follows from that is not reported. */
	if (draft->faults.count == 0)
		check_together(draft);
	if (draft->error < 0)
		return draft->error;
	r = config_faults_end(&draft->faults);
	if (r < 0)
		return r;
	if (draft->warnings.out)
		config_warn(draft);
	*ret_config = draft->config;
	draft->config = NULL;
	return 0;
}
