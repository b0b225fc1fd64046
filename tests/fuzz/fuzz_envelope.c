/*
 * The envelope and the errors of workers, on any bytes.
 *
 *  - every slice lies inside the message, and of a whole message it is a whole value
 *  - what was read, written again, is read the same
 *  - a worker's error of any shape gives a detail that any strict decoder takes
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/envelope.h"
#include "protocol/error.h"
#include "protocol/skip.h"
#include "protocol/utf8.h"
#include "tests/lib/naive.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define MESSAGE_MAX 65536
#define TEXT_MAX    ((size_t)100)

static bool is_inside(struct bytes slice, const uint8_t *data, size_t len)
{
	return slice.len == 0 || (slice.data >= data && slice.data + slice.len <= data + len);
}

static bool is_value(struct bytes slice)
{
	return slice.len > 0 && skip_value(slice.data, slice.len, slice.len) == slice.len;
}

static void check_slices(const struct envelope *envelope, const uint8_t *data, size_t len)
{
	assert(is_inside(envelope->method, data, len) && envelope->method.len <= METHOD_LEN_MAX);
	assert(is_inside(envelope->params, data, len));
	assert(is_inside(envelope->error, data, len));
	assert(is_inside(envelope->result, data, len));
	if (envelope->type == ENVELOPE_RESPONSE)
		assert(is_value(envelope->error) && envelope->params.len == 0);
	else
		assert(envelope->error.len == 0 && envelope->result.len == 0);
}

/* Writes the envelope as the daemon passes it on.  Returns its length. */
static size_t write_again(const struct envelope *envelope, uint8_t *out)
{
	struct bytes tail = envelope->params;
	size_t len;

	switch (envelope->type) {
	case ENVELOPE_REQUEST:
		len = envelope_put_request(out, envelope->id, envelope->method);
		break;
	case ENVELOPE_NOTIFICATION:
		len = envelope_put_notification(out, envelope->method);
		break;
	default:
		len = envelope_put_error(out, envelope->id);
		memcpy(out + len, envelope->error.data, envelope->error.len);
		len += envelope->error.len;
		tail = envelope->result;
		break;
	}
	memcpy(out + len, tail.data, tail.len);
	return len + tail.len;
}

static bool same_bytes(struct bytes a, struct bytes b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static void check_round_trip(const struct envelope *envelope)
{
	static uint8_t out[MESSAGE_MAX + ENVELOPE_HEAD_MAX];
	size_t len = write_again(envelope, out);
	struct envelope again;

	assert(skip_value(out, len, len) == len);
	assert(envelope_read(out, len, &again) == 0);
	assert(again.type == envelope->type && again.id == envelope->id);
	assert(same_bytes(again.method, envelope->method));
	assert(same_bytes(again.params, envelope->params));
	assert(same_bytes(again.error, envelope->error));
	assert(same_bytes(again.result, envelope->result));
}

static void check_envelope(const uint8_t *data, size_t len, bool whole)
{
	struct envelope envelope;
	int r = envelope_read(data, len, &envelope);

	if (r == -EBADMSG)
		assert(envelope.type == ENVELOPE_REQUEST && envelope.method.len == 0);
	if (r < 0)
		return;
	check_slices(&envelope, data, len);
	if (!whole)
		return;
	assert(is_value(envelope.type == ENVELOPE_RESPONSE ? envelope.result : envelope.params));
	check_round_trip(&envelope);
}

static void check_detail_text(const uint8_t *data, size_t len)
{
	msgpack_unpacked unpacked;
	size_t length = 0;

	msgpack_unpacked_init(&unpacked);
	assert(msgpack_unpack_next(&unpacked, (const char *)data, len, &length) ==
	       MSGPACK_UNPACK_SUCCESS);
	assert(length == len && unpacked.data.type == MSGPACK_OBJECT_MAP);
	for (uint32_t i = 0; i < unpacked.data.via.map.size; i++) {
		msgpack_object value = unpacked.data.via.map.ptr[i].val;

		assert(value.type == MSGPACK_OBJECT_STR);

		struct bytes text = {(const uint8_t *)value.via.str.ptr, value.via.str.size};

		assert(text.len > 0 && text.len <= TEXT_MAX);
		assert(utf8_valid_prefix(text) == text.len);
	}
	msgpack_unpacked_destroy(&unpacked);
}

static void check_worker_error(const uint8_t *data, size_t len)
{
	struct worker_error error;
	struct buf buf;

	worker_error_read((struct bytes){data, len}, &error);
	assert(is_inside(error.type, data, len));
	assert(is_inside(error.message, data, len));
	assert(is_inside(error.traceback, data, len));
	assert(errcode_info(error.code)->counts_worker == false);

	buf_init(&buf, 4 * TEXT_MAX);
	worker_error_pack_detail(&buf, &error, TEXT_MAX);
	assert(buf_error(&buf) == 0);
	check_detail_text(buf.data, buf.len);
	buf_free(&buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (len > MESSAGE_MAX)
		return 0;

	size_t whole = skip_value(data, len, len);

	check_envelope(data, len, false);
	if (whole > 0)
		check_envelope(data, whole, true);
	check_worker_error(data, len);
	return 0;
}
