#include "client/poolctl/command.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "client/poolctl/run.h"
#include "client/poolctl/show.h"

/* --- Params and exit statuses ------------------------------------------------------------------
 */

/* All arguments, as texts. */
static bool write_texts(struct poold_writer *writer, char **args, int arg_count)
{
	poold_write_array(writer, (uint32_t)arg_count);
	for (int i = 0; i < arg_count; i++)
		poold_write_str(writer, args[i]);
	return true;
}

/* All arguments, as numbers. */
static bool write_numbers(struct poold_writer *writer, char **args, int arg_count)
{
	poold_write_array(writer, (uint32_t)arg_count);
	for (int i = 0; i < arg_count; i++) {
		uint64_t number;

		if (!read_number(args[i], &number))
			return false;
		poold_write_uint(writer, number);
	}
	return true;
}

/* POOL MIN[..MAX] */
static bool write_size(struct poold_writer *writer, char **args, int arg_count)
{
	unsigned long min, max;
	char *end;

	(void)arg_count;
	if (args[1][0] < '0' || args[1][0] > '9')
		return false;
	min = max = strtoul(args[1], &end, 10);
	if (end[0] == '.' && end[1] == '.' && end[2] >= '0' && end[2] <= '9')
		max = strtoul(end + 2, &end, 10);
	if (*end != '\0')
		return false;
	poold_write_array(writer, 3);
	poold_write_str(writer, args[0]);
	poold_write_uint(writer, min);
	poold_write_uint(writer, max);
	return true;
}

/* POOL WORKER [SIGNAL] */
static bool write_victim(struct poold_writer *writer, char **args, int arg_count)
{
	uint64_t worker;

	if (!read_number(args[1], &worker))
		return false;
	poold_write_array(writer, (uint32_t)arg_count);
	poold_write_str(writer, args[0]);
	poold_write_uint(writer, worker);
	if (arg_count == 3)
		poold_write_str(writer, args[2]);
	return true;
}

static int health_exit_status(const json_t *health, const char *pool)
{
	const json_t *judged =
		pool ? json_object_get(json_object_get(health, "pools"), pool) : health;
	const char *status = json_string_value(json_object_get(judged, "status"));

	if (pool && !judged) {
		fprintf(stderr, "poolctl: there is no pool %s\n", pool);
		return EX_USAGE;
	}
	if (status && strcmp(status, "ok") == 0)
		return 0;
	return status && strcmp(status, "degraded") == 0 ? EXIT_FAILED : EXIT_DOWN;
}

static int doctor_exit_status(const json_t *findings, const char *pool)
{
	const json_t *finding;
	bool is_known = !pool;
	int status = 0;
	size_t i;

	json_array_foreach (findings, i, finding) {
		const char *of = json_string_value(json_object_get(finding, "pool"));
		const char *found = json_string_value(json_object_get(finding, "status"));

		if (pool && (!of || strcmp(of, pool) != 0))
			continue;
		is_known = true;
		if (found && strcmp(found, "fault") == 0)
			status = EXIT_DOWN;
		else if (status == 0 && found && strcmp(found, "warning") == 0)
			status = EXIT_FAILED;
	}
	if (!is_known)
		fprintf(stderr, "poolctl: there is no pool %s that has workers\n", pool);
	return is_known ? status : EX_USAGE;
}

/* --- The table ---------------------------------------------------------------------------------
 */

static const char *const breaker_actions[] = {"reset", "open", "disable", "observe", NULL};
static const char *const recovery_actions[] = {"cancel", NULL};
static const char *const session_actions[] = {"close", NULL};

const struct command commands[] = {
	{.name = "status",
	 .arguments = "",
	 .summary = "is it well, what is not, since when, what to do",
	 .help = "One line a pool, then every trouble with what to do about it.  WORKERS are those "
		 "at work\n"
		 "of the minimum; P50 and P99 are times from request to answer.\n",
	 .run = run_report,
	 .method = "poold.status",
	 .show = show_status},
	{.name = "health",
	 .arguments = "[POOL]",
	 .summary = "the same for a program: exit status 0, 1 or 2",
	 .help = "Exits 0 when all pools are ok, 1 when one is degraded, 2 when one is down; with "
		 "POOL, that\n"
		 "one alone counts.\n",
	 .arg_max = 1,
	 .run = run_report,
	 .method = "poold.health",
	 .show = show_health,
	 .exit_status = health_exit_status},
	{.name = "doctor",
	 .arguments = "[POOL]",
	 .summary = "what stops a pool from working, each thing looked at",
	 .help = "Command and directory there and allowed, workers starting and ready, breaker, "
		 "queue, limits;\n"
		 "for each that is not right, what to do.  Exits 0 when all is well, 1 with a "
		 "warning, 2 with a\n"
		 "fault.\n",
	 .arg_max = 1,
	 .run = run_report,
	 .method = "poold.doctor",
	 .show = show_doctor,
	 .exit_status = doctor_exit_status},
	{.name = "call",
	 .arguments = "POOL METHOD [JSON]",
	 .summary = "run a method and print its result",
	 .help = "JSON are the arguments: a list holds positional arguments, an object keyword "
		 "arguments,\n"
		 "anything else is one argument; without it there is none; - reads it from "
		 "standard "
		 "input.\n"
		 "The result is printed as JSON.\n"
		 "\n"
		 "  -t, --timeout DURATION  how long the call may take, queue and retries included "
		 "(30s)\n"
		 "      --meta              print {\"result\": ..., \"meta\": ...}: who answered, "
		 "how long "
		 "it took\n"
		 "      --session NAME      one of the requests of that session, which begins if "
		 "need be\n"
		 "      --key KEY           of all requests with this key one succeeds, the others "
		 "get its "
		 "answer\n"
		 "      --idempotent        it may be run again when it may have run already\n"
		 "      --no-fallback       never answered by a pool of the chain behind POOL\n"
		 "      --stream            print what the method streams, one JSON a line, before "
		 "the "
		 "result\n"
		 "\n"
		 "What JSON has no word for, here and in results:\n"
		 "  {\"$base64\": \"AAEC\"}                bytes\n"
		 "  {\"$text\": \"/w==\"}                  text that is not valid UTF-8, as "
		 "base64\n"
		 "  {\"$ext\": 5, \"$base64\": \"AAEC\"}     a MessagePack extension of kind 5\n"
		 "  {\"$uint\": \"18446744073709551615\"}  an integer over 9223372036854775807\n"
		 "  {\"$float\": \"nan\"}                  nan, inf, -inf\n"
		 "  {\"$map\": [[1, \"one\"]]}             a map whose keys are not texts, or "
		 "begin with "
		 "$\n"
		 "\n"
		 "Examples:\n"
		 "  poolctl call python word_count '[\"to be or not to be\"]'\n"
		 "  poolctl call --timeout 2min python resize '{\"path\": \"a.png\", \"width\": "
		 "640}'\n",
	 .arg_min = 2,
	 .arg_max = 3,
	 .takes = OPTIONS_OF_CALL,
	 .run = run_call},
	{.name = "pools",
	 .arguments = "[POOL]",
	 .summary = "every pool with its limits, counters and times",
	 .arg_max = 1,
	 .run = run_report,
	 .method = "poold.pools",
	 .show = show_pools},
	{.name = "workers",
	 .arguments = "[POOL]",
	 .summary = "every worker: what it does, how the last one ended",
	 .help = "SINCE is how long the worker has been in its state, NOW what it has been running "
		 "longest.\n",
	 .arg_max = 1,
	 .run = run_report,
	 .method = "poold.workers",
	 .show = show_workers},
	{.name = "breakers",
	 .arguments = "[POOL]",
	 .summary = "every circuit breaker: its state and what led to it",
	 .help = "METHOD is - for the breaker of the whole pool.  RUN are failures in a row, "
		 "FAILURES those of\n"
		 "the calls in the window; LEFT is the time until it tries again, BY who set it by "
		 "hand.\n",
	 .arg_max = 1,
	 .run = run_report,
	 .method = "poold.breakers",
	 .show = show_breakers},
	{.name = "breaker",
	 .arguments = "ACTION POOL [METHOD]",
	 .summary = "set a circuit breaker by hand",
	 .help = "ACTION is one of\n"
		 "  reset    close it and forget what it has seen; it goes on by its rules\n"
		 "  open     keep it open until it is reset: nothing reaches the pool\n"
		 "  disable  let everything through until it is reset\n"
		 "  observe  let everything through and count what it would have refused\n"
		 "\n"
		 "For root, the daemon's own user, and the members of its admin_group.\n",
	 .arg_min = 2,
	 .arg_max = 3,
	 .run = run_report,
	 .method = "poold.breaker_",
	 .actions = breaker_actions,
	 .params = write_texts,
	 .show = show_breaker},
	{.name = "restart",
	 .arguments = "POOL",
	 .summary = "replace the workers of a pool, one after the other",
	 .help = "Each new worker gets ready before an old one goes, which first finishes what it "
		 "runs.  The\n"
		 "first new one that does not start ends it, and the workers left stay.  Returns "
		 "at "
		 "once;\n"
		 "poolctl pools and poolctl events worker show how it goes.\n"
		 "\n"
		 "For root, the daemon's own user, and the members of its admin_group.\n",
	 .arg_min = 1,
	 .arg_max = 1,
	 .run = run_report,
	 .method = "poold.restart_workers",
	 .params = write_texts,
	 .show = show_restart},
	{.name = "resize",
	 .arguments = "POOL MIN[..MAX]",
	 .summary = "give a pool more or fewer workers until the daemon ends",
	 .help = "MAX is at most twice what the pool was started with.  Workers too many finish "
		 "what "
		 "they run.\n"
		 "\n"
		 "For root, the daemon's own user, and the members of its admin_group.\n",
	 .arg_min = 2,
	 .arg_max = 2,
	 .run = run_report,
	 .method = "poold.resize",
	 .params = write_size,
	 .show = show_resize},
	{.name = "kill",
	 .arguments = "POOL WORKER [SIGNAL]",
	 .summary = "end a worker; another one takes its place",
	 .help = "WORKER is its number in poolctl workers.  SIGNAL is TERM (the default), KILL, "
		 "INT, "
		 "QUIT or\n"
		 "ABRT; KILL follows when it is still there after kill_grace.  Its requests are "
		 "treated as\n"
		 "after a crash.\n"
		 "\n"
		 "For root, the daemon's own user, and the members of its admin_group.\n",
	 .arg_min = 2,
	 .arg_max = 3,
	 .run = run_report,
	 .method = "poold.kill_worker",
	 .params = write_victim,
	 .show = show_kill},
	{.name = "stack",
	 .arguments = "POOL WORKER",
	 .summary = "where a worker is in its code, right now",
	 .help = "WORKER is its number in poolctl workers.  The worker writes the stacks of its "
		 "threads, also\n"
		 "while it is busy in C; a Python worker names each file, line and function.  It "
		 "goes on as if\n"
		 "nothing had been.\n"
		 "\n"
		 "For root, the daemon's own user, and the members of its admin_group.\n",
	 .arg_min = 2,
	 .arg_max = 2,
	 .run = run_stack},
	{.name = "drain",
	 .arguments = "POOL",
	 .summary = "take a pool out of service: it finishes what it has",
	 .help = "New requests go to its fallback, or are refused with pool_unavailable.\n"
		 "\n"
		 "For root, the daemon's own user, and the members of its admin_group.\n",
	 .arg_min = 1,
	 .arg_max = 1,
	 .run = run_report,
	 .method = "poold.drain",
	 .params = write_texts,
	 .show = show_drained},
	{.name = "resume",
	 .arguments = "POOL",
	 .summary = "put a pool back into service",
	 .help = "For root, the daemon's own user, and the members of its admin_group.\n",
	 .arg_min = 1,
	 .arg_max = 1,
	 .run = run_report,
	 .method = "poold.resume",
	 .params = write_texts,
	 .show = show_drained},
	{.name = "recoveries",
	 .arguments = "",
	 .summary = "requests being retried or moved, and how that went so far",
	 .help = "First the totals, by category of error and by strategy; then those that are "
		 "active.  LEFT is\n"
		 "the time until the daemon gives up.\n",
	 .run = run_report,
	 .method = "poold.recoveries",
	 .show = show_recoveries},
	{.name = "recovery",
	 .arguments = "cancel ID",
	 .summary = "end a recovery: its request gets the error that it has",
	 .help = "ID is that of poolctl recoveries.  For root, the daemon's own user, and the "
		 "members of its\n"
		 "admin_group.\n",
	 .arg_min = 2,
	 .arg_max = 2,
	 .run = run_report,
	 .method = "poold.recovery_",
	 .actions = recovery_actions,
	 .params = write_numbers,
	 .show = show_done},
	{.name = "errors",
	 .arguments = "[N]",
	 .summary = "the last errors, newest first; at most N",
	 .help = "--json has all that is known of each.\n",
	 .arg_max = 1,
	 .run = run_report,
	 .method = "poold.errors",
	 .params = write_numbers,
	 .show = show_errors},
	{.name = "sessions",
	 .arguments = "[N]",
	 .summary = "the sessions and who serves them; at most N",
	 .help = "STATE is how much the session's workers have handed over, LOST whether some was "
		 "lost with a\n"
		 "worker.\n",
	 .arg_max = 1,
	 .run = run_report,
	 .method = "poold.sessions",
	 .params = write_numbers,
	 .show = show_sessions},
	{.name = "session",
	 .arguments = "close SESSION",
	 .summary = "end a session and drop its state",
	 .arg_min = 2,
	 .arg_max = 2,
	 .run = run_report,
	 .method = "poold.session_",
	 .actions = session_actions,
	 .params = write_texts,
	 .show = show_done},
	{.name = "events",
	 .arguments = "[KIND...]",
	 .summary = "what happens, as it happens, until interrupted",
	 .help = "A KIND is breaker, failover, recovery, health, worker, session or error; without "
		 "any, all are\n"
		 "shown.  --json prints one object a line.\n"
		 "\n"
		 "      --count N           end after N events\n",
	 .arg_max = 16,
	 .takes = OPTIONS_OF_EVENTS,
	 .run = run_events},
	{.name = "stats",
	 .arguments = "",
	 .summary = "all counters, one a line",
	 .run = run_report,
	 .method = "poold.stats",
	 .show = show_stats},
	{.name = "metrics",
	 .arguments = "",
	 .summary = "all counters as Prometheus text",
	 .run = run_report,
	 .method = "poold.metrics",
	 .show = show_metrics},
	{.name = "version",
	 .arguments = "",
	 .summary = "the versions of poolctl and of the daemon",
	 .run = run_report,
	 .method = "poold.version",
	 .show = show_version},
};

const size_t command_count = sizeof(commands) / sizeof(commands[0]);

const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < command_count; i++) {
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	}
	return NULL;
}
