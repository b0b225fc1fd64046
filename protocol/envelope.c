#include "protocol/envelope.h"

#include "protocol/read.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

static int read_id(struct reader *reader, uint32_t *ret)
{
	uint64_t id;

	/* After a peer's first requests, ids have more than seven bits. */
	if (read_long_uint(reader, &id) < 0 || id > UINT32_MAX)
		return -EPROTO;
	*ret = (uint32_t)id;
	return 0;
}

/* Some peers send method names as bin, such as pynvim in the first notification of a session. */
static int read_call(struct reader *reader, struct envelope *envelope)
{
	if (read_bin(reader, &envelope->method) < 0 || envelope->method.len > METHOD_LEN_MAX)
		return -EPROTO;
	if (read_peek(reader) != VALUE_ARRAY)
		return -EPROTO;
	envelope->params = read_rest(reader);
	return 0;
}

static int read_answer(struct reader *reader, struct envelope *envelope)
{
	/* Fast path for a nil error, as in nearly every response. */
	envelope->error = (struct bytes){reader->at, 1};
	if (read_nil(reader) < 0 && read_value(reader, &envelope->error) < 0)
		return -EPROTO;
	if (reader_at_end(reader))
		return -EPROTO;
	envelope->result = read_rest(reader);
	return 0;
}

int envelope_read(const uint8_t *data, size_t len, struct envelope *ret)
{
	struct reader reader;
	struct envelope envelope = {0};
	uint32_t count;
	uint64_t type;

	reader_init(&reader, data, len);
	if (read_array(&reader, &count) < 0 || count == 0 || read_uint(&reader, &type) < 0)
		return -EPROTO;

	switch (type) {
	case ENVELOPE_REQUEST:
		envelope.type = ENVELOPE_REQUEST;
		if (count < 2 || read_id(&reader, &envelope.id) < 0)
			return -EPROTO;
		if (count != 4 || read_call(&reader, &envelope) < 0) {
			*ret = (struct envelope){.type = ENVELOPE_REQUEST, .id = envelope.id};
			return -EBADMSG;
		}
		break;
	case ENVELOPE_RESPONSE:
		envelope.type = ENVELOPE_RESPONSE;
		if (count != 4 || read_id(&reader, &envelope.id) < 0 ||
		    read_answer(&reader, &envelope) < 0)
			return -EPROTO;
		break;
	case ENVELOPE_NOTIFICATION:
		envelope.type = ENVELOPE_NOTIFICATION;
		if (count != 3 || read_call(&reader, &envelope) < 0)
			return -EPROTO;
		break;
	default:
		return -EPROTO;
	}
	*ret = envelope;
	return 0;
}

static size_t put_uint(uint8_t *out, uint32_t value)
{
	size_t width;

	if (value < 0x80) {
		out[0] = (uint8_t)value;
		return 1;
	}
	width = value <= UINT8_MAX ? 1 : value <= UINT16_MAX ? 2 : 4;
	out[0] = width == 1 ? 0xcc : width == 2 ? 0xcd : 0xce;
	value = htobe32(value << (32 - 8 * width));
	memcpy(out + 1, &value, sizeof(value)); /* what comes next is written over the rest */
	return 1 + width;
}

/* The length of a method, at most METHOD_LEN_MAX, fits into one byte. */
static size_t put_method(uint8_t *out, struct bytes method)
{
	size_t head = 1;

	assert(method.len <= METHOD_LEN_MAX);
	if (method.len < 32) {
		out[0] = (uint8_t)(0xa0 | method.len);
	} else {
		out[0] = 0xd9;
		out[1] = (uint8_t)method.len;
		head = 2;
	}
	if (method.len > 0)
		memcpy(out + head, method.data, method.len);
	return head + method.len;
}

size_t envelope_put_request(uint8_t *out, uint32_t id, struct bytes method)
{
	size_t len = 2;

	out[0] = 0x94;
	out[1] = ENVELOPE_REQUEST;
	len += put_uint(out + len, id);
	return len + put_method(out + len, method);
}

size_t envelope_put_notification(uint8_t *out, struct bytes method)
{
	out[0] = 0x93;
	out[1] = ENVELOPE_NOTIFICATION;
	return 2 + put_method(out + 2, method);
}

size_t envelope_put_result(uint8_t *out, uint32_t id)
{
	size_t len = envelope_put_error(out, id);

	out[len] = 0xc0;
	return len + 1;
}

size_t envelope_put_error(uint8_t *out, uint32_t id)
{
	out[0] = 0x94;
	out[1] = ENVELOPE_RESPONSE;
	return 2 + put_uint(out + 2, id);
}

size_t envelope_put_id(uint8_t *out, uint32_t id)
{
	return put_uint(out, id);
}
