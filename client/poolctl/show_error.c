#include "client/poolctl/field.h"
#include "client/poolctl/print.h"
#include "client/poolctl/show.h"

#include <stdio.h>

/* How far a request that the daemon accepted came. */
static void show_attempts(const json_t *error)
{
	char count[UNIT_TEXT_MAX], after[UNIT_TEXT_MAX];

	fputs("  executed: ", stderr);
	print_safe(stderr, field_text(error, "executed"));
	fprintf(stderr, ", retryable: %s",
		json_is_true(json_object_get(error, "retryable")) ? "yes" : "no");
	if (json_is_number(json_object_get(error, "retry_after_ms")))
		fprintf(stderr, " (after %s)", field_duration(after, error, "retry_after_ms"));
	if (json_is_number(json_object_get(error, "worker")))
		fprintf(stderr, ", worker: %s", field_count(count, error, "worker"));
	if (json_is_number(json_object_get(error, "attempt")))
		fprintf(stderr, ", attempts: %s", field_count(count, error, "attempt"));
	if (json_is_string(json_object_get(error, "session"))) {
		fputs(", session: ", stderr);
		print_safe(stderr, field_text(error, "session"));
	}
	if (json_is_string(json_object_get(error, "circuit"))) {
		fputs(", circuit: ", stderr);
		print_safe(stderr, field_text(error, "circuit"));
	}
	putc('\n', stderr);
}

void show_error(const json_t *error)
{
	const json_t *detail = json_object_get(error, "detail");
	const char *traceback = json_string_value(json_object_get(detail, "traceback"));
	const char *last_stderr = json_string_value(json_object_get(detail, "stderr"));

	fputs("poolctl: ", stderr);
	print_safe(stderr, field_text(error, "code"));
	fputs(": ", stderr);
	print_safe(stderr, field_text(error, "message"));
	putc('\n', stderr);
	if (json_is_number(json_object_get(error, "request")))
		show_attempts(error);
	if (traceback)
		print_lines(stderr, traceback);
	if (last_stderr) {
		fputs("  last lines of the worker's stderr:\n", stderr);
		print_lines(stderr, last_stderr);
	}
}
