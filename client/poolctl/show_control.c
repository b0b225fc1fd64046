#include "client/poolctl/field.h"
#include "client/poolctl/print.h"
#include "client/poolctl/show.h"

#include <stdio.h>

static void print_pool(const json_t *result)
{
	print_safe(stdout, field_text(result, "pool"));
	printf(": ");
}

void show_restart(const json_t *result, const char *wanted)
{
	const json_t *roll = json_object_get(result, "roll");

	(void)wanted;
	print_pool(result);
	if (field_number(roll, "total") > 0)
		printf("%.0f workers are being replaced; poolctl pools shows the progress\n",
		       field_number(roll, "total"));
	else
		printf("there is no worker to replace\n");
}

void show_resize(const json_t *result, const char *wanted)
{
	char min[UNIT_TEXT_MAX], max[UNIT_TEXT_MAX];

	(void)wanted;
	print_pool(result);
	printf("%s..%s workers\n", field_count(min, result, "min"),
	       field_count(max, result, "max"));
}

void show_kill(const json_t *result, const char *wanted)
{
	char worker[UNIT_TEXT_MAX], pid[UNIT_TEXT_MAX];

	(void)wanted;
	print_pool(result);
	printf("worker %s (process %s) gets SIG", field_count(worker, result, "worker"),
	       field_count(pid, result, "pid"));
	print_safe(stdout, field_text(result, "signal"));
	putchar('\n');
}

void show_drained(const json_t *result, const char *wanted)
{
	(void)wanted;
	print_pool(result);
	printf("%s\n", json_is_true(json_object_get(result, "drained"))
			       ? "out of service; accepted requests are being finished"
			       : "in service");
}
