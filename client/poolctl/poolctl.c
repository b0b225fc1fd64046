#include "client/poolctl/argument.h"
#include "client/poolctl/command.h"
#include "client/poolctl/failure.h"
#include "client/poolctl/run.h"

#include <errno.h>
#include <getopt.h>
#include <poold.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#define WAIT_MS 5000
#define CALL_MS 30000

/* --- Help --- */

static const char common_options[] =
	"Options:\n"
	"  -s, --socket PATH       the daemon's socket ($POOLD_SOCKET, or " POOLD_SOCKET_DEFAULT
	",\n"
	"                          or that of `poold run`)\n"
	"  -w, --wait DURATION     time limit for the connection and for the daemon's answer (5s)\n"
	"  -j, --json              print one line of JSON; an error as {\"error\": ...}\n"
	"  -h, --help              print this text; after a command, the help of that command\n"
	"  -V, --version           print poolctl's version\n"
	"\n"
	"A DURATION is 250ms, 5s, 2min, 1h, or a number of seconds.\n";

static const char exit_statuses[] =
	"Exit status:\n"
	"  0   success                       69  no connection to the daemon, or it was lost\n"
	"  1   the request failed;           71  out of memory\n"
	"      health: a pool is degraded;   74  the output could not be written\n"
	"      doctor: a warning             75  no answer in time\n"
	"  2   health: a pool is down;       76  the daemon's answer could not be read\n"
	"      doctor: a fault\n"
	"  64  wrong usage\n"
	"  65  the arguments of a call cannot be sent\n";

static void print_help(FILE *out)
{
	fputs("poolctl: control poold, and call its pools.\n\n"
	      "Usage: poolctl [OPTIONS] COMMAND [ARGUMENTS]\n\nCommands:\n",
	      out);
	for (size_t i = 0; i < command_count; i++)
		fprintf(out, "  %-10s %-20s  %s\n", commands[i].name, commands[i].arguments,
			commands[i].summary);
	fprintf(out, "\n%s\n%s", common_options, exit_statuses);
}

static void print_command_help(const struct command *command)
{
	const char *help = command->help ? command->help : "";

	printf("poolctl %s: %s.\n\nUsage: poolctl %s [OPTIONS]%s%s\n\n%s%s%s\n%s", command->name,
	       command->summary, command->name, command->arguments[0] ? " " : "",
	       command->arguments, help, help[0] ? "\n" : "", common_options, exit_statuses);
}

/* --- Running --- */

static int run(const struct command *command, const struct options *options, char **args,
	       int arg_count)
{
	/* Who asks how the daemon is wants to know at once that there is none. */
	struct poold_client_options client_options = {.size = sizeof(client_options),
						      .connect_timeout_ms = options->wait_ms,
						      .name = "poolctl",
						      .no_reconnect = command->run != run_call};
	struct poold_client *client;
	int r = poold_client_new(options->socket, &client_options, &client);

	if (r == -EINVAL)
		return failure_usage("the path of a socket must have 1 to 107 bytes",
				     options->socket);
	if (r < 0)
		return failure_exit_status(r);
	r = command->run(command, options, client, args, arg_count);
	poold_client_free(client);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		fprintf(stderr, "poolctl: cannot write the output: %s\n", strerror(errno));
		return EX_IOERR;
	}
	return r;
}

/* --- Options --- */

enum {
	OPTION_META = 256,
	OPTION_SESSION,
	OPTION_KEY,
	OPTION_IDEMPOTENT,
	OPTION_NO_FALLBACK,
	OPTION_STREAM,
	OPTION_COUNT,
	OPTION_QUEUED,
	OPTION_RUNNING,
	OPTION_YES,
	OPTION_FOLLOW
};

static const struct option long_options[] = {
	{"socket", required_argument, NULL, 's'},
	{"wait", required_argument, NULL, 'w'},
	{"json", no_argument, NULL, 'j'},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
	{"timeout", required_argument, NULL, 't'},
	{"meta", no_argument, NULL, OPTION_META},
	{"session", required_argument, NULL, OPTION_SESSION},
	{"key", required_argument, NULL, OPTION_KEY},
	{"idempotent", no_argument, NULL, OPTION_IDEMPOTENT},
	{"no-fallback", no_argument, NULL, OPTION_NO_FALLBACK},
	{"stream", no_argument, NULL, OPTION_STREAM},
	{"count", required_argument, NULL, OPTION_COUNT},
	{"queued", no_argument, NULL, OPTION_QUEUED},
	{"running", no_argument, NULL, OPTION_RUNNING},
	{"yes", no_argument, NULL, OPTION_YES},
	{"follow", no_argument, NULL, OPTION_FOLLOW},
	{NULL, 0, NULL, 0},
};

static int set_count(struct options *options, const char *text)
{
	options->given |= OPTIONS_OF_EVENTS;
	if (!argument_number(text, &options->count) || options->count == 0)
		return failure_usage("not a number of events above 0", text);
	return 0;
}

/* An option of `call`. */
static int set_of_call(struct options *options, int option, const char *text)
{
	options->given |= OPTIONS_OF_CALL;
	switch (option) {
	case 't':
		if (!argument_duration(text, &options->call.timeout_ms))
			return failure_usage("not a duration", text);
		return 0;
	case OPTION_META:
		options->call.meta = true;
		return 0;
	case OPTION_SESSION:
		options->call.session = text;
		return 0;
	case OPTION_KEY:
		options->call.key = text;
		return 0;
	case OPTION_IDEMPOTENT:
		options->call.idempotent = POOLD_YES;
		return 0;
	case OPTION_NO_FALLBACK:
		options->call.fallback = POOLD_NO;
		return 0;
	case OPTION_STREAM:
		options->stream = true;
		return 0;
	default:
		return failure_usage("unknown option", NULL);
	}
}

/* --queued or --running: one of them. */
static int set_only(struct options *options, const char *word)
{
	options->given |= OPTIONS_OF_REQUESTS;
	if (options->only && strcmp(options->only, word) != 0)
		return failure_usage("--queued and --running exclude each other", NULL);
	options->only = word;
	return 0;
}

/* An option that only some commands take. */
static int set_special(struct options *options, int option, const char *text)
{
	switch (option) {
	case OPTION_COUNT:
		return set_count(options, text);
	case OPTION_QUEUED:
		return set_only(options, "queued");
	case OPTION_RUNNING:
		return set_only(options, "running");
	case OPTION_YES:
		options->given |= OPTIONS_OF_CANCEL;
		options->yes = true;
		return 0;
	case OPTION_FOLLOW:
		options->given |= OPTIONS_OF_LOGS;
		options->follow = true;
		return 0;
	default:
		return set_of_call(options, option, text);
	}
}
static int set_option(struct options *options, int option, const char *text)
{
	switch (option) {
	case 's':
		options->socket = text;
		return 0;
	case 'w':
		if (!argument_duration(text, &options->wait_ms))
			return failure_usage("not a duration", text);
		return 0;
	case 'j':
		options->json = true;
		return 0;
	case 'h':
		options->help = true;
		return 0;
	case 'V':
		options->version = true;
		return 0;
	default:
		return set_special(options, option, text);
	}
}

/* Reads all options; the other words then begin at argv[optind].  Returns 0 or an exit status. */
static int read_options(int argc, char **argv, struct options *options)
{
	int option;

	while ((option = getopt_long(argc, argv, "s:w:t:jhV", long_options, NULL)) != -1) {
		int r = set_option(options, option, optarg);

		if (r != 0)
			return r;
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
	command = command_find(argv[optind]);
	if (!command)
		return failure_usage("no such command", argv[optind]);
	if (options.help) {
		print_command_help(command);
		return 0;
	}
	if (arg_count < command->arg_min || arg_count > command->arg_max)
		return failure_usage("wrong number of arguments for", command->name);
	if ((options.given & ~command->takes) != 0)
		return failure_usage("an option that this command does not take", command->name);
	if (options.call.timeout_ms == 0)
		options.call.timeout_ms = CALL_MS;
	return run(command, &options, argv + optind + 1, arg_count);
}
