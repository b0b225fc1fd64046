#include "daemon/io/config/config_run.h"

#include "daemon/io/config/config_check.h"
#include "daemon/io/config/config_key.h"
#include "daemon/io/config/config_list.h"
#include "daemon/io/config/config_read.h"
#include "protocol/utf8.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Stands in a fault for the name of the file. */
#define SOURCE "poold run"

static struct bytes text_bytes(const char *text)
{
	return (struct bytes){(const uint8_t *)text, strlen(text)};
}

/* A value of a file has no control byte and is UTF-8; words of a command line may have anything. */
static bool is_plain(const char *word)
{
	struct bytes bytes = text_bytes(word);

	for (size_t i = 0; i < bytes.len; i++)
		if (bytes.data[i] < 0x20 || bytes.data[i] == 0x7f)
			return false;
	return utf8_valid_prefix(bytes) == bytes.len;
}

/* Letters of all scripts, digits, _, and the dots and the colon between names. */
static bool is_module(const char *word)
{
	static const char ascii[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789.:";

	if (*word == '\0' || strchr("0123456789.:", *word) || !is_plain(word))
		return false;
	for (const char *c = word; *c; c++)
		if ((unsigned char)*c < 0x80 && !strchr(ascii, *c))
			return false;
	/* The name of the file is a common mistake. */
	return strlen(word) < 3 || strcmp(word + strlen(word) - 3, ".py") != 0;
}

static void fault(struct config_draft *draft, const char *what, const char *word,
		  const char *allowed)
{
	config_fault(&draft->faults, (struct config_origin){SOURCE, 0},
		     "%s: found \"%.*s\", allowed is %s", what, config_shown_len(word), word,
		     allowed);
}

static void set(struct config_draft *draft, const char *key, const char *value)
{
	if (draft->error == 0)
		config_read_key(draft, 0, key, value);
}

/* Begins a section, as its line in a file would. */
static void begin(struct config_draft *draft, const char *section, const char *name)
{
	char head[CONFIG_NAME_MAX + 16];

	snprintf(head, sizeof(head), "[%s%s%s]\n", section, *name ? " " : "", name);
	if (draft->error == 0)
		config_read(draft, SOURCE, text_bytes(head));
}

static void set_command(struct config_draft *draft, const struct config_run *words)
{
	char *command;

	/* The words of a command may be quoted, but a quote in quotes can't be said. */
	if (!is_plain(words->python) || strchr(words->python, '\'')) {
		fault(draft, "the interpreter", words->python, "a path without quotes");
		draft->origins->has_bad_key = true;
		return;
	}
	if (asprintf(&command, "%s%s%s -m poold.worker %s",
		     strpbrk(words->python, " \t\"\\") ? "'" : "", words->python,
		     strpbrk(words->python, " \t\"\\") ? "'" : "", words->module) < 0) {
		draft->error = -ENOMEM;
		return;
	}
	set(draft, "command", command);
	free(command);
}

static void set_pool(struct config_draft *draft, const struct config_run *words)
{
	const char *name = words->pool ? words->pool : CONFIG_RUN_POOL;

	if (!is_pool_name(name)) {
		fault(draft, "the pool's name", name,
		      "a name of a-z, 0-9, _ and -, beginning with a letter, but not \"poold\"");
		return;
	}
	begin(draft, "pool", name);
	set_command(draft, words);
	set(draft, "workers", words->workers ? words->workers : CONFIG_RUN_WORKERS);
	/* Python knows compiled code by the second and the size of its source: a file that changes
	 * twice in a second would stay as it was at first. */
	if (words->reload)
		set(draft, "env.PYTHONDONTWRITEBYTECODE", "1");
}

static void fill(struct config_draft *draft, const struct config_run *words)
{
	begin(draft, "daemon", "");
	if (is_plain(words->socket))
		set(draft, "socket", words->socket);
	else
		fault(draft, "the socket", words->socket, "a path without control characters");
	set(draft, "socket_mode", "0600");
	set(draft, "log_target", "stderr");
	if (is_module(words->module))
		set_pool(draft, words);
	else
		fault(draft, "the module", words->module,
		      "a name as in `import`, and :OBJECT after it; texts, not texts.py");
}

int config_run(const struct config_run *words, const struct config **ret_config, struct buf *errors)
{
	struct config_draft *draft;
	int r = config_draft_new(&draft);

	if (r < 0)
		return r;
	draft->faults.out = errors;
	fill(draft, words);
	r = config_check(draft, ret_config);
	config_draft_free(draft);
	return r;
}
