#include "client/poolctl/field.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

const char *field_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "-";
}

double field_number(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

const char *field_count(char text[UNIT_TEXT_MAX], const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	if (json_is_number(value))
		snprintf(text, UNIT_TEXT_MAX, "%.0f", json_number_value(value));
	else
		snprintf(text, UNIT_TEXT_MAX, "-");
	return text;
}

const char *field_duration(char text[UNIT_TEXT_MAX], const json_t *object, const char *key)
{
	if (!json_is_number(json_object_get(object, key)))
		return "-";
	return unit_duration(text, field_number(object, key));
}

const char *field_clock(char text[UNIT_TEXT_MAX], const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);
	json_int_t ms = json_integer_value(value);
	time_t seconds = (time_t)(ms / 1000);
	struct tm local;
	size_t len;

	if (!json_is_integer(value) || !localtime_r(&seconds, &local))
		return "-";
	len = strftime(text, UNIT_TEXT_MAX, "%Y-%m-%d %H:%M:%S", &local);
	if (len == 0)
		return "-";
	snprintf(text + len, UNIT_TEXT_MAX - len, ".%03d", (int)(ms % 1000));
	return text;
}

void field_text_cell(struct table *table, const json_t *object, const char *key)
{
	const char *text = field_text(object, key);

	table_cell(table, "%s", text[0] != '\0' ? text : "-");
}

void field_count_cell(struct table *table, const json_t *object, const char *key)
{
	char text[UNIT_TEXT_MAX];

	table_cell(table, "%s", field_count(text, object, key));
}

void field_duration_cell(struct table *table, const json_t *object, const char *key)
{
	char text[UNIT_TEXT_MAX];

	table_cell(table, "%s", field_duration(text, object, key));
}

static bool is_wanted(const json_t *object, const char *key, const char *pool)
{
	return !pool || strcmp(field_text(object, key), pool) == 0;
}

void field_print_list(const json_t *list, const char *pool_key, const char *wanted,
		      const struct column *columns, size_t column_count,
		      void (*row)(struct table *, const json_t *))
{
	struct table table;
	const json_t *entry;
	size_t i;

	table_init(&table, columns, column_count);
	json_array_foreach (list, i, entry) {
		if (is_wanted(entry, pool_key, wanted))
			row(&table, entry);
	}
	table_print(&table, stdout);
	table_free(&table);
}
