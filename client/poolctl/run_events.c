#include "client/poolctl/explain.h"
#include "client/poolctl/failure.h"
#include "client/poolctl/json.h"
#include "client/poolctl/run.h"
#include "client/poolctl/show.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

/* How far the printing of events has come. */
struct follower {
	const struct options *options;
	uint64_t shown;
	bool is_stopped;
	int status; /* the exit status, when is_stopped */
};

static void stop(struct follower *follower, int status)
{
	follower->is_stopped = true;
	follower->status = status;
}

static void on_event(void *userdata, struct poold_bytes event)
{
	struct follower *follower = userdata;
	const struct options *options = follower->options;
	json_t *json;

	if (follower->is_stopped)
		return;
	if (json_from_value(event, JSON_MARKED, &json) < 0) {
		fprintf(stderr, "poolctl: an event cannot be read\n");
		stop(follower, EX_PROTOCOL);
		return;
	}
	if (options->json)
		json_print(json, true, stdout);
	else
		show_event(json);
	json_decref(json);
	/* If the output cannot be written, stop: main reports it. */
	if (fflush(stdout) != 0 || ++follower->shown == options->count)
		stop(follower, 0);
}

static int follow(struct follower *follower, struct poold_client *client)
{
	while (!follower->is_stopped) {
		struct pollfd ready = {.fd = poold_fd(client), .events = poold_events(client)};
		int r;

		poll(&ready, 1, poold_timeout_ms(client));
		r = poold_dispatch(client, ready.revents);

		if (r < 0 && !follower->is_stopped)
			return r;
	}
	return 0;
}

static int report_end(const struct options *options, const struct poold_client *client, int status)
{
	struct poold_reply reply = {
		.status = status,
		.error = {.code = "peer_closed",
			  .category = "connection_error",
			  .message = "the connection to the daemon ended; there are no more events",
			  .retryable = true}};

	return failure_report(options, client, &reply);
}

static void write_kinds(struct poold_writer *writer, char **kinds, int count)
{
	poold_write_array(writer, count > 0);
	if (count > 0)
		poold_write_array(writer, (uint32_t)count);
	for (int i = 0; i < count; i++)
		poold_write_str(writer, kinds[i]);
}

/* The table of explain has each kind once. */
static bool is_kind(const char *word)
{
	for (size_t i = 0; i < explanation_count; i++)
		if (strcmp(explanations[i].kind, "event") == 0 &&
		    strcmp(explanations[i].word, word) == 0)
			return true;
	return false;
}

/* Returns the first word that is none, or NULL. */
static const char *find_wrong_kind(char **kinds, int count)
{
	for (int i = 0; i < count; i++)
		if (!is_kind(kinds[i]))
			return kinds[i];
	return NULL;
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

int run_events(const struct command *command, const struct options *options,
	       struct poold_client *client, char **args, int arg_count)
{
	struct poold_writer *writer = poold_writer_new();
	struct follower follower = {.options = options};
	struct poold_reply reply;
	const char *wrong = find_wrong_kind(args, arg_count);
	int r;

	if (wrong) {
		char known[256];

		poold_writer_free(writer);
		list_kinds(known, sizeof(known));
		return failure_usage(command, "\"%.100s\" is no kind of event; they are %s", wrong,
				     known);
	}
	if (!writer)
		return EX_OSERR;
	write_kinds(writer, args, arg_count);
	poold_set_event_callback(client, on_event, &follower);
	r = poold_request(client, "poold.subscribe", poold_writer_bytes(writer), options->wait_ms,
			  &reply);
	poold_writer_free(writer);
	if (r < 0) {
		r = failure_report(options, client, &reply);
	} else {
		r = follow(&follower, client);
		r = r < 0 ? report_end(options, client, r) : follower.status;
	}
	poold_reply_free(&reply);
	return r;
}
