/* What happened: events that the daemon has kept, counted, and those that matter in their order. */
#include "client/poolctl/event_stream.h"
#include "client/poolctl/failure.h"
#include "client/poolctl/field.h"
#include "client/poolctl/json.h"
#include "client/poolctl/print.h"
#include "client/poolctl/run.h"
#include "client/poolctl/show.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

/* How far it goes back without --since. */
#define SPAN_MS	 3600000u

#define NAME_MAX 160

struct history {
	const char *pool; /* NULL: all */
	struct since since;
	json_t *events;	 /* in their order */
	json_t *summary; /* of {event, pool, count, first_ms, last_ms} */
};

/* By what an event is counted beside its kind: that of its fields which says what happened. */
static const char *const what_fields[] = {"what", "to", "result", "code", "reason"};

static const char *what_of(const json_t *event)
{
	for (size_t i = 0; i < COUNT(what_fields); i++) {
		const json_t *field = json_object_get(event, what_fields[i]);

		if (json_is_string(field))
			return json_string_value(field);
	}
	return "";
}

/* Whether it is only counted: such come with requests, or with each start of a worker. */
static bool is_only_counted(const json_t *event)
{
	static const char *const starts[] = {"started", "ready", "is shut down"};
	const char *kind = field_text(event, "kind"), *what = what_of(event);

	if (strcmp(kind, "error") == 0 || strcmp(kind, "retry") == 0)
		return true;
	for (size_t i = 0; i < COUNT(starts); i++)
		if ((strcmp(kind, "worker") == 0 || strcmp(kind, "recovery") == 0) &&
		    strcmp(what, starts[i]) == 0)
			return true;
	return false;
}

/* The sum of events with that name and pool, which is added if it is the first one. */
static json_t *sum_of(json_t *summary, const char *name, const json_t *event)
{
	const json_t *pool = json_object_get(event, "pool");
	json_t *sum;
	size_t i;

	json_array_foreach (summary, i, sum) {
		const json_t *its = json_object_get(sum, "pool");

		if (strcmp(field_text(sum, "event"), name) == 0 &&
		    (json_is_string(pool) ? json_is_string(its) && json_equal(its, pool)
					  : json_is_null(its)))
			return sum;
	}
	sum = json_pack("{s:s, s:O?, s:i, s:O?, s:O?}", "event", name, "pool",
			json_is_string(pool) ? pool : NULL, "count", 0, "first_ms",
			json_object_get(event, "at_ms"), "last_ms",
			json_object_get(event, "at_ms"));
	return sum && json_array_append_new(summary, sum) == 0 ? sum : NULL;
}

static void count(struct history *history, const json_t *event)
{
	char name[NAME_MAX];
	json_t *sum;

	snprintf(name, sizeof(name), "%.40s %.100s", field_text(event, "kind"), what_of(event));
	sum = sum_of(history->summary, name, event);
	if (!sum)
		return;
	json_object_set_new(sum, "count", json_integer((json_int_t)field_number(sum, "count") + 1));
	json_object_set(sum, "last_ms", json_object_get(event, "at_ms"));
}

static bool take(void *userdata, json_t *event)
{
	struct history *history = userdata;

	if (!show_event_is_of(event, history->pool, &history->since))
		return true;
	count(history, event);
	if (!is_only_counted(event))
		json_array_append(history->events, event);
	return true;
}

static void sum_row(struct table *table, const json_t *sum)
{
	char first[UNIT_TEXT_MAX], last[UNIT_TEXT_MAX];

	field_text_cell(table, sum, "pool");
	field_text_cell(table, sum, "event");
	field_count_cell(table, sum, "count");
	table_cell(table, "%s", field_clock(first, sum, "first_ms"));
	table_cell(table, "%s", field_clock(last, sum, "last_ms"));
}

static const struct column sum_columns[] = {
	{"POOL", false}, {"EVENT", false}, {"TIMES", true}, {"FIRST", false}, {"LAST", false}};

static void show_history(const struct history *history, const struct event_stream *stream)
{
	const json_t *event;
	size_t i;

	if (stream->lost > 0)
		printf("Up to %llu older events are not kept any more.\n",
		       (unsigned long long)stream->lost);
	if (json_array_size(history->summary) == 0) {
		printf("Nothing has happened.\n");
		return;
	}
	field_print_list(history->summary, "pool", NULL, sum_columns, COUNT(sum_columns), sum_row);
	if (json_array_size(history->events) > 0)
		putchar('\n');
	json_array_foreach (history->events, i, event) {
		show_event(event);
	}
}

static void print_json(const struct history *history, const struct event_stream *stream)
{
	json_t *all =
		json_pack("{s:I, s:I, s:I, s:O, s:O}", "since_ms", (json_int_t)history->since.at_ms,
			  "epoch", (json_int_t)stream->epoch, "lost", (json_int_t)stream->lost,
			  "summary", history->summary, "events", history->events);

	if (all)
		json_print(all, true, stdout);
	json_decref(all);
}

static int ask(struct history *history, struct event_stream *stream)
{
	const struct options *options = stream->options;
	struct poold_reply reply;
	int r = event_stream_begin(stream, true, &reply);

	if (r >= 0)
		r = event_stream_take_kept(stream, &reply);
	if (r < 0)
		r = failure_report(options, stream->client, &reply);
	else if (options->json)
		print_json(history, stream);
	else
		show_history(history, stream);
	poold_reply_free(&reply);
	return r;
}

int run_history(const struct command *command, const struct options *options,
		struct poold_client *client, char **args, int arg_count)
{
	struct history history = {
		.pool = arg_count > 0 ? args[0] : NULL,
		.since = options->since,
		.events = json_array(),
		.summary = json_array(),
	};
	struct event_stream stream = {
		.client = client, .options = options, .take = take, .userdata = &history};
	int r = history.pool ? run_check_pool(command, options, client, history.pool) : 0;

	if (!options->has_since)
		history.since.at_ms = (uint64_t)time(NULL) * 1000 - SPAN_MS;
	if (options->since.is_seq)
		stream.seq = options->since.seq;
	if (r == 0)
		r = history.events && history.summary ? ask(&history, &stream) : EX_OSERR;
	json_decref(history.events);
	json_decref(history.summary);
	return r;
}
