#include "client/poolctl/exit_status.h"

#include "client/poolctl/failure.h"

#include <string.h>

int exit_status_of_health(const struct options *options, const json_t *health, const char *pool)
{
	const json_t *judged =
		pool ? json_object_get(json_object_get(health, "pools"), pool) : health;
	const char *status = json_string_value(json_object_get(judged, "status"));

	if (options->live || (status && strcmp(status, "ok") == 0))
		return 0;
	if (status && strcmp(status, "degraded") == 0)
		return options->ready ? 0 : EXIT_FAILED;
	return EXIT_DOWN;
}

int exit_status_of_doctor(const struct options *options, const json_t *findings, const char *pool)
{
	const json_t *finding;
	int status = 0;
	size_t i;

	(void)options;
	json_array_foreach (findings, i, finding) {
		const char *of = json_string_value(json_object_get(finding, "pool"));
		const char *found = json_string_value(json_object_get(finding, "status"));

		if (pool && (!of || strcmp(of, pool) != 0))
			continue;
		if (found && strcmp(found, "fault") == 0)
			status = EXIT_DOWN;
		else if (status == 0 && found && strcmp(found, "warning") == 0)
			status = EXIT_FAILED;
	}
	return status;
}
