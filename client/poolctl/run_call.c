#include "client/poolctl/failure.h"
#include "client/poolctl/json.h"
#include "client/poolctl/print.h"
#include "client/poolctl/run.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#define JSON_IN_FLAGS (JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES)

/* jansson repeats the text behind "near", which would hide the reason at its front. */
static void report_json_fault(const char *text, const json_error_t *error)
{
	fprintf(stderr, "poolctl: the arguments are not JSON: line %d, column %d: ", error->line,
		error->column);
	print_safe(stderr, error->text);
	fprintf(stderr, "\n  Write a list, an object or one value, quoted for the shell: "
			"'[\"text\", 5]'\n");
	if (strcmp(text, "-") != 0 && strchr(text, '\''))
		fprintf(stderr, "  JSON has no texts in single quotes: write \"text\"\n");
}

/* Writes the arguments of a call, given as JSON text or "-" for standard input. */
static int read_args(const char *text, struct poold_writer *writer)
{
	json_error_t error;
	json_t *json = strcmp(text, "-") == 0 ? json_loadf(stdin, JSON_IN_FLAGS, &error)
					      : json_loads(text, JSON_IN_FLAGS, &error);
	int r;

	if (!json) {
		report_json_fault(text, &error);
		return -EINVAL;
	}
	r = json_to_value(json, JSON_MARKED, writer);
	if (r == 0)
		r = poold_writer_error(writer);
	if (r < 0)
		fprintf(stderr, "poolctl: the arguments cannot be sent: %s\n",
			r == -EINVAL ? "a \"$\" key has a value that it cannot have; see poolctl "
				       "call --help"
				     : strerror(-r));
	json_decref(json);
	return r;
}

/* Prints a chunk at once, on a line of its own. */
static void on_chunk(void *userdata, struct poold_bytes value)
{
	int *failed = userdata;
	json_t *json;
	int r = json_from_value(value, JSON_MARKED, &json);

	if (r < 0) {
		fprintf(stderr, "poolctl: a chunk cannot be read: %s\n", strerror(-r));
		*failed = EX_PROTOCOL;
		return;
	}
	json_print(json, true, stdout);
	fflush(stdout);
	json_decref(json);
}

static int call(const struct command *command, const struct options *options,
		struct poold_client *client, char **args, struct poold_bytes value)
{
	struct poold_call_options call = options->call;
	struct poold_reply reply;
	int failed = 0;
	int r;

	if (options->stream) {
		call.on_chunk = on_chunk;
		call.stream_userdata = &failed;
	}
	r = poold_call(client, args[0], args[1], value, &call, &reply);

	if (r < 0)
		r = run_report_failure(command, options, client, args[0], &reply);
	else
		r = run_print_result(command, options, reply.result, NULL);
	poold_reply_free(&reply);
	return r != 0 ? r : failed;
}

int run_call(const struct command *command, const struct options *options,
	     struct poold_client *client, char **args, int arg_count)
{
	struct poold_writer *writer = poold_writer_new();
	struct poold_bytes value = {0};
	int r = writer ? 0 : -ENOMEM;

	if (r == 0 && arg_count == 3) {
		r = read_args(args[2], writer);
		if (r == 0)
			value = poold_writer_bytes(writer);
	}
	r = r < 0 ? failure_exit_status(r) : call(command, options, client, args, value);
	poold_writer_free(writer);
	return r;
}
