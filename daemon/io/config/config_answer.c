#include "daemon/io/config/config_answer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int config_answer_parse(const char *text, struct buf *ret_value, char fault[static JSON_FAULT_MAX])
{
	struct buf value;
	int r;

	/* No value is longer than nine times its text, as a float has 9 bytes. */
	buf_init(&value, CONFIG_FILE_MAX);
	r = json_to_value((struct bytes){(const uint8_t *)text, strlen(text)}, &value, fault);
	if (r < 0) {
		buf_free(&value);
		return r;
	}
	*ret_value = value;
	return 0;
}

static bool is_of(const struct config_answer *answer, const char *method)
{
	return method ? answer->method && strcmp(answer->method, method) == 0 : !answer->method;
}

const struct config_answer *config_answer_find(const struct config_pool *pool, const char *method)
{
	for (size_t i = 0; i < pool->answer_count; i++)
		if (is_of(&pool->answers[i], method))
			return &pool->answers[i];
	return NULL;
}

static void answer_clear(struct config_answer *answer)
{
	free(answer->method);
	free(answer->text);
	buf_free(&answer->value);
}

void config_answers_clear(struct config_pool *pool)
{
	for (size_t i = 0; i < pool->answer_count; i++)
		answer_clear(&pool->answers[i]);
	free(pool->answers);
	pool->answers = NULL;
	pool->answer_count = 0;
}

/* Adds the answer, or replaces the one of its method; the pool owns it then. */
static int put_answer(struct config_pool *pool, const struct config_answer *answer)
{
	size_t i = 0;
	struct config_answer *grown;

	while (i < pool->answer_count && !is_of(&pool->answers[i], answer->method))
		i++;
	if (i == CONFIG_ANSWERS_MAX)
		return -E2BIG;
	if (i < pool->answer_count) {
		answer_clear(&pool->answers[i]);
		pool->answers[i] = *answer;
		return 0;
	}
	grown = reallocarray(pool->answers, i + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	grown[i] = *answer;
	pool->answers = grown;
	pool->answer_count = i + 1;
	return 0;
}

int config_answer_set(struct config_pool *pool, const char *method, const char *text,
		      char fault[static JSON_FAULT_MAX])
{
	struct config_answer answer = {0};
	int r;

	r = config_answer_parse(text, &answer.value, fault);
	if (r < 0)
		return r;
	answer.text = strdup(text);
	answer.method = method ? strdup(method) : NULL;
	if (!answer.text || (method && !answer.method))
		r = -ENOMEM;
	else
		r = put_answer(pool, &answer);
	if (r < 0)
		answer_clear(&answer);
	return r;
}
