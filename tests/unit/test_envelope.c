#include "protocol/envelope.h"

#include <check.h>
#include <errno.h>
#include <string.h>

#include <msgpack.h>

#include "protocol/read.h"
#include "protocol/skip.h"
#include "tests/lib/input.h"
#include "tests/lib/prop.h"
#include "tests/lib/unit.h"
#include "tests/lib/values.h"

static const struct bytes echo = {(const uint8_t *)"echo", 4};

START_TEST(request)
{
	static const uint8_t data[] = {0x94, 0, 0x07, 0xa4, 'e', 'c', 'h', 'o', 0x91, 0xa1, 'x'};
	struct envelope envelope;

	ck_assert_int_eq(envelope_read(data, sizeof(data), &envelope), 0);
	ck_assert_int_eq(envelope.type, ENVELOPE_REQUEST);
	ck_assert_uint_eq(envelope.id, 7);
	ck_assert(bytes_equal(envelope.method, "echo"));
	ck_assert_ptr_eq(envelope.params.data, data + 8);
	ck_assert_uint_eq(envelope.params.len, 3);
	ck_assert_uint_eq(envelope.error.len + envelope.result.len, 0);
}
END_TEST

START_TEST(notification)
{
	static const uint8_t data[] = {0x93, 2, 0xa4, 'e', 'c', 'h', 'o', 0x90};
	struct envelope envelope;

	ck_assert_int_eq(envelope_read(data, sizeof(data), &envelope), 0);
	ck_assert_int_eq(envelope.type, ENVELOPE_NOTIFICATION);
	ck_assert(bytes_equal(envelope.method, "echo"));
	ck_assert_ptr_eq(envelope.params.data, data + 7);
	ck_assert_uint_eq(envelope.params.len, 1);
}
END_TEST

START_TEST(response)
{
	static const uint8_t result[] = {0x94, 1, 0xcd, 0x01, 0x00, 0xc0, 0x92, 0x01, 0x02};
	static const uint8_t error[] = {0x94, 1, 0x07, 0x92, 0x00, 0xa1, 'e', 0xc0};
	struct envelope envelope;

	ck_assert_int_eq(envelope_read(result, sizeof(result), &envelope), 0);
	ck_assert_int_eq(envelope.type, ENVELOPE_RESPONSE);
	ck_assert_uint_eq(envelope.id, 256);
	ck_assert_uint_eq(envelope.error.len, 1);
	ck_assert_uint_eq(envelope.error.data[0], 0xc0);
	ck_assert_ptr_eq(envelope.result.data, result + 6);
	ck_assert_uint_eq(envelope.result.len, 3);

	ck_assert_int_eq(envelope_read(error, sizeof(error), &envelope), 0);
	ck_assert_ptr_eq(envelope.error.data, error + 3);
	ck_assert_uint_eq(envelope.error.len, 4);
	ck_assert_uint_eq(envelope.result.len, 1);
}
END_TEST

/* Whole values that are no envelope, and the beginnings of some that are. */
START_TEST(not_an_envelope)
{
	static const struct {
		const char *what;
		struct input input;
	} inputs[] = {
		{"nothing", {0, {0}}},
		{"a number", INPUT(0x05)},
		{"a map", INPUT(0x81, 0x00, 0x01)},
		{"an empty array", INPUT(0x90)},
		{"a request's type alone", INPUT(0x91, 0x00)},
		{"a type that is no number", INPUT(0x94, 0xa1, '0', 0x01, 0xa1, 'm', 0x90)},
		{"a negative type", INPUT(0x94, 0xff, 0x01, 0xa1, 'm', 0x90)},
		{"a fourth type", INPUT(0x94, 0x03, 0x01, 0xa1, 'm', 0x90)},
		{"a type of 64 bits",
		 INPUT(0x94, 0xcf, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0xa1, 'm', 0x90)},
		{"a negative id", INPUT(0x94, 0x00, 0xff, 0xa1, 'm', 0x90)},
		{"an id of 33 bits",
		 INPUT(0x94, 0x00, 0xcf, 0, 0, 0, 1, 0, 0, 0, 0, 0xa1, 'm', 0x90)},
		{"an id that is text", INPUT(0x94, 0x00, 0xa1, '1', 0xa1, 'm', 0x90)},
		{"a response of three", INPUT(0x93, 0x01, 0x01, 0xc0)},
		{"a response of five", INPUT(0x95, 0x01, 0x01, 0xc0, 0xc0, 0xc0)},
		{"a response with an id of text", INPUT(0x94, 0x01, 0xa1, '1', 0xc0, 0xc0)},
		{"a response whose result is missing", INPUT(0x94, 0x01, 0x01, 0xc0)},
		{"a response whose error is cut", INPUT(0x94, 0x01, 0x01, 0x92, 0x00)},
		{"a notification of four", INPUT(0x94, 0x02, 0xa1, 'm', 0x90, 0xc0)},
		{"a notification of two", INPUT(0x92, 0x02, 0xa1, 'm')},
		{"a notification without a name", INPUT(0x93, 0x02, 0x05, 0x90)},
		{"a notification without params", INPUT(0x93, 0x02, 0xa1, 'm', 0xc0)},
	};

	for (size_t i = 0; i < ARRAY_SIZE(inputs); i++) {
		struct envelope envelope;
		int r = envelope_read(inputs[i].input.data, inputs[i].input.len, &envelope);

		ck_assert_msg(r == -EPROTO, "%s: %d", inputs[i].what, r);
	}
}
END_TEST

/* Requests that are wrong, but can be answered. */
START_TEST(answerable)
{
	static const struct {
		const char *what;
		struct input input;
	} inputs[] = {
		{"two elements", INPUT(0x92, 0x00, 0x2a)},
		{"three elements", INPUT(0x93, 0x00, 0x2a, 0xa1, 'm')},
		{"five elements", INPUT(0x95, 0x00, 0x2a, 0xa1, 'm', 0x90, 0xc0)},
		{"a method that is a number", INPUT(0x94, 0x00, 0x2a, 0x05, 0x90)},
		{"a method that is nil", INPUT(0x94, 0x00, 0x2a, 0xc0, 0x90)},
		{"params that are a map", INPUT(0x94, 0x00, 0x2a, 0xa1, 'm', 0x80)},
		{"params that are nil", INPUT(0x94, 0x00, 0x2a, 0xa1, 'm', 0xc0)},
		{"the beginning of a long one", INPUT(0x94, 0x00, 0x2a, 0xa9, 'm')},
		{"a number of four bytes", INPUT(0x94, 0x00, 0xce, 0, 0, 0, 0x2a, 0x05, 0x90)},
		{"a number with a sign", INPUT(0x94, 0xd0, 0x00, 0xd1, 0, 0x2a, 0x05, 0x90)},
	};

	for (size_t i = 0; i < ARRAY_SIZE(inputs); i++) {
		struct envelope envelope;
		int r = envelope_read(inputs[i].input.data, inputs[i].input.len, &envelope);

		ck_assert_msg(r == -EBADMSG, "%s: %d", inputs[i].what, r);
		ck_assert_int_eq(envelope.type, ENVELOPE_REQUEST);
		ck_assert_uint_eq(envelope.id, 42);
		ck_assert_uint_eq(envelope.method.len + envelope.params.len, 0);
	}
}
END_TEST

/* As pynvim sends them. */
START_TEST(binary_method)
{
	static const uint8_t asked[] = {0x94, 0, 0x07, 0xc4, 4, 'e', 'c', 'h', 'o', 0x90};
	static const uint8_t reported[] = {0x93, 2, 0xc4, 4, 'e', 'c', 'h', 'o', 0x90};
	struct envelope envelope;

	ck_assert_int_eq(envelope_read(asked, sizeof(asked), &envelope), 0);
	ck_assert(bytes_equal(envelope.method, "echo"));
	ck_assert_int_eq(envelope_read(reported, sizeof(reported), &envelope), 0);
	ck_assert(bytes_equal(envelope.method, "echo"));
}
END_TEST

START_TEST(longest_method)
{
	uint8_t data[ENVELOPE_HEAD_MAX + METHOD_LEN_MAX + 2];
	uint8_t name[METHOD_LEN_MAX];
	struct envelope envelope;

	memset(name, 'm', sizeof(name));

	size_t len = envelope_put_request(data, UINT32_MAX, (struct bytes){name, sizeof(name)});

	ck_assert_uint_le(len, ENVELOPE_HEAD_MAX + sizeof(name));
	data[len++] = 0x90;
	ck_assert_int_eq(envelope_read(data, len, &envelope), 0);
	ck_assert_uint_eq(envelope.id, UINT32_MAX);
	ck_assert_uint_eq(envelope.method.len, METHOD_LEN_MAX);

	/* The same with one byte more: str16 of 256. */
	uint8_t longer[300] = {0x94, 0x00, 0x05, 0xda, 0x01, 0x00};

	longer[6 + 256] = 0x90;
	ck_assert_int_eq(envelope_read(longer, 6 + 256 + 1, &envelope), -EBADMSG);
	ck_assert_uint_eq(envelope.id, 5);
}
END_TEST

/* The four heads, against msgpack-c, for ids and methods at every change of width. */
START_TEST(heads)
{
	static const uint32_t ids[] = {0, 1, 127, 128, 255, 256, 65535, 65536, UINT32_MAX};
	static const size_t lengths[] = {0, 1, 31, 32, 254, 255};
	static const char name[METHOD_LEN_MAX] = {'m'};

	for (size_t i = 0; i < ARRAY_SIZE(ids); i++)
		for (size_t j = 0; j < ARRAY_SIZE(lengths); j++) {
			struct bytes method = {(const uint8_t *)name, lengths[j]};
			uint8_t out[ENVELOPE_HEAD_MAX + METHOD_LEN_MAX];
			msgpack_sbuffer expected;
			msgpack_packer pk;

			msgpack_sbuffer_init(&expected);
			msgpack_packer_init(&pk, &expected, msgpack_sbuffer_write);
			msgpack_pack_array(&pk, 4);
			msgpack_pack_uint32(&pk, 0);
			msgpack_pack_uint32(&pk, ids[i]);
			msgpack_pack_str(&pk, method.len);
			msgpack_pack_str_body(&pk, name, method.len);
			ck_assert_uint_eq(envelope_put_request(out, ids[i], method), expected.size);
			ck_assert_mem_eq(out, expected.data, expected.size);

			msgpack_sbuffer_clear(&expected);
			msgpack_pack_array(&pk, 3);
			msgpack_pack_uint32(&pk, 2);
			msgpack_pack_str(&pk, method.len);
			msgpack_pack_str_body(&pk, name, method.len);
			ck_assert_uint_eq(envelope_put_notification(out, method), expected.size);
			ck_assert_mem_eq(out, expected.data, expected.size);

			msgpack_sbuffer_clear(&expected);
			msgpack_pack_array(&pk, 4);
			msgpack_pack_uint32(&pk, 1);
			msgpack_pack_uint32(&pk, ids[i]);
			ck_assert_uint_eq(envelope_put_error(out, ids[i]), expected.size);
			ck_assert_mem_eq(out, expected.data, expected.size);
			msgpack_pack_nil(&pk);
			ck_assert_uint_eq(envelope_put_result(out, ids[i]), expected.size);
			ck_assert_mem_eq(out, expected.data, expected.size);
			msgpack_sbuffer_destroy(&expected);
		}
}
END_TEST

/* An id by itself, for params that begin with one: as msgpack-c writes it, in 5 bytes at most. */
START_TEST(bare_id)
{
	static const struct {
		uint32_t id;
		size_t len;
	} cases[] = {{0, 1},   {1, 1},	   {127, 1},   {128, 2},       {255, 2},
		     {256, 3}, {65535, 3}, {65536, 5}, {UINT32_MAX, 5}};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint8_t out[ENVELOPE_HEAD_MAX];
		msgpack_sbuffer expected;
		msgpack_packer pk;

		msgpack_sbuffer_init(&expected);
		msgpack_packer_init(&pk, &expected, msgpack_sbuffer_write);
		msgpack_pack_uint32(&pk, cases[i].id);
		ck_assert_uint_eq(envelope_put_id(out, cases[i].id), cases[i].len);
		ck_assert_uint_eq(expected.size, cases[i].len);
		ck_assert_mem_eq(out, expected.data, expected.size);
		msgpack_sbuffer_destroy(&expected);
	}
}
END_TEST

static void append_value(struct prop *prop, msgpack_sbuffer *message)
{
	msgpack_packer pk;

	msgpack_packer_init(&pk, message, msgpack_sbuffer_write);
	values_pack(prop, &pk, 3);
}

/* What is written is read again, with the payload where it was put. */
START_TEST(there_and_back)
{
	struct prop_rounds rounds = prop_rounds(2000);
	struct prop prop;

	while (prop_round(&rounds, &prop)) {
		uint8_t head[ENVELOPE_HEAD_MAX + METHOD_LEN_MAX];
		uint32_t id = (uint32_t)(prop_next(&prop) >> prop_between(&prop, 32, 63));
		msgpack_sbuffer message;
		struct envelope envelope;
		bool is_request = prop_chance(&prop, 50);
		size_t len = is_request ? envelope_put_request(head, id, echo)
					: envelope_put_result(head, id);

		msgpack_sbuffer_init(&message);
		msgpack_sbuffer_write(&message, (const char *)head, len);
		if (is_request)
			msgpack_sbuffer_write(&message, "\x91", 1);
		append_value(&prop, &message);

		int r = envelope_read((uint8_t *)message.data, message.size, &envelope);
		struct bytes payload = is_request ? envelope.params : envelope.result;

		prop_check(&prop, r == 0 && envelope.id == id, "%d, id %" PRIu32, r, envelope.id);
		prop_check(&prop, payload.data == (uint8_t *)message.data + len, "moved");
		prop_check(&prop, payload.len == message.size - len, "%zu bytes", payload.len);
		msgpack_sbuffer_destroy(&message);
	}
}
END_TEST

/* Whatever the bytes, every slice lies inside of them, and of a whole value it is a whole value. */
START_TEST(random_bytes)
{
	struct prop_rounds rounds = prop_rounds(20000);
	struct prop prop;

	while (prop_round(&rounds, &prop)) {
		uint8_t data[24];
		struct envelope envelope;

		for (size_t i = 0; i < sizeof(data); i++)
			data[i] = (uint8_t)(prop_chance(&prop, 50) ? prop_next(&prop)
								   : prop_below(&prop, 4));
		data[0] = (uint8_t)(0x93 + prop_below(&prop, 2));

		size_t len = skip_value(data, sizeof(data), sizeof(data));

		if (len == 0)
			len = (size_t)prop_below(&prop, sizeof(data));

		uint8_t *exact = input_exact(data, len);
		int r = envelope_read(exact, len, &envelope);
		struct bytes slices[] = {envelope.method, envelope.params, envelope.error,
					 envelope.result};

		for (size_t i = 0; r == 0 && i < ARRAY_SIZE(slices); i++)
			prop_check(&prop,
				   slices[i].len == 0 ||
					   (slices[i].data > exact &&
					    slices[i].data + slices[i].len <= exact + len),
				   "slice %zu", i);
		free(exact);
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		request,    notification,   response,	    not_an_envelope,
		answerable, binary_method,  longest_method, heads,
		bare_id,    there_and_back, random_bytes,
	};

	return unit_main("envelope", tests, ARRAY_SIZE(tests));
}
