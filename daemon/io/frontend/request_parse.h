/* The parameters of a client's request: every length and type checked, nothing copied. */
#ifndef POOLD_IO_FRONTEND_REQUEST_PARSE_H
#define POOLD_IO_FRONTEND_REQUEST_PARSE_H

#include "daemon/io/driver/submit.h"
#include "protocol/base.h"

/* Room for a sentence that says what is wrong. */
#define REQUEST_WHY_SIZE   256

#define TRACE_LEN_MAX	   256
#define TRACESTATE_LEN_MAX 512

/* Slices of the parameters. */
struct parsed_call {
	struct bytes pool;
	struct bytes method;
	struct bytes args; /* a whole value */
	struct bytes trace;
	struct bytes tracestate;
	struct bytes session; /* these two: empty when not given */
	struct bytes key;
	bool wants_meta;
	struct call_options options;
};

/* [pool, method, args, options?], a whole value.  Returns 0, or -EINVAL and a sentence in `why`. */
int request_parse_call(struct bytes params, struct parsed_call *ret, char why[REQUEST_WHY_SIZE]);

/* POOL.METHOD with its params as arguments.  Returns 0, or -EINVAL when the name has no such form.
 */
int request_parse_short(struct bytes name, struct bytes params, struct parsed_call *ret);

/* What a client asks for in its hello. */
struct parsed_hello {
	struct bytes client; /* these two: as it calls itself; empty where it does not say */
	struct bytes version;
	bool wants_errors_map;
	bool wants_closing; /* to be told before the daemon closes the connection */
};

/* [{client, version, errors, closing}].  Returns 0, or -EINVAL and a sentence in `why`; what is not
 * there is left as it is in *ret. */
int request_parse_hello(struct bytes params, struct parsed_hello *ret, char why[REQUEST_WHY_SIZE]);

/* The id of a request of which only the beginning is there, and its method, empty where that has not
 * come.  Returns 0 or -EPROTO: it has no id. */
int request_begun(struct bytes begun, uint32_t *ret_id, struct bytes *ret_method);

#endif
