#include "client/poolctl/top_model.h"

#include "client/poolctl/field.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* So many failures say something; a pool is failing when so many of all are, and worth a look when so
 * many are. */
#define FAILURES_MIN	5
#define FAILING_PERCENT 50
#define NOTABLE_PERCENT 10
/* A queue so full has hardly any room. */
#define FULL_PERCENT 80

void top_sample_done(struct top_sample *sample)
{
	for (size_t i = 0; i < TOP_ANSWER_COUNT_; i++)
		json_decref(sample->answers[i]);
	*sample = (struct top_sample){0};
}

static void drop_points(struct top_model *model, size_t count)
{
	for (size_t i = 0; i < count; i++)
		json_decref(model->points[i].stats);
	model->point_count -= count;
	memmove(model->points, model->points + count, model->point_count * sizeof(*model->points));
}

void top_model_done(struct top_model *model)
{
	top_sample_done(&model->now);
	drop_points(model, model->point_count);
	free(model->pools);
	*model = (struct top_model){0};
}

/* --- counters and their growth --- */

/* The answer's map of a pool by its name, for example in poold.stats; NULL: there is none. */
static const json_t *counters_of(const json_t *stats, const char *pool)
{
	return json_object_get(json_object_get(stats, "pools"), pool);
}

static double count_in(const json_t *stats, const char *pool, const char *map, const char *key)
{
	const json_t *counters = counters_of(stats, pool);

	return field_number(map ? json_object_get(counters, map) : counters, key);
}

double top_model_growth(const struct top_model *model, const char *pool, const char *map,
			const char *key)
{
	double now = count_in(model->now.answers[TOP_STATS], pool, map, key), before;

	if (model->point_count == 0)
		return 0;
	before = count_in(model->points[0].stats, pool, map, key);
	/* A counter that is smaller began anew. */
	if (now >= before)
		return now - before;
	return now > 0 ? now : 0;
}

const json_t *top_model_last_error(const struct top_model *model, const char *pool,
				   const char *code)
{
	const json_t *error;
	size_t i;

	json_array_foreach (model->now.answers[TOP_ERRORS], i, error) {
		if (strcmp(field_text(error, "code"), code) == 0 &&
		    strcmp(field_text(error, "pool"), pool) == 0)
			return error;
	}
	return NULL;
}

/* Keeps what is needed of the last sample for the differences. */
static void keep_point(struct top_model *model, double now_ms)
{
	json_t *stats = model->now.answers[TOP_STATS];
	size_t old = 0;

	if (!stats)
		return;
	if (model->point_count == TOP_POINTS)
		drop_points(model, 1);
	model->points[model->point_count].at_ms = model->now.at_ms;
	model->points[model->point_count++].stats = json_incref(stats);
	/* The oldest one is at least as old as the window, once there is one. */
	while (old + 1 < model->point_count &&
	       now_ms - model->points[old + 1].at_ms >= TOP_WINDOW_MS)
		old++;
	drop_points(model, old);
}

/* --- pools --- */

static bool is_word(const char *word, const char *const *words)
{
	for (; *words; words++)
		if (strcmp(*words, word) == 0)
			return true;
	return false;
}

enum top_rank top_word_rank(const char *word)
{
	static const char *const fine[] = {"ok",      "healthy",  "ready",    "closed", "busy",
					   "running", "resolved", "inactive", NULL};
	static const char *const notable[] = {"initializing", "draining", "terminating",
					      "half_open",    "disabled", "observing",
					      "pending",      "info",	  NULL};
	static const char *const broken[] = {"down",	 "failing", "terminated",  "unhealthy",
					     "critical", "open",    "forced_open", NULL};

	if (is_word(word, fine))
		return TOP_FINE;
	if (is_word(word, notable))
		return TOP_NOTABLE;
	return is_word(word, broken) ? TOP_BROKEN : TOP_WRONG;
}

/* The worst of the pool's breakers. */
static void judge_breakers(struct top_pool *pool, const json_t *breakers)
{
	enum top_rank worst = TOP_FINE;
	const json_t *breaker;
	size_t i;

	pool->breaker = NULL;
	pool->open_left_ms = -1;
	json_array_foreach (breakers, i, breaker) {
		const char *state = field_text(breaker, "state");
		const json_t *left = json_object_get(breaker, "open_left_ms");

		if (strcmp(field_text(breaker, "pool"), pool->name) != 0)
			continue;
		if (pool->breaker && top_word_rank(state) <= worst)
			continue;
		worst = top_word_rank(state);
		pool->breaker = state;
		pool->open_left_ms = json_is_number(left) ? json_number_value(left) : -1;
	}
	if (worst > TOP_FINE && pool->rank == TOP_FINE)
		pool->rank = TOP_NOTABLE;
}

/* The daemon's own judgement.  Returns false if it has none. */
static bool take_judgement(struct top_pool *pool)
{
	const json_t *failing = json_object_get(pool->status, "failing");

	if (!failing)
		return false;
	pool->is_failing = json_is_object(failing);
	if (!pool->is_failing)
		return true;
	pool->failing = failing;
	pool->code = json_string_value(json_object_get(failing, "code"));
	if (pool->rank < TOP_WRONG)
		pool->rank = TOP_WRONG;
	return true;
}

/* Takes the code of most failures.  That of an open breaker is of no interest where there is
 * another: it says nothing of the cause. */
static void take_code(struct top_pool *pool, const char *code, double count, const json_t *last)
{
	bool is_breaker = strcmp(code, "circuit_open") == 0;
	bool had_breaker = pool->code && strcmp(pool->code, "circuit_open") == 0;

	if (count <= 0 || (pool->code && is_breaker) || (!had_breaker && count <= pool->code_count))
		return;
	pool->code = code;
	pool->code_count = count;
	pool->last_error = last;
}

/* Which failures there were in the window.  Returns how many; those that are the caller's fault count
 * for nothing. */
static double count_failures(struct top_pool *pool, const struct top_model *model)
{
	json_t *errors =
		json_object_get(counters_of(model->now.answers[TOP_STATS], pool->name), "errors");
	double own = pool->failed;
	const char *code;
	json_t *count;

	json_object_foreach (errors, code, count) {
		double grown = top_model_growth(model, pool->name, "errors", code);
		const json_t *last =
			grown > 0 ? top_model_last_error(model, pool->name, code) : NULL;

		if (last && strcmp(field_text(last, "category"), "request_error") == 0)
			own -= grown;
		else
			take_code(pool, code, grown, last);
	}
	return own;
}

/* `is_judged`: the daemon said that the pool is not failing. */
static void judge_failures(struct top_pool *pool, const struct top_model *model, bool is_judged)
{
	double own = count_failures(pool, model);

	if (own < FAILURES_MIN)
		return;
	if (!is_judged && own * 100 >= pool->finished * FAILING_PERCENT) {
		pool->is_failing = true;
		if (strcmp(pool->word, "ok") == 0) {
			pool->word = "failing";
			pool->rank = TOP_BROKEN;
		}
	} else if (own * 100 >= pool->finished * NOTABLE_PERCENT) {
		pool->has_failures = true;
	}
}

static void judge_load(struct top_pool *pool, const struct top_model *model)
{
	pool->is_full = pool->queue_max > 0 && pool->queued * 100 >= pool->queue_max * FULL_PERCENT;
	pool->crashes = top_model_growth(model, pool->name, NULL, "worker_crashes") +
			top_model_growth(model, pool->name, NULL, "worker_kills");
	if (pool->rank == TOP_FINE && (pool->is_full || pool->crashes > 0 || pool->has_failures))
		pool->rank = TOP_NOTABLE;
}

/* The latest latencies that the daemon has, and its rates, as long as there are no others. */
static void take_last_minute(struct top_pool *pool)
{
	const json_t *minute = json_object_get(pool->status, "last_minute");
	const json_t *run = json_object_get(json_object_get(minute, "latency_ms"), "run");

	if (!json_is_object(minute))
		return;
	pool->p50_ms = field_number(run, "p50");
	pool->p99_ms = field_number(run, "p99");
	pool->rate = field_number(minute, "rate");
	if (json_is_number(json_object_get(minute, "ok_percent")))
		pool->ok_percent = field_number(minute, "ok_percent");
}

static void judge_traffic(struct top_pool *pool, const struct top_model *model)
{
	bool is_judged = take_judgement(pool);

	pool->rate = pool->ok_percent = -1;
	take_last_minute(pool);
	if (model->window_ms <= 0)
		return;
	pool->ok_percent = -1;
	pool->rate =
		top_model_growth(model, pool->name, NULL, "requests") * 1000 / model->window_ms;
	pool->failed = top_model_growth(model, pool->name, NULL, "failed");
	pool->finished = top_model_growth(model, pool->name, NULL, "succeeded") + pool->failed;
	if (pool->finished > 0)
		pool->ok_percent = (pool->finished - pool->failed) * 100 / pool->finished;
	if (!pool->failing)
		judge_failures(pool, model, is_judged);
}

static void judge_pool(struct top_pool *pool, const json_t *status, const struct top_model *model)
{
	const json_t *workers = json_object_get(status, "workers");

	*pool = (struct top_pool){
		.status = status,
		.name = field_text(status, "name"),
		.word = field_text(status, "status"),
		.served_by = json_string_value(json_object_get(status, "served_by")),
		.since_ms = field_number(status, "since_ms"),
		.p50_ms = field_number(status, "p50_ms"),
		.p99_ms = field_number(status, "p99_ms"),
		.queued = field_number(status, "queued"),
		.queue_max = field_number(status, "queue_max"),
		.running = field_number(status, "running"),
		.busy = field_number(workers, "busy"),
		.workers = field_number(workers, "ready") + field_number(workers, "busy"),
		.workers_min = field_number(workers, "min"),
		.level = field_number(status, "level")};
	pool->rank = top_word_rank(pool->word);
	if (pool->rank == TOP_FINE &&
	    (pool->level > 0 || json_array_size(json_object_get(status, "problems")) > 0))
		pool->rank = TOP_NOTABLE;
	judge_breakers(pool, model->now.answers[TOP_BREAKERS]);
	judge_traffic(pool, model);
	judge_load(pool, model);
}

/* What is wrong first, and else as the daemon has them. */
static int make_pools(struct top_model *model)
{
	const json_t *list = json_object_get(model->now.answers[TOP_STATUS], "pools"), *status;
	size_t count = json_array_size(list), made = 0, i;
	struct top_pool pool;

	free(model->pools);
	model->pool_count = 0;
	model->pools = calloc(count > 0 ? count : 1, sizeof(*model->pools));
	if (!model->pools)
		return -ENOMEM;
	json_array_foreach (list, i, status) {
		size_t at = made;

		judge_pool(&pool, status, model);
		while (at > 0 && model->pools[at - 1].rank < pool.rank)
			at--;
		memmove(&model->pools[at + 1], &model->pools[at], (made - at) * sizeof(pool));
		model->pools[at] = pool;
		made++;
	}
	model->pool_count = made;
	return 0;
}

int top_model_add(struct top_model *model, struct top_sample *sample)
{
	const json_t *status = sample->answers[TOP_STATUS];
	bool is_other =
		json_integer_value(json_object_get(model->now.answers[TOP_STATUS], "pid")) !=
		json_integer_value(json_object_get(status, "pid"));

	if (!json_is_object(status)) {
		top_sample_done(sample);
		return -EPROTO;
	}
	/* Another process counts from 0 again. */
	if (is_other)
		drop_points(model, model->point_count);
	else
		keep_point(model, sample->at_ms);
	top_sample_done(&model->now);
	model->now = *sample;
	*sample = (struct top_sample){0};
	model->window_ms = model->point_count > 0 ? model->now.at_ms - model->points[0].at_ms : 0;
	return make_pools(model);
}
