#include "client/poolctl/params.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

bool params_texts(struct poold_writer *writer, char **args, int arg_count,
		  char fault[FAULT_MAX]) // NOLINT(readability-non-const-parameter)
{
	(void)fault;
	poold_write_array(writer, (uint32_t)arg_count);
	for (int i = 0; i < arg_count; i++)
		poold_write_str(writer, args[i]);
	return true;
}

/* Adds a number; `what` says in a fault what it counts or names. */
static bool write_number(struct poold_writer *writer, const char *text, const char *what,
			 char fault[FAULT_MAX])
{
	uint64_t number;

	if (!argument_number(text, &number)) {
		snprintf(fault, FAULT_MAX, "\"%.100s\" is not %s", text, what);
		return false;
	}
	poold_write_uint(writer, number);
	return true;
}

bool params_count(struct poold_writer *writer, char **args, int arg_count, char fault[FAULT_MAX])
{
	poold_write_array(writer, (uint32_t)arg_count);
	return arg_count == 0 ||
	       write_number(writer, args[0], "a number of lines, such as 20", fault);
}

bool params_errors(struct poold_writer *writer, char **args, int arg_count, char fault[FAULT_MAX])
{
	poold_write_array(writer, (uint32_t)arg_count);
	if (arg_count > 0 && !write_number(writer, args[0], "a number of lines, such as 20", fault))
		return false;
	if (arg_count > 1)
		poold_write_str(writer, args[1]);
	return true;
}

bool params_id(struct poold_writer *writer, char **args, int arg_count, char fault[FAULT_MAX])
{
	(void)arg_count;
	poold_write_array(writer, 1);
	return write_number(writer, args[0],
			    "the number of a recovery; poolctl recoveries shows them", fault);
}

bool params_session(struct poold_writer *writer, char **args, int arg_count, char fault[FAULT_MAX])
{
	poold_write_array(writer, (uint32_t)arg_count);
	poold_write_str(writer, args[0]);
	return arg_count == 1 ||
	       write_number(writer, args[1],
			    "the number of a user; poolctl sessions shows them, and id -u NAME",
			    fault);
}

/* Reads MIN or MIN..MAX. */
static bool read_size(const char *text, uint64_t *ret_min, uint64_t *ret_max)
{
	const char *dots = strstr(text, "..");
	char min[32];

	if (!dots) {
		bool is_number = argument_number(text, ret_min);

		*ret_max = *ret_min;
		return is_number;
	}
	snprintf(min, sizeof(min), "%.*s", (int)(dots - text), text);
	return strlen(min) == (size_t)(dots - text) && argument_number(min, ret_min) &&
	       argument_number(dots + 2, ret_max);
}

bool params_size(struct poold_writer *writer, char **args, int arg_count, char fault[FAULT_MAX])
{
	uint64_t min = 0, max = 0;

	(void)arg_count;
	if (!read_size(args[1], &min, &max)) {
		snprintf(fault, FAULT_MAX,
			 "\"%.100s\" is not a number of workers; write 3, or 1..3 for a minimum "
			 "and a maximum",
			 args[1]);
		return false;
	}
	if (min > max) {
		snprintf(fault, FAULT_MAX, "\"%.100s\" has a minimum above its maximum", args[1]);
		return false;
	}
	poold_write_array(writer, 3);
	poold_write_str(writer, args[0]);
	poold_write_uint(writer, min);
	poold_write_uint(writer, max);
	return true;
}

bool params_alert(struct poold_writer *writer, char **args, int arg_count, char fault[FAULT_MAX])
{
	uint64_t span = 0;

	if (arg_count == 2 && strcmp(args[1], "0") != 0 && !argument_duration(args[1], &span)) {
		snprintf(fault, FAULT_MAX, "\"%.100s\" is not " ARGUMENT_DURATION ", or 0",
			 args[1]);
		return false;
	}
	poold_write_array(writer, (uint32_t)arg_count);
	poold_write_str(writer, args[0]);
	if (arg_count == 2)
		poold_write_uint(writer, (span + 999) / 1000);
	return true;
}

static bool is_signal(const char *name)
{
	static const char *const names[] = {"TERM", "KILL", "INT", "QUIT", "ABRT"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

bool params_worker(struct poold_writer *writer, char **args, int arg_count, char fault[FAULT_MAX])
{
	if (arg_count == 3 && !is_signal(args[2])) {
		snprintf(fault, FAULT_MAX,
			 "\"%.100s\" is not a signal of kill; they are TERM, KILL, INT, QUIT and "
			 "ABRT",
			 args[2]);
		return false;
	}
	poold_write_array(writer, (uint32_t)arg_count);
	poold_write_str(writer, args[0]);
	if (!write_number(writer, args[1], ARGUMENT_WORKER, fault))
		return false;
	if (arg_count == 3)
		poold_write_str(writer, args[2]);
	return true;
}
