#include "client/poolctl/explain.h"
#include "client/poolctl/json.h"
#include "client/poolctl/print.h"
#include "client/poolctl/run.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

/* All that have the word: "open" is a state of a breaker, and there may be others. */
static bool is_asked(const struct explanation *explanation, const char *word)
{
	return strcmp(explanation->word, word) == 0;
}

static json_t *to_json(const struct explanation *explanation)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:s?}", "kind", explanation->kind, "word",
			 explanation->word, "facts", explanation->facts, "text", explanation->text,
			 "runbook", explanation->page);
}

static void print_explanation(const struct explanation *explanation)
{
	printf("%s (%s)\n", explanation->word, explanation->kind);
	if (explanation->facts[0] != '\0')
		print_lines(stdout, explanation->facts);
	if (explanation->text[0] != '\0') {
		putchar('\n');
		print_lines(stdout, explanation->text);
	}
	if (explanation->page)
		printf("\n  runbook: %s\n", explanation->page);
}

static int explain_word(const struct options *options, const char *word)
{
	json_t *all = json_array();
	size_t count = 0;

	if (!all)
		return EX_OSERR;
	for (size_t i = 0; i < explanation_count; i++) {
		if (!is_asked(&explanations[i], word))
			continue;
		if (options->json)
			json_array_append_new(all, to_json(&explanations[i]));
		else if (count > 0)
			putchar('\n');
		if (!options->json)
			print_explanation(&explanations[i]);
		count++;
	}
	if (options->json && count > 0)
		json_print(all, true, stdout);
	json_decref(all);
	if (count > 0)
		return 0;
	fprintf(stderr, "poolctl: there is nothing to explain about ");
	print_safe(stderr, word);
	fprintf(stderr, "; poolctl explain lists the words\n");
	return EX_USAGE;
}

static int list_words(const struct options *options)
{
	json_t *all = json_array();

	if (!all)
		return EX_OSERR;
	for (size_t i = 0; i < explanation_count; i++) {
		if (options->json)
			json_array_append_new(all, to_json(&explanations[i]));
		else
			printf("%-34s %s\n", explanations[i].word, explanations[i].kind);
	}
	if (options->json)
		json_print(all, true, stdout);
	json_decref(all);
	return 0;
}

int run_explain(const struct command *command, const struct options *options,
		struct poold_client *client, char **args, int arg_count)
{
	(void)command;
	(void)client;
	return arg_count > 0 ? explain_word(options, args[0]) : list_words(options);
}
