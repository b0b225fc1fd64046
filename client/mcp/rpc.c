#include "client/mcp/rpc.h"

#include "client/poolctl/json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* An id for json_pack, which takes it as a new reference. */
static json_t *id_of(json_t *id)
{
	return id ? json_incref(id) : json_null();
}

json_t *rpc_result(json_t *id, json_t *result)
{
	return json_pack("{s:s, s:o, s:o}", "jsonrpc", "2.0", "id", id_of(id), "result", result);
}

json_t *rpc_notification(const char *method, json_t *params)
{
	return json_pack("{s:s, s:s, s:o}", "jsonrpc", "2.0", "method", method, "params", params);
}

static json_t *rpc_error_with(json_t *id, long long code, const char *message, json_t *data)
{
	json_t *text = json_string(message), *error;

	if (!text)
		text = json_string("an error whose text is not UTF-8");
	error = json_pack("{s:I, s:o}", "code", (json_int_t)code, "message", text);
	if (data && json_object_set_new(error, "data", data) < 0) {
		json_decref(error);
		error = NULL;
	}
	return json_pack("{s:s, s:o, s:o}", "jsonrpc", "2.0", "id", id_of(id), "error", error);
}

json_t *rpc_error(json_t *id, int code, const char *message)
{
	return rpc_error_with(id, code, message, NULL);
}

static const char *const executed_names[] = {"no", "maybe", "yes"};

/* The daemon's error map; for an error of libpoold, a map with the same keys. */
static json_t *map_of(const struct poold_error *error)
{
	json_t *map;

	if (error->map.len > 0 && json_from_value(error->map, JSON_PLAIN, &map) == 0)
		return map;
	return json_pack("{s:s, s:s, s:s, s:b, s:s}", "code", error->code, "category",
			 error->category, "message", error->message, "retryable",
			 (int)error->retryable, "executed", executed_names[error->executed]);
}

/* Whether a server of JSON-RPC gave the error this code: a number, as text. */
static bool read_code(const json_t *type, long long *ret)
{
	const char *text = json_string_value(type);
	char *end;

	if (!text || *text == '\0' || strspn(text, "-0123456789") != strlen(text))
		return false;
	errno = 0;
	*ret = strtoll(text, &end, 10);
	return errno == 0 && *end == '\0';
}

/* The code of JSON-RPC for one of the daemon's. */
static int code_for(const char *code)
{
	static const struct {
		const char *code;
		int number;
	} codes[] = {
		{"unknown_method", RPC_METHOD_NOT_FOUND},  {"invalid_request", RPC_INVALID_REQUEST},
		{"rejected", RPC_INVALID_PARAMS},	   {"encode_error", RPC_INVALID_PARAMS},
		{"payload_too_large", RPC_INVALID_PARAMS}, {"internal", RPC_INTERNAL_ERROR},
	};

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		if (strcmp(codes[i].code, code) == 0)
			return codes[i].number;
	}
	return RPC_SERVER_ERROR;
}

json_t *rpc_failure(json_t *id, const struct poold_error *error)
{
	json_t *map = map_of(error), *message;
	const json_t *detail = json_object_get(map, "detail");
	const char *text = json_string_value(json_object_get(detail, "message"));
	char *worded = NULL;
	long long code;

	if (read_code(json_object_get(detail, "type"), &code)) {
		json_t *data = json_incref(json_object_get(detail, "data"));

		message = rpc_error_with(id, code, text ? text : "", data);
		json_decref(map);
		return message;
	}
	if (asprintf(&worded, "%s: %s", error->code, error->message) < 0) {
		json_decref(map);
		return NULL;
	}
	message = rpc_error_with(id, code_for(error->code), worded, map);
	free(worded);
	return message;
}

json_t *rpc_answer(json_t *id, struct poold_bytes result)
{
	json_t *json;
	int r = json_from_value(result, JSON_PLAIN, &json);

	if (r == 0)
		return rpc_result(id, json);
	if (r == -ENOMEM)
		return NULL;
	return rpc_error(id, RPC_INTERNAL_ERROR, "JSON cannot express the result");
}
