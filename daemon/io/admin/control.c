#include "daemon/io/admin/control.h"

#include "daemon/io/admin/control_alerts.h"
#include "daemon/io/admin/control_workers.h"
#include "daemon/io/base/pack_named.h"
#include "daemon/io/config/config_pack.h"
#include "daemon/io/driver/operator.h"
#include "daemon/io/driver/state.h"
#include "protocol/read.h"

#include <errno.h>
#include <stdio.h>

static enum errcode wrong(char *why, enum errcode code, const char *text)
{
	snprintf(why, CONTROL_WHY_SIZE, "%s", text);
	return code;
}

int control_read_max(struct bytes params, unsigned initial, unsigned *ret_max)
{
	struct reader reader;
	uint32_t count;
	uint64_t max;

	*ret_max = initial;
	reader_init(&reader, params.data, params.len);
	if (read_array(&reader, &count) < 0 || count > 1)
		return -EINVAL;
	if (count == 0)
		return 0;
	if (read_uint(&reader, &max) < 0)
		return -EINVAL;
	*ret_max = max < initial ? (unsigned)max : initial;
	return 0;
}

/* --- breakers --- */

static enum breaker_state state_of(enum method method)
{
	switch (method) {
	case METHOD_breaker_open:
		return BREAKER_FORCED_OPEN;
	case METHOD_breaker_disable:
		return BREAKER_DISABLED;
	case METHOD_breaker_observe:
		return BREAKER_OBSERVING;
	default:
		return BREAKER_CLOSED;
	}
}

static int read_breaker(struct bytes params, struct bytes *ret_pool, struct bytes *ret_method)
{
	struct reader reader;
	uint32_t count;

	*ret_method = (struct bytes){0};
	reader_init(&reader, params.data, params.len);
	if (read_array(&reader, &count) < 0 || count < 1 || count > 2 ||
	    read_str(&reader, ret_pool) < 0)
		return -EINVAL;
	if (count == 1 || read_nil(&reader) == 0)
		return 0;
	return read_str(&reader, ret_method);
}

static enum errcode set_breaker(struct driver *driver, const struct caller *caller,
				enum method method, struct bytes params, struct buf *out, char *why)
{
	struct bytes name, of_method;
	uint32_t pool;

	if (read_breaker(params, &name, &of_method) < 0)
		return wrong(why, ERR_invalid_request, "[pool] or [pool, method] is wanted");
	if (driver_find_pool(driver, name, &pool) < 0)
		return wrong(why, ERR_unknown_pool, "there is no such pool");
	if (operator_set_breaker(driver, pool, of_method, state_of(method), caller->uid,
				 caller->pid) != ERR_NONE)
		return wrong(why, ERR_invalid_request,
			     "the pool has no such breaker: see poold.breakers");
	pack_map(out, 3);
	pack_named_str(out, "pool", driver_pool_config(driver, pool)->name);
	pack_named_text(out, "method", of_method);
	pack_named_str(out, "state", breaker_state_name(state_of(method)));
	return ERR_NONE;
}

/* --- recoveries and sessions --- */

static enum errcode cancel_recovery(struct driver *driver, struct bytes params, struct buf *out,
				    char *why)
{
	struct reader reader;
	uint32_t count;
	uint64_t id;

	reader_init(&reader, params.data, params.len);
	if (read_array(&reader, &count) < 0 || count != 1 || read_uint(&reader, &id) < 0)
		return wrong(why, ERR_invalid_request, "[id] is wanted");
	if (operator_cancel_recovery(driver, id) != ERR_NONE)
		return wrong(why, ERR_invalid_request, "there is no recovery of that id");
	pack_bool(out, true);
	return ERR_NONE;
}

static enum errcode cancel_request(struct driver *driver, const struct caller *caller,
				   struct bytes params, struct buf *out, char *why)
{
	struct call *call = NULL;
	struct reader reader;
	uint32_t count;
	uint64_t id;

	reader_init(&reader, params.data, params.len);
	if (read_array(&reader, &count) < 0 || count != 1 || read_uint(&reader, &id) < 0)
		return wrong(why, ERR_invalid_request, "[id] is wanted");
	/* Whoever controls nothing learns nothing, not even which requests there are. */
	if (rights_controls_something(driver, caller))
		call = call_find_number(&driver->calls, id);
	if (call ? !rights_may_control_call(driver, caller, call) : !caller->may_control) {
		rights_say_why_not_control(driver, caller, call ? call->pool : NO_SLOT, why,
					   CONTROL_WHY_SIZE);
		return ERR_permission_denied;
	}
	if (!call)
		return wrong(why, ERR_invalid_request,
			     "no request of that id is open: see poold.requests");
	pack_map(out, 3);
	pack_named_uint(out, "id", id);
	pack_named_str(out, "pool", driver_pool_config(driver, call->pool)->name);
	pack_named_text(out, "method", call->method);
	operator_cancel_request(driver, call, caller->uid);
	return ERR_NONE;
}

/* [session, uid?]; without an uid, or nil: the caller's own. */
static int read_session(struct bytes params, struct bytes *ret_name, uint64_t *ret_uid)
{
	struct reader reader;
	uint32_t count;

	reader_init(&reader, params.data, params.len);
	if (read_array(&reader, &count) < 0 || count < 1 || count > 2 ||
	    read_str(&reader, ret_name) < 0 || ret_name->len == 0 || ret_name->len > NAME_LEN_MAX)
		return -EINVAL;
	if (count == 1 || read_nil(&reader) == 0)
		return 0;
	return read_uint(&reader, ret_uid) < 0 || *ret_uid > UINT32_MAX ? -EINVAL : 0;
}

static enum errcode close_session(struct driver *driver, const struct caller *caller,
				  struct bytes params, struct buf *out, char *why)
{
	uint64_t uid = caller->uid;
	struct bytes name;
	enum errcode code;

	if (read_session(params, &name, &uid) < 0)
		return wrong(why, ERR_invalid_request, "[session] or [session, uid] is wanted");
	if (uid != caller->uid && !caller->may_control) {
		rights_say_why_not_control(driver, caller, NO_SLOT, why, CONTROL_WHY_SIZE);
		return ERR_permission_denied;
	}
	code = operator_close_session(driver, (uint32_t)uid, name);
	if (code != ERR_NONE && caller->may_control && uid == caller->uid)
		return wrong(why, code,
			     "you have no such session; for another user's, add its uid as "
			     "poold.sessions shows it");
	if (code != ERR_NONE)
		return wrong(why, code, errcode_info(code)->text);
	pack_bool(out, true);
	return ERR_NONE;
}

/* --- events --- */

static int read_kind(struct reader *reader, unsigned *kinds)
{
	struct bytes name;

	if (read_str(reader, &name) < 0)
		return -EINVAL;
	for (unsigned i = 0; i < EVENT_KIND_COUNT_; i++) {
		if (bytes_equal(name, event_kind_name((enum event_kind)i))) {
			*kinds |= 1u << i;
			return 0;
		}
	}
	return -EINVAL;
}

/* nil, or an array of kinds; none: all. */
static int read_kinds(struct reader *reader, unsigned *ret_kinds)
{
	uint32_t count;

	if (read_nil(reader) == 0)
		return 0;
	if (read_array(reader, &count) < 0)
		return -EINVAL;
	if (count > 0)
		*ret_kinds = 0;
	while (count-- > 0)
		if (read_kind(reader, ret_kinds) < 0)
			return -EINVAL;
	return 0;
}

/* What is asked for. */
struct subscription {
	unsigned kinds;
	bool has_since;
	uint64_t since;
	uint64_t epoch; /* 0: any */
};

/* The map of options. */
static int read_options(struct reader *reader, struct subscription *ret)
{
	struct bytes key, value;
	uint32_t pairs;

	if (read_nil(reader) == 0)
		return 0;
	if (read_map(reader, &pairs) < 0)
		return -EINVAL;
	while (pairs-- > 0) {
		int r;

		if (read_str(reader, &key) < 0)
			return -EINVAL;
		if (bytes_equal(key, "since")) {
			r = read_uint(reader, &ret->since);
			ret->has_since = true;
		} else if (bytes_equal(key, "epoch")) {
			r = read_uint(reader, &ret->epoch);
		} else {
			r = read_value(reader, &value);
		}
		if (r < 0)
			return -EINVAL;
	}
	return 0;
}

/* [], [kinds] or [kinds, options]. */
static int read_subscription(struct bytes params, struct subscription *ret)
{
	struct reader reader;
	uint32_t count;

	*ret = (struct subscription){.kinds = event_kinds_unnamed()};
	reader_init(&reader, params.data, params.len);
	if (read_array(&reader, &count) < 0 || count > 2)
		return -EINVAL;
	if (count > 0 && read_kinds(&reader, &ret->kinds) < 0)
		return -EINVAL;
	return count > 1 ? read_options(&reader, ret) : 0;
}

static void pack_kinds(struct buf *out, unsigned kinds)
{
	uint32_t count = 0;

	for (unsigned i = 0; i < EVENT_KIND_COUNT_; i++)
		count += (kinds & 1u << i) != 0;
	pack_str(out, "kinds");
	pack_array(out, count);
	for (unsigned i = 0; i < EVENT_KIND_COUNT_; i++)
		if (kinds & 1u << i)
			pack_str(out, event_kind_name((enum event_kind)i));
}

/* The kinds, in words. */
static enum errcode refuse_subscription(char *why)
{
	size_t len =
		(size_t)snprintf(why, CONTROL_WHY_SIZE,
				 "[kinds] or [kinds, {since, epoch}] is wanted; the kinds are");

	for (unsigned i = 0; i < EVENT_KIND_COUNT_ && len < CONTROL_WHY_SIZE; i++)
		len += (size_t)snprintf(why + len, CONTROL_WHY_SIZE - len, " %s",
					event_kind_name((enum event_kind)i));
	return ERR_invalid_request;
}

static enum errcode subscribe(struct driver *driver, struct caller *caller, struct bytes params,
			      struct buf *out, char *why)
{
	struct events *events = &driver->events;
	struct subscription wanted;
	uint64_t lost = 0;

	if (read_subscription(params, &wanted) < 0)
		return refuse_subscription(why);
	/* Numbers of an earlier start of the daemon say nothing. */
	if (wanted.epoch != 0 && wanted.epoch != events->epoch)
		wanted.since = 0;
	if (wanted.has_since)
		lost = events_subscribe_since(events, caller, wanted.kinds, wanted.since);
	else
		events_subscribe(events, caller, wanted.kinds);
	pack_map(out, wanted.has_since ? 4 : 3);
	pack_kinds(out, wanted.kinds);
	pack_named_uint(out, "epoch", events->epoch);
	pack_named_uint(out, "seq", events->sequence);
	if (wanted.has_since)
		pack_named_uint(out, "lost", lost);
	return ERR_NONE;
}

/* --- configuration --- */

/* [], [nil] or [pool]; an empty name: none. */
static int read_only_pool(struct bytes params, struct bytes *ret_name)
{
	struct reader reader;
	uint32_t count;

	*ret_name = (struct bytes){0};
	reader_init(&reader, params.data, params.len);
	if (read_array(&reader, &count) < 0 || count > 1)
		return -EINVAL;
	if (count == 0 || read_nil(&reader) == 0)
		return 0;
	return read_str(&reader, ret_name);
}

static enum errcode tell_config(const struct driver *driver, struct bytes params, struct buf *out,
				char *why)
{
	const struct config_pool *only = NULL;
	struct bytes name;
	uint32_t pool;

	if (read_only_pool(params, &name) < 0)
		return wrong(why, ERR_invalid_request, "[] or [pool] is wanted");
	if (name.len > 0) {
		if (driver_find_pool(driver, name, &pool) < 0)
			return wrong(why, ERR_unknown_pool, "there is no such pool");
		only = driver_pool_config(driver, pool);
	}
	config_pack(driver->config, only, out);
	return ERR_NONE;
}

/* --- who may --- */

/* The pool that the method is to act on; NO_SLOT: none, or there is no pool of that name. */
static uint32_t pool_named(const struct driver *driver, enum method method, struct bytes params)
{
	struct reader reader;
	struct bytes name;
	uint32_t count, pool;

	reader_init(&reader, params.data, params.len);
	if (method == METHOD_recovery_cancel || method == METHOD_alert_test ||
	    method == METHOD_alert_silence || read_array(&reader, &count) < 0 || count == 0 ||
	    read_str(&reader, &name) < 0 || driver_find_pool(driver, name, &pool) < 0)
		return NO_SLOT;
	return pool;
}

enum errcode control_answer(struct driver *driver, struct caller *caller, enum method method,
			    struct bytes params, struct buf *out, char why[CONTROL_WHY_SIZE])
{
	if (method == METHOD_request_cancel)
		return cancel_request(driver, caller, params, out, why);
	if (method_info(method)->kind == METHOD_KIND_CONTROL && !caller->may_control) {
		uint32_t pool = pool_named(driver, method, params);

		if (!rights_may_control_pool(driver, caller, pool)) {
			rights_say_why_not_control(driver, caller, pool, why, CONTROL_WHY_SIZE);
			return ERR_permission_denied;
		}
	}
	switch (method) {
	case METHOD_recovery_cancel:
		return cancel_recovery(driver, params, out, why);
	case METHOD_session_close:
		return close_session(driver, caller, params, out, why);
	case METHOD_config:
		return tell_config(driver, params, out, why);
	case METHOD_subscribe:
		return subscribe(driver, caller, params, out, why);
	case METHOD_alert_test:
	case METHOD_alert_silence:
		return control_alerts(driver, caller, method, params, out, why);
	case METHOD_restart_workers:
	case METHOD_resize:
	case METHOD_stack:
	case METHOD_kill_worker:
	case METHOD_drain:
	case METHOD_resume:
		return control_workers(driver, method, params, out, why);
	default:
		return set_breaker(driver, caller, method, params, out, why);
	}
}
