#include "client/poolctl/field.h"
#include "client/poolctl/print.h"
#include "client/poolctl/show.h"

#include <stdio.h>

static const struct column config_columns[] = {{"KEY", false}, {"VALUE", false}, {"FROM", false}};

static void value_row(struct table *table, const json_t *value)
{
	const char *source = json_string_value(json_object_get(value, "source"));

	field_text_cell(table, value, "key");
	if (json_is_null(json_object_get(value, "value")))
		table_cell(table, "(not shown)");
	else
		field_text_cell(table, value, "value");
	table_cell(table, "%s", source ? source : "default");
}

void show_config(const json_t *config, const char *wanted)
{
	const json_t *section;
	size_t i;

	(void)wanted;
	json_array_foreach (config, i, section) {
		const char *name = json_string_value(json_object_get(section, "name"));

		printf("%s[", i > 0 ? "\n" : "");
		print_safe(stdout, field_text(section, "section"));
		printf("%s", name ? " " : "");
		print_safe(stdout, name ? name : "");
		printf("]\n");
		field_print_list(json_object_get(section, "values"), "key", NULL, config_columns,
				 COUNT(config_columns), value_row);
	}
}
