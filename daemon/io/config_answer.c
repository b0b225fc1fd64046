#include "daemon/io/config_answer.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void pack_json(struct buf *out, const json_t *json);

static void pack_object(struct buf *out, const json_t *json)
{
	/* jansson's iterators are not const; nothing is changed through them. */
	json_t *object = json_incref((json_t *)(uintptr_t)json);
	const char *key;
	json_t *value;

	pack_map(out, (uint32_t)json_object_size(object));
	json_object_foreach (object, key, value) {
		pack_str(out, key);
		pack_json(out, value);
	}
	json_decref(object);
}

/* As deep as jansson reads, which has a limit of its own (2048). */
static void pack_json(struct buf *out, const json_t *json)
{
	switch (json_typeof(json)) {
	case JSON_OBJECT:
		pack_object(out, json);
		break;
	case JSON_ARRAY:
		pack_array(out, (uint32_t)json_array_size(json));
		for (size_t i = 0; i < json_array_size(json); i++)
			pack_json(out, json_array_get(json, i));
		break;
	case JSON_STRING:
		pack_str_len(out, json_string_value(json), json_string_length(json));
		break;
	case JSON_INTEGER:
		pack_int(out, json_integer_value(json));
		break;
	case JSON_REAL:
		pack_double(out, json_real_value(json));
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		pack_bool(out, json_is_true(json));
		break;
	case JSON_NULL:
		pack_nil(out);
		break;
	}
}

int config_answer_parse(const char *text, struct buf *ret_value,
			char fault[static ANSWER_FAULT_MAX])
{
	json_error_t error;
	json_t *json =
		json_loads(text, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
	struct buf value;
	int r;

	if (!json) {
		if (json_error_code(&error) == json_error_out_of_memory)
			return -ENOMEM;
		snprintf(fault, ANSWER_FAULT_MAX, "%s, at byte %d", error.text, error.position);
		return -EINVAL;
	}
	/* No JSON value takes more than nine times its text: 0 and a real of three bytes, 1e1. */
	buf_init(&value, CONFIG_FILE_MAX);
	pack_json(&value, json);
	json_decref(json);
	r = buf_error(&value);
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

/* Puts the answer in its place, whose owner it becomes. */
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
		      char fault[static ANSWER_FAULT_MAX])
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
