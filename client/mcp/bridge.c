#include "client/mcp/bridge.h"

#include "client/mcp/rpc.h"
#include "client/poolctl/json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define PROGRESS "notifications/progress"

/* How long the end of the session may take. */
#define CLOSE_MS 1000

/* A request of the client that is not answered yet. */
struct call {
	struct list_node in_calls;
	struct bridge *bridge;
	json_t *id;
	json_t *params; /* NULL: none */
	char *method;
	uint32_t number;	 /* libpoold's, to cancel it */
	unsigned session_number; /* of the session that it was sent in; 0: none */
	bool is_cancelled;
	bool has_restarted; /* its progress begins again, and must not go back for the client */
	double progress;    /* the last one */
};

/* --- sessions --- */

static void name_session(struct bridge *bridge)
{
	uint64_t number = 0;

	/* Where there is no random number, the process is unique enough. */
	(void)!getrandom(&number, sizeof(number), GRND_NONBLOCK);
	snprintf(bridge->session_base, sizeof(bridge->session_base), "mcp-%d-%016llx",
		 (int)getpid(), (unsigned long long)number);
	bridge->session_number = 1;
}

static void session_name(const struct bridge *bridge, char *out, size_t size)
{
	snprintf(out, size, "%s-%u", bridge->session_base, bridge->session_number);
}

/* The handshake belongs to no session: it would bind that to a worker without need. */
static bool is_in_session(const struct call *call)
{
	return call->bridge->options.has_session && strcmp(call->method, "initialize") != 0;
}

/* --- calls --- */

void bridge_init(struct bridge *bridge, const struct bridge_options *options,
		 struct poold_client *client, struct output *output)
{
	*bridge = (struct bridge){.options = *options, .client = client, .output = output};
	list_init(&bridge->calls);
	name_session(bridge);
}

static void call_free(struct call *call)
{
	if (!call)
		return;
	if (list_linked(&call->in_calls))
		list_remove(&call->bridge->calls, &call->in_calls);
	json_decref(call->id);
	json_decref(call->params);
	free(call->method);
	free(call);
}

static struct call *call_new(struct bridge *bridge, const char *method, json_t *id, json_t *params)
{
	struct call *call = calloc(1, sizeof(*call));

	if (!call)
		return NULL;
	call->bridge = bridge;
	call->id = json_incref(id);
	call->params = json_incref(params);
	call->method = strdup(method);
	if (!call->method) {
		call_free(call);
		return NULL;
	}
	list_push_back(&bridge->calls, &call->in_calls);
	return call;
}

/* One that the client has cancelled is over for it: it may use the id again. */
static struct call *call_find(const struct bridge *bridge, const json_t *id)
{
	struct list_node *node;

	list_for_each (node, &bridge->calls) {
		struct call *call = list_entry(node, struct call, in_calls);

		if (!call->is_cancelled && json_equal(call->id, id))
			return call;
	}
	return NULL;
}

void bridge_done(struct bridge *bridge)
{
	struct list_node *node;

	while ((node = list_first(&bridge->calls)))
		call_free(list_entry(node, struct call, in_calls));
}

bool bridge_is_idle(const struct bridge *bridge)
{
	return list_empty(&bridge->calls);
}

/* What only reads may be executed twice, so the daemon may try it again when a worker dies. */
static bool only_reads(const char *method)
{
	static const char *const methods[] = {
		"initialize",	  "tools/list",		 "resources/list",
		"resources/read", "prompts/list",	 "resources/templates/list",
		"prompts/get",	  "completion/complete",
	};

	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		if (strcmp(methods[i], method) == 0)
			return true;
	}
	return false;
}

static bool wants_progress(const struct call *call)
{
	return json_object_get(json_object_get(call->params, "_meta"), "progressToken") != NULL;
}

static void on_chunk(void *userdata, struct poold_bytes value)
{
	struct call *call = userdata;
	json_t *params;
	double progress;

	if (call->is_cancelled || json_from_value(value, JSON_PLAIN, &params) < 0)
		return;
	progress = json_number_value(json_object_get(params, "progress"));
	/* Parts of another kind are no progress. */
	if (!json_object_get(params, "progressToken") ||
	    (call->has_restarted && progress <= call->progress)) {
		json_decref(params);
		return;
	}
	call->progress = progress;
	output_put(call->bridge->output, rpc_notification(PROGRESS, params));
}

static void on_restart(void *userdata)
{
	struct call *call = userdata;

	call->has_restarted = true;
}

static int call_start(struct call *call);

/* Its session expired while the client was idle, or was taken away: nothing was executed, and a new
 * session is begun. */
static bool may_renew(const struct call *call, const struct poold_error *error)
{
	return call->session_number > 0 && error->executed == POOLD_EXECUTED_NO &&
	       (strcmp(error->code, "session_expired") == 0 ||
		strcmp(error->code, "session_not_found") == 0);
}

static int renew(struct call *call)
{
	struct bridge *bridge = call->bridge;

	/* Of many calls in the old one, the first begins the new one. */
	if (bridge->session_number == call->session_number) {
		bridge->session_number++;
		fprintf(stderr, "poold-mcp: the session has expired; another one begins\n");
	}
	return call_start(call);
}

static void on_reply(void *userdata, const struct poold_reply *reply)
{
	struct call *call = userdata;
	bool has_failed = reply->error.code != NULL;

	if (has_failed && !call->is_cancelled && may_renew(call, &reply->error) && renew(call) == 0)
		return;
	if (!call->is_cancelled)
		output_put(call->bridge->output, has_failed ? rpc_failure(call->id, &reply->error)
							    : rpc_answer(call->id, reply->result));
	call_free(call);
}

static int call_start(struct call *call)
{
	struct bridge *bridge = call->bridge;
	struct poold_writer *args = poold_writer_new();
	char session[sizeof(bridge->session_base) + 16];
	struct poold_call_options options = {.timeout_ms = bridge->options.timeout_ms};
	int r = args ? 0 : -ENOMEM;

	if (only_reads(call->method))
		options.idempotent = POOLD_YES;
	if (wants_progress(call)) {
		options.on_chunk = on_chunk;
		options.on_restart = on_restart;
		options.stream_userdata = call;
	}
	call->session_number = is_in_session(call) ? bridge->session_number : 0;
	if (call->session_number > 0) {
		session_name(bridge, session, sizeof(session));
		options.session = session;
		bridge->session_is_open = true;
	}
	if (r == 0 && call->params)
		r = json_to_value(call->params, JSON_PLAIN, args);
	else if (r == 0)
		poold_write_nil(args);
	if (r == 0)
		r = poold_call_start(bridge->client, bridge->options.pool, call->method,
				     poold_writer_bytes(args), &options, on_reply, call,
				     &call->number);
	poold_writer_free(args);
	return r;
}

/* --- what the client says --- */

/* Why a call was not sent. */
static json_t *not_sent(json_t *id, int error, const char *path)
{
	char text[300];

	switch (error) {
	case -EINVAL:
		return rpc_error(id, RPC_INVALID_REQUEST, "the method's name is empty or too long");
	case -ELOOP:
	case -EMSGSIZE:
		return rpc_error(id, RPC_INVALID_PARAMS,
				 error == -ELOOP ? "the params are nested too deep"
						 : "the params are too large");
	case -EBUSY:
		return rpc_error(id, RPC_SERVER_ERROR, "too many requests are not answered yet");
	default:
		snprintf(text, sizeof(text), "poold cannot be reached at %s: %s", path,
			 strerror(-error));
		return rpc_error(id, RPC_SERVER_ERROR, text);
	}
}

static void take_request(struct bridge *bridge, const char *method, json_t *id, json_t *params)
{
	struct call *call;
	int r;

	if (strcmp(method, "ping") == 0) {
		output_put(bridge->output, rpc_result(id, json_object()));
		return;
	}
	if (call_find(bridge, id)) {
		output_put(bridge->output, rpc_error(id, RPC_INVALID_REQUEST,
						     "a request with this id is not answered yet"));
		return;
	}
	call = call_new(bridge, method, id, params);
	r = call ? call_start(call) : -ENOMEM;
	if (r == 0)
		return;
	output_put(bridge->output, not_sent(id, r, poold_client_path(bridge->client)));
	call_free(call);
}

static void take_notification(struct bridge *bridge, const char *method, const json_t *params)
{
	const json_t *id = json_object_get(params, "requestId");
	struct call *call;

	if (strcmp(method, "notifications/cancelled") != 0 || !id)
		return;
	call = call_find(bridge, id);
	if (!call)
		return;
	call->is_cancelled = true;
	poold_cancel(bridge->client, call->number);
}

/* What is wrong with a message as a request or notification; NULL: nothing. */
static const char *fault_of(const json_t *message)
{
	const json_t *version = json_object_get(message, "jsonrpc");
	const json_t *method = json_object_get(message, "method");
	const json_t *id = json_object_get(message, "id");
	const json_t *params = json_object_get(message, "params");

	if (!json_is_object(message))
		return json_is_array(message) ? "batches are not taken" : "it is not an object";
	if (!version || !json_is_string(version) || strcmp(json_string_value(version), "2.0") != 0)
		return "it is not JSON-RPC 2.0";
	if (!json_is_string(method) ||
	    strlen(json_string_value(method)) != json_string_length(method))
		return "it has no method";
	if (id && !json_is_string(id) && !json_is_integer(id))
		return "its id is neither a string nor an integer";
	if (params && !json_is_object(params) && !json_is_array(params) && !json_is_null(params))
		return "its params are neither an object nor an array";
	return NULL;
}

/* Whether it is an answer: nothing is ever asked of the client, so it answers nobody. */
static bool is_answer(const json_t *message)
{
	return json_is_object(message) && !json_object_get(message, "method") &&
	       (json_object_get(message, "result") || json_object_get(message, "error"));
}

static void take_message(struct bridge *bridge, json_t *message)
{
	const char *fault = fault_of(message);
	json_t *id = json_object_get(message, "id");
	json_t *params = json_object_get(message, "params");
	const char *method = json_string_value(json_object_get(message, "method"));

	if (is_answer(message))
		return;
	if (fault)
		output_put(bridge->output,
			   rpc_error(json_is_string(id) || json_is_integer(id) ? id : NULL,
				     RPC_INVALID_REQUEST, fault));
	else if (id)
		take_request(bridge, method, id, json_is_null(params) ? NULL : params);
	else
		take_notification(bridge, method, params);
}

static bool is_blank(const char *line, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!strchr(" \t\r", line[i]) || line[i] == '\0')
			return false;
	return true;
}

void bridge_take(struct bridge *bridge, const char *line, size_t len)
{
	json_error_t error;
	json_t *message;
	char text[100];

	if (is_blank(line, len))
		return;
	message = json_loadb(line, len, JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES,
			     &error);
	if (message) {
		take_message(bridge, message);
	} else {
		/* jansson's own words quote the line, and may end within a character. */
		snprintf(text, sizeof(text), "the line is not JSON, at byte %d", error.position);
		output_put(bridge->output, rpc_error(NULL, RPC_PARSE_ERROR, text));
	}
	json_decref(message);
}

/* --- the end --- */

static void close_session(struct bridge *bridge)
{
	char session[sizeof(bridge->session_base) + 16];
	struct poold_writer *params = poold_writer_new();
	struct poold_reply reply;

	session_name(bridge, session, sizeof(session));
	if (params) {
		poold_write_array(params, 1);
		poold_write_str(params, session);
		/* If that fails, it expires. */
		(void)poold_request(bridge->client, "poold.session_close",
				    poold_writer_bytes(params), CLOSE_MS, &reply);
		poold_reply_free(&reply);
	}
	poold_writer_free(params);
}

void bridge_end(struct bridge *bridge)
{
	struct list_node *node;

	list_for_each (node, &bridge->calls) {
		struct call *call = list_entry(node, struct call, in_calls);

		if (!call->is_cancelled)
			output_put(bridge->output, rpc_error(call->id, RPC_SERVER_ERROR,
							     "cancelled: the input has ended"));
		call->is_cancelled = true;
		poold_cancel(bridge->client, call->number);
	}
	if (bridge->session_is_open && poold_fd(bridge->client) >= 0)
		close_session(bridge);
}
