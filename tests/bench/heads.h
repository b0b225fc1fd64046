/* The heads of the messages that are hoped for, read in one pass.  Each returns 0 and advances the reader
 * behind the head; -EPROTO: it is another message, or is not whole. */
#ifndef POOLD_TESTS_BENCH_HEADS_H
#define POOLD_TESTS_BENCH_HEADS_H

#include "protocol/envelope.h"
#include "protocol/read.h"

/* [0, id, method, [ and the number of params, which come next. */
static inline int read_request_head(struct reader *reader, uint64_t *ret_id,
				    struct bytes *ret_method, uint32_t *ret_params)
{
	uint32_t count;
	uint64_t type;

	if (read_array(reader, &count) || count != 4 || read_uint(reader, &type) ||
	    type != ENVELOPE_REQUEST || read_uint(reader, ret_id) || read_str(reader, ret_method) ||
	    read_array(reader, ret_params))
		return -EPROTO;
	return 0;
}

/* [1, id, nil, after which the result comes. */
static inline int read_result_head(struct reader *reader, uint64_t *ret_id)
{
	uint32_t count;
	uint64_t type;

	if (read_array(reader, &count) || count != 4 || read_uint(reader, &type) ||
	    type != ENVELOPE_RESPONSE || read_uint(reader, ret_id) || read_nil(reader))
		return -EPROTO;
	return 0;
}

#endif
