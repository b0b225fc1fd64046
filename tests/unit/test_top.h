/* What the tests of `poolctl top` share: its parts, and answers of a daemon. */
#ifndef POOLD_TESTS_UNIT_TEST_TOP_H
#define POOLD_TESTS_UNIT_TEST_TOP_H

/* Parts of a program, so no library has them. */
#include "client/poolctl/canvas.c"	// NOLINT(bugprone-suspicious-include)
#include "client/poolctl/field.c"	// NOLINT(bugprone-suspicious-include)
#include "client/poolctl/glyph.c"	// NOLINT(bugprone-suspicious-include)
#include "client/poolctl/print.c"	// NOLINT(bugprone-suspicious-include)
#include "client/poolctl/sheet.c"	// NOLINT(bugprone-suspicious-include)
#include "client/poolctl/table.c"	// NOLINT(bugprone-suspicious-include)
#include "client/poolctl/top_json.c"	// NOLINT(bugprone-suspicious-include)
#include "client/poolctl/top_model.c"	// NOLINT(bugprone-suspicious-include)
#include "client/poolctl/top_panes.c"	// NOLINT(bugprone-suspicious-include)
#include "client/poolctl/top_verdict.c" // NOLINT(bugprone-suspicious-include)
#include "client/poolctl/unit.c"	// NOLINT(bugprone-suspicious-include)

#include "tests/lib/unit.h"

#include <locale.h>

/* An answer, written with ' in place of ". */
static json_t *answer(const char *text)
{
	char json[8192];
	json_t *value;

	snprintf(json, sizeof(json), "%s", text);
	for (char *at = json; *at; at++)
		if (*at == '\'')
			*at = '"';
	value = json_loads(json, JSON_DECODE_ANY, NULL);
	ck_assert_msg(value != NULL, "%s", json);
	return value;
}

/* What is wrong with a pool. */
#define PROBLEM(text)                                                                              \
	"{'code': 'code', 'text': '" text "', 'since_ms': 12000, 'command': 'poolctl it', "        \
	"'advice': 'do that'}"

/* A pool of poold.status. */
#define POOL_STATUS_OF(name, status, problems, queued, level, by)                                  \
	"{'name': '" name "', 'status': '" status "', 'problems': [" problems                      \
	"], 'since_ms': 12000, 'workers': {'min': 2, 'max': 4, 'ready': 1,"                        \
	" 'busy': 1}, 'queued': " queued ", 'queue_max': 100, 'running': 1, 'p50_ms': 2.5,"        \
	" 'p99_ms': 1250.0, 'level': " level ", 'served_by': '" by "'}"

/* poold.status of a process with these pools. */
#define STATUS_OF(pid, status, pools)                                                              \
	"{'status': '" status "', 'pid': " pid ", 'version': '1', 'uptime_ms': 65000, 'guard': "   \
	"true, 'connections': 3, 'connections_max': 1024, 'requests': {'running': 2, 'queued': "   \
	"1}, 'memory': {'buffers': 2048, 'max': 1073741824}, 'pools': [" pools "]}"

/* A pool of poold.stats. */
#define COUNTERS_OF(name, requests, succeeded, failed, errors)                                     \
	"'" name "': {'requests': " requests ", 'succeeded': " succeeded ", 'failed': " failed     \
	", 'errors': {" errors "}}"

/* Adds a sample at that time. */
static void add_sample(struct top_model *model, double at_ms, const char *status, const char *stats,
		       const char *breakers, const char *errors)
{
	struct top_sample sample = {.at_ms = at_ms, .clock_ms = 1e12 + at_ms};

	sample.answers[TOP_STATUS] = answer(status);
	sample.answers[TOP_STATS] = answer(stats);
	sample.answers[TOP_BREAKERS] = answer(breakers);
	sample.answers[TOP_ERRORS] = answer(errors);
	ck_assert_int_eq(top_model_add(model, &sample), 0);
}

#endif
