#include "daemon/io/worker/environment.h"

#include "daemon/io/config/config.h"
#include "daemon/io/config/config_word.h"
#include "daemon/io/worker/identity.h"
#include "daemon/io/worker/process.h"
#include "daemon/io/worker/process_tag.h"
#include "daemon/io/worker/start.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Variables that the daemon itself sets, at most. */
#define OWN_NAMES 12

struct list_of_texts {
	char **texts;
	size_t count;
	bool failed;
};

static size_t count_texts(char *const *texts)
{
	size_t count = 0;

	while (texts[count])
		count++;
	return count;
}

/* Adds "NAME=value", or replaces an earlier value of that name. */
static void put(struct list_of_texts *list, char *text)
{
	size_t name_len;

	if (!text) {
		list->failed = true;
		return;
	}
	name_len = strcspn(text, "=") + 1;
	for (size_t i = 0; i < list->count; i++) {
		if (strncmp(list->texts[i], text, name_len) == 0) {
			free(list->texts[i]);
			list->texts[i] = text;
			return;
		}
	}
	list->texts[list->count++] = text;
}

static void put_format(struct list_of_texts *list, const char *format, ...) PRINTF_LIKE(2, 3);

static void put_format(struct list_of_texts *list, const char *format, ...)
{
	char *text = NULL;
	va_list arguments;

	va_start(arguments, format);
	if (vasprintf(&text, format, arguments) < 0)
		text = NULL;
	va_end(arguments);
	put(list, text);
}

/* How it finds the daemon, in poold's own dialect. */
static void put_channel(struct list_of_texts *list, const struct start *start,
			const struct spawn_context *context)
{
	put_format(list, "%s=%d", context->number > 0 ? "POOLD_FD" : "POOLD_PREFORK_FD",
		   PROCESS_CHANNEL_FD);
	if (context->recall >= PROCESS_CHANNEL_FD)
		put_format(list, "POOLD_RECALL_FD=%d", PROCESS_RECALL_FD);
	put_format(list, "POOLD_RESPONSE_MAX=%zu", start->response_max);
}

char **environment_new(const struct start *start, const struct spawn_context *context)
{
	const struct config_pool *pool = start->pool;
	const struct identity *identity = start->identity;
	size_t room = count_texts(pool->env_allow) + count_texts(pool->env) + OWN_NAMES + 1;
	struct list_of_texts list = {.texts = calloc(room, sizeof(char *))};

	if (!list.texts)
		return NULL;
	for (char *const *name = pool->env_allow; *name; name++) {
		const char *value = getenv(*name);

		if (value)
			put_format(&list, "%s=%s", *name, value);
	}
	if (identity->has_user) {
		put_format(&list, "HOME=%s", identity->home);
		put_format(&list, "SHELL=%s", identity->shell);
		put_format(&list, "USER=%s", pool->user);
		put_format(&list, "LOGNAME=%s", pool->user);
	}
	for (char *const *text = pool->env; *text; text++)
		put_format(&list, "%s", *text);
	put_format(&list, PROCESS_TAG_INSTANCE "=%s", start->instance);
	put_format(&list, PROCESS_TAG_LIFE "=%s", context->tag);
	put_format(&list, "POOLD_DIALECT=%s", option_word(OPTION_DIALECT, pool->dialect));
	put_format(&list, "POOLD_POOL=%s", pool->name);
	if (pool->dialect == DIALECT_POOLD)
		put_channel(&list, start, context);
	if (context->number > 0)
		put_format(&list, "POOLD_WORKER=%u", context->number);
	else
		put_format(&list,
			   "POOLD_WORKER=0000000000"); /* room for the number of each worker */
	if (list.failed) {
		environment_free(list.texts);
		return NULL;
	}
	return list.texts;
}

void environment_free(char **environment)
{
	if (!environment)
		return;
	for (size_t i = 0; environment[i]; i++)
		free(environment[i]);
	free(environment);
}
