/* Random MessagePack, packed by msgpack-c. */
#ifndef POOLD_TESTS_VALUES_H
#define POOLD_TESTS_VALUES_H

#include <string.h>

#include <msgpack.h>

#include "tests/lib/prop.h"

/* Returns a length, mostly a small one, sometimes one where the length field gets wider. */
static inline size_t values_length(struct prop *prop)
{
	static const size_t edges[] = {15, 16, 31, 32, 255, 256, 65535, 65536};

	if (prop_chance(prop, 3))
		return edges[prop_below(prop, sizeof(edges) / sizeof(edges[0]))];
	return (size_t)prop_below(prop, 12);
}

static inline void values_pack_bytes(struct prop *prop, msgpack_packer *pk)
{
	static char bytes[65536];
	size_t len = values_length(prop);

	memset(bytes, (int)prop_below(prop, 256), len);
	switch (prop_below(prop, 3)) {
	case 0:
		msgpack_pack_str(pk, len);
		msgpack_pack_str_body(pk, bytes, len);
		break;
	case 1:
		msgpack_pack_bin(pk, len);
		msgpack_pack_bin_body(pk, bytes, len);
		break;
	default:
		msgpack_pack_ext(pk, len, (int8_t)prop_below(prop, 128));
		msgpack_pack_ext_body(pk, bytes, len);
		break;
	}
}

static inline void values_pack_scalar(struct prop *prop, msgpack_packer *pk)
{
	uint64_t bits = prop_next(prop) >> prop_below(prop, 64);

	switch (prop_below(prop, 7)) {
	case 0:
		msgpack_pack_nil(pk);
		break;
	case 1:
		if (bits % 2 == 0)
			msgpack_pack_true(pk);
		else
			msgpack_pack_false(pk);
		break;
	case 2:
		msgpack_pack_uint64(pk, bits);
		break;
	case 3:
		msgpack_pack_int64(pk, -(int64_t)(bits / 2));
		break;
	case 4:
		msgpack_pack_float(pk, (float)bits);
		break;
	case 5:
		msgpack_pack_double(pk, (double)bits);
		break;
	default:
		values_pack_bytes(prop, pk);
		break;
	}
}

/* Packs a random value, nested at most `depth` deep. */
static inline void values_pack(struct prop *prop, msgpack_packer *pk, unsigned depth)
{
	if (depth == 0 || prop_chance(prop, 50)) {
		values_pack_scalar(prop, pk);
		return;
	}

	size_t count = prop_chance(prop, 5) ? 20 : (size_t)prop_below(prop, 5);
	bool is_map = prop_chance(prop, 50);

	if (is_map)
		msgpack_pack_map(pk, count);
	else
		msgpack_pack_array(pk, count);
	for (size_t i = 0; i < (is_map ? 2 * count : count); i++)
		values_pack(prop, pk, depth - 1);
}

#endif
