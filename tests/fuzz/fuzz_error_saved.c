/*
 * The file of errors that an earlier daemon has left, with any bytes.
 *
 *  - what is refused leaves nothing behind
 *  - every entry that is taken is one that can be shown: its maps are whole values, its pool exists
 *  - what was taken is written as a file that is taken again, and is written the same from then on
 */
#include "daemon/core/engine.h"
#include "daemon/io/config/config.h"
#include "daemon/io/driver/error_saved.h"
#include "protocol/skip.h"
#include "tests/lib/input.h"

#include <assert.h>
#include <errno.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define KEPT   4
#define NOW_MS UINT64_C(1767225600000)

static char names[2][2] = {"a", "b"};
static struct config_pool pools[] = {{.name = names[0]}, {.name = names[1]}};
static const struct config config = {.pools = pools, .pool_count = ARRAY_SIZE(pools)};

static void check_map(struct bytes map)
{
	assert(map.len > 0 && skip_value(map.data, map.len, map.len) == map.len);
	assert((map.data[0] & 0xf0) == 0x80 || map.data[0] == 0xde || map.data[0] == 0xdf);
}

static void check_entries(const struct error_log *error_log)
{
	struct error_walk walk = {.error_log = error_log, .kinds = ERROR_KINDS_ALL};
	const struct error_log_entry *entry;
	unsigned count = 0;

	for (; (entry = error_log_walk(&walk)); count++) {
		assert(entry->audience.pool == NO_SLOT || entry->audience.pool < config.pool_count);
		assert(*error_kind_name(entry->kind));
		check_map(entry->open);
		check_map(entry->whole);
	}
	assert(count == error_log->pools.count + error_log->door.count);
	assert(error_log->pools.count <= KEPT && error_log->door.count <= KEPT);
}

/* Reads into an empty log, which the caller gives back. */
static int read_saved(struct bytes saved, struct error_log *ret)
{
	int r;

	if (error_log_init(ret, KEPT, NOW_MS) < 0)
		return -ENOMEM;
	r = error_saved_read(ret, &config, saved);
	assert(r == 0 || (ret->pools.count == 0 && ret->door.count == 0));
	assert(r == 0 || (ret->pools.since_ms == NOW_MS && ret->door.since_ms == NOW_MS));
	return r;
}

static void write_again(const struct error_log *error_log, struct buf *out)
{
	buf_init(out, ERROR_SAVED_MAX);
	error_saved_pack(error_log, &config, out);
	assert(buf_error(out) == 0);
}

/* What a daemon writes that has read this. */
static void pass_on(const struct buf *saved, struct buf *out)
{
	struct error_log error_log;

	assert(read_saved((struct bytes){saved->data, saved->len}, &error_log) == 0);
	write_again(&error_log, out);
	error_log_done(&error_log);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t *copy = input_exact(data, len);
	struct buf first, second, third;
	struct error_log error_log;

	if (read_saved((struct bytes){copy, len}, &error_log) == 0) {
		check_entries(&error_log);
		write_again(&error_log, &first);
		/* The first may have an error of the future that had no place. */
		pass_on(&first, &second);
		pass_on(&second, &third);
		assert(second.len == third.len);
		assert(memcmp(second.data, third.data, second.len) == 0);
		buf_free(&first);
		buf_free(&second);
		buf_free(&third);
	}
	error_log_done(&error_log);
	free(copy);
	return 0;
}
