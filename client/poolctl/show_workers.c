#include <stdio.h>

#include "client/poolctl/fields.h"
#include "client/poolctl/show.h"

static void begin_line(const json_t *result)
{
	print_safe(stdout, text_of(result, "pool"));
	printf(": ");
}

void show_restart(const json_t *result, const char *wanted)
{
	const json_t *roll = json_object_get(result, "roll");

	(void)wanted;
	begin_line(result);
	if (number_of(roll, "total") > 0)
		printf("%.0f workers are replaced one after the other; poolctl pools shows how far "
		       "that is\n",
		       number_of(roll, "total"));
	else
		printf("no worker is there to be replaced\n");
}

void show_resize(const json_t *result, const char *wanted)
{
	char min[UNIT_TEXT_MAX], max[UNIT_TEXT_MAX];

	(void)wanted;
	begin_line(result);
	printf("%s..%s workers\n", count_text(min, result, "min"), count_text(max, result, "max"));
}

void show_kill(const json_t *result, const char *wanted)
{
	char worker[UNIT_TEXT_MAX], pid[UNIT_TEXT_MAX];

	(void)wanted;
	begin_line(result);
	printf("worker %s (process %s) gets SIG", count_text(worker, result, "worker"),
	       count_text(pid, result, "pid"));
	print_safe(stdout, text_of(result, "signal"));
	putchar('\n');
}

void show_drained(const json_t *result, const char *wanted)
{
	(void)wanted;
	begin_line(result);
	printf("%s\n", json_is_true(json_object_get(result, "drained"))
			       ? "takes nothing new; what it has is finished"
			       : "in service");
}
