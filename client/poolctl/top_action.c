#include "client/poolctl/top_action.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What an action is about. */
enum object {
	POOL,
	WORKER,
	REQUEST
};

static const struct {
	int key;
	enum object object;
	const char *method, *summary, *effect;
} acts[TOP_ACT_COUNT_] = {
	[TOP_ACT_BREAKER_RESET] = {'b', POOL, "poold.breaker_reset", "close the circuit breaker",
				   "its circuit breaker is closed and follows its rules again"},
	[TOP_ACT_BREAKER_OPEN] =
		{'B', POOL, "poold.breaker_open", "open the circuit breaker",
		 "its circuit breaker stays open until a reset: no request passes"},
	[TOP_ACT_RESTART] = {'r', POOL, "poold.restart_workers", "restart the workers one by one",
			     "its workers are replaced one by one"},
	[TOP_ACT_DRAIN] = {'d', POOL, "poold.drain", "take the pool out of service",
			   "it is out of service until resume; requests that it has are finished"},
	[TOP_ACT_RESUME] = {'u', POOL, "poold.resume", "put a drained pool back into service",
			    "it is back in service"},
	[TOP_ACT_TERM] = {'k', WORKER, "poold.kill_worker", "restart the worker: SIGTERM",
			  "it gets SIGTERM and is replaced; its requests are handled as after a "
			  "crash"},
	[TOP_ACT_KILL] = {'K', WORKER, "poold.kill_worker", "kill the worker: SIGKILL",
			  "it gets SIGKILL and is replaced; its requests are handled as after a "
			  "crash"},
	[TOP_ACT_CANCEL] = {'c', REQUEST, "poold.request_cancel", "cancel the request",
			    "its client gets the error cancelled"},
};

enum top_act top_action_of_key(int key)
{
	for (int act = TOP_ACT_NONE + 1; act < TOP_ACT_COUNT_; act++)
		if (acts[act].key == key)
			return (enum top_act)act;
	return TOP_ACT_NONE;
}

int top_action_key(enum top_act act)
{
	return acts[act].key;
}

const char *top_action_summary(enum top_act act)
{
	return acts[act].summary;
}

/* Says why the row is not for this action. */
static const char *fault_of(enum object object, const struct sheet_row *row)
{
	if (object == REQUEST)
		return row->request > 0 ? NULL : "choose a request first: pane 4";
	if (object == WORKER)
		return row->worker > 0 ? NULL : "choose a worker first: pane 2";
	return row->pool ? NULL : "choose a pool first: pane 1";
}

bool top_action_make(struct top_action *action, enum top_act act, const struct sheet_row *row,
		     char fault[TOP_LINE_MAX])
{
	const char *why = row ? fault_of(acts[act].object, row) : "nothing is chosen";

	if (!why && row->pool && strlen(row->pool) >= sizeof(action->pool))
		why = "the name of the pool is too long";
	if (why) {
		snprintf(fault, TOP_LINE_MAX, "%s", why);
		return false;
	}
	*action = (struct top_action){.act = act, .worker = row->worker, .request = row->request};
	snprintf(action->pool, sizeof(action->pool), "%s", row->pool ? row->pool : "");
	return true;
}

const char *top_action_sentence(const struct top_action *action, char out[TOP_LINE_MAX])
{
	const char *effect = acts[action->act].effect;

	if (acts[action->act].object == REQUEST)
		snprintf(out, TOP_LINE_MAX, "request %lld: %s", (long long)action->request, effect);
	else if (acts[action->act].object == WORKER)
		snprintf(out, TOP_LINE_MAX, "worker %lld of pool %s: %s", (long long)action->worker,
			 action->pool, effect);
	else
		snprintf(out, TOP_LINE_MAX, "pool %s: %s", action->pool, effect);
	return out;
}

static const char *signal_of(enum top_act act)
{
	return act == TOP_ACT_KILL ? "KILL" : "TERM";
}

static json_t *params_json(const struct top_action *action)
{
	switch (acts[action->act].object) {
	case REQUEST:
		return json_pack("[I]", (json_int_t)action->request);
	case WORKER:
		return json_pack("[s, I, s]", action->pool, (json_int_t)action->worker,
				 signal_of(action->act));
	default:
		return json_pack("[s]", action->pool);
	}
}

const char *top_action_call(const struct top_action *action, char out[TOP_LINE_MAX])
{
	json_t *params = params_json(action);
	char *text = params ? json_dumps(params, 0) : NULL;

	snprintf(out, TOP_LINE_MAX, "%s %s", top_action_method(action), text ? text : "");
	free(text);
	json_decref(params);
	return out;
}

const char *top_action_method(const struct top_action *action)
{
	return acts[action->act].method;
}

void top_action_write(const struct top_action *action, struct poold_writer *params)
{
	switch (acts[action->act].object) {
	case REQUEST:
		poold_write_array(params, 1);
		poold_write_int(params, action->request);
		break;
	case WORKER:
		poold_write_array(params, 3);
		poold_write_str(params, action->pool);
		poold_write_int(params, action->worker);
		poold_write_str(params, signal_of(action->act));
		break;
	default:
		poold_write_array(params, 1);
		poold_write_str(params, action->pool);
		break;
	}
}
