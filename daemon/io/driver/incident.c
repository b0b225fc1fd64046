#include "daemon/io/driver/incident.h"

#include "daemon/io/config/config_program.h"
#include "daemon/io/driver/error_report.h"
#include "daemon/io/driver/failure.h"
#include "daemon/io/driver/state.h"
#include "protocol/utf8.h"

#include <stdio.h>
#include <string.h>

#define MESSAGE_SIZE  (START_FAULT_MAX + 256)
#define LAST_LINE_MAX 256

static void append(char *text, size_t size, const char *more)
{
	size_t len = strlen(text);

	snprintf(text + len, size - len, "%s", more);
}

/* The last line on standard error of a worker that could not start: most often it says why. */
static void append_last_line(char *text, size_t size, const struct life *life)
{
	struct bytes last = life->last_stderr;
	const uint8_t *end = memrchr(last.data ? (const char *)last.data : "", '\n', last.len);
	char line[LAST_LINE_MAX];

	if (last.len == 0)
		return;
	if (end)
		last = (struct bytes){end + 1, (size_t)(last.data + last.len - end) - 1};
	last = utf8_cut(last, sizeof(line) - 1);
	snprintf(line, sizeof(line), "%.*s", (int)last.len, (const char *)last.data);
	append(text, size, ": ");
	append(text, size, line);
}

static void append_step(char *text, size_t size, const struct life *life)
{
	char step[64];

	steps_describe(&life->steps, loop_now(life->loop), step, sizeof(step));
	if (!*step)
		return;
	append(text, size, ", in step ");
	append(text, size, step);
}

/* How the last life of a worker ended, in which step of its start, and what it said last. */
static void append_end(char *text, size_t size, const struct life *life, bool has_step)
{
	const char *end = life->last_end;

	/* The text of the code says that already. */
	if (strncmp(end, LIFE_NOT_STARTED, strlen(LIFE_NOT_STARTED)) == 0)
		end += strlen(LIFE_NOT_STARTED);
	append(text, size, end);
	if (has_step)
		append_step(text, size, life);
	append_last_line(text, size, life);
}

/* The code lies where the daemon may not look. */
static void append_hidden_home(char *text, size_t size, const struct life *life)
{
	const char *home = life->pool && life->pool->adapter == POOL_PROCESS
				   ? config_hidden_home(life->pool)
				   : NULL;

	if (!home)
		return;
	append(text, size, "; its code lies in ");
	append(text, size, home);
	append(text, size, ", which can't be read here: the unit's ProtectHome= may hide it");
}

void incident_note_unusable(struct driver *driver, const struct life *life)
{
	struct start_fault *fault =
		&driver->start_faults[engine_worker_pool(driver->engine, life->worker)];

	snprintf(fault->text, sizeof(fault->text), "a worker ended: ");
	append_end(fault->text, sizeof(fault->text), life, false);
	append_hidden_home(fault->text, sizeof(fault->text), life);
	fault->worker = life->worker;
}

/* Describes a failed start, or a server that was not reached, and keeps that for the requests that
 * fail because of it. */
static void describe_start(struct driver *driver, const struct effect *effect, char *text,
			   size_t size)
{
	const struct life *life = &driver->lives[effect->worker];
	struct start_fault *fault = &driver->start_faults[effect->pool];
	size_t head = strlen(text);
	bool has_step = effect->incident == ERR_init_timeout || life_has_reason(life);

	append(text, size, ": ");
	append_end(text, size, life, has_step);
	append_hidden_home(text, size, life);
	fault->worker = effect->worker;
	snprintf(fault->text, sizeof(fault->text), "%s",
		 text + (life->is_connected ? head + strlen(": ") : 0));
}

/* What the worker was asked, and what to set where its program does not know that. */
static void append_check(char *text, size_t size, const struct config_pool *pool)
{
	bool is_named = pool->dialect == DIALECT_POOLD || *pool->ping_call;

	append(text, size, ": ");
	append(text, size, pool->dialect == DIALECT_POOLD || !is_named ? "ping" : pool->ping_call);
	if (!is_named)
		append(text, size,
		       "; if its program never answers that, set ping_call to a method that it "
		       "answers, or ping_interval = 0");
}

void incident_report(struct driver *driver, const struct effect *effect)
{
	const struct config_pool *config = driver_pool_config(driver, effect->pool);
	struct error error = failure_error(driver, effect->incident);
	const struct error_record record = {
		.kind = ERROR_INCIDENT,
		.error = &error,
		/* It has the last words of a start, or of a health check. */
		.audience = {.uid = RIGHTS_NO_UID, .pool = effect->pool, .is_for_callers = true},
		.at_ms = loop_wall_ms(),
	};
	char message[MESSAGE_SIZE];
	struct pool_view pool;

	driver->incidents[effect->pool].codes[effect->incident]++;
	error.pool = config->name;
	error.adapter = pool_adapter_name(config->adapter);
	snprintf(message, sizeof(message), "%s",
		 effect->incident == ERR_connect_failed ? "the pool's server"
							: errcode_info(effect->incident)->text);
	if (effect->worker != NO_SLOT) {
		error.worker = driver_worker_number(driver, effect->worker);
		error.pid = (int)driver->lives[effect->worker].last_pid;
		if (errcode_info(effect->incident)->category == ERRCAT_health_check)
			append_check(message, sizeof(message), config);
		else
			describe_start(driver, effect, message, sizeof(message));
	}
	engine_view_pool(driver->engine, effect->pool, &pool);
	if (pool.circuit_count > 0)
		error.circuit = breaker_state_name(pool.breaker);
	error.message = message;
	error_report(driver, &record, "incident");
}
