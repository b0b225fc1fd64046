#include "client/poolctl/argument.h"
#include "client/poolctl/failure.h"
#include "client/poolctl/field.h"
#include "client/poolctl/json.h"
#include "client/poolctl/print.h"
#include "client/poolctl/run.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#define LINE_SIZE 4096

/* The stack traces come in an event, some time after the request for them was answered. */
struct awaited {
	const char *pool;
	uint64_t worker;
	json_t *event; /* NULL: it has not come yet */
};

static void on_event(void *userdata, struct poold_bytes bytes)
{
	struct awaited *awaited = userdata;
	json_t *event;

	if (awaited->event || json_from_value(bytes, JSON_MARKED, &event) < 0)
		return;
	if (strcmp(field_text(event, "what"), "stack") == 0 &&
	    strcmp(field_text(event, "pool"), awaited->pool) == 0 &&
	    field_number(event, "worker") == (double)awaited->worker)
		awaited->event = event;
	else
		json_decref(event);
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Waits for the event.  Returns 0, -ETIMEDOUT, or the error that ended the connection. */
static int await(struct poold_client *client, const struct awaited *awaited, uint64_t wait_ms)
{
	uint64_t until = now_ms() + wait_ms;

	while (!awaited->event) {
		uint64_t now = now_ms();
		int left = now >= until ? 0 : (int)(until - now < 1000 ? until - now : 1000);
		struct pollfd ready = {.fd = poold_fd(client), .events = poold_events(client)};
		int r;

		if (left == 0)
			return -ETIMEDOUT;
		poll(&ready, 1, left);
		r = poold_dispatch(client, ready.revents);
		if (r < 0)
			return r;
	}
	return 0;
}

static void print(const struct options *options, const json_t *event)
{
	if (options->json) {
		json_print(event, true, stdout);
		return;
	}
	/* Printed line by line, as print_safe would replace the newlines. */
	for (const char *text = field_text(event, "text"); *text != '\0';) {
		size_t len = strcspn(text, "\n");
		char line[LINE_SIZE];

		snprintf(line, sizeof(line), "%.*s", (int)len, text);
		print_safe(stdout, line);
		putchar('\n');
		text += len + (text[len] == '\n');
	}
}

static int subscribe(struct poold_client *client, const struct options *options,
		     struct poold_reply *reply)
{
	struct poold_writer *writer = poold_writer_new();
	int r;

	if (!writer)
		return -ENOMEM;
	poold_write_array(writer, 1);
	poold_write_array(writer, 1);
	poold_write_str(writer, "worker");
	r = poold_request(client, "poold.subscribe", poold_writer_bytes(writer), options->wait_ms,
			  reply);
	poold_writer_free(writer);
	return r;
}

static int ask(struct poold_client *client, const struct options *options,
	       const struct awaited *awaited, struct poold_reply *reply)
{
	struct poold_writer *writer = poold_writer_new();
	int r;

	if (!writer)
		return -ENOMEM;
	poold_write_array(writer, 2);
	poold_write_str(writer, awaited->pool);
	poold_write_uint(writer, awaited->worker);
	r = poold_request(client, "poold.stack", poold_writer_bytes(writer), options->wait_ms,
			  reply);
	poold_writer_free(writer);
	return r;
}

static int give_up(const struct options *options, const struct poold_client *client, int status)
{
	bool late = status == -ETIMEDOUT;
	struct poold_reply reply = {
		.status = status,
		.error = {.code = late ? "deadline_exceeded" : "peer_closed",
			  .category = late ? "timeout_error" : "connection_error",
			  .message = late ? "the worker did not write its stack traces in time"
					  : "the connection to the daemon ended",
			  .retryable = true}};

	return failure_report(options, client, &reply);
}

int run_stack(const struct command *command, const struct options *options,
	      struct poold_client *client, char **args, int arg_count)
{
	struct awaited awaited = {.pool = args[0]};
	struct poold_reply reply = {0};
	int r;

	(void)arg_count;
	if (!argument_number(args[1], &awaited.worker))
		return failure_usage(command, "\"%.100s\" is not " ARGUMENT_WORKER, args[1]);
	poold_set_event_callback(client, on_event, &awaited);
	r = subscribe(client, options, &reply);
	if (r == 0) {
		poold_reply_free(&reply);
		r = ask(client, options, &awaited, &reply);
	}
	if (r == -ENOMEM)
		return EX_OSERR;
	if (r < 0) {
		r = run_report_failure(command, options, client, args[0], &reply);
		poold_reply_free(&reply);
		return r;
	}
	poold_reply_free(&reply);
	r = await(client, &awaited, options->wait_ms);
	if (r < 0)
		return give_up(options, client, r);
	print(options, awaited.event);
	json_decref(awaited.event);
	return 0;
}
