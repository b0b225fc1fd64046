/* The errors that outlive the daemon: written and read back to the same, whatever the file has. */
#include "daemon/io/driver/error_saved.h"

#include "daemon/core/engine.h"

#include <inttypes.h>
#include <stdlib.h>

#include "tests/lib/prop.h"
#include "tests/unit/test_config.h"

#define KEPT	 8
#define START_MS UINT64_C(1767225600000)
#define TWO	 "[pool a]\ncommand = x\n[pool b]\ncommand = x\n"

static struct error_log made(unsigned max, uint64_t now_ms)
{
	struct error_log error_log;

	ck_assert_int_eq(error_log_init(&error_log, max, now_ms), 0);
	return error_log;
}

static void add(struct error_log *error_log, enum error_kind kind, struct audience audience,
		uint64_t at_ms, const char *message)
{
	struct error error = error_make(ERR_worker_exited);
	struct error_record record = {
		.kind = kind, .audience = audience, .at_ms = at_ms, .error = &error};

	error.message = message;
	if (kind == ERROR_CONNECTION)
		record.error = NULL;
	error_log_add(error_log, &record);
}

static struct bytes saved(const struct error_log *error_log, const struct config *config,
			  struct buf *buf)
{
	buf_init(buf, ERROR_SAVED_MAX);
	error_saved_pack(error_log, config, buf);
	ck_assert_int_eq(buf_error(buf), 0);
	return (struct bytes){buf->data, buf->len};
}

/* One of each kind, in an order that mixes the rings. */
static struct error_log filled(void)
{
	struct error_log error_log = made(KEPT, START_MS);

	add(&error_log, ERROR_OF_REQUEST, (struct audience){1000, 1, true}, START_MS + 1, "one");
	add(&error_log, ERROR_REFUSAL, (struct audience){1001, NO_SLOT, false}, START_MS + 2,
	    "two");
	add(&error_log, ERROR_INCIDENT, (struct audience){RIGHTS_NO_UID, 0, true}, START_MS + 3,
	    "three");
	add(&error_log, ERROR_CONNECTION, (struct audience){0, NO_SLOT, false}, START_MS + 4, "");
	return error_log;
}

static void check_same(const struct error_log_entry *a, const struct error_log_entry *b)
{
	ck_assert_int_eq(a->kind, b->kind);
	ck_assert_uint_eq(a->at_ms, b->at_ms);
	ck_assert_uint_eq(a->audience.uid, b->audience.uid);
	ck_assert_uint_eq(a->audience.pool, b->audience.pool);
	ck_assert_int_eq(a->audience.is_for_callers, b->audience.is_for_callers);
	ck_assert_mem_eq(a->whole.data, b->whole.data, a->whole.len);
	ck_assert_mem_eq(a->open.data, b->open.data, a->open.len);
}

START_TEST(what_is_saved_is_read_back)
{
	const struct config *config = must_parse(TWO);
	struct error_log before = filled(), after = made(KEPT, START_MS + 1000);
	struct error_walk walk = {&before, ERROR_KINDS_ALL, 0, 0};
	struct error_walk again = {&after, ERROR_KINDS_ALL, 0, 0};
	const struct error_log_entry *entry;
	unsigned count = 0;
	struct buf buf;

	ck_assert_int_eq(error_saved_read(&after, config, saved(&before, config, &buf)), 0);
	for (; (entry = error_log_walk(&walk)); count++) {
		const struct error_log_entry *found = error_log_walk(&again);

		ck_assert_ptr_nonnull(found);
		check_same(entry, found);
	}
	ck_assert_uint_eq(count, 4);
	ck_assert_ptr_null(error_log_walk(&again));
	ck_assert_uint_eq(after.pools.since_ms, START_MS);
	ck_assert_uint_eq(after.door.since_ms, START_MS);

	/* A new one is the newest. */
	add(&after, ERROR_REFUSAL, (struct audience){5, NO_SLOT, false}, START_MS + 2000, "new");
	again = (struct error_walk){&after, ERROR_KINDS_ALL, 0, 0};
	ck_assert_uint_eq(error_log_walk(&again)->audience.uid, 5);
	ck_assert_int_eq(error_log_walk(&again)->kind, ERROR_CONNECTION);
	buf_free(&buf);
	error_log_done(&before);
	error_log_done(&after);
	config_unref(config);
}
END_TEST

/* What there was no room for is gone, so that only later ones are known. */
START_TEST(one_without_a_place_is_known_to_be_gone)
{
	struct error_log error_log = made(KEPT, START_MS);
	struct error error = error_make(ERR_exception);
	struct error_record record = {
		.kind = ERROR_OF_REQUEST, .at_ms = START_MS + 5, .error = &error};
	static const uint8_t large[2 * ERROR_LOG_ENTRY_MAX];
	struct buf detail;

	buf_init(&detail, sizeof(large) + 64);
	pack_map(&detail, 1);
	pack_str(&detail, "data");
	pack_bin(&detail, large, sizeof(large));
	error.detail = (struct bytes){detail.data, detail.len};
	error_log_add(&error_log, &record);
	ck_assert_uint_eq(error_log.pools.count, 0);
	ck_assert_uint_eq(error_log.pools.since_ms, START_MS + 5);
	ck_assert_uint_eq(error_log.door.since_ms, START_MS);
	buf_free(&detail);
	error_log_done(&error_log);
}
END_TEST

START_TEST(pools_are_found_by_name)
{
	const struct config *config = must_parse(TWO);
	const struct config *other = must_parse("[pool b]\ncommand = x\n[pool c]\ncommand = x\n");
	struct error_log before = filled(), after = made(KEPT, START_MS);
	struct error_walk walk = {&after, ERROR_KINDS_OF_POOLS, 0, 0};
	const struct error_log_entry *entry;
	struct buf buf;

	ck_assert_int_eq(error_saved_read(&after, other, saved(&before, config, &buf)), 0);
	/* Pool a is no more: only who controls the daemon reads the whole entry. */
	entry = error_log_walk(&walk);
	ck_assert_uint_eq(entry->audience.pool, NO_SLOT);
	ck_assert_uint_eq(entry->audience.uid, RIGHTS_NO_UID);
	entry = error_log_walk(&walk);
	ck_assert_uint_eq(entry->audience.pool, 0);
	ck_assert_uint_eq(entry->audience.uid, 1000);
	buf_free(&buf);
	error_log_done(&before);
	error_log_done(&after);
	config_unref(config);
	config_unref(other);
}
END_TEST

START_TEST(a_smaller_ring_takes_the_newest_and_says_since_when)
{
	const struct config *config = must_parse(TWO);
	struct error_log before = made(KEPT, START_MS), after = made(3, START_MS + 500);
	struct error_walk walk = {&after, ERROR_KINDS_ALL, 0, 0};
	struct buf buf;

	for (unsigned i = 1; i <= 7; i++)
		add(&before, ERROR_OF_REQUEST, (struct audience){i, 0, true}, START_MS + i, "x");
	ck_assert_uint_eq(before.pools.since_ms, START_MS);
	ck_assert_int_eq(error_saved_read(&after, config, saved(&before, config, &buf)), 0);
	for (unsigned uid = 7; uid > 4; uid--)
		ck_assert_uint_eq(error_log_walk(&walk)->audience.uid, uid);
	ck_assert_ptr_null(error_log_walk(&walk));
	ck_assert_uint_eq(after.pools.since_ms, START_MS + 4);
	ck_assert_uint_eq(after.door.since_ms, START_MS);

	/* The next one pushes the oldest out. */
	add(&after, ERROR_OF_REQUEST, (struct audience){8, 0, true}, START_MS + 900, "x");
	walk = (struct error_walk){&after, ERROR_KINDS_ALL, 0, 0};
	for (unsigned uid = 8; uid > 5; uid--)
		ck_assert_uint_eq(error_log_walk(&walk)->audience.uid, uid);
	ck_assert_ptr_null(error_log_walk(&walk));
	ck_assert_uint_eq(after.pools.since_ms, START_MS + 5);
	buf_free(&buf);
	error_log_done(&before);
	error_log_done(&after);
	config_unref(config);
}
END_TEST

/* Each ring has its own part of the file, so that refusals leave the errors of pools their place. */
START_TEST(what_is_too_much_leaves_the_oldest_out)
{
	static char text[16 * 1024];
	const struct config *config = must_parse(TWO);
	struct error_log before = made(1000, START_MS), after = made(1000, START_MS + 5000);
	struct error_walk walk = {&after, ERROR_KINDS_OF_DOOR, 0, 0};
	unsigned count = 0;
	struct buf buf;

	memset(text, 'x', sizeof(text) - 1);
	add(&before, ERROR_OF_REQUEST, (struct audience){1, 0, true}, START_MS + 1, "x");
	for (unsigned i = 1; i <= 1000; i++)
		add(&before, ERROR_REFUSAL, (struct audience){i, NO_SLOT, false}, START_MS + i,
		    text);
	ck_assert_int_eq(error_saved_read(&after, config, saved(&before, config, &buf)), 0);
	ck_assert_uint_le(buf.len, ERROR_SAVED_MAX);
	ck_assert_uint_eq(after.pools.count, 1);
	ck_assert_uint_eq(after.pools.since_ms, START_MS);
	while (error_log_walk(&walk))
		count++;
	ck_assert_uint_ge(count, 50);
	ck_assert_uint_lt(count, 1000);
	ck_assert_uint_eq(after.door.since_ms, START_MS + 1000 - count);
	buf_free(&buf);
	error_log_done(&before);
	error_log_done(&after);
	config_unref(config);
}
END_TEST

/* Reads `bytes` in memory of exactly that size; nothing may be there if it fails. */
static int attempt(const struct config *config, const uint8_t *bytes, size_t len)
{
	struct error_log error_log = made(KEPT, START_MS);
	uint8_t *copy = malloc(len + 1);
	int r;

	ck_assert_ptr_nonnull(copy);
	copy = realloc(copy, len > 0 ? len : 1);
	memcpy(copy, bytes, len);
	r = error_saved_read(&error_log, config, (struct bytes){copy, len});
	if (r < 0 && (error_log.pools.count > 0 || error_log.door.count > 0 ||
		      error_log.pools.since_ms != START_MS))
		ck_abort_msg("%d, and something was taken", r);
	free(copy);
	error_log_done(&error_log);
	return r;
}

START_TEST(what_is_cut_off_is_nothing)
{
	const struct config *config = must_parse(TWO);
	struct error_log before = filled();
	struct buf buf;
	size_t wrong = 0;

	saved(&before, config, &buf);
	for (size_t len = 0; len < buf.len; len++)
		wrong += attempt(config, buf.data, len) != -EPROTO;
	ck_assert_uint_eq(wrong, 0);
	ck_assert_int_eq(attempt(config, buf.data, buf.len), 0);
	buf_put(&buf, "", 1);
	ck_assert_int_eq(attempt(config, buf.data, buf.len), -EPROTO);
	buf_free(&buf);
	error_log_done(&before);
	config_unref(config);
}
END_TEST

START_TEST(bytes_that_are_changed_do_no_harm)
{
	const struct config *config = must_parse(TWO);
	struct prop_rounds rounds = prop_rounds(3000);
	struct error_log before = filled();
	struct prop prop;
	struct buf buf;

	saved(&before, config, &buf);
	while (prop_round(&rounds, &prop)) {
		uint8_t changed[4096];
		size_t len = buf.len;

		ck_assert_uint_le(len, sizeof(changed));
		memcpy(changed, buf.data, len);
		for (uint64_t i = prop_between(&prop, 1, 8); i > 0; i--)
			changed[prop_below(&prop, len)] = (uint8_t)prop_next(&prop);
		if (prop_chance(&prop, 20))
			for (size_t i = 0; i < len; i++)
				changed[i] = (uint8_t)prop_next(&prop);
		(void)attempt(config, changed, len);
	}
	buf_free(&buf);
	error_log_done(&before);
	config_unref(config);
}
END_TEST

/* A file with this version, and one entry of these fields. */
static struct bytes forged(struct buf *buf, uint64_t version, void (*put_entry)(struct buf *))
{
	buf_init(buf, 4096);
	pack_array(buf, 5);
	pack_str(buf, "poold errors");
	pack_uint(buf, version);
	pack_uint(buf, START_MS);
	pack_uint(buf, START_MS);
	pack_array(buf, 1);
	put_entry(buf);
	ck_assert_int_eq(buf_error(buf), 0);
	return (struct bytes){buf->data, buf->len};
}

static void put(struct buf *buf, const char *kind, uint64_t at_ms, uint64_t uid)
{
	pack_array(buf, 7);
	pack_uint(buf, at_ms);
	pack_str(buf, kind);
	pack_uint(buf, uid);
	pack_str(buf, "a");
	pack_bool(buf, true);
	pack_map(buf, 0);
}

static void put_good(struct buf *buf)
{
	put(buf, "request", START_MS, 0);
	pack_map(buf, 0);
}

static void put_unknown_kind(struct buf *buf)
{
	put(buf, "rumour", START_MS, 0);
	pack_map(buf, 0);
}

static void put_nobody(struct buf *buf)
{
	put(buf, "request", START_MS, RIGHTS_NO_UID);
	pack_map(buf, 0);
}

static void put_large_uid(struct buf *buf)
{
	put(buf, "request", START_MS, UINT64_C(1) << 32);
	pack_map(buf, 0);
}

static void put_late(struct buf *buf)
{
	put(buf, "request", UINT64_MAX, 0);
	pack_map(buf, 0);
}

static void put_no_map(struct buf *buf)
{
	put(buf, "request", START_MS, 0);
	pack_array(buf, 0);
}

static void put_number_as_key(struct buf *buf)
{
	put(buf, "request", START_MS, 0);
	pack_map(buf, 1);
	pack_uint(buf, 1);
	pack_uint(buf, 1);
}

static void put_bad_utf8_as_key(struct buf *buf)
{
	put(buf, "request", START_MS, 0);
	pack_map(buf, 1);
	pack_str(buf, "\xff");
	pack_uint(buf, 1);
}

static void put_too_large(struct buf *buf)
{
	static char text[ERROR_LOG_ENTRY_MAX];

	buf->max = 2 * sizeof(text);
	put(buf, "request", START_MS, 0);
	pack_map(buf, 1);
	pack_str(buf, "message");
	pack_bin(buf, text, sizeof(text));
}

START_TEST(each_field_is_checked)
{
	void (*const wrong[])(struct buf *) = {
		put_unknown_kind, put_nobody,	     put_large_uid,	  put_late,
		put_no_map,	  put_number_as_key, put_bad_utf8_as_key, put_too_large,
	};
	const struct config *config = must_parse(TWO);
	struct bytes file;
	struct buf buf;

	file = forged(&buf, 1, put_good);
	ck_assert_int_eq(attempt(config, file.data, file.len), 0);
	buf_free(&buf);
	file = forged(&buf, 2, put_good);
	ck_assert_int_eq(attempt(config, file.data, file.len), -EPROTONOSUPPORT);
	buf_free(&buf);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		int r;

		file = forged(&buf, 1, wrong[i]);
		r = attempt(config, file.data, file.len);
		ck_assert_msg(r == -EPROTO, "case %zu: %d", i, r);
		buf_free(&buf);
	}
	config_unref(config);
}
END_TEST

/* It may know of no future, as clocks are set back. */
START_TEST(a_later_file_makes_nothing_later)
{
	const struct config *config = must_parse(TWO);
	struct error_log after = made(KEPT, START_MS - 5000);
	struct buf buf;

	ck_assert_int_eq(error_saved_read(&after, config, forged(&buf, 1, put_good)), 0);
	ck_assert_uint_eq(after.pools.since_ms, START_MS - 5000);
	buf_free(&buf);
	error_log_done(&after);
	config_unref(config);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		what_is_saved_is_read_back,
		one_without_a_place_is_known_to_be_gone,
		pools_are_found_by_name,
		a_smaller_ring_takes_the_newest_and_says_since_when,
		what_is_too_much_leaves_the_oldest_out,
		what_is_cut_off_is_nothing,
		bytes_that_are_changed_do_no_harm,
		each_field_is_checked,
		a_later_file_makes_nothing_later,
	};

	return unit_main("error_saved", tests, ARRAY_SIZE(tests));
}
