#include "client/poolctl/argument.h"
#include "client/poolctl/command.h"
#include "client/poolctl/failure.h"
#include "client/poolctl/run.h"
#include "protocol/nearest.h"

#include <errno.h>
#include <getopt.h>
#include <poold.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#define WAIT_MS		5000
#define CALL_MS		30000

#define INTERVAL_MS	1000
#define INTERVAL_MIN_MS 100

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

/* --- Options --- */

enum {
	OPTION_META = 256,
	OPTION_SESSION,
	OPTION_KEY,
	OPTION_IDEMPOTENT,
	OPTION_NO_FALLBACK,
	OPTION_STREAM,
	OPTION_TRACE,
	OPTION_COUNT,
	OPTION_LIVE,
	OPTION_READY,
	OPTION_QUEUED,
	OPTION_RUNNING,
	OPTION_YES,
	OPTION_FOLLOW,
	OPTION_SINCE,
	OPTION_KIND,
	OPTION_ONCE,
	OPTION_INTERVAL
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
	{"trace", required_argument, NULL, OPTION_TRACE},
	{"count", required_argument, NULL, OPTION_COUNT},
	{"live", no_argument, NULL, OPTION_LIVE},
	{"ready", no_argument, NULL, OPTION_READY},
	{"queued", no_argument, NULL, OPTION_QUEUED},
	{"running", no_argument, NULL, OPTION_RUNNING},
	{"yes", no_argument, NULL, OPTION_YES},
	{"follow", no_argument, NULL, OPTION_FOLLOW},
	{"since", required_argument, NULL, OPTION_SINCE},
	{"kind", required_argument, NULL, OPTION_KIND},
	{"once", no_argument, NULL, OPTION_ONCE},
	{"interval", required_argument, NULL, OPTION_INTERVAL},
	{NULL, 0, NULL, 0},
};

/* Reads a duration of an option.  Returns false after it has said in `fault` what is wrong. */
static bool read_duration(const char *option, const char *text, uint64_t *ret_ms,
			  char fault[FAULT_MAX])
{
	if (argument_duration(text, ret_ms))
		return true;
	snprintf(fault, FAULT_MAX, "%s: \"%.100s\" is not " ARGUMENT_DURATION, option, text);
	return false;
}

static bool set_count(struct options *options, const char *text, char fault[FAULT_MAX])
{
	if (argument_number(text, &options->count) && options->count > 0)
		return true;
	snprintf(fault, FAULT_MAX, "--count: \"%.100s\" is not a number of events above 0", text);
	return false;
}

static bool set_since(struct options *options, const char *text, char fault[FAULT_MAX])
{
	options->has_since = true;
	if (since_read(text, (uint64_t)time(NULL) * 1000, &options->since))
		return true;
	snprintf(fault, FAULT_MAX, "--since: \"%.100s\" is not " SINCE_WORDS, text);
	return false;
}

static bool add_kind(struct options *options, const char *text, char fault[FAULT_MAX])
{
	if (options->kind_count == EVENT_KINDS_MAX) {
		snprintf(fault, FAULT_MAX, "--kind comes more than %d times", EVENT_KINDS_MAX);
		return false;
	}
	options->kinds[options->kind_count++] = text;
	return true;
}

/* --queued or --running: one of them. */
static bool set_only(struct options *options, const char *word, char fault[FAULT_MAX])
{
	if (options->only && strcmp(options->only, word) != 0) {
		snprintf(fault, FAULT_MAX, "--queued and --running exclude each other");
		return false;
	}
	options->only = word;
	return true;
}

static bool set_interval(struct options *options, const char *text, char fault[FAULT_MAX])
{
	if (!read_duration("--interval", text, &options->interval_ms, fault))
		return false;
	if (options->interval_ms >= INTERVAL_MIN_MS)
		return true;
	snprintf(fault, FAULT_MAX, "--interval: \"%.100s\" is less than 100ms", text);
	return false;
}

/* The bits of `given` that an option belongs to; 0: every command takes it. */
static unsigned owner_of(int option)
{
	switch (option) {
	case 's':
	case 'w':
	case 'j':
	case 'h':
	case 'V':
		return 0;
	case OPTION_COUNT:
	case OPTION_KIND:
		return OPTIONS_OF_EVENTS;
	case OPTION_SINCE:
		return OPTIONS_OF_HISTORY;
	case OPTION_LIVE:
	case OPTION_READY:
		return OPTIONS_OF_HEALTH;
	case OPTION_QUEUED:
	case OPTION_RUNNING:
		return OPTIONS_OF_REQUESTS;
	case OPTION_YES:
		return OPTIONS_OF_CANCEL;
	case OPTION_FOLLOW:
		return OPTIONS_OF_LOGS;
	case OPTION_ONCE:
	case OPTION_INTERVAL:
		return OPTIONS_OF_TOP;
	default:
		return OPTIONS_OF_CALL;
	}
}

/* An option of `call`. */
static bool set_of_call(struct options *options, int option, const char *text,
			char fault[FAULT_MAX])
{
	switch (option) {
	case 't':
		return read_duration("--timeout", text, &options->call.timeout_ms, fault);
	case OPTION_META:
		options->call.meta = true;
		break;
	case OPTION_SESSION:
		options->call.session = text;
		break;
	case OPTION_KEY:
		options->call.key = text;
		break;
	case OPTION_IDEMPOTENT:
		options->call.idempotent = POOLD_YES;
		break;
	case OPTION_NO_FALLBACK:
		options->call.fallback = POOLD_NO;
		break;
	case OPTION_TRACE:
		options->call.trace = text;
		break;
	default:
		options->stream = true;
		break;
	}
	return true;
}

/* An option that only some commands take. */
static bool set_special(struct options *options, int option, const char *text,
			char fault[FAULT_MAX])
{
	switch (option) {
	case OPTION_COUNT:
		return set_count(options, text, fault);
	case OPTION_LIVE:
		options->live = true;
		return true;
	case OPTION_READY:
		options->ready = true;
		return true;
	case OPTION_QUEUED:
		return set_only(options, "queued", fault);
	case OPTION_RUNNING:
		return set_only(options, "running", fault);
	case OPTION_YES:
		options->yes = true;
		return true;
	case OPTION_FOLLOW:
		options->follow = true;
		return true;
	case OPTION_SINCE:
		return set_since(options, text, fault);
	case OPTION_KIND:
		return add_kind(options, text, fault);
	case OPTION_ONCE:
		options->once = true;
		return true;
	case OPTION_INTERVAL:
		return set_interval(options, text, fault);
	default:
		return set_of_call(options, option, text, fault);
	}
}

static bool set_option(struct options *options, int option, const char *text, char fault[FAULT_MAX])
{
	switch (option) {
	case 's':
		options->socket = text;
		return true;
	case 'w':
		return read_duration("--wait", text, &options->wait_ms, fault);
	case 'j':
		options->json = true;
		return true;
	case 'h':
		options->help = true;
		return true;
	case 'V':
		options->version = true;
		return true;
	default:
		return set_special(options, option, text, fault);
	}
}

static const char *name_of_option(int option)
{
	for (const struct option *known = long_options; known->name; known++)
		if (known->val == option)
			return known->name;
	return "";
}

/* Says what is wrong with an option that getopt refused; `word` is where it stands. */
static void describe_refused(int found, const char *word, char fault[FAULT_MAX])
{
	size_t len = strcspn(word, "=");
	bool is_long = strncmp(word, "--", 2) == 0;
	char name[64];
	struct nearest nearest;

	if (found == ':') {
		snprintf(fault, FAULT_MAX, "--%s needs a value behind it", name_of_option(optopt));
		return;
	}
	if (!is_long) {
		snprintf(fault, FAULT_MAX, "there is no option -%c", optopt);
		return;
	}
	if (optopt != 0) {
		snprintf(fault, FAULT_MAX, "--%s takes no value: \"%.100s\"",
			 name_of_option(optopt), word);
		return;
	}
	snprintf(name, sizeof(name), "%.*s", (int)(len - 2), word + 2);
	nearest_init(&nearest, name);
	for (const struct option *known = long_options; known->name; known++)
		nearest_offer(&nearest, known->name);
	snprintf(fault, FAULT_MAX, "there is no option \"%.*s\"%s%s%s", (int)(len < 64 ? len : 64),
		 word, nearest.found ? "; did you mean --" : "", nearest.found ? nearest.found : "",
		 nearest.found ? "?" : "");
}

/* Notes an option that only some commands take. */
static void note_special(struct options *options, int option)
{
	unsigned owner = owner_of(option);

	if (owner == 0)
		return;
	options->given |= owner;
	options->special[__builtin_ctz(owner)] = name_of_option(option);
}

/*
 * Reads all options; the other words then begin at argv[optind].  What is wrong first is in `fault`,
 * which is empty if nothing is: the usage that is printed with it is that of the command, which may
 * come later.
 */
static void read_options(int argc, char **argv, struct options *options, char fault[FAULT_MAX])
{
	char next[FAULT_MAX];
	int option;

	fault[0] = '\0';
	opterr = 0;
	while ((option = getopt_long(argc, argv, ":s:w:t:jhV", long_options, NULL)) != -1) {
		next[0] = '\0';
		if (option == '?' || option == ':') {
			describe_refused(option, argv[optind - 1], next);
		} else {
			set_option(options, option, optarg, next);
			note_special(options, option);
		}
		if (fault[0] == '\0')
			snprintf(fault, FAULT_MAX, "%s", next);
	}
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
					     command->name,
					     options->special[__builtin_ctz(wrong)],
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
	read_options(argc, argv, &options, fault);
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
