#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include <poold.h>

#include "client/poolctl/command.h"
#include "client/poolctl/run.h"

#define WAIT_MS	     5000
#define CALL_MS	     30000
#define DURATION_MAX (24 * 60 * 60 * 1000.0)

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

/* --- Running -----------------------------------------------------------------------------------
 */

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
	r = command->run(command, options, client, args, arg_count);
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
	OPTION_META = 256,
	OPTION_SESSION,
	OPTION_KEY,
	OPTION_IDEMPOTENT,
	OPTION_NO_FALLBACK,
	OPTION_STREAM,
	OPTION_COUNT
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
	{NULL, 0, NULL, 0},
};

static int set_count(struct options *options, const char *text)
{
	options->given |= OPTIONS_OF_EVENTS;
	if (!read_number(text, &options->count) || options->count == 0)
		return usage_error("not a number of events", text);
	return 0;
}

/* An option that some commands alone have. */
static int set_special(struct options *options, int option, const char *text)
{
	if (option == OPTION_COUNT)
		return set_count(options, text);
	options->given |= OPTIONS_OF_CALL;
	switch (option) {
	case 't':
		if (!read_duration(text, &options->call.timeout_ms))
			return usage_error("not a duration", text);
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
		return usage_error("wrong option", NULL);
	}
}

static int set_option(struct options *options, int option, const char *text)
{
	switch (option) {
	case 's':
		options->socket = text;
		return 0;
	case 'w':
		if (!read_duration(text, &options->wait_ms))
			return usage_error("not a duration", text);
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

/* Reads all options, which leaves the words behind optind.  Returns 0 or an exit status. */
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
	command = find_command(argv[optind]);
	if (!command)
		return usage_error("no such command", argv[optind]);
	if (options.help) {
		print_command_help(command);
		return 0;
	}
	if (arg_count < command->arg_min || arg_count > command->arg_max)
		return usage_error("wrong number of arguments for", command->name);
	if ((options.given & ~command->takes) != 0)
		return usage_error("an option of another command; wrong for", command->name);
	if (options.call.timeout_ms == 0)
		options.call.timeout_ms = CALL_MS;
	return run(command, &options, argv + optind + 1, arg_count);
}
