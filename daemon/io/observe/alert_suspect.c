#include "daemon/io/observe/alert_suspect.h"

#include "daemon/io/driver/state.h"
#include "daemon/io/observe/alerting.h"
#include "protocol/utf8.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define METHOD_MAX   64 /* bytes of a method's name that are shown */
#define DURATION_MAX 32
#define CLIENT_MAX   96

/* A name comes from a client: what is no text, or a terminal obeys, is not shown. */
static const char *method_name(struct bytes method, char out[METHOD_MAX + 1])
{
	size_t len = 0;

	method = utf8_cut(method, METHOD_MAX);
	while (method.len > 0) {
		size_t size = utf8_char(method.data, method.len);

		if (size > 0 && !utf8_is_command((struct bytes){method.data, size})) {
			memcpy(out + len, method.data, size);
			len += size;
		} else {
			out[len++] = '?';
		}
		size = size > 0 ? size : 1;
		method.data += size;
		method.len -= size;
	}
	out[len] = '\0';
	return out;
}

static const char *duration(usec_t time, char out[DURATION_MAX])
{
	if (time < 10 * USEC_PER_MSEC)
		snprintf(out, DURATION_MAX, "%.1f ms", (double)time / USEC_PER_MSEC);
	else if (time < 10 * USEC_PER_SEC)
		snprintf(out, DURATION_MAX, "%" PRIu64 " ms", time / USEC_PER_MSEC);
	else
		snprintf(out, DURATION_MAX, "%" PRIu64 " s", time / USEC_PER_SEC);
	return out;
}

static bool say_failing(const struct suspects *suspects, char text[ALERT_TEXT_MAX])
{
	char name[METHOD_MAX + 1];

	if (suspects->failing.ended == 0)
		return false;
	snprintf(text, ALERT_TEXT_MAX,
		 "requests of method %s fail: %" PRIu64 " of %" PRIu64
		 " in the last 60 s, the last one by %s",
		 method_name(suspects->failing.method, name), suspects->failing.failed,
		 suspects->failing.ended, errcode_name(suspects->failing.code));
	return true;
}

static bool say_slow(const struct suspects *suspects, char text[ALERT_TEXT_MAX])
{
	char name[METHOD_MAX + 1], now[DURATION_MAX], before[DURATION_MAX];

	if (suspects->slow.median == 0)
		return false;
	snprintf(text, ALERT_TEXT_MAX,
		 "method %s is slow: half of its runs of the last 10 s took %s or longer; before, "
		 "99 "
		 "of 100 took no longer than %s",
		 method_name(suspects->slow.method, name), duration(suspects->slow.median, now),
		 duration(suspects->slow.usual, before));
	return true;
}

static bool say_hung(const struct driver *driver, const struct suspects *suspects,
		     char text[ALERT_TEXT_MAX])
{
	char name[METHOD_MAX + 1], ran[DURATION_MAX], usual[DURATION_MAX];
	bool is_known = suspects->hung.usual > 0;

	if (suspects->hung.ran == 0)
		return false;
	snprintf(text, ALERT_TEXT_MAX, "worker %u seems to hang: it has run %s%s for %s; %s%s",
		 driver_worker_number(driver, suspects->hung.worker),
		 suspects->hung.method.len > 0 ? "method " : "a request",
		 method_name(suspects->hung.method, name), duration(suspects->hung.ran, ran),
		 is_known ? "nearly all its runs take less than "
			  : "that is longer than the timeout",
		 is_known ? duration(suspects->hung.usual, usual) : "");
	return true;
}

static bool say_memory(const struct driver *driver, uint32_t pool, const struct suspects *suspects,
		       char text[ALERT_TEXT_MAX])
{
	if (suspects->memory.bytes == 0)
		return false;
	snprintf(text, ALERT_TEXT_MAX, "worker %u uses %" PRIu64 " MiB; max_memory is %zu MiB",
		 driver_worker_number(driver, suspects->memory.worker),
		 suspects->memory.bytes / 1024 / 1024,
		 driver_pool_config(driver, pool)->max_memory / 1024 / 1024);
	return true;
}

/* Who that connection is; one that is gone has its number alone. */
static const char *client_name(const struct driver *driver, uint32_t id, char out[CLIENT_MAX])
{
	struct list_node *node;

	list_for_each (node, &driver->callers) {
		const struct caller *caller = list_entry(node, struct caller, in_callers);

		if (caller->client != id || caller->pid <= 0)
			continue;
		snprintf(out, CLIENT_MAX, "client %u (process %d, user %u)", id, (int)caller->pid,
			 caller->uid);
		return out;
	}
	snprintf(out, CLIENT_MAX, "client %u", id);
	return out;
}

static bool say_client(const struct driver *driver, uint32_t pool, const struct suspects *suspects,
		       enum alert_reader reader, char text[ALERT_TEXT_MAX])
{
	char name[CLIENT_MAX];
	struct pool_view view;

	if (suspects->client.queued == 0)
		return false;
	engine_view_pool(driver->engine, pool, &view);
	if (reader != ALERT_OPERATORS)
		snprintf(name, sizeof(name), "one %s",
			 suspects->client.is_user ? "user" : "client");
	else if (suspects->client.is_user)
		snprintf(name, sizeof(name), "user %u", suspects->client.id);
	else
		client_name(driver, suspects->client.id, name);
	snprintf(text, ALERT_TEXT_MAX,
		 "%s has most of the queue: %u requests; it has room for %u in all", name,
		 suspects->client.queued, view.queue_max);
	return true;
}

static bool say_output(const struct driver *driver, uint32_t pool, char text[ALERT_TEXT_MAX])
{
	const struct incident_counts *counts = &driver->incidents[pool];

	if (counts->output_dropped == 0)
		return false;
	snprintf(text, ALERT_TEXT_MAX,
		 "worker %u writes too much: lines over output_rate are not logged, %" PRIu64
		 " since the start",
		 driver_worker_number(driver, counts->output_worker), counts->output_dropped);
	return true;
}

bool alert_suspect_is_for(enum alert_kind kind)
{
	return kind == ALERT_method_errors || kind == ALERT_method_slow ||
	       kind == ALERT_worker_hung || kind == ALERT_worker_memory ||
	       kind == ALERT_client_flood || kind == ALERT_output_dropped;
}

bool alert_suspect_describe(const struct driver *driver, enum alert_kind kind, uint32_t pool,
			    enum alert_reader reader, char text[ALERT_TEXT_MAX])
{
	const struct suspects *suspects;

	if (pool == ALERT_NO_POOL)
		return false;
	suspects = &driver->alerting->suspects[pool];
	switch (kind) {
	case ALERT_method_errors:
		return say_failing(suspects, text);
	case ALERT_method_slow:
		return say_slow(suspects, text);
	case ALERT_worker_hung:
		return say_hung(driver, suspects, text);
	case ALERT_worker_memory:
		return say_memory(driver, pool, suspects, text);
	case ALERT_client_flood:
		return say_client(driver, pool, suspects, reader, text);
	case ALERT_output_dropped:
		return say_output(driver, pool, text);
	default:
		return false;
	}
}

bool alert_suspect_command(const struct driver *driver, enum alert_kind kind, uint32_t pool,
			   char text[ALERT_COMMAND_MAX])
{
	const char *verb;
	uint32_t worker;

	if (kind == ALERT_worker_hung && driver->alerting->suspects[pool].hung.ran > 0) {
		verb = "stack";
		worker = driver->alerting->suspects[pool].hung.worker;
	} else if (kind == ALERT_output_dropped && driver->incidents[pool].output_dropped > 0) {
		verb = "logs";
		worker = driver->incidents[pool].output_worker;
	} else {
		return false;
	}
	snprintf(text, ALERT_COMMAND_MAX, "poolctl %s %s %u", verb,
		 driver_pool_config(driver, pool)->name, driver_worker_number(driver, worker));
	return true;
}
