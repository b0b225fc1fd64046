#include "client/poolctl/command.h"

#include "client/poolctl/exit_status.h"
#include "client/poolctl/params.h"
#include "client/poolctl/run.h"
#include "client/poolctl/show.h"

#include <string.h>
#include <sysexits.h>

static const char *const breaker_actions[] = {"reset", "open", "disable", "observe", NULL};
static const char *const recovery_actions[] = {"cancel", NULL};
static const char *const alert_actions[] = {"test", "silence", NULL};
static const char *const session_actions[] = {"close", NULL};

#define ADMINS_ONLY                                                                                \
	"Allowed to root, the daemon's user, and the members of its admin_group or the pool's.\n"

const struct command commands[] = {
	{.name = "status",
	 .arguments = "",
	 .summary = "health of the daemon and its pools, and what to do about problems",
	 .help = "Prints each problem with advice, then one line for each pool.  WORKERS counts\n"
		 "the workers that are ready or busy, \"of\" the configured minimum.\n"
		 "\n"
		 "These are of the last minute, \"-\" if there was nothing: RATE, the requests "
		 "that\n"
		 "ended in a second; OK%, the share of them with a result, cancelled ones apart;\n"
		 "P50 and P99, the median and the 99th percentile of the run times; WAIT, the\n"
		 "99th percentile of the time in the queue.  REQUESTS, FAILED and RESTARTS count\n"
		 "since the daemon's start.\n",
	 .run = run_report,
	 .method = "poold.status",
	 .show = show_status},
	{.name = "top",
	 .arguments = "",
	 .summary = "a screen that shows what is wrong, and all that is going on now",
	 .help = "Shows the verdict, then the pools, what is wrong first, then a pane: workers,\n"
		 "errors by code, requests running now, clients or alerts.  REQ/S and OK% are of\n"
		 "the last ten seconds.  h shows the keys.  Actions ask first, and name the call\n"
		 "that they make.  With --json it prints one object.\n"
		 "\n"
		 "      --once              print one screen as text; it takes one interval\n"
		 "      --interval DURATION how often it asks the daemon, 100ms at least (1s)\n",
	 .takes = OPTIONS_OF_TOP,
	 .run = run_top},
	{.name = "health",
	 .arguments = "[POOL]",
	 .summary = "health as an exit status, for programs: 0, 1 or 2",
	 .help = "Exits with 0 if all pools are ok, 1 if a pool is degraded, 2 if a pool is\n"
		 "down.  With POOL, only that pool counts.  64: there is no such pool.\n"
		 "\n"
		 "      --live              exit with 0 if the daemon answers at all\n"
		 "      --ready             exit with 0 if it can serve: ok and degraded pools "
		 "count\n",
	 .arg_max = 1,
	 .takes = OPTIONS_OF_HEALTH,
	 .run = run_report,
	 .method = "poold.health",
	 .show = show_health,
	 .exit_status = exit_status_of_health,
	 .unknown_pool = EX_USAGE},
	{.name = "doctor",
	 .arguments = "[POOL]",
	 .summary = "check everything that a pool needs in order to work",
	 .help = "Checks command and directory of the workers, their starts, circuit breaker,\n"
		 "queue and limits, and prints advice for each check that did not pass.  Exits\n"
		 "with 0 if all checks passed, 1 if there is a warning, 2 if there is a fault.\n",
	 .arg_max = 1,
	 .run = run_report,
	 .method = "poold.doctor",
	 .show = show_doctor,
	 .exit_status = exit_status_of_doctor,
	 .unknown_pool = EX_USAGE},
	{.name = "call",
	 .arguments = "POOL METHOD [JSON]",
	 .summary = "call a method and print its result",
	 .help = "JSON holds the arguments: a list holds positional arguments, an object\n"
		 "keyword arguments, any other value is the only argument.  Without JSON there\n"
		 "are no arguments; - reads it from standard input.  The result is printed as\n"
		 "JSON.\n"
		 "\n"
		 "  -t, --timeout DURATION  time limit, including queueing and retries (30s)\n"
		 "      --meta              print {\"result\": ..., \"meta\": ...}; meta says\n"
		 "                          which worker answered and how long it took\n"
		 "      --session NAME      make the call part of this session, which is\n"
		 "                          created if it does not exist\n"
		 "      --key KEY           idempotency key: of all calls with the same key,\n"
		 "                          one succeeds and the others get its answer\n"
		 "      --idempotent        the method may be executed more than once, so the\n"
		 "                          daemon may retry after a failure\n"
		 "      --no-fallback       do not use the fallback pools of POOL\n"
		 "      --stream            print each streamed chunk as a line of JSON before\n"
		 "                          the result\n"
		 "      --trace TRACE       W3C traceparent, or another text: by it the call is\n"
		 "                          found in the log, in errors and in spans\n"
		 "\n"
		 "Values that JSON cannot express, here and in results:\n"
		 "  {\"$base64\": \"AAEC\"}                bytes\n"
		 "  {\"$text\": \"/w==\"}                  text that is not UTF-8, as base64\n"
		 "  {\"$ext\": 5, \"$base64\": \"AAEC\"}     a MessagePack extension of type 5\n"
		 "  {\"$uint\": \"18446744073709551615\"}  an integer above 9223372036854775807\n"
		 "  {\"$float\": \"nan\"}                  nan, inf, -inf\n"
		 "  {\"$map\": [[1, \"one\"]]}             a map with keys that are not text, or\n"
		 "                                     with the keys of one of these objects\n"
		 "An object with any other keys is what it is: {\"$ref\": \"#/$defs/a\"}.\n"
		 "\n"
		 "Examples:\n"
		 "  poolctl call python word_count '[\"to be or not to be\"]'\n"
		 "  poolctl call -t 2min python resize '{\"path\": \"a.png\", \"width\": 640}'\n",
	 .arg_min = 2,
	 .arg_max = 3,
	 .takes = OPTIONS_OF_CALL,
	 .run = run_call},
	{.name = "pools",
	 .arguments = "[POOL]",
	 .summary = "all pools with their limits, counters and latencies",
	 .help = "RATE, OK%, P50, P99 and WAIT are of the last minute, as in poolctl status.  So\n"
		 "are FOR, what requests waited for most of that time: workers_busy,\n"
		 "worker_starting, turn (of the session or key), retry_delay, client; PEAK, the\n"
		 "longest queue; ALL BUSY, how long no worker was free.\n"
		 "With --json there are windows of 10 s, 1, 5 and 15 min and since the start.\n",
	 .arg_max = 1,
	 .run = run_report,
	 .method = "poold.pools",
	 .show = show_pools},
	{.name = "methods",
	 .arguments = "[POOL]",
	 .summary = "the methods of the pools: how many requests, how they ended, how long",
	 .help = "RATE, OK%, P50 and P99 are of the last minute, as in poolctl status; REQUESTS "
		 "and\n"
		 "FAILED count since the daemon's start.  Up to 16 methods of a pool are known, "
		 "those\n"
		 "that answered first; the others stand together in one line.\n",
	 .arg_max = 1,
	 .run = run_report,
	 .method = "poold.methods",
	 .show = show_methods},
	{.name = "workers",
	 .arguments = "[POOL]",
	 .summary = "all workers: state, current request, last exit",
	 .help = "SINCE is the time in the current state, HEARD the time since the last message\n"
		 "of the worker.  NOW is the method that has been running longest, and for how\n"
		 "long.\n",
	 .arg_max = 1,
	 .run = run_report,
	 .method = "poold.workers",
	 .show = show_workers},
	{.name = "breakers",
	 .arguments = "[POOL]",
	 .summary = "all circuit breakers: state and reason",
	 .help = "METHOD is - for the breaker of the whole pool.  RUN counts consecutive\n"
		 "failures, FAILURES the failed calls of all calls in the time window.  LEFT is\n"
		 "the time until an open breaker lets probe requests through.  BY is the user\n"
		 "who last set the breaker with poolctl breaker.\n",
	 .arg_max = 1,
	 .run = run_report,
	 .method = "poold.breakers",
	 .show = show_breakers},
	{.name = "breaker",
	 .arguments = "ACTION POOL [METHOD]",
	 .summary = "set the state of a circuit breaker",
	 .help = "ACTION is one of\n"
		 "  reset    close it and clear its history; it works automatically again\n"
		 "  open     keep it open until it is reset: all requests are rejected\n"
		 "  disable  admit all requests until it is reset\n"
		 "  observe  admit all requests until it is reset, and count when it would have\n"
		 "           opened\n"
		 "\n" ADMINS_ONLY,
	 .arg_min = 2,
	 .arg_max = 3,
	 .run = run_report,
	 .method = "poold.breaker_",
	 .actions = breaker_actions,
	 .params = params_texts,
	 .show = show_breaker},
	{.name = "restart",
	 .arguments = "POOL",
	 .summary = "rolling restart: replace the workers of a pool one by one",
	 .help = "An old worker is stopped when its replacement is ready and its own requests\n"
		 "are finished.  If a new worker fails to start, the restart stops and the\n"
		 "remaining old workers are kept.  The command returns at once; poolctl pools\n"
		 "and poolctl events --follow worker show the progress.\n"
		 "\n" ADMINS_ONLY,
	 .arg_min = 1,
	 .arg_max = 1,
	 .run = run_report,
	 .method = "poold.restart_workers",
	 .params = params_texts,
	 .show = show_restart},
	{.name = "resize",
	 .arguments = "POOL MIN[..MAX]",
	 .summary = "change the number of workers until the daemon restarts",
	 .help = "MAX is at most twice the configured maximum.  Surplus workers finish their\n"
		 "requests before they are stopped.\n"
		 "\n" ADMINS_ONLY,
	 .arg_min = 2,
	 .arg_max = 2,
	 .run = run_report,
	 .method = "poold.resize",
	 .params = params_size,
	 .show = show_resize},
	{.name = "kill",
	 .arguments = "POOL WORKER [SIGNAL]",
	 .summary = "send a worker a signal that ends it; it is replaced",
	 .help = "WORKER is the number that poolctl workers shows.  SIGNAL is TERM (the\n"
		 "default), KILL, INT, QUIT or ABRT.  A worker that is still alive after\n"
		 "kill_grace gets SIGKILL.  Its requests are handled as after a crash.\n"
		 "\n" ADMINS_ONLY,
	 .arg_min = 2,
	 .arg_max = 3,
	 .run = run_report,
	 .method = "poold.kill_worker",
	 .params = params_worker,
	 .show = show_kill},
	{.name = "stack",
	 .arguments = "POOL WORKER",
	 .summary = "print the stack traces of a running worker",
	 .help = "WORKER is the number that poolctl workers shows.  The worker writes the stack\n"
		 "traces of all its threads, even while it runs C code, and continues its\n"
		 "work.  A Python worker prints file, line and function of each frame.\n"
		 "\n" ADMINS_ONLY,
	 .arg_min = 2,
	 .arg_max = 2,
	 .run = run_stack},
	{.name = "drain",
	 .arguments = "POOL",
	 .summary = "take a pool out of service after its current requests",
	 .help = "Accepted requests are finished.  New requests go to the fallback pool, or\n"
		 "fail with pool_unavailable.  poolctl resume puts the pool back into service.\n"
		 "\n" ADMINS_ONLY,
	 .arg_min = 1,
	 .arg_max = 1,
	 .run = run_report,
	 .method = "poold.drain",
	 .params = params_texts,
	 .show = show_drained},
	{.name = "resume",
	 .arguments = "POOL",
	 .summary = "put a drained pool back into service",
	 .help = ADMINS_ONLY,
	 .arg_min = 1,
	 .arg_max = 1,
	 .run = run_report,
	 .method = "poold.resume",
	 .params = params_texts,
	 .show = show_drained},
	{.name = "recoveries",
	 .arguments = "",
	 .summary = "requests that are being retried or moved to another pool",
	 .help = "Prints totals by error category and by strategy, then the active recoveries.\n"
		 "LEFT is the time until the daemon gives up.\n",
	 .run = run_report,
	 .method = "poold.recoveries",
	 .show = show_recoveries},
	{.name = "recovery",
	 .arguments = "cancel ID",
	 .summary = "stop a recovery: its request fails with the original error",
	 .help = "ID is the number that poolctl recoveries shows.\n"
		 "\n" ADMINS_ONLY,
	 .arg_min = 2,
	 .arg_max = 2,
	 .run = run_report,
	 .method = "poold.recovery_",
	 .actions = recovery_actions,
	 .params = params_id,
	 .show = show_done},
	{.name = "errors",
	 .arguments = "[N [KIND]]",
	 .summary = "the last errors, newest first, at most N",
	 .help = "KIND is request, incident, refusal (before a pool had the request) or\n"
		 "connection (a client that was cut off); without it, all are shown.  The last\n"
		 "lines say since when errors are known.  --json prints all details of each "
		 "error.\n",
	 .arg_max = 2,
	 .run = run_errors,
	 .method = "poold.errors",
	 .params = params_errors,
	 .show = show_errors},
	{.name = "sessions",
	 .arguments = "[N]",
	 .summary = "open sessions and the workers that serve them, at most N",
	 .help = "STATE is the size of the state that workers have stored for the session; LOST\n"
		 "says whether state was lost when a worker ended.\n",
	 .arg_max = 1,
	 .run = run_report,
	 .method = "poold.sessions",
	 .params = params_count,
	 .show = show_sessions},
	{.name = "session",
	 .arguments = "close SESSION [UID]",
	 .summary = "close a session and delete its state",
	 .help = "Without UID the session is yours.  Another user's is closed by who may control\n"
		 "the daemon.\n",
	 .arg_min = 2,
	 .arg_max = 3,
	 .run = run_report,
	 .method = "poold.session_",
	 .actions = session_actions,
	 .params = params_session,
	 .show = show_done},
	{.name = "alerts",
	 .arguments = "",
	 .summary = "alerts that are pending, firing or silenced, and the last ones",
	 .help = "SINCE is the time in the current state, SILENCED the time for which nothing is\n"
		 "reported yet.  poolctl explain ALERT says what to do.\n",
	 .run = run_report,
	 .method = "poold.alerts",
	 .show = show_alerts},
	{.name = "alert",
	 .arguments = "ACTION ALERT [DURATION]",
	 .summary = "test an alert's destinations, or silence it for a time",
	 .help = "ACTION is one of\n"
		 "  test     let the alert fire for 10 s, as a test that all destinations get\n"
		 "  silence  report nothing of the alert for DURATION, such as 2h; 0 ends that.\n"
		 "           If it still fires at the end, it is reported then\n"
		 "ALERT is the name of a rule.\n"
		 "\n"
		 "Allowed to root, the daemon's user, and the members of its admin_group.\n",
	 .arg_min = 2,
	 .arg_max = 3,
	 .run = run_report,
	 .method = "poold.alert_",
	 .actions = alert_actions,
	 .params = params_alert,
	 .show = show_alert},
	{.name = "events",
	 .arguments = "[KIND...] [POOL]",
	 .summary = "what happened, from the events that the daemon has kept",
	 .help = "poolctl explain lists the kinds of events, and says what each KIND means;\n"
		 "without a KIND, all events are printed but those of kind span, and with a POOL\n"
		 "those that name it.\n"
		 "--json prints one object a line.  Each line has the event's number and time.\n"
		 "\n"
		 "      --follow            go on with new events until interrupted, also after a\n"
		 "                          restart of the daemon; without --since only with them\n"
		 "      --since WHEN        begin behind the event of that number (1234), at a\n"
		 "                          time (14:30, \"2026-11-23 14:30:00\"), or so long ago\n"
		 "                          (90s, 15min, 2h)\n"
		 "      --kind KIND         the same as KIND; may come more than once\n"
		 "      --count N           exit after N events\n",
	 .arg_max = 16,
	 .takes = OPTIONS_OF_EVENTS | OPTIONS_OF_HISTORY | OPTIONS_OF_LOGS,
	 .run = run_events},
	{.name = "history",
	 .arguments = "[POOL]",
	 .summary = "what happened in the last hour: counted, and in order",
	 .help = "Counts the events that the daemon has kept, by pool and by what happened, and\n"
		 "prints in their order those about breakers, failovers, health, workers that\n"
		 "ended, recoveries, lost sessions, overload, changes of the configuration, and\n"
		 "the daemon.  poolctl events prints all of them.\n"
		 "\n"
		 "      --since WHEN        instead of one hour ago: a time (14:30,\n"
		 "                          \"2026-11-23 14:30:00\"), how long ago (90s, 15min, "
		 "2h),\n"
		 "                          or the number of an event\n",
	 .arg_max = 1,
	 .takes = OPTIONS_OF_HISTORY,
	 .run = run_history},
	{.name = "clients",
	 .arguments = "",
	 .summary = "who is connected, and what each has in flight",
	 .help = "NAME and VERSION are what a client says of itself.  IN FLIGHT counts its\n"
		 "unanswered calls, QUEUED those of them that are at no worker, CALLS all that\n"
		 "it made.  UNREAD is the output that waits for it.  PAUSED: the daemon reads\n"
		 "nothing from it, because it has too much unread (unread) or holds more than\n"
		 "its share of memory_max (memory).  PLACE: it came when all other places were\n"
		 "taken, and can only look and control.\n"
		 "\n"
		 "Who may control the daemon sees all clients, others those of their own user.\n",
	 .run = run_report,
	 .method = "poold.clients",
	 .show = show_clients},
	{.name = "requests",
	 .arguments = "[POOL]",
	 .summary = "requests that are not answered yet, the oldest first",
	 .help = "STATE is waiting (for another request of its session, or with its key),\n"
		 "queued (for a worker), held (until its client has read what waits for it),\n"
		 "delayed (between two attempts), sent (it stands behind another one at its\n"
		 "worker) or running.  LEFT is the time to its deadline, RUN the time at its\n"
		 "worker.  POOL is where it is now.\n"
		 "\n"
		 "      --queued            only those that are at no worker\n"
		 "      --running           only those that are at a worker\n"
		 "\n"
		 "Who may control the daemon sees all requests, who may control a pool those of\n"
		 "the pool, others those of their own user.\n",
	 .arg_max = 1,
	 .takes = OPTIONS_OF_REQUESTS,
	 .run = run_requests,
	 .method = "poold.requests",
	 .show = show_requests},
	{.name = "cancel",
	 .arguments = "ID",
	 .summary = "end a request: its client gets the error cancelled",
	 .help = "ID is the number that poolctl requests shows.  On a terminal it asks first.\n"
		 "\n"
		 "      --yes               do not ask\n"
		 "\n" ADMINS_ONLY,
	 .arg_min = 1,
	 .arg_max = 1,
	 .takes = OPTIONS_OF_CANCEL,
	 .run = run_cancel,
	 .method = "poold.request_cancel",
	 .show = show_cancelled},
	{.name = "config",
	 .arguments = "[POOL]",
	 .summary = "the running configuration, and where each value was set",
	 .help = "FROM is the file and line that set the value, or default.  The values of\n"
		 "env.NAME are not shown.  With POOL only the sections of that pool.\n"
		 "\n" ADMINS_ONLY,
	 .arg_max = 1,
	 .run = run_report,
	 .method = "poold.config",
	 .params = params_texts,
	 .show = show_config},
	{.name = "explain",
	 .arguments = "[WORD]",
	 .summary = "what an error code, event, metric or state means",
	 .help = "WORD is an error code, a kind of event, a metric, a MESSAGE_ID of the journal,\n"
		 "or a state of a request, a worker or a circuit breaker; without it all words\n"
		 "are listed.  Says what it means, what poold does, what to do, and the page of\n"
		 "the runbook.  No daemon is needed.\n",
	 .arg_max = 1,
	 .run = run_explain},
	{.name = "report",
	 .arguments = "[FILE]",
	 .summary = "write all that a support request needs to FILE, or print it",
	 .help = "One JSON object with versions, configuration, status, checks, errors, pools,\n"
		 "workers, circuit breakers, recoveries, metrics, and the last lines of the\n"
		 "journal.  It has what you may see; what you may not is said to be missing.\n"
		 "The values of env.NAME and the names of sessions are left out, but commands,\n"
		 "messages of errors and lines of the log are as they are: read it before you\n"
		 "pass it on.  FILE must not exist yet; only you can read it.\n",
	 .arg_max = 1,
	 .run = run_bundle},
	{.name = "logs",
	 .arguments = "POOL [WORKER]",
	 .summary = "the journal's lines about a pool, or one of its workers",
	 .help = "Runs journalctl with the fields that poold sets.  WORKER is the number that\n"
		 "poolctl workers shows.\n"
		 "\n"
		 "      --follow            go on with new lines until interrupted\n",
	 .arg_min = 1,
	 .arg_max = 2,
	 .takes = OPTIONS_OF_LOGS,
	 .run = run_logs},
	{.name = "completion",
	 .arguments = "",
	 .summary = "print the completion for bash",
	 .run = run_completion},
	{.name = "stats",
	 .arguments = "",
	 .summary = "all counters, one a line",
	 .run = run_report,
	 .method = "poold.stats",
	 .show = show_stats},
	{.name = "metrics",
	 .arguments = "[FORMAT]",
	 .summary = "all metrics in the Prometheus text format",
	 .help = "FORMAT is prometheus, the default, or openmetrics.\n",
	 .arg_max = 1,
	 .run = run_report,
	 .method = "poold.metrics",
	 .params = params_texts,
	 .show = show_metrics},
	{.name = "version",
	 .arguments = "",
	 .summary = "the versions of poolctl and of the daemon",
	 .run = run_report,
	 .method = "poold.version",
	 .show = show_version},
};

const size_t command_count = sizeof(commands) / sizeof(commands[0]);

bool command_is_action(const struct command *command, const char *word)
{
	for (const char *const *action = command->actions; *action; action++) {
		if (strcmp(*action, word) == 0)
			return true;
	}
	return false;
}

const struct command *command_find(const char *name)
{
	for (size_t i = 0; i < command_count; i++) {
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	}
	return NULL;
}
