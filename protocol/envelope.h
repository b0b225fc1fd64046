/*
 * The MessagePack-RPC envelope: [0, id, method, params], [1, id, error, result], [2, method,
 * params], and nothing else.
 *
 * It is read from one whole value (skip.h finds the end of a value).  params, error and result are
 * not decoded: they are slices of the input.
 */
#ifndef POOLD_PROTOCOL_ENVELOPE_H
#define POOLD_PROTOCOL_ENVELOPE_H

#include "protocol/base.h"

enum envelope_type {
	ENVELOPE_REQUEST = 0,
	ENVELOPE_RESPONSE = 1,
	ENVELOPE_NOTIFICATION = 2
};

/* Limit of a method name, including pool and dot, in bytes. */
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
 * Reads `data`, which must be exactly one whole value, as found by the skipper; never reads outside
 * of it.  The slices in *ret point into it.  Returns 0; -EPROTO: it is not an envelope; -EBADMSG:
 * it is a request with a valid id, but malformed otherwise (wrong number of elements, method
 * neither str nor bin, or too long, params not an array).  Then ret->type and ret->id are set, so
 * that the request can be answered.
 *
 * For a message that is too large to be read whole, `data` may be its beginning.  If this returns 0
 * or -EBADMSG and the type is that of a request, ret->id is valid; nothing else in *ret may be
 * used.
 */
int envelope_read(const uint8_t *data, size_t len, struct envelope *ret);

/* The most bytes that envelope_put_* writes, without the method. */
#define ENVELOPE_HEAD_MAX 16

/*
 * Write the beginning of an envelope; the caller appends the rest.  `out` must have room for
 * ENVELOPE_HEAD_MAX bytes and the method, which has at most METHOD_LEN_MAX bytes.  Each returns the
 * number of bytes written.
 *
 *   request, notification   append the params
 *   result                  append the result (the error, nil, is written)
 *   error                   append the error value, then nil (the byte 0xc0) as the result
 */
size_t envelope_put_request(uint8_t *out, uint32_t id, struct bytes method);
size_t envelope_put_notification(uint8_t *out, struct bytes method);
size_t envelope_put_result(uint8_t *out, uint32_t id);
size_t envelope_put_error(uint8_t *out, uint32_t id);

/* Writes an id, for params that begin with one; `out` has room for 5 bytes.  Returns the number of bytes. */
size_t envelope_put_id(uint8_t *out, uint32_t id);

#endif
