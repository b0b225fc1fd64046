/*
 * The MessagePack-RPC envelope: [0, id, method, params], [1, id, error, result], [2, method,
 * params], and nothing else.
 *
 * It is read all or nothing from one whole value (see skip.h for finding a whole value).  params,
 * error and result stay the bytes they came in.
 */
#ifndef POOLD_PROTOCOL_ENVELOPE_H
#define POOLD_PROTOCOL_ENVELOPE_H

#include "protocol/base.h"

enum envelope_type {
	ENVELOPE_REQUEST = 0,
	ENVELOPE_RESPONSE = 1,
	ENVELOPE_NOTIFICATION = 2
};

/* Longest method name, pool and dot included, in bytes. */
#define METHOD_LEN_MAX 255

struct envelope {
	enum envelope_type type;
	uint32_t id;	     /* request, response */
	struct bytes method; /* request, notification */
	struct bytes params; /* request, notification: a whole array */
	struct bytes error;  /* response: a whole value */
	struct bytes result; /* response: a whole value */
};

/*
 * Reads `data`, which is exactly one whole value, as the skipper found it: that is not checked
 * again, but nothing outside of it is ever touched.  The slices point into it.  Returns 0; -EPROTO
 * when it is not an envelope; -EBADMSG when it is a request whose id could be read but whose rest
 * is wrong (wrong number of elements, method neither str nor bin, or too long, params not an
 * array): then ret->type and ret->id are set, so that it can be answered.
 *
 * To answer a message that is too large to be read whole, give this its beginning: with 0 or
 * -EBADMSG and the type of a request, ret->id is right, and nothing else is to be used.
 */
int envelope_read(const uint8_t *data, size_t len, struct envelope *ret);

/* Bytes that envelope_put_* may need at most beyond the method's own. */
#define ENVELOPE_HEAD_MAX 16

/*
 * Write the beginning of an envelope; the caller appends what is left of it.  `out` has room for
 * ENVELOPE_HEAD_MAX bytes plus the method's, which has at most METHOD_LEN_MAX.  Each returns the
 * number of bytes written.
 *
 *   request, notification   params follow
 *   result                  the result follows (the error, nil, is written)
 *   error                   the error value follows, then one nil byte (0xc0) for the result
 */
size_t envelope_put_request(uint8_t *out, uint32_t id, struct bytes method);
size_t envelope_put_notification(uint8_t *out, struct bytes method);
size_t envelope_put_result(uint8_t *out, uint32_t id);
size_t envelope_put_error(uint8_t *out, uint32_t id);

/* An id by itself, at most 5 bytes: for params that begin with one. */
size_t envelope_put_id(uint8_t *out, uint32_t id);

#endif
