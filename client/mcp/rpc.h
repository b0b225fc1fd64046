/* Messages of JSON-RPC 2.0 to the client.  Each function returns a new reference, or NULL without
 * memory; `id` stays the caller's, and NULL stands for null. */
#ifndef POOLD_MCP_RPC_H
#define POOLD_MCP_RPC_H

#include <jansson.h>
#include <poold.h>

/* Codes of JSON-RPC 2.0. */
#define RPC_PARSE_ERROR	     (-32700)
#define RPC_INVALID_REQUEST  (-32600)
#define RPC_METHOD_NOT_FOUND (-32601)
#define RPC_INVALID_PARAMS   (-32602)
#define RPC_INTERNAL_ERROR   (-32603)
#define RPC_SERVER_ERROR     (-32000) /* the first of those that servers define themselves */

/* These two take the reference to `result` and `params`. */
json_t *rpc_result(json_t *id, json_t *result);
json_t *rpc_notification(const char *method, json_t *params);

/* An error of this program. */
json_t *rpc_error(json_t *id, int code, const char *message);

/*
 * The error of a call.  The code, message and data that a server gave its error are kept.  For any
 * other failure the code is one of those above, and `data` is the daemon's whole error map, in which
 * `code` is one of docs/ERRORS.md.
 */
json_t *rpc_failure(json_t *id, const struct poold_error *error);

/* A result that was answered: JSON, or an error where JSON cannot express it. */
json_t *rpc_answer(json_t *id, struct poold_bytes result);

#endif
