#include "client/poolctl/event_stream.h"
#include "client/poolctl/explain.h"
#include "client/poolctl/failure.h"
#include "client/poolctl/field.h"
#include "client/poolctl/json.h"
#include "client/poolctl/run.h"
#include "client/poolctl/show.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

/* While the daemon is away it is looked for so often. */
#define RETRY_PAUSE_MS 200

struct printer {
	const struct options *options;
	const char *pool; /* only events that name it; NULL: all */
	const char *kinds[EVENT_KINDS_MAX];
	unsigned kind_count; /* 0: all */
	uint64_t shown;
};

/* The table of explain has each kind once. */
static bool is_kind(const char *word)
{
	for (size_t i = 0; i < explanation_count; i++)
		if (strcmp(explanations[i].kind, "event") == 0 &&
		    strcmp(explanations[i].word, word) == 0)
			return true;
	return false;
}

/* All kinds, with ", " between them. */
static void list_kinds(char *out, size_t size)
{
	size_t len = 0;

	out[0] = '\0';
	for (size_t i = 0; i < explanation_count && len < size; i++)
		if (strcmp(explanations[i].kind, "event") == 0)
			len += (size_t)snprintf(out + len, size - len, "%s%s", len > 0 ? ", " : "",
						explanations[i].word);
}

static bool take(void *userdata, json_t *event)
{
	struct printer *printer = userdata;
	const struct options *options = printer->options;

	if (!show_event_is_of(event, printer->pool, &options->since))
		return true;
	if (options->json)
		json_print(event, true, stdout);
	else
		show_event(event);
	/* If the output cannot be written, stop: main reports it. */
	return fflush(stdout) == 0 && ++printer->shown != options->count;
}

/* Events that are gone, and a daemon that was started anew: on the standard error, as they are no
 * events. */
static void say_lost(const struct event_stream *stream)
{
	if (stream->lost > 0)
		fprintf(stderr,
			"poolctl: up to %llu older events are not kept any more (events_kept in "
			"poold.conf(5))\n",
			(unsigned long long)stream->lost);
}

/* Subscribes again until that succeeds.  Returns 0, or a negative errno that waiting does not mend. */
static int begin_again(struct event_stream *stream, struct poold_reply *reply)
{
	uint64_t epoch = stream->epoch;
	int r;

	fprintf(stderr, "poolctl: the connection to the daemon ended; waiting for it\n");
	for (;;) {
		poold_reply_free(reply);
		r = event_stream_begin(stream, true, reply);
		if (r == 0)
			break;
		if (r == -ENOMEM || r == -EACCES || r == -EPROTO)
			return r;
		poll(NULL, 0, RETRY_PAUSE_MS);
	}
	if (stream->epoch != epoch)
		fprintf(stderr,
			"poolctl: the daemon was restarted: its events count from 1 again\n");
	say_lost(stream);
	return 0;
}

/* Prints what is kept, and with --follow what comes. */
static int print_all(struct event_stream *stream, struct poold_reply *reply)
{
	const struct options *options = stream->options;
	int r = event_stream_begin(stream, options->has_since || !options->follow, reply);

	if (r < 0)
		return r;
	say_lost(stream);
	if (!options->follow)
		return event_stream_take_kept(stream, reply);
	while (event_stream_follow(stream) < 0) {
		r = begin_again(stream, reply);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Sorts the words into kinds and a pool.  Returns 0, or the exit status after it was said what is
 * wrong. */
static int read_words(const struct command *command, char **args, int arg_count,
		      struct printer *printer)
{
	const struct options *options = printer->options;

	for (unsigned i = 0; i < options->kind_count; i++)
		printer->kinds[printer->kind_count++] = options->kinds[i];
	for (int i = 0; i < arg_count; i++) {
		if (is_kind(args[i]) && printer->kind_count < EVENT_KINDS_MAX)
			printer->kinds[printer->kind_count++] = args[i];
		else if (!printer->pool)
			printer->pool = args[i];
		else
			return failure_usage(
				command,
				"\"%.100s\" and \"%.100s\" are no kinds of events, and "
				"only one can be a pool",
				printer->pool, args[i]);
	}
	return 0;
}

static int check_kinds(const struct command *command, const struct printer *printer)
{
	char known[256];

	list_kinds(known, sizeof(known));
	for (unsigned i = 0; i < printer->kind_count; i++)
		if (!is_kind(printer->kinds[i]))
			return failure_usage(command, "\"%.100s\" is no kind of event; they are %s",
					     printer->kinds[i], known);
	return 0;
}

/* A word that is no pool may have been meant as a kind. */
static int check_pool(const struct command *command, struct poold_client *client,
		      const struct printer *printer)
{
	const struct options *options = printer->options;
	char known[256];
	int r = run_check_pool(command, options, client, printer->pool);

	if (r == 0 || options->json)
		return r;
	list_kinds(known, sizeof(known));
	fprintf(stderr, "poolctl: \"%.100s\" is no kind of event either; they are %s\n",
		printer->pool, known);
	return r;
}

int run_events(const struct command *command, const struct options *options,
	       struct poold_client *client, char **args, int arg_count)
{
	struct printer printer = {.options = options};
	struct event_stream stream = {.client = client,
				      .options = options,
				      .kinds = printer.kinds,
				      .take = take,
				      .userdata = &printer};
	struct poold_reply reply = {0};
	int r = read_words(command, args, arg_count, &printer);

	if (r == 0)
		r = check_kinds(command, &printer);
	if (r == 0 && printer.pool)
		r = check_pool(command, client, &printer);
	if (r != 0)
		return r;
	stream.kind_count = printer.kind_count;
	if (options->since.is_seq)
		stream.seq = options->since.seq;
	r = print_all(&stream, &reply);
	r = r < 0 ? failure_report(options, client, &reply) : stream.status;
	poold_reply_free(&reply);
	return r;
}
