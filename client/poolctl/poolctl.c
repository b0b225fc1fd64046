#include "client/poolctl/command.h"
#include "client/poolctl/failure.h"
#include "client/poolctl/run.h"
#include "protocol/nearest.h"

#include <errno.h>
#include <getopt.h>
#include <poold.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#define WAIT_MS	    5000
#define CALL_MS	    30000
#define INTERVAL_MS 1000

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
	"  64  wrong usage; health and doctor: there is no such pool\n"
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
		return failure_usage(command, "the path of a socket has 1 to 107 bytes: \"%.200s\"",
				     options->socket ? options->socket : "");
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

/* --- Arguments --- */

/* Names the commands that begin with the word, or else the nearest one. */
static int refuse_command(const char *name)
{
	char meant[FAULT_MAX] = "";
	struct nearest nearest;

	nearest_init(&nearest, name);
	for (size_t i = 0; i < command_count; i++) {
		size_t len = strlen(meant);

		nearest_offer(&nearest, commands[i].name);
		if (strlen(name) > 1 && strncmp(commands[i].name, name, strlen(name)) == 0)
			snprintf(meant + len, sizeof(meant) - len, "%s%s", len > 0 ? " or " : "",
				 commands[i].name);
	}
	if (meant[0] == '\0' && nearest.found)
		snprintf(meant, sizeof(meant), "%s", nearest.found);
	if (meant[0] == '\0')
		return failure_usage(NULL, "there is no command \"%.100s\"", name);
	return failure_usage(NULL, "there is no command \"%.100s\"; did you mean %s?", name, meant);
}

static int refuse_action(const struct command *command, const char *word)
{
	char actions[FAULT_MAX] = "";

	for (const char *const *action = command->actions; *action; action++) {
		size_t len = strlen(actions);

		snprintf(actions + len, sizeof(actions) - len, "%s%s",
			 len == 0    ? ""
			 : action[1] ? ", "
				     : " and ",
			 *action);
	}
	return failure_usage(command, "\"%.100s\" is no action of %s; %s %s", word, command->name,
			     command->actions[1] ? "they are" : "the only one is", actions);
}

/* The nth word of the command's arguments, as the usage shows it. */
static void nth_argument(const struct command *command, int nth, char *out, size_t size)
{
	const char *word = command->arguments;

	for (; nth > 0; nth--)
		word += strcspn(word, " ") + 1;
	snprintf(out, size, "%.*s", (int)strcspn(word, " "), word);
}

static int refuse_special(const struct command *command, const struct options *options)
{
	for (size_t i = 0; i < command_count; i++) {
		unsigned wrong = commands[i].takes & options->given & ~command->takes;

		if (wrong != 0)
			return failure_usage(command, "%s takes no option --%s; %s does",
					     command->name, options->special[__builtin_ctz(wrong)],
					     commands[i].name);
	}
	return EX_USAGE;
}

/* Returns 0, or the exit status after it was said what is wrong. */
static int check_arguments(const struct command *command, const struct options *options,
			   char **args, int arg_count)
{
	char missing[64];

	if (command->actions && arg_count > 0 && !command_is_action(command, args[0]))
		return refuse_action(command, args[0]);
	if (arg_count < command->arg_min) {
		nth_argument(command, arg_count, missing, sizeof(missing));
		return failure_usage(command, "%s needs more arguments: %s is missing",
				     command->name, missing);
	}
	if (arg_count > command->arg_max && command->run == run_call)
		return failure_usage(command,
				     "\"%.100s\" is one argument too many; the JSON is one word: "
				     "quote it, as in '[1, \"text\"]'",
				     args[command->arg_max]);
	if (arg_count > command->arg_max)
		return failure_usage(command, "\"%.100s\" is one argument too many",
				     args[command->arg_max]);
	if ((options->given & ~command->takes) != 0)
		return refuse_special(command, options);
	if (options->live && options->ready)
		return failure_usage(command, "--live and --ready are two questions: ask one");
	if (options->live && arg_count > 0)
		return failure_usage(command, "--live asks for the daemon, not for pool \"%.100s\"",
				     args[0]);
	return 0;
}

/* Texts are printed character by character: a line of the standard error is one write too. */
static void buffer_errors(void)
{
	static char buffer[BUFSIZ];

	setvbuf(stderr, buffer, _IOLBF, sizeof(buffer));
}

int main(int argc, char **argv)
{
	struct options options = {.wait_ms = WAIT_MS};
	const struct command *command;
	char fault[FAULT_MAX];
	int arg_count, r;

	buffer_errors();
	options_read(argc, argv, &options, fault);
	arg_count = argc - optind - 1;
	command = arg_count >= 0 ? command_find(argv[optind]) : NULL;
	if (fault[0] != '\0')
		return failure_usage(command, "%s", fault);
	if (options.version) {
		printf("poolctl %s\n", poold_version());
		return 0;
	}
	if (arg_count < 0 && options.help) {
		print_help(stdout);
		return 0;
	}
	if (arg_count < 0) {
		print_help(stderr);
		return EX_USAGE;
	}
	if (!command)
		return refuse_command(argv[optind]);
	if (options.help) {
		print_command_help(command);
		return 0;
	}
	r = check_arguments(command, &options, argv + optind + 1, arg_count);
	if (r != 0)
		return r;
	if (options.call.timeout_ms == 0)
		options.call.timeout_ms = CALL_MS;
	if (options.interval_ms == 0)
		options.interval_ms = INTERVAL_MS;
	return run(command, &options, argv + optind + 1, arg_count);
}
