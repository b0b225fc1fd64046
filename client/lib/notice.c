#include "client/lib/notice.h"

#include "protocol/read.h"

static enum notice_kind kind_of(struct bytes method)
{
	if (bytes_equal(method, "poold.chunk"))
		return NOTICE_CHUNK;
	if (bytes_equal(method, "poold.restart"))
		return NOTICE_RESTART;
	if (bytes_equal(method, "poold.closing"))
		return NOTICE_CLOSING;
	return bytes_equal(method, "poold.event") ? NOTICE_EVENT : NOTICE_UNKNOWN;
}

static int read_id(struct reader *reader, uint32_t *ret_id)
{
	uint64_t id;
	int r = read_uint(reader, &id);

	if (r < 0 || id > UINT32_MAX)
		return -1;
	*ret_id = (uint32_t)id;
	return 0;
}

/* Later versions may append further elements to the params, which are ignored. */
static int read_params(struct bytes params, struct notice *notice)
{
	struct reader reader;
	uint32_t count;

	reader_init(&reader, params.data, params.len);
	if (read_array(&reader, &count) < 0)
		return -1;
	if (notice->kind != NOTICE_EVENT && read_id(&reader, &notice->id) < 0)
		return -1;
	if (notice->kind == NOTICE_RESTART)
		return 0;
	if (notice->kind == NOTICE_EVENT && read_peek(&reader) != VALUE_MAP)
		return -1;
	return read_value(&reader, &notice->value);
}

struct notice notice_read(const struct envelope *envelope)
{
	struct notice notice = {.kind = kind_of(envelope->method)};

	if (notice.kind != NOTICE_UNKNOWN && notice.kind != NOTICE_CLOSING &&
	    read_params(envelope->params, &notice) < 0)
		notice.kind = NOTICE_UNKNOWN;
	return notice;
}
