#include "client/poolctl/failure.h"
#include "client/poolctl/json.h"
#include "client/poolctl/run.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#define METHOD_MAX 64

int run_print_result(const struct command *command, const struct options *options,
		     struct poold_bytes result, const char *pool)
{
	json_t *json;
	int r = json_from_value(result, JSON_MARKED, &json);

	if (r < 0) {
		fprintf(stderr, "poolctl: the daemon's answer cannot be read: %s\n", strerror(-r));
		return EX_PROTOCOL;
	}
	if (options->json || !command->show)
		json_print(json, options->json, stdout);
	else
		command->show(json, pool);
	r = command->exit_status ? command->exit_status(json, pool) : 0;
	json_decref(json);
	return r;
}

static bool is_action(const struct command *command, const char *word)
{
	for (const char *const *action = command->actions; *action; action++) {
		if (strcmp(*action, word) == 0)
			return true;
	}
	return false;
}

/* Sends the request and prints its result. */
static int request(const struct command *command, const struct options *options,
		   struct poold_client *client, const char *method, struct poold_bytes params,
		   const char *pool)
{
	struct poold_reply reply;
	int r = poold_request(client, method, params, options->wait_ms, &reply);

	if (r < 0)
		r = failure_report(options, client, &reply);
	else
		r = run_print_result(command, options, reply.result, pool);
	poold_reply_free(&reply);
	return r;
}

static int request_with_params(const struct command *command, const struct options *options,
			       struct poold_client *client, const char *method, char **args,
			       int arg_count)
{
	struct poold_writer *writer = poold_writer_new();
	int r;

	if (!writer)
		return EX_OSERR;
	if (!command->params(writer, args, arg_count))
		r = failure_usage("not a number", args[0]);
	else
		r = request(command, options, client, method, poold_writer_bytes(writer), NULL);
	poold_writer_free(writer);
	return r;
}

int run_report(const struct command *command, const struct options *options,
	       struct poold_client *client, char **args, int arg_count)
{
	char method[METHOD_MAX];

	snprintf(method, sizeof(method), "%s", command->method);
	if (command->actions) {
		if (!is_action(command, args[0]))
			return failure_usage("no such action", args[0]);
		snprintf(method, sizeof(method), "%s%s", command->method, args[0]);
		args++;
		arg_count--;
	}
	if (command->params)
		return request_with_params(command, options, client, method, args, arg_count);
	return request(command, options, client, method, (struct poold_bytes){0},
		       arg_count > 0 ? args[0] : NULL);
}
