/* The completion for bash: what it offers is made from the table of commands. */
#include "client/poolctl/explain.h"
#include "client/poolctl/run.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define WORD_MAX 64

static const char head[] =
	"# Completion of poolctl for bash.  Made by `poolctl completion` from its table of "
	"commands.\n"
	"# The names of the pools, and of the alerts that can fire, where the daemon answers "
	"quickly.\n"
	"_poolctl_pools()\n"
	"{\n"
	"\tpoolctl ${socket:+--socket \"$socket\"} --wait 250ms health 2>/dev/null |\n"
	"\t\tsed -n 's/^  \\([^ ]*\\) is .*/\\1/p'\n"
	"}\n"
	"_poolctl_alerts()\n"
	"{\n"
	"\tpoolctl ${socket:+--socket \"$socket\"} --wait 250ms --json alerts 2>/dev/null |\n"
	"\t\ttr '{' '\\n' | sed -n 's/^\"name\":\"\\([^\"]*\\)\".*\"enabled\":true.*/\\1/p'\n"
	"}\n"
	"_poolctl()\n"
	"{\n"
	"\tlocal word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}\n"
	"\tlocal options='--socket --wait --json --help --version'\n"
	"\tlocal command= count=0 socket= words= i\n"
	"\n"
	"\tCOMPREPLY=()\n"
	"\t# The command, and how many words have come after it.\n"
	"\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	"\t\tcase ${COMP_WORDS[i]} in\n"
	"\t\t-s | --socket) ((i++)); socket=${COMP_WORDS[i]} ;;\n"
	"\t\t-w | -t | --wait | --timeout | --session | --key | --trace | --count | --since | "
	"--kind | --interval) ((i++)) ;;\n"
	"\t\t-*) ;;\n"
	"\t\t*) if [[ -z $command ]]; then command=${COMP_WORDS[i]}; else ((count++)); fi ;;\n"
	"\t\tesac\n"
	"\tdone\n"
	"\tcase $previous in\n"
	"\t-s | --socket) mapfile -t COMPREPLY < <(compgen -f -- \"$word\"); return ;;\n"
	"\t-w | --wait | -t | --timeout | --session | --key | --trace | --count | --since | "
	"--kind | --interval) return ;;\n"
	"\tesac\n";

static const char tail[] = "\tif [[ $word == -* ]]; then words=$options; fi\n"
			   "\tif [[ $words == FILE ]]; then\n"
			   "\t\tmapfile -t COMPREPLY < <(compgen -f -- \"$word\")\n"
			   "\telse\n"
			   "\t\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n"
			   "\tfi\n"
			   "}\n"
			   "complete -F _poolctl poolctl\n";

/* The special options by their bit in `takes`. */
static const struct {
	unsigned bit;
	const char *options;
} special[] = {
	{OPTIONS_OF_CALL,
	 " --timeout --meta --session --key --idempotent --no-fallback --stream --trace"},
	{OPTIONS_OF_EVENTS, " --count --kind"},
	{OPTIONS_OF_HISTORY, " --since"},
	{OPTIONS_OF_HEALTH, " --live --ready"},
	{OPTIONS_OF_REQUESTS, " --queued --running"},
	{OPTIONS_OF_CANCEL, " --yes"},
	{OPTIONS_OF_LOGS, " --follow"},
	{OPTIONS_OF_TOP, " --once --interval"},
};

static void print_options(const struct command *command)
{
	if (command->takes == 0)
		return;
	printf("\t%s) options+='", command->name);
	for (size_t i = 0; i < sizeof(special) / sizeof(special[0]); i++)
		if (command->takes & special[i].bit)
			printf("%s", special[i].options);
	printf("' ;;\n");
}

/* All words of explain of that kind; NULL: of every kind. */
static void print_explained(const char *kind)
{
	const char *separator = "";

	for (size_t i = 0; i < explanation_count; i++) {
		if (kind && strcmp(explanations[i].kind, kind) != 0)
			continue;
		printf("%s%s", separator, explanations[i].word);
		separator = " ";
	}
}

static void print_actions(const struct command *command)
{
	for (const char *const *action = command->actions; *action; action++)
		printf("%s%s", action == command->actions ? "" : " ", *action);
}

/* What may stand at one place of the command, as a pattern of its name and the place. */
static void print_argument(const struct command *command, const char *argument, int place)
{
	bool is_any_more = strcmp(argument, "KIND...") == 0;

	if (place == 0 && command->actions) {
		printf("\t%s0) words='", command->name);
		print_actions(command);
		printf("' ;;\n");
	} else if (strcmp(argument, "POOL") == 0) {
		printf("\t%s%d) words=$(_poolctl_pools) ;;\n", command->name, place);
	} else if (strcmp(argument, "ALERT") == 0) {
		printf("\t%s%d) words=$(_poolctl_alerts) ;;\n", command->name, place);
	} else if (is_any_more || strcmp(argument, "WORD") == 0) {
		printf("\t%s%s) words='", command->name, is_any_more ? "*" : "0");
		print_explained(is_any_more ? "event" : NULL);
		printf("' ;;\n");
	} else if (strcmp(argument, "SIGNAL") == 0) {
		printf("\t%s%d) words='TERM KILL INT QUIT ABRT' ;;\n", command->name, place);
	} else if (strcmp(argument, "FILE") == 0) {
		printf("\t%s%d) words=FILE ;;\n", command->name, place);
	}
}

/* Each word of the usage line, without its brackets. */
static void print_arguments(const struct command *command)
{
	const char *at = command->arguments;

	for (int place = 0; *at != '\0'; place++) {
		char word[WORD_MAX];
		size_t len = 0;

		for (; *at != '\0' && *at != ' '; at++)
			if (*at != '[' && *at != ']' && len + 1 < sizeof(word))
				word[len++] = *at;
		word[len] = '\0';
		while (*at == ' ')
			at++;
		print_argument(command, word, place);
	}
}

int run_completion(const struct command *command, const struct options *options,
		   struct poold_client *client, char **args, int arg_count)
{
	(void)command;
	(void)options;
	(void)client;
	(void)args;
	(void)arg_count;
	fputs(head, stdout);
	printf("\tcase $command in\n");
	for (size_t i = 0; i < command_count; i++)
		print_options(&commands[i]);
	printf("\tesac\n\tcase $command$count in\n\t0) words='");
	for (size_t i = 0; i < command_count; i++)
		printf("%s%s", i > 0 ? " " : "", commands[i].name);
	printf("' ;;\n");
	for (size_t i = 0; i < command_count; i++)
		print_arguments(&commands[i]);
	printf("\tesac\n");
	fputs(tail, stdout);
	return 0;
}
