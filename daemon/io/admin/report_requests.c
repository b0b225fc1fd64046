#include "daemon/io/admin/report_requests.h"

#include "daemon/io/admin/control.h"
#include "daemon/io/admin/report_clients.h"
#include "daemon/io/admin/report_recovery.h"
#include "daemon/io/base/pack_named.h"
#include "daemon/io/driver/state.h"
#include "protocol/read.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Requests that one answer looks at: that bounds what it costs. */
#define LOOKED_MAX 16384u

/* Which requests are wanted. */
struct wish {
	uint32_t pool; /* NO_SLOT: of any */
	bool is_queued_only;
	bool is_running_only;
	unsigned max;
};

/* --- params --- */

static enum errcode wrong(char *why, enum errcode code, const char *text)
{
	snprintf(why, CONTROL_WHY_SIZE, "%s", text);
	return code;
}

static enum errcode read_pool(const struct driver *driver, struct reader *reader, struct wish *wish,
			      char *why)
{
	struct bytes name;

	if (read_str(reader, &name) < 0)
		return wrong(why, ERR_invalid_request, "pool: a string is wanted");
	if (driver_find_pool(driver, name, &wish->pool) < 0)
		return wrong(why, ERR_unknown_pool, "there is no such pool");
	return ERR_NONE;
}

static enum errcode read_only(struct reader *reader, struct wish *wish, char *why)
{
	struct bytes word;

	if (read_str(reader, &word) < 0)
		return wrong(why, ERR_invalid_request, "only: queued or running is wanted");
	wish->is_queued_only = bytes_equal(word, "queued");
	wish->is_running_only = bytes_equal(word, "running");
	if (!wish->is_queued_only && !wish->is_running_only)
		return wrong(why, ERR_invalid_request, "only: queued or running is wanted");
	return ERR_NONE;
}

static enum errcode read_pair(const struct driver *driver, struct reader *reader, struct wish *wish,
			      char *why)
{
	struct bytes key;
	uint64_t max;

	if (read_str(reader, &key) < 0)
		return wrong(why, ERR_invalid_request, "every key must be a string");
	if (read_nil(reader) == 0)
		return ERR_NONE;
	if (bytes_equal(key, "pool"))
		return read_pool(driver, reader, wish, why);
	if (bytes_equal(key, "only"))
		return read_only(reader, wish, why);
	if (!bytes_equal(key, "max"))
		return wrong(why, ERR_invalid_request, "the keys are pool, only and max");
	if (read_uint(reader, &max) < 0)
		return wrong(why, ERR_invalid_request, "max: a number is wanted");
	wish->max = max < REPORT_MAX ? (unsigned)max : REPORT_MAX;
	return ERR_NONE;
}

/* [] or [{pool, only, max}] */
static enum errcode read_wish(const struct driver *driver, struct bytes params, struct wish *wish,
			      char *why)
{
	enum errcode code = ERR_NONE;
	struct reader reader;
	uint32_t count, pairs;

	reader_init(&reader, params.data, params.len);
	if (read_array(&reader, &count) < 0 || count > 1)
		return wrong(why, ERR_invalid_request, "[] or [{pool, only, max}] is wanted");
	if (count == 0)
		return ERR_NONE;
	if (read_map(&reader, &pairs) < 0)
		return wrong(why, ERR_invalid_request, "[] or [{pool, only, max}] is wanted");
	while (pairs-- > 0 && code == ERR_NONE)
		code = read_pair(driver, &reader, wish, why);
	return code;
}

/* --- which --- */

static bool may_see(const struct driver *driver, const struct caller *caller,
		    const struct call *call)
{
	const struct audience audience = {.uid = call->caller->uid, .pool = call->pool};

	return rights_may_see(driver, caller, &audience) ||
	       (rights_controls_something(driver, caller) &&
		rights_may_control_call(driver, caller, call));
}

static bool is_wanted(const struct driver *driver, const struct call *call, const struct wish *wish)
{
	struct request_view request;
	bool is_sent;

	engine_view_request(driver->engine, call->slot, &request);
	is_sent = request.state == REQUEST_SENT;
	return (wish->pool == NO_SLOT || wish->pool == request.pool) &&
	       !(wish->is_queued_only && is_sent) && !(wish->is_running_only && !is_sent);
}

/* The wanted ones, at most wish->max.  *ret_more: there may be others, which were not looked at. */
static unsigned choose(const struct driver *driver, const struct caller *caller,
		       const struct wish *wish, const struct call *ret_chosen[REPORT_MAX],
		       bool *ret_more)
{
	unsigned count = 0, looked = 0;
	struct list_node *node;

	*ret_more = false;
	list_for_each (node, &driver->calls.open) {
		const struct call *call = list_entry(node, struct call, in_open);

		*ret_more = looked++ == LOOKED_MAX;
		if (*ret_more)
			break;
		if (!may_see(driver, caller, call) || !is_wanted(driver, call, wish))
			continue;
		*ret_more = count == wish->max;
		if (*ret_more)
			break;
		ret_chosen[count++] = call;
	}
	return count;
}

/* --- the answer --- */

static void pack_worker(const struct driver *driver, const struct request_view *request,
			struct buf *out)
{
	pack_str(out, "worker");
	if (request->worker == NO_SLOT)
		pack_nil(out);
	else
		pack_uint(out, driver_worker_number(driver, request->worker));
	pack_str(out, "run_ms");
	if (request->worker == NO_SLOT)
		pack_nil(out);
	else
		pack_uint(out, usec_sub(loop_now(driver->loop), request->sent) / USEC_PER_MSEC);
}

static void pack_peer(const struct caller *peer, struct buf *out)
{
	const struct bytes name = {(const uint8_t *)peer->name, strlen(peer->name)};

	report_pack_process(peer, out);
	pack_named_text(out, "client", name);
}

/* Its name is for its user and for who controls the daemon, as in poold.sessions. */
static void pack_session(const struct driver *driver, const struct caller *caller,
			 const struct call *call, struct buf *out)
{
	const struct audience owner = {.uid = call->caller->uid, .pool = NO_SLOT};

	pack_str(out, "session");
	if (call->session.len > 0 && rights_may_see(driver, caller, &owner))
		pack_text(out, call->session);
	else
		pack_nil(out);
}

static const char *state_of(const struct request_view *request)
{
	return request->has_begun ? "running" : request_state_name(request->state);
}

static void pack_request(const struct driver *driver, const struct caller *caller,
			 const struct call *call, struct buf *out)
{
	usec_t now = loop_now(driver->loop);
	struct request_view request;

	engine_view_request(driver->engine, call->slot, &request);
	pack_map(out, 16);
	pack_named_uint(out, "id", call->number);
	pack_named_str(out, "pool", driver_pool_config(driver, request.pool)->name);
	pack_named_str(out, "home", driver_pool_config(driver, call->pool)->name);
	pack_named_text(out, "method", call->method);
	pack_session(driver, caller, call, out);
	pack_named_str(out, "state", state_of(&request));
	pack_named_whole_ms(out, "age_ms", usec_sub(now, request.submitted));
	pack_named_whole_ms(out, "left_ms", usec_sub(request.deadline, now));
	pack_named_uint(out, "attempts", request.attempts);
	pack_worker(driver, &request, out);
	pack_named_str(out, "priority", priority_name(request.priority));
	pack_peer(call->caller, out);
	pack_named_text(out, "trace", call->trace.text);
}

enum errcode report_requests(const struct driver *driver, const struct caller *caller,
			     struct bytes params, struct buf *out, char *why)
{
	struct wish wish = {.pool = NO_SLOT, .max = REPORT_MAX};
	enum errcode code = read_wish(driver, params, &wish, why);
	const struct call *chosen[REPORT_MAX];
	unsigned count;
	bool has_more;

	if (code != ERR_NONE)
		return code;
	count = choose(driver, caller, &wish, chosen, &has_more);
	pack_map(out, 3);
	pack_named_uint(out, "count", driver->calls.open.len);
	pack_named_bool(out, "more", has_more);
	pack_str(out, "requests");
	pack_array(out, count);
	for (unsigned i = 0; i < count; i++)
		pack_request(driver, caller, chosen[i], out);
	return ERR_NONE;
}
