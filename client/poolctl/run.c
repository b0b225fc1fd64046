#include "client/poolctl/run.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "client/poolctl/json.h"
#include "client/poolctl/show.h"

#define METHOD_MAX 64

/* --- Failures ----------------------------------------------------------------------------------
 */

int usage_error(const char *what, const char *which)
{
	fprintf(stderr, "poolctl: %s%s%s; see poolctl --help\n", what, which ? ": " : "",
		which ? which : "");
	return EX_USAGE;
}

int exit_status_of(int status)
{
	switch (status) {
	case 0:
		return 0;
	case -EREMOTEIO:
		return EXIT_FAILED;
	case -ETIMEDOUT:
		return EX_TEMPFAIL;
	case -EPROTO:
	case -EOVERFLOW:
		return EX_PROTOCOL;
	case -ENOMEM:
		return EX_OSERR;
	case -EINVAL:
	case -ELOOP:
	case -EMSGSIZE:
	case -EBUSY:
		return EX_DATAERR;
	default:
		return EX_UNAVAILABLE;
	}
}

static const char *const executed_names[] = {"no", "maybe", "yes"};

/* The error as JSON: the daemon's map, or the same fields for one of this side. */
static json_t *error_json(const struct poold_error *error)
{
	json_t *json = NULL;

	if (error->map.len > 0 && json_from_value(error->map, &json) == 0)
		return json;
	return json_pack("{s:s, s:s, s:s, s:b, s:s}", "code", error->code, "category",
			 error->category, "message", error->message, "retryable",
			 (int)error->retryable, "executed", executed_names[error->executed]);
}

static void print_hint(int status, const char *path)
{
	switch (status) {
	case -ENOENT:
	case -ECONNREFUSED:
		fprintf(stderr, "  Is the daemon running?  systemctl status poold; journalctl -u "
				"poold -n 50\n"
				"  Does it listen elsewhere?  poolctl --socket PATH, or "
				"POOLD_SOCKET=PATH\n");
		break;
	case -EACCES:
		fprintf(stderr, "  Who may connect?  ls -l %s\n", path);
		break;
	case -EAGAIN:
	case -ETIMEDOUT:
		fprintf(stderr,
			"  The daemon runs and does not answer: journalctl -u poold -n 50\n");
		break;
	default:
		break;
	}
}

int report_failure(const struct options *options, const struct poold_client *client,
		   const struct poold_reply *reply)
{
	json_t *error = error_json(&reply->error);

	if (options->json) {
		json_t *whole = json_pack("{s:O}", "error", error);

		json_print(whole, true, stdout);
		json_decref(whole);
	} else {
		show_error(error);
		print_hint(reply->status, poold_client_path(client));
	}
	json_decref(error);
	return exit_status_of(reply->status);
}

/* --- Reports -----------------------------------------------------------------------------------
 */

bool read_number(const char *text, uint64_t *ret)
{
	char *end;

	if (text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;

	unsigned long long number = strtoull(text, &end, 10);

	if (errno != 0 || *end != '\0')
		return false;
	*ret = number;
	return true;
}

int print_result(const struct command *command, const struct options *options,
		 struct poold_bytes result, const char *pool)
{
	json_t *json;
	int r = json_from_value(result, &json);

	if (r < 0) {
		fprintf(stderr, "poolctl: the daemon's answer cannot be shown: %s\n", strerror(-r));
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

/* Asks, once what to ask is known. */
static int report(const struct command *command, const struct options *options,
		  struct poold_client *client, const char *method, struct poold_bytes params,
		  const char *pool)
{
	struct poold_reply reply;
	int r = poold_request(client, method, params, options->wait_ms, &reply);

	if (r < 0)
		r = report_failure(options, client, &reply);
	else
		r = print_result(command, options, reply.result, pool);
	poold_reply_free(&reply);
	return r;
}

static int report_with_params(const struct command *command, const struct options *options,
			      struct poold_client *client, const char *method, char **args,
			      int arg_count)
{
	struct poold_writer *writer = poold_writer_new();
	int r;

	if (!writer)
		return EX_OSERR;
	if (!command->params(writer, args, arg_count))
		r = usage_error("not a number", args[0]);
	else
		r = report(command, options, client, method, poold_writer_bytes(writer), NULL);
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
			return usage_error("no such action", args[0]);
		snprintf(method, sizeof(method), "%s%s", command->method, args[0]);
		args++;
		arg_count--;
	}
	if (command->params)
		return report_with_params(command, options, client, method, args, arg_count);
	return report(command, options, client, method, (struct poold_bytes){0},
		      arg_count > 0 ? args[0] : NULL);
}
