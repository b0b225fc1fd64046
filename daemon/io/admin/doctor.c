#include "daemon/io/admin/doctor.h"

#include "daemon/core/engine_view.h"
#include "daemon/io/admin/problem.h"
#include "daemon/io/admin/report.h"
#include "daemon/io/base/pack_named.h"
#include "daemon/io/config/config_program.h"
#include "daemon/io/driver/caller.h"
#include "daemon/io/worker/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEXT_MAX (START_FAULT_MAX + 64)

/* File descriptors of the daemon apart from those for connections and workers. */
#define OWN_FILES 32

/* File descriptors of the daemon for each worker: its pidfd, channel, recall socket, standard output
 * and error. */
#define WORKER_FILES 5

enum verdict {
	VERDICT_OK = 0,
	VERDICT_WARNING,
	VERDICT_FAULT
};

/* Findings are packed one by one into a buffer of their own, as their number must precede them. */
struct findings {
	struct buf buf;
	uint32_t count;
	const char *pool;   /* the pool under examination; NULL: the daemon itself */
	struct bytes words; /* what a worker said last; of the next finding only */
};

static void find(struct findings *findings, const char *check, enum verdict verdict,
		 const char *advice, const char *format, ...) PRINTF_LIKE(5, 6);

static void find(struct findings *findings, const char *check, enum verdict verdict,
		 const char *advice, const char *format, ...)
{
	static const char *const verdicts[] = {"ok", "warning", "fault"};
	struct buf *out = &findings->buf;
	char text[TEXT_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	pack_map(out, 6);
	pack_str(out, "pool");
	if (findings->pool)
		pack_str(out, findings->pool);
	else
		pack_nil(out);
	pack_named_str(out, "check", check);
	pack_named_str(out, "status", verdicts[verdict]);
	/* It may hold what a worker said. */
	pack_named_text(out, "text", (struct bytes){(const uint8_t *)text, strlen(text)});
	pack_str(out, "advice");
	if (verdict == VERDICT_OK)
		pack_nil(out);
	else
		pack_str(out, advice);
	pack_str(out, "stderr");
	if (findings->words.len > 0)
		pack_text(out, findings->words);
	else
		pack_nil(out);
	findings->words = (struct bytes){0};
	findings->count++;
}

/* --- the daemon --- */

static void check_files(struct findings *findings, const struct driver *driver)
{
	uint64_t wanted = driver->config->daemon.connections_max + OWN_FILES +
			  (uint64_t)driver->life_count * WORKER_FILES;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	find(findings, "open files", limit.rlim_cur < wanted ? VERDICT_WARNING : VERDICT_OK,
	     "raise LimitNOFILE= of the service, or lower connections_max",
	     "%llu are allowed, up to %llu may be needed", (unsigned long long)limit.rlim_cur,
	     (unsigned long long)wanted);
}

/* A group that the configuration names; `right`: what was found of it. */
static void check_group(struct findings *findings, const char *check, const char *name,
			const struct right *right, const char *does, const char *advice)
{
	if (!*name)
		return;
	if (right->group)
		find(findings, check, VERDICT_OK, "", "members of %s may %s", name, does);
	else
		find(findings, check, VERDICT_WARNING, advice, "there is no group %s", name);
}

static void check_control(struct findings *findings, const struct driver *driver)
{
	check_group(findings, "admin group", driver->config->daemon.admin_group,
		    &driver->rights.admin, "control the daemon",
		    "create the group, or correct admin_group");
	check_group(findings, "call group", driver->config->daemon.call_group, &driver->rights.call,
		    "call the pools that name no other group",
		    "create the group, or correct call_group");
}

static void check_namesakes(struct findings *findings, const struct driver *driver)
{
	for (unsigned i = 0; i < driver->namesakes.count; i++) {
		const struct namesake *namesake = &driver->namesakes.pairs[i];

		findings->pool =
			namesake->is_key ? driver_pool_config(driver, namesake->pool)->name : NULL;
		find(findings, namesake->is_key ? "keys" : "sessions", VERDICT_WARNING,
		     namesake->is_key
			     ? "if these users are one application, set keys_shared = yes for the "
			       "pool"
			     : "if these users are one application, set sessions_shared = yes in "
			       "[daemon]",
		     "uid %" PRIu32 " has used %s of uid %" PRIu32 " %" PRIu64
		     " times: to each of them these are its own",
		     namesake->user, namesake->is_key ? "idempotency keys" : "names of sessions",
		     namesake->other, namesake->times);
	}
	findings->pool = NULL;
}

static void check_guard(struct findings *findings, const struct guard *guard)
{
	const char *advice = "it is started again and again: raise TasksMax= of the service, or "
			     "free memory";

	if (guard_is_alive(guard))
		find(findings, "guard", VERDICT_OK, "", "it lives: process %d", (int)guard->pid);
	else if (guard->error < 0)
		find(findings, "guard", VERDICT_WARNING, advice,
		     GUARD_MISSED "; it could not be started: %s", strerror(-guard->error));
	else
		find(findings, "guard", VERDICT_WARNING,
		     "find out what ends or stops it: see the journal", GUARD_MISSED);
}

/* --- the program of a pool --- */

static void check_program(struct findings *findings, const struct config_pool *pool, bool is_shown)
{
	char path[PATH_MAX];
	bool found = config_find_program(pool, path);

	if (!is_shown)
		find(findings, "command", found ? VERDICT_OK : VERDICT_FAULT,
		     "install it, or name it by its full path in command",
		     found ? "its program can be run" : "its program can't be run by the daemon");
	else if (found)
		find(findings, "command", VERDICT_OK, "", "%s can be run", path);
	else
		find(findings, "command", VERDICT_FAULT,
		     "install it, or name it by its full path in command",
		     "%s is not a program that the daemon may run%s", path,
		     strchr(path, '/') ? "" : ", nor is it in its PATH");
}

static void check_directory(struct findings *findings, const struct config_pool *pool,
			    bool is_shown)
{
	int error = *pool->directory ? config_directory_fault(pool->directory) : 0;

	if (!*pool->directory)
		return;
	find(findings, "directory", error ? VERDICT_FAULT : VERDICT_OK,
	     "create it, or correct directory", "%s%s%s",
	     is_shown ? pool->directory : "its directory", error ? ": " : "",
	     error ? strerror(error) : "");
}

/* --- the workers of a pool --- */

static void check_failed_starts(struct findings *findings, const struct pool_view *pool,
				const char *fault, const char *home)
{
	const char *advice = "check that the server is running and that address is correct";
	char count[64];

	if (pool->adapter == POOL_PROCESS)
		advice = pool->is_unusable
				 ? "correct what its message names; exit status 78 says that "
				   "trying again is of no use"
				 : "run its command manually; see poolctl errors and the journal";
	if (home)
		advice = "if the unit's ProtectHome= hides it: systemctl edit poold, add "
			 "ProtectHome=read-only below [Service], and restart; or install the code "
			 "elsewhere, such as in /srv";
	snprintf(count, sizeof(count), "%u consecutive %s failed", pool->failed_starts,
		 pool->failed_starts == 1 ? "start" : "starts");
	find(findings, "start", VERDICT_FAULT, advice, "%s%s%s",
	     pool->failed_starts > 0 ? count : "its workers cannot work as they are configured",
	     *fault ? ": " : "", fault);
}

/* `fault`: why the last start failed; `home`: of config_hidden_home; `end`: how the last worker ended
 * that had started (problem_append_exit). */
static void check_starts(struct findings *findings, const struct pool_view *pool, const char *fault,
			 const char *home, const char *end)
{
	if (pool->failed_starts > 0 || pool->is_unusable)
		check_failed_starts(findings, pool, fault, home);
	else if (pool->at_work < pool->workers_min)
		find(findings, "start", VERDICT_WARNING,
		     "see poolctl workers for the step that they are in, or how they ended",
		     "%u of %u workers are ready, %u are starting%s", pool->at_work,
		     pool->workers_min, pool->states[WORKER_INITIALIZING], end);
	else
		find(findings, "start", VERDICT_OK, "", "%u of %u workers are ready", pool->at_work,
		     pool->workers_min);
}

/* All troubles but failed starts and a lack of workers, which check_starts reports. */
static void check_health(struct findings *findings, const struct pool_view *pool)
{
	if (pool->troubles & TROUBLE_CIRCUIT_OPEN)
		find(findings, "breaker", VERDICT_FAULT,
		     "see poolctl errors for the reason; poolctl breaker reset closes it",
		     "it is open and lets nothing through");
	if (pool->troubles & TROUBLE_UNHEALTHY)
		find(findings, "health", VERDICT_WARNING,
		     "see poolctl workers; they are replaced if this continues",
		     "%u workers miss their health checks or fail too often",
		     pool->states[WORKER_DEGRADED]);
	if (pool->troubles & TROUBLE_QUEUE_FULL)
		find(findings, "queue", VERDICT_WARNING, "raise workers, or send fewer requests",
		     "it is full with %u requests", pool->queued);
	else if (pool->troubles & TROUBLE_SHEDDING)
		find(findings, "queue", VERDICT_WARNING, "raise workers, or send fewer requests",
		     "requests that would wait too long are refused: %" PRIu64 " in the last %u s",
		     pool->refused, (unsigned)(FORECAST_RECENT / USEC_PER_SEC));
}

/* One that stopped leaves workers of two kinds, which nobody sees by what they answer. */
static void check_roll(struct findings *findings, const struct roll *roll)
{
	if (roll->state == ROLL_STOPPED)
		find(findings, "rolling restart", VERDICT_WARNING,
		     "see poolctl errors for the reason; then poolctl restart does the rest",
		     "it stopped after %u of %u workers, the others are kept: %s",
		     roll->total - roll->left, roll->total, errcode_name(roll->reason));
}

/* What the last failure was: its type for all, its text for whoever may read it. */
static void check_failing(struct findings *findings, const struct driver *driver,
			  const struct caller *caller, uint32_t index, const struct pool_view *pool)
{
	const struct last_failure *last = &driver->last_failures[index];
	bool is_known = last->code == pool->failing_code;
	const char *text = is_known ? last->type : "";

	if (!pool->is_failing)
		return;
	if (is_known && rights_may_see(driver, caller, &last->audience))
		text = last->text;
	find(findings, "requests", VERDICT_WARNING,
	     "see poolctl errors for the latest of them, and poolctl logs for what the workers "
	     "wrote",
	     "%u of %u in the last minute failed, by %s%s%s", pool->recent.failed,
	     pool->recent.failed + pool->recent.succeeded, errcode_name(pool->failing_code),
	     *text ? ": " : "", text);
}

static void examine_pool(struct findings *findings, const struct driver *driver,
			 const struct caller *caller, uint32_t index)
{
	const struct config_pool *config = driver_pool_config(driver, index);
	const struct pool_rights *rights = &driver->rights.pools[index];
	bool is_shown = rights_may_call(driver, caller, index);
	char end[LIFE_EXIT_MAX + 64] = "";
	struct pool_view pool;

	engine_view_pool(driver->engine, index, &pool);
	problem_append_exit(driver, caller, index,
			    pool.troubles_since[__builtin_ctz(TROUBLE_BELOW_MINIMUM)], end,
			    sizeof(end));
	findings->pool = config->name;
	check_group(findings, "call group", config->call_group, &rights->call, "call it",
		    "create the group, or correct call_group");
	check_group(findings, "admin group", config->admin_group, &rights->admin, "control it",
		    "create the group, or correct admin_group");
	if (config->adapter == POOL_PROCESS) {
		check_program(findings, config, is_shown);
		check_directory(findings, config, is_shown);
	}
	if (is_shown)
		findings->words = report_last_words(driver, index);
	if (config->adapter != POOL_STATIC)
		check_starts(findings, &pool, is_shown ? driver->start_faults[index].text : "",
			     config->adapter == POOL_PROCESS ? config_hidden_home(config) : NULL,
			     end);
	findings->words = (struct bytes){0};
	check_roll(findings, &pool.roll);
	check_failing(findings, driver, caller, index, &pool);
	check_health(findings, &pool);
}

void doctor_report(const struct driver *driver, const struct caller *caller, struct buf *out)
{
	struct findings findings = {.count = 0};

	buf_init(&findings.buf, out->max);
	check_files(&findings, driver);
	check_control(&findings, driver);
	check_guard(&findings, driver->guard);
	/* That another user has a name is nobody else's business. */
	if (caller->may_control)
		check_namesakes(&findings, driver);
	for (uint32_t i = 0; i < engine_pool_count(driver->engine); i++)
		examine_pool(&findings, driver, caller, i);
	pack_array(out, findings.count);
	if (buf_error(&findings.buf) == 0)
		buf_put(out, findings.buf.data, findings.buf.len);
	else
		out->error = buf_error(&findings.buf);
	buf_free(&findings.buf);
}
