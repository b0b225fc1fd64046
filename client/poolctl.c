#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include <jansson.h>
#include <poold.h>

#include "client/poolctl_json.h"
#include "client/poolctl_show.h"

/* Exit statuses beside those of sysexits.h. */
#define EXIT_FAILED   1 /* the request failed; health: degraded */
#define EXIT_DOWN     2 /* health: down */
#define WAIT_MS	      5000
#define CALL_MS	      30000
#define DURATION_MAX  (24 * 60 * 60 * 1000.0)
#define JSON_IN_FLAGS (JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES)

struct options {
	const char *socket;
	bool json;
	bool help;
	bool version;
	bool meta;
	uint64_t wait_ms;
	uint64_t timeout_ms;
};

struct command {
	const char *name;
	const char *arguments;
	const char *summary;
	const char *help;
	const char *method; /* of the daemon; NULL: a call to a pool */
	void (*show)(const json_t *result, const char *pool);
	int (*exit_status)(const json_t *result, const char *pool); /* NULL: 0 */
	int arg_min;
	int arg_max;
};

static int health_exit_status(const json_t *health, const char *pool)
{
	const json_t *judged =
		pool ? json_object_get(json_object_get(health, "pools"), pool) : health;
	const char *status = json_string_value(json_object_get(judged, "status"));

	if (pool && !judged) {
		fprintf(stderr, "poolctl: there is no pool %s\n", pool);
		return EX_USAGE;
	}
	if (status && strcmp(status, "ok") == 0)
		return 0;
	return status && strcmp(status, "degraded") == 0 ? EXIT_FAILED : EXIT_DOWN;
}

static const struct command commands[] = {
	{"status", "", "is it well, what is not, since when, what to do",
	 "One line a pool, then every trouble with what to do about it.  WORKERS are those at "
	 "work\n"
	 "of the minimum; P50 and P99 are times from request to answer.\n",
	 "poold.status", show_status, NULL, 0, 0},
	{"health", "[POOL]", "the same for a program: exit status 0, 1 or 2",
	 "Exits 0 when all pools are ok, 1 when one is degraded, 2 when one is down; with POOL, "
	 "that\n"
	 "one alone counts.\n",
	 "poold.health", show_health, health_exit_status, 0, 1},
	{"call", "POOL METHOD [JSON]", "run a method and print its result",
	 "JSON are the arguments: a list holds positional arguments, an object keyword arguments,\n"
	 "anything else is one argument; without it there is none; - reads it from standard "
	 "input.\n"
	 "The result is printed as JSON.\n"
	 "\n"
	 "  -t, --timeout DURATION  how long the call may take, queue and retries included (30s)\n"
	 "      --meta              print {\"result\": ..., \"meta\": ...}: who answered, how long "
	 "it took\n"
	 "\n"
	 "What JSON has no word for, here and in results:\n"
	 "  {\"$base64\": \"AAEC\"}                bytes\n"
	 "  {\"$text\": \"/w==\"}                  text that is not valid UTF-8, as base64\n"
	 "  {\"$ext\": 5, \"$base64\": \"AAEC\"}     a MessagePack extension of kind 5\n"
	 "  {\"$uint\": \"18446744073709551615\"}  an integer over 9223372036854775807\n"
	 "  {\"$float\": \"nan\"}                  nan, inf, -inf\n"
	 "  {\"$map\": [[1, \"one\"]]}             a map whose keys are not texts, or begin with "
	 "$\n"
	 "\n"
	 "Examples:\n"
	 "  poolctl call python word_count '[\"to be or not to be\"]'\n"
	 "  poolctl call --timeout 2min python resize '{\"path\": \"a.png\", \"width\": 640}'\n",
	 NULL, NULL, NULL, 2, 3},
	{"pools", "[POOL]", "every pool with its limits, counters and times", "", "poold.pools",
	 show_pools, NULL, 0, 1},
	{"workers", "[POOL]", "every worker: what it does, how the last one ended",
	 "SINCE is how long the worker has been in its state, NOW what it has been running "
	 "longest.\n",
	 "poold.workers", show_workers, NULL, 0, 1},
	{"stats", "", "all counters, one a line", "", "poold.stats", show_stats, NULL, 0, 0},
	{"metrics", "", "all counters as Prometheus text", "", "poold.metrics", show_metrics, NULL,
	 0, 0},
	{"version", "", "the versions of poolctl and of the daemon", "", "poold.version",
	 show_version, NULL, 0, 0},
};

#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	}
	return NULL;
}

/* --- Help --------------------------------------------------------------------------------------
 */

static const char common_options[] =
	"Options:\n"
	"  -s, --socket PATH       the daemon's socket ($POOLD_SOCKET, " POOLD_SOCKET_DEFAULT ")\n"
	"  -w, --wait DURATION     how long to wait for connection and answer (5s)\n"
	"  -j, --json              print JSON, one line; errors too, as {\"error\": ...}\n"
	"  -h, --help              this text; after a command, its own\n"
	"  -V, --version           print poolctl's version\n"
	"\n"
	"A DURATION is 250ms, 5s, 2min, 1h, or a number of seconds.\n";

static const char exit_statuses[] =
	"Exit status:\n"
	"  0   done                          69  no connection to the daemon, or it was lost\n"
	"  1   the request failed;           71  no memory\n"
	"      health: a pool is degraded    74  the output could not be written\n"
	"  2   health: a pool is down        75  no answer in time\n"
	"  64  wrong usage                   76  the daemon's answer could not be read\n"
	"  65  the JSON cannot be sent\n";

static void print_help(FILE *out)
{
	fputs("poolctl: look after poold, and call its pools.\n\n"
	      "Usage: poolctl [OPTIONS] COMMAND [ARGUMENTS]\n\nCommands:\n",
	      out);
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		fprintf(out, "  %-7s %-18s  %s\n", commands[i].name, commands[i].arguments,
			commands[i].summary);
	fprintf(out, "\n%s\n%s", common_options, exit_statuses);
}

static void print_command_help(const struct command *command)
{
	printf("poolctl %s: %s.\n\nUsage: poolctl %s [OPTIONS]%s%s\n\n%s%s%s\n%s", command->name,
	       command->summary, command->name, command->arguments[0] ? " " : "",
	       command->arguments, command->help, command->help[0] ? "\n" : "", common_options,
	       exit_statuses);
}

static int usage_error(const char *what, const char *which)
{
	fprintf(stderr, "poolctl: %s%s%s; see poolctl --help\n", what, which ? ": " : "",
		which ? which : "");
	return EX_USAGE;
}

/* --- Failures ----------------------------------------------------------------------------------
 */

static int exit_status_of(int status)
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

static int report_failure(const struct options *options, const struct poold_client *client,
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

/* --- Commands ----------------------------------------------------------------------------------
 */

static int print_result(const struct command *command, const struct options *options,
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

/* Asks the daemon itself. */
static int run_report(const struct command *command, const struct options *options,
		      struct poold_client *client, char **args, int arg_count)
{
	const struct poold_bytes no_params = {0};
	struct poold_reply reply;
	int r = poold_request(client, command->method, no_params, options->wait_ms, &reply);

	if (r < 0)
		r = report_failure(options, client, &reply);
	else
		r = print_result(command, options, reply.result, arg_count > 0 ? args[0] : NULL);
	poold_reply_free(&reply);
	return r;
}

/* The arguments of a call, written to a new writer. */
static int read_args(const char *text, struct poold_writer *writer)
{
	json_error_t error;
	json_t *json = strcmp(text, "-") == 0 ? json_loadf(stdin, JSON_IN_FLAGS, &error)
					      : json_loads(text, JSON_IN_FLAGS, &error);
	int r;

	if (!json) {
		fprintf(stderr, "poolctl: the arguments are not JSON: %s (line %d, column %d)\n",
			error.text, error.line, error.column);
		return -EINVAL;
	}
	r = json_to_value(json, writer);
	if (r == 0)
		r = poold_writer_error(writer);
	if (r < 0)
		fprintf(stderr, "poolctl: the arguments cannot be sent: %s\n",
			r == -EINVAL
				? "an object has a \"$\" key that means nothing; see poolctl call "
				  "--help"
				: strerror(-r));
	json_decref(json);
	return r;
}

static int run_call(const struct command *command, const struct options *options,
		    struct poold_client *client, char **args, int arg_count)
{
	struct poold_call_options call = {.timeout_ms = options->timeout_ms, .meta = options->meta};
	struct poold_writer *writer = poold_writer_new();
	struct poold_bytes value = {0};
	struct poold_reply reply;
	int r = writer ? 0 : -ENOMEM;

	if (r == 0 && arg_count == 3) {
		r = read_args(args[2], writer);
		if (r == 0)
			value = poold_writer_bytes(writer);
	}
	if (r < 0) {
		poold_writer_free(writer);
		return exit_status_of(r);
	}
	r = poold_call(client, args[0], args[1], value, &call, &reply);
	poold_writer_free(writer);
	if (r < 0)
		r = report_failure(options, client, &reply);
	else
		r = print_result(command, options, reply.result, NULL);
	poold_reply_free(&reply);
	return r;
}

static int run(const struct command *command, const struct options *options, char **args,
	       int arg_count)
{
	struct poold_client_options client_options = {.connect_timeout_ms = options->wait_ms,
						      .name = "poolctl"};
	struct poold_client *client;
	int r = poold_client_new(options->socket, &client_options, &client);

	if (r == -EINVAL)
		return usage_error("a socket's path has 1 to 107 bytes", options->socket);
	if (r < 0)
		return exit_status_of(r);
	r = command->method ? run_report(command, options, client, args, arg_count)
			    : run_call(command, options, client, args, arg_count);
	poold_client_free(client);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		fprintf(stderr, "poolctl: cannot write the output: %s\n", strerror(errno));
		return EX_IOERR;
	}
	return r;
}

/* --- Options -----------------------------------------------------------------------------------
 */

/* Reads "250ms", "5s", "2min", "1h" or seconds, at least a millisecond and at most a day. */
static bool read_duration(const char *text, uint64_t *ret_ms)
{
	static const struct {
		const char *unit;
		double ms;
	} units[] = {{"ms", 1}, {"s", 1000}, {"", 1000}, {"min", 60000}, {"h", 3600000}};
	char *end;
	double number = strtod(text, &end);

	for (size_t i = 0; end > text && i < sizeof(units) / sizeof(units[0]); i++) {
		double ms = number * units[i].ms;

		if (strcmp(end, units[i].unit) == 0 && ms >= 1 && ms <= DURATION_MAX) {
			*ret_ms = (uint64_t)ms;
			return true;
		}
	}
	return false;
}

enum {
	OPTION_META = 256
};

static const struct option long_options[] = {
	{"socket", required_argument, NULL, 's'},  {"wait", required_argument, NULL, 'w'},
	{"timeout", required_argument, NULL, 't'}, {"json", no_argument, NULL, 'j'},
	{"meta", no_argument, NULL, OPTION_META},  {"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},	   {NULL, 0, NULL, 0},
};

/* Reads all options, which leaves the words behind optind.  Returns 0 or an exit status. */
static int read_options(int argc, char **argv, struct options *options)
{
	int option;

	while ((option = getopt_long(argc, argv, "s:w:t:jhV", long_options, NULL)) != -1) {
		switch (option) {
		case 's':
			options->socket = optarg;
			break;
		case 'w':
			if (!read_duration(optarg, &options->wait_ms))
				return usage_error("not a duration", optarg);
			break;
		case 't':
			if (!read_duration(optarg, &options->timeout_ms))
				return usage_error("not a duration", optarg);
			break;
		case 'j':
			options->json = true;
			break;
		case OPTION_META:
			options->meta = true;
			break;
		case 'h':
			options->help = true;
			break;
		case 'V':
			options->version = true;
			break;
		default:
			return usage_error("wrong option", NULL);
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct options options = {.wait_ms = WAIT_MS};
	const struct command *command;
	int r = read_options(argc, argv, &options);
	int arg_count = argc - optind - 1;

	if (r != 0)
		return r;
	if (options.version) {
		printf("poolctl %s\n", poold_version());
		return 0;
	}
	if (arg_count < 0) {
		print_help(options.help ? stdout : stderr);
		return options.help ? 0 : EX_USAGE;
	}
	command = find_command(argv[optind]);
	if (!command)
		return usage_error("no such command", argv[optind]);
	if (options.help) {
		print_command_help(command);
		return 0;
	}
	if (arg_count < command->arg_min || arg_count > command->arg_max)
		return usage_error("wrong number of arguments for", command->name);
	if (command->method && (options.timeout_ms > 0 || options.meta))
		return usage_error("--timeout and --meta are for", "call");
	if (options.timeout_ms == 0)
		options.timeout_ms = CALL_MS;
	return run(command, &options, argv + optind + 1, arg_count);
}
