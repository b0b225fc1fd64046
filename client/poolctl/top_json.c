#include "client/poolctl/top_model.h"

/* A number that may not be known. */
static json_t *number(double value)
{
	return value < 0 ? json_null() : json_real(value);
}

static json_t *pool_json(const struct top_pool *pool)
{
	const char *code = pool->is_failing || pool->has_failures ? pool->code : NULL;

	return json_pack(
		"{s:s, s:s, s:b, s:f, s:O?, s:O?, s:o, s:o, s:o, s:o, s:f, s:f, s:f, s:f, "
		"s:s?, s:o, s:f, s:s?, s:s?}",
		"name", pool->name, "status", pool->word, "is_failing", pool->is_failing,
		"since_ms", pool->since_ms, "reasons", json_object_get(pool->status, "reasons"),
		"advice", json_object_get(pool->status, "advice"), "requests_per_second",
		number(pool->rate), "ok_percent", number(pool->ok_percent), "p50_ms",
		number(pool->p50_ms), "p99_ms", number(pool->p99_ms), "queued", pool->queued,
		"queue_max", pool->queue_max, "busy", pool->busy, "workers", pool->workers,
		"breaker", pool->breaker, "open_left_ms", number(pool->open_left_ms), "level",
		pool->level, "served_by", pool->served_by, "failing_with", code);
}

/* Adds the value, which may be NULL.  Without memory *list is freed, and NULL from then on. */
static void add(json_t **list, json_t *value)
{
	if (*list && json_array_append_new(*list, value) == 0)
		return;
	json_decref(*list ? NULL : value);
	json_decref(*list);
	*list = NULL;
}

static json_t *error_json(const struct top_model *model, const char *pool, const char *code,
			  json_t *count)
{
	return json_pack("{s:s, s:s, s:f, s:O, s:O?}", "pool", pool, "code", code, "in_window",
			 top_model_growth(model, pool, "errors", code), "count", count, "last",
			 top_model_last_error(model, pool, code));
}

/* Errors by pool and code, as the pane shows them. */
static json_t *errors_json(const struct top_model *model)
{
	json_t *pools = json_object_get(model->now.answers[TOP_STATS], "pools");
	json_t *list = json_array(), *counters, *count;
	const char *pool, *code;

	json_object_foreach (pools, pool, counters) {
		json_object_foreach (json_object_get(counters, "errors"), code, count) {
			add(&list, error_json(model, pool, code, count));
		}
	}
	return list;
}

static json_t *problems_json(const struct top_verdict *verdict)
{
	json_t *list = json_array();

	for (size_t i = 0; i < verdict->problem_count; i++)
		add(&list, json_pack("{s:s, s:s}", "text", verdict->problems[i].text, "advice",
				     verdict->problems[i].advice));
	return list;
}

static json_t *pools_json(const struct top_model *model)
{
	json_t *list = json_array();

	for (size_t i = 0; i < model->pool_count; i++)
		add(&list, pool_json(&model->pools[i]));
	return list;
}

static const struct {
	const char *key;
	enum top_answer answer;
} lists[] = {{"workers", TOP_WORKERS},
	     {"requests", TOP_REQUESTS},
	     {"clients", TOP_CLIENTS},
	     {"alerts", TOP_ALERTS}};

json_t *top_json(const struct top_model *model)
{
	struct top_verdict verdict;
	json_t *whole;
	int r = 0;

	top_verdict_make(&verdict, model);
	whole = json_pack("{s:f, s:f, s:s, s:s, s:s, s:o, s:o, s:o}", "at_ms", model->now.clock_ms,
			  "window_ms", model->window_ms, "status", verdict.word, "headline",
			  verdict.headline, "totals", verdict.totals, "problems",
			  problems_json(&verdict), "pools", pools_json(model), "errors",
			  errors_json(model));
	for (size_t i = 0; whole && i < sizeof(lists) / sizeof(lists[0]); i++) {
		json_t *answer = model->now.answers[lists[i].answer];

		r |= json_object_set(whole, lists[i].key, answer ? answer : json_null());
	}
	if (r != 0) {
		json_decref(whole);
		whole = NULL;
	}
	return whole;
}
