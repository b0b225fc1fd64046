#include "daemon/io/admin/problem.h"

#include "daemon/core/engine_view.h"
#include "daemon/io/base/pack_named.h"
#include "daemon/io/driver/state.h"
#include "daemon/io/observe/alert_suspect.h"
#include "daemon/io/observe/alerting.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static_assert(PROBLEM_NO_POOL == ALERT_NO_POOL, "alerts have another number for it");
static_assert(PROBLEM_TEXT_MAX > LIFE_EXIT_MAX + 64, "how a worker ended has no room");
static_assert(PROBLEM_COMMAND_MAX >= ALERT_COMMAND_MAX, "a command has no room");

/* In the order of the reports.  %s in a command is the name of the pool. */
static const struct trouble {
	enum pool_trouble bit;
	const char *code;
	const char *text;
	const char *advice;
	const char *command;
} troubles[] = {
	{TROUBLE_START_FAILED, "start_failed",
	 "its workers fail to start; one is tried now and then",
	 "see poolctl errors for the reason; run the command, or connect to the server, manually",
	 "poolctl doctor %s"},
	{TROUBLE_NO_WORKER, "no_worker", "no worker is ready",
	 "see poolctl workers for the step that they are in, or how they ended",
	 "poolctl doctor %s"},
	{TROUBLE_FAILING, "failing", "most of its requests fail",
	 "see poolctl errors for the latest of them, poolctl methods for which calls fail",
	 "poolctl errors 20"},
	{TROUBLE_BELOW_MINIMUM, "below_minimum", "fewer workers than its minimum are at work",
	 "see poolctl workers for those that are missing and how they ended", "poolctl workers %s"},
	{TROUBLE_QUEUE_FULL, "queue_full", "its queue is full; requests are refused",
	 "raise workers, or send fewer requests", "poolctl requests %s"},
	{TROUBLE_SHEDDING, "shedding", "requests that would wait too long are refused",
	 "raise workers, or send fewer requests", "poolctl requests %s"},
	{TROUBLE_UNHEALTHY, "unhealthy", "a worker misses its health checks or fails too often",
	 "see poolctl workers; it is replaced if this continues", "poolctl workers %s"},
	{TROUBLE_CIRCUIT_OPEN, "circuit_open", "its circuit breaker lets nothing through",
	 "see poolctl errors for the reason; it tries again after its open time",
	 "poolctl errors 20"},
	{TROUBLE_PROBING, "probing", "its circuit breaker lets only a few probes through",
	 "wait: it closes when the probes succeed", "poolctl breakers %s"},
	{TROUBLE_FALLBACK, "fallback", "requests are served by a fallback, some at least",
	 "see poolctl events and breakers; they return when the pool works again",
	 "poolctl breakers %s"},
	{TROUBLE_DRAINED, "drained", "it was taken out of service by hand",
	 "poolctl resume puts it back into service", "poolctl resume %s"},
	{TROUBLE_STOPPING, "stopping", "the daemon is stopping",
	 "wait for its end, or start it again", "poolctl status"},
};
static_assert(ARRAY_SIZE(troubles) == POOL_TROUBLE_COUNT, "a trouble has no text");

/* --- of a pool --- */

/* How many of the last minute's requests failed, and by what: the code, and an exception's type. */
static void describe_failing(const struct driver *driver, uint32_t index,
			     const struct pool_view *pool, const char *text, struct problem *ret)
{
	const struct last_failure *last = &driver->last_failures[index];
	bool has_type = last->code == pool->failing_code && *last->type;

	snprintf(ret->text, sizeof(ret->text), "%s: %u of %u in the last minute, by %s%s%s%s", text,
		 pool->recent.failed, pool->recent.failed + pool->recent.succeeded,
		 errcode_name(pool->failing_code), has_type ? " (" : "", has_type ? last->type : "",
		 has_type ? ")" : "");
}

/* The life of the pool that ended last, unplanned and not as a failed start, since that time; NULL:
 * there is none. */
static const struct life *last_ended(const struct driver *driver, uint32_t pool, usec_t since)
{
	const struct life *last = NULL;

	for (uint32_t i = 0; i < engine_worker_count(driver->engine); i++) {
		const struct life *life = &driver->lives[i];

		if (engine_worker_pool(driver->engine, i) != pool || !life->was_ready ||
		    life->last_ended == 0 || life->last_ended < since ||
		    worker_cause_is_planned(life->last_cause))
			continue;
		if (!last || life->last_ended > last->last_ended)
			last = life;
	}
	return last;
}

void problem_append_exit(const struct driver *driver, const struct caller *caller, uint32_t pool,
			 usec_t since, char *text, size_t size)
{
	const struct life *life = last_ended(driver, pool, since);
	size_t len = strlen(text);
	char exit[LIFE_EXIT_MAX];

	if (!life || !rights_may_call(driver, caller, pool))
		return;
	life_describe_exit(life, exit);
	snprintf(text + len, size - len, "; worker %u ended last: %s",
		 driver_worker_number(driver, life->worker), exit);
}

static void describe(const struct driver *driver, const struct caller *caller, uint32_t index,
		     const struct pool_view *pool, const struct trouble *trouble,
		     struct problem *ret)
{
	if (trouble->bit == TROUBLE_SHEDDING)
		snprintf(ret->text, sizeof(ret->text),
			 "%s: %" PRIu64 " in the last %u s, the predicted wait is %" PRIu64 " ms",
			 trouble->text, pool->refused, (unsigned)(FORECAST_RECENT / USEC_PER_SEC),
			 pool->wait / USEC_PER_MSEC);
	else if (trouble->bit == TROUBLE_FAILING)
		describe_failing(driver, index, pool, trouble->text, ret);
	else
		snprintf(ret->text, sizeof(ret->text), "%s", trouble->text);
	if (trouble->bit == TROUBLE_NO_WORKER ||
	    (trouble->bit == TROUBLE_BELOW_MINIMUM && !(pool->troubles & TROUBLE_NO_WORKER)))
		problem_append_exit(driver, caller, index, ret->since, ret->text,
				    sizeof(ret->text));
}

static void make_command(const struct driver *driver, uint32_t pool, const char *format,
			 struct problem *ret)
{
	const char *place = strstr(format, "%s");
	size_t len = place ? (size_t)(place - format) : strlen(format);

	snprintf(ret->command, sizeof(ret->command), "%.*s%s", (int)len, format,
		 place ? driver_pool_config(driver, pool)->name : "");
}

static bool next_trouble(const struct driver *driver, const struct caller *caller, uint32_t index,
			 size_t *cursor, struct problem *ret)
{
	struct pool_view pool;

	engine_view_pool(driver->engine, index, &pool);
	for (; *cursor < ARRAY_SIZE(troubles); ++*cursor) {
		const struct trouble *trouble = &troubles[*cursor];

		if (!(pool.troubles & trouble->bit))
			continue;
		*ret = (struct problem){
			.code = trouble->code,
			.since = pool.troubles_since[__builtin_ctz((unsigned)trouble->bit)]};
		describe(driver, caller, index, &pool, trouble, ret);
		snprintf(ret->advice, sizeof(ret->advice), "%s", trouble->advice);
		make_command(driver, index, trouble->command, ret);
		++*cursor;
		return true;
	}
	return false;
}

/* --- of the daemon --- */

static bool next_own(const struct driver *driver, size_t *cursor, struct problem *ret)
{
	const struct chunk_store *store = &driver->loop->store;

	if (*cursor > 0 || !driver->loop->is_short)
		return false;
	*cursor = 1;
	*ret = (struct problem){.code = "memory_short",
				.since = driver->loop->short_since,
				.advice = "see poolctl clients for who does not read its answers; "
					  "raise memory_max",
				.command = "poolctl clients"};
	snprintf(ret->text, sizeof(ret->text), "memory: %u %% of memory_max is in use",
		 (unsigned)(store->bytes / (store->bytes_max / 100)));
	return true;
}

/* --- alerts --- */

/* Whether the alert says no more than a trouble that the pool has. */
static bool is_said(const struct driver *driver, uint32_t pool, enum alert_kind kind)
{
	static const struct {
		enum alert_kind kind;
		unsigned troubles;
	} twins[] = {
		{ALERT_error_share, TROUBLE_FAILING},
		{ALERT_crash_loop, TROUBLE_START_FAILED},
		{ALERT_no_capacity, TROUBLE_NO_WORKER},
		{ALERT_breaker_open, TROUBLE_CIRCUIT_OPEN | TROUBLE_PROBING},
		{ALERT_on_fallback, TROUBLE_FALLBACK},
	};
	struct pool_view view;

	if (pool == PROBLEM_NO_POOL)
		return false;
	engine_view_pool(driver->engine, pool, &view);
	for (size_t i = 0; i < ARRAY_SIZE(twins); i++)
		if (twins[i].kind == kind && (view.troubles & twins[i].troubles))
			return true;
	return false;
}

static void take_alert(const struct driver *driver, const struct caller *caller, uint32_t pool,
		       const struct alert_view *view, struct problem *ret)
{
	const struct alert_rule *rule = &driver->alerting->rules[view->rule];
	char text[ALERT_TEXT_MAX];

	*ret = (struct problem){
		.code = alert_kind_name(rule->kind), .alert = rule, .since = view->since};
	alert_describe(driver, rule, pool, view->value.value, false,
		       alert_reader_of(driver, caller, pool), text);
	snprintf(ret->text, sizeof(ret->text), "%s", text);
	snprintf(ret->advice, sizeof(ret->advice), "poolctl explain %s says what to do", ret->code);
	alert_first_command(driver, rule, pool, ret->command);
}

/* `place` is that of alerting_next; those that name a method, a worker or a client, or the others. */
static bool next_alert(const struct driver *driver, const struct caller *caller, uint32_t pool,
		       size_t *place, bool names, struct problem *ret)
{
	struct alert_view view;

	while (alerting_next(driver->alerting, pool, place, &view)) {
		enum alert_kind kind = driver->alerting->rules[view.rule].kind;

		if (alert_suspect_is_for(kind) != names || is_said(driver, pool, kind))
			continue;
		take_alert(driver, caller, pool, &view, ret);
		return true;
	}
	return false;
}

/* --- all of them --- */

bool problem_next(const struct driver *driver, const struct caller *caller, uint32_t pool,
		  struct problem_cursor *cursor, struct problem *ret)
{
	bool is_own = pool == PROBLEM_NO_POOL;

	if (is_own ? next_own(driver, &cursor->trouble, ret)
		   : next_trouble(driver, caller, pool, &cursor->trouble, ret))
		return true;
	return next_alert(driver, caller, pool, &cursor->naming, true, ret) ||
	       next_alert(driver, caller, pool, &cursor->other, false, ret);
}

unsigned problem_count(const struct driver *driver, const struct caller *caller, uint32_t pool)
{
	struct problem_cursor cursor = {0};
	struct problem problem;
	unsigned count = 0;

	while (problem_next(driver, caller, pool, &cursor, &problem))
		count++;
	return count;
}

static struct bytes text_of(const char *text)
{
	return (struct bytes){(const uint8_t *)text, strlen(text)};
}

void problems_pack(const struct driver *driver, const struct caller *caller, uint32_t pool,
		   struct buf *out)
{
	struct problem_cursor cursor = {0};
	struct problem problem;

	pack_array(out, problem_count(driver, caller, pool));
	while (problem_next(driver, caller, pool, &cursor, &problem)) {
		pack_map(out, 6);
		pack_named_str(out, "code", problem.code);
		pack_str(out, "alert");
		if (problem.alert)
			pack_str(out, problem.alert->name);
		else
			pack_nil(out);
		pack_str(out, "since_ms");
		if (problem.since > 0)
			pack_uint(out,
				  usec_sub(loop_now(driver->loop), problem.since) / USEC_PER_MSEC);
		else
			pack_nil(out);
		pack_named_text(out, "text", text_of(problem.text));
		pack_named_str(out, "advice", problem.advice);
		pack_named_str(out, "command", problem.command);
	}
}

void problems_pack_texts(const struct driver *driver, const struct caller *caller, uint32_t pool,
			 struct buf *out)
{
	struct problem_cursor cursor = {0};
	struct problem problem;
	char text[PROBLEM_TEXT_MAX + 64];

	pack_array(out, problem_count(driver, caller, pool));
	while (problem_next(driver, caller, pool, &cursor, &problem)) {
		if (problem.alert)
			snprintf(text, sizeof(text), "alert %s (%s): %s", problem.alert->name,
				 alert_severity_name(problem.alert->severity), problem.text);
		else
			snprintf(text, sizeof(text), "%s", problem.text);
		pack_text(out, text_of(text));
	}
}

void problems_pack_advice(const struct driver *driver, const struct caller *caller, uint32_t pool,
			  struct buf *out)
{
	struct problem_cursor cursor = {0};
	struct problem problem;

	pack_array(out, problem_count(driver, caller, pool));
	while (problem_next(driver, caller, pool, &cursor, &problem))
		pack_text(out, text_of(problem.advice));
}
