#include "client/poolctl/canvas.h"
#include "client/poolctl/field.h"
#include "client/poolctl/top_model.h"
#include "client/poolctl/unit.h"
#include "protocol/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

unsigned top_rank_look(enum top_rank rank)
{
	static const unsigned looks[] = {LOOK_PLAIN, LOOK_ACCENT, LOOK_WARNING, LOOK_BAD};

	return looks[rank];
}

__attribute__((format(printf, 2, 3))) static void append(char text[TOP_TEXT_MAX],
							 const char *format, ...)
{
	size_t len = strlen(text);
	va_list args;

	va_start(args, format);
	vsnprintf(text + len, TOP_TEXT_MAX - len, format, args);
	va_end(args);
}

static bool is_among(const char *word, const char *const *words)
{
	while (*words && strcmp(*words, word) != 0)
		words++;
	return *words;
}

/* Whether the causes that are made here say it already, with more figures. */
static bool is_said(const struct top_pool *pool, const char *code)
{
	static const char *const of_breaker[] = {"circuit_open", "probing", "breaker_open", NULL};
	static const char *const of_chain[] = {"fallback", "on_fallback", NULL};

	if (pool->breaker && top_word_rank(pool->breaker) == TOP_BROKEN)
		return is_among(code, of_breaker) || (pool->level > 0 && is_among(code, of_chain));
	return pool->level > 0 && is_among(code, of_chain);
}

/* What the daemon says is wrong with the pool. */
static void append_problems(char text[TOP_TEXT_MAX], const char *separator,
			    const struct top_pool *pool)
{
	const char *fault = json_string_value(json_object_get(pool->status, "start_fault"));
	const json_t *problem;
	size_t i;

	json_array_foreach (json_object_get(pool->status, "problems"), i, problem) {
		if (is_said(pool, field_text(problem, "code")))
			continue;
		append(text, "%s%.200s", separator, field_text(problem, "text"));
		separator = "; ";
	}
	if (fault)
		append(text, "%s%.200s", separator, fault);
}

/* The command for a problem of the daemon's, and its advice. */
static void append_steps(char text[TOP_TEXT_MAX], const json_t *problem)
{
	append(text, "%s; %s", field_text(problem, "command"), field_text(problem, "advice"));
}

/* A text that was cut within a character is no UTF-8: such bytes become "?". */
static void make_valid(char *text)
{
	size_t left = strlen(text);

	while (left > 0) {
		size_t len = utf8_char((const uint8_t *)text, left);

		if (len == 0)
			*text = '?';
		text += len > 0 ? len : 1;
		left -= len > 0 ? len : 1;
	}
}

/* With which code and text most requests failed, and how many of how many. */
static void append_failures(char text[TOP_TEXT_MAX], const struct top_pool *pool, double window_ms)
{
	char window[UNIT_TEXT_MAX];

	if (pool->failing) { /* the daemon's reason says how many */
		const char *type = json_string_value(json_object_get(pool->failing, "type"));
		const char *said = json_string_value(json_object_get(pool->failing, "text"));

		append(text, "%s", pool->code ? pool->code : "-");
		if (said || type)
			append(text, ": %.120s", said ? said : type);
		return;
	}
	if (pool->code)
		append(text, "%s", pool->code);
	if (pool->last_error)
		append(text, ": %.120s", field_text(pool->last_error, "message"));
	append(text, "%s%.0f of %.0f requests failed in %s", pool->code ? "; " : "", pool->failed,
	       pool->finished, unit_duration(window, window_ms));
}

/* Why: what is most telling first. */
static void append_causes(char text[TOP_TEXT_MAX], const struct top_pool *pool, double window_ms)
{
	bool is_open = pool->breaker && top_word_rank(pool->breaker) == TOP_BROKEN;
	const char *separator = ": ";
	char left[UNIT_TEXT_MAX];

	if (is_open) {
		append(text, "%sits circuit breaker is %s", separator, pool->breaker);
		if (pool->open_left_ms >= 0)
			append(text, ", probes in %s", unit_duration(left, pool->open_left_ms));
		separator = "; ";
	}
	if (pool->level > 0 && pool->served_by) {
		append(text, "%sserved by %s", separator, pool->served_by);
		separator = "; ";
	}
	if (pool->is_failing || pool->has_failures) {
		append(text, "%s", separator);
		append_failures(text, pool, window_ms);
		separator = "; ";
	}
	if (pool->is_full) {
		append(text,
		       "%sits queue has %.0f of %.0f requests, and %.0f of %.0f workers are "
		       "busy",
		       separator, pool->queued, pool->queue_max, pool->busy, pool->workers);
		separator = "; ";
	}
	if (pool->crashes > 0) {
		append(text, "%s%.0f worker%s in %s", separator, pool->crashes,
		       pool->crashes == 1 ? " crashed or was killed" : "s crashed or were killed",
		       unit_duration(left, window_ms));
		separator = "; ";
	}
	append_problems(text, separator, pool);
}

/* Where the daemon has none. */
static void append_advice(char text[TOP_TEXT_MAX], const struct top_pool *pool)
{
	if (pool->is_failing || pool->has_failures)
		append(text, "poolctl errors 20; poolctl explain %s",
		       pool->code ? pool->code : "CODE");
	else if (pool->is_full)
		append(text, "poolctl requests --running; poolctl explain queue_full");
	else if (pool->crashes > 0)
		append(text, "poolctl workers; poolctl errors 20");
}

static void describe(struct top_problem *problem, const struct top_pool *pool, double window_ms)
{
	const json_t *first = json_array_get(json_object_get(pool->status, "problems"), 0);
	bool is_own = strcmp(pool->word, field_text(pool->status, "status")) != 0;
	char since[UNIT_TEXT_MAX];

	*problem = (struct top_problem){.rank = pool->rank};
	append(problem->text, "%s is %s", pool->name, pool->word);
	if (pool->rank == TOP_NOTABLE)
		append(problem->text, ", but%s%s", first ? " for " : "",
		       first ? field_duration(since, first, "since_ms") : "");
	else if (!is_own)
		append(problem->text, " since %s", unit_duration(since, pool->since_ms));
	append_causes(problem->text, pool, window_ms);
	if (first)
		append_steps(problem->advice, first);
	else
		append_advice(problem->advice, pool);
	make_valid(problem->text);
	make_valid(problem->advice);
}

static void add_problem(struct top_verdict *verdict, const struct top_pool *pool, double window_ms)
{
	if (pool->rank == TOP_FINE)
		return;
	if (verdict->problem_count == TOP_PROBLEMS_MAX) {
		verdict->problems_left++;
		return;
	}
	describe(&verdict->problems[verdict->problem_count++], pool, window_ms);
}

/* What is wrong with the daemon itself. */
static void add_own_problems(struct top_verdict *verdict, const json_t *status)
{
	char since[UNIT_TEXT_MAX];
	const json_t *own;
	size_t i;

	json_array_foreach (json_object_get(status, "problems"), i, own) {
		struct top_problem *problem;

		if (verdict->problem_count == TOP_PROBLEMS_MAX) {
			verdict->problems_left++;
			continue;
		}
		problem = &verdict->problems[verdict->problem_count++];
		*problem = (struct top_problem){.rank = TOP_WRONG};
		append(problem->text, "the daemon, for %s: %.200s",
		       field_duration(since, own, "since_ms"), field_text(own, "text"));
		append_steps(problem->advice, own);
		make_valid(problem->text);
		make_valid(problem->advice);
	}
}

static void make_headline(struct top_verdict *verdict, const struct top_model *model, size_t wrong)
{
	const json_t *status = model->now.answers[TOP_STATUS];
	char uptime[UNIT_TEXT_MAX];

	append(verdict->headline, "poold is %s", verdict->word);
	if (json_is_true(json_object_get(status, "draining")))
		append(verdict->headline, " and stopping");
	if (json_is_false(json_object_get(status, "guard")))
		append(verdict->headline, "; its guard does not live");
	if (wrong > 0)
		append(verdict->headline, "; %zu of %zu pools %s not ok", wrong, model->pool_count,
		       wrong == 1 ? "is" : "are");
	else
		append(verdict->headline, "; %zu pool%s", model->pool_count,
		       model->pool_count == 1 ? "" : "s");
	append(verdict->headline, "; up %s", field_duration(uptime, status, "uptime_ms"));
	make_valid(verdict->headline);
}

static void make_totals(struct top_verdict *verdict, const struct top_model *model)
{
	const json_t *status = model->now.answers[TOP_STATUS];
	const json_t *requests = json_object_get(status, "requests");
	const json_t *memory = json_object_get(status, "memory");
	char a[UNIT_TEXT_MAX], b[UNIT_TEXT_MAX];
	double rate = 0;

	for (size_t i = 0; i < model->pool_count; i++)
		rate += model->pools[i].rate > 0 ? model->pools[i].rate : 0;
	append(verdict->totals, "%.*f req/s; %s running, %s queued; ", rate < 10 ? 1 : 0, rate,
	       field_count(a, requests, "running"), field_count(b, requests, "queued"));
	append(verdict->totals, "connections %s of %s; ", field_count(a, status, "connections"),
	       field_count(b, status, "connections_max"));
	append(verdict->totals, "buffers %s of %s", unit_size(a, field_number(memory, "buffers")),
	       unit_size(b, field_number(memory, "max")));
}

void top_verdict_make(struct top_verdict *verdict, const struct top_model *model)
{
	const json_t *status = model->now.answers[TOP_STATUS];
	const char *word = field_text(status, "status");
	size_t wrong = 0;

	*verdict = (struct top_verdict){.rank = top_word_rank(word)};
	add_own_problems(verdict, status);
	for (size_t i = 0; i < model->pool_count; i++) {
		const struct top_pool *pool = &model->pools[i];

		add_problem(verdict, pool, model->window_ms);
		wrong += pool->rank >= TOP_WRONG;
		/* The daemon may call a pool ok most of whose requests fail. */
		if (pool->rank > verdict->rank && pool->is_failing) {
			verdict->rank = pool->rank;
			word = pool->word;
		}
	}
	snprintf(verdict->word, sizeof(verdict->word), "%s", word);
	make_headline(verdict, model, wrong);
	make_totals(verdict, model);
}
