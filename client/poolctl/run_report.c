#include "client/poolctl/failure.h"
#include "client/poolctl/json.h"
#include "client/poolctl/run.h"
#include "client/poolctl/show.h"
#include "protocol/nearest.h"

#include <errno.h>
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
	if (options->live && !options->json)
		puts("the daemon answers");
	else if (options->json || !command->show)
		json_print(json, options->json, stdout);
	else
		command->show(json, pool);
	r = command->exit_status ? command->exit_status(options, json, pool) : 0;
	json_decref(json);
	return r;
}

/* Adds ": a, b and so on", or the name that was meant. */
static void say_pools(const char *pool, json_t *pools, char *out, size_t size)
{
	struct nearest nearest;
	const char *name;
	json_t *entry;

	nearest_init(&nearest, pool);
	json_object_foreach (pools, name, entry) {
		nearest_offer(&nearest, name);
	}
	if (nearest.found) {
		snprintf(out, size, "; did you mean \"%s\"?", nearest.found);
		return;
	}
	snprintf(out, size, "%s", json_object_size(pools) > 0 ? "; there are" : "; there is none");
	json_object_foreach (pools, name, entry) {
		size_t len = strlen(out);

		snprintf(out + len, size - len, "%s %s", out[len - 1] == 'e' ? "" : ",", name);
	}
}

static int report_unknown(const struct command *command, const struct options *options,
			  const struct poold_client *client, const char *pool, json_t *pools)
{
	char message[FAULT_MAX], known[FAULT_MAX / 2];
	struct poold_reply reply = {
		.status = -EREMOTEIO,
		.error = {.code = "unknown_pool", .category = "request_error", .message = message}};
	int status;

	say_pools(pool, pools, known, sizeof(known));
	snprintf(message, sizeof(message), "there is no pool \"%.100s\"%s", pool, known);
	status = failure_report(options, client, &reply);
	return command->unknown_pool ? command->unknown_pool : status;
}

int run_check_pool(const struct command *command, const struct options *options,
		   struct poold_client *client, const char *pool)
{
	struct poold_reply reply;
	json_t *health, *pools;
	int r = poold_request(client, "poold.health", (struct poold_bytes){0}, options->wait_ms,
			      &reply);

	if (r < 0) {
		r = failure_report(options, client, &reply);
		poold_reply_free(&reply);
		return r;
	}
	r = json_from_value(reply.result, JSON_MARKED, &health);
	poold_reply_free(&reply);
	if (r < 0)
		return 0; /* the answer to the command itself will be as bad */
	pools = json_object_get(health, "pools");
	if (pools && !json_object_get(pools, pool))
		r = report_unknown(command, options, client, pool, pools);
	json_decref(health);
	return r;
}

int run_report_failure(const struct command *command, const struct options *options,
		       struct poold_client *client, const char *pool,
		       const struct poold_reply *reply)
{
	int r = 0;

	if (pool && reply->error.code && strcmp(reply->error.code, "unknown_pool") == 0)
		r = run_check_pool(command, options, client, pool);
	return r != 0 ? r : failure_report(options, client, reply);
}

/* Sends the request and prints its result.  `pool`: the only one to show; `named`: the one that a
 * request may name in vain. */
static int request(const struct command *command, const struct options *options,
		   struct poold_client *client, const char *method, struct poold_bytes params,
		   const char *pool, const char *named)
{
	struct poold_reply reply;
	int r = pool ? run_check_pool(command, options, client, pool) : 0;

	if (r != 0)
		return r;
	r = poold_request(client, method, params, options->wait_ms, &reply);
	if (r < 0)
		r = run_report_failure(command, options, client, named, &reply);
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
	char fault[FAULT_MAX];
	int r;

	if (!writer)
		return EX_OSERR;
	if (!command->params(writer, args, arg_count, fault))
		r = failure_usage(command, "%s", fault);
	else
		r = request(command, options, client, method, poold_writer_bytes(writer), NULL,
			    arg_count > 0 ? args[0] : NULL);
	poold_writer_free(writer);
	return r;
}

int run_report(const struct command *command, const struct options *options,
	       struct poold_client *client, char **args, int arg_count)
{
	char method[METHOD_MAX];

	snprintf(method, sizeof(method), "%s", command->method);
	if (command->actions) {
		snprintf(method, sizeof(method), "%s%s", command->method, args[0]);
		args++;
		arg_count--;
	}
	if (command->params)
		return request_with_params(command, options, client, method, args, arg_count);
	return request(command, options, client, method, (struct poold_bytes){0},
		       arg_count > 0 ? args[0] : NULL, NULL);
}

int run_errors(const struct command *command, const struct options *options,
	       struct poold_client *client, char **args, int arg_count)
{
	int r = run_report(command, options, client, args, arg_count);
	struct poold_reply reply;
	json_t *status;

	if (r != 0 || options->json)
		return r;
	if (poold_request(client, "poold.status", (struct poold_bytes){0}, options->wait_ms,
			  &reply) == 0 &&
	    json_from_value(reply.result, JSON_MARKED, &status) == 0) {
		show_errors_since(status, arg_count > 1 ? args[1] : NULL);
		json_decref(status);
	}
	poold_reply_free(&reply);
	return 0;
}
