#include "daemon/io/driver/error_saved.h"

#include "daemon/core/engine.h"
#include "daemon/io/base/slot_store.h"
#include "daemon/io/config/config.h"
#include "protocol/read.h"
#include "protocol/utf8.h"

#include <errno.h>

#define NAME	"poold errors"
#define VERSION 1

/* Fields of an entry, and bytes of those that are not maps, at most. */
#define ENTRY_FIELDS 7
#define ENTRY_HEAD   ((size_t)64 + CONFIG_NAME_MAX)

/* --- to bytes --- */

/* The newest entries of a ring, as many as fit. */
struct portion {
	uint32_t count;
	size_t left; /* bytes */
	bool is_full;
	uint64_t since_ms;
};

static void count_entry(struct portion *portion, const struct error_log_entry *entry)
{
	size_t size = entry->open.len + entry->whole.len + ENTRY_HEAD;

	if (!portion->is_full && size <= portion->left) {
		portion->left -= size;
		portion->count++;
		return;
	}
	if (entry->at_ms > portion->since_ms)
		portion->since_ms = entry->at_ms;
	portion->is_full = true;
}

static struct portion portion_of(const struct error_log *error_log, const struct error_ring *ring,
				 unsigned kinds)
{
	struct error_walk walk = {.error_log = error_log, .kinds = kinds};
	struct portion portion = {.left = ERROR_SAVED_RING_MAX, .since_ms = ring->since_ms};
	const struct error_log_entry *entry;

	while ((entry = error_log_walk(&walk)))
		count_entry(&portion, entry);
	return portion;
}

/* One that there was no memory for is an empty map. */
static void pack_copy(struct buf *out, struct bytes copy)
{
	if (copy.len > 0)
		pack_raw(out, copy);
	else
		pack_map(out, 0);
}

static void pack_entry(struct buf *out, const struct error_log_entry *entry,
		       const struct config *config)
{
	const struct audience *audience = &entry->audience;

	pack_array(out, ENTRY_FIELDS);
	pack_uint(out, entry->at_ms);
	pack_str(out, error_kind_name(entry->kind));
	if (audience->uid == RIGHTS_NO_UID)
		pack_nil(out);
	else
		pack_uint(out, audience->uid);
	if (audience->pool == NO_SLOT)
		pack_nil(out);
	else
		pack_str(out, config->pools[audience->pool].name);
	pack_bool(out, audience->is_for_callers);
	pack_copy(out, entry->open);
	pack_copy(out, entry->whole);
}

void error_saved_pack(const struct error_log *error_log, const struct config *config,
		      struct buf *out)
{
	struct portion pools = portion_of(error_log, &error_log->pools, ERROR_KINDS_OF_POOLS);
	struct portion door = portion_of(error_log, &error_log->door, ERROR_KINDS_OF_DOOR);
	struct error_walk walk = {.error_log = error_log, .kinds = ERROR_KINDS_ALL};

	pack_array(out, 5);
	pack_str(out, NAME);
	pack_uint(out, VERSION);
	pack_uint(out, pools.since_ms);
	pack_uint(out, door.since_ms);
	pack_array(out, pools.count + door.count);
	while (pools.count + door.count > 0) {
		const struct error_log_entry *entry = error_log_walk(&walk);
		bool is_of_pools = ERROR_KINDS_OF_POOLS & 1u << entry->kind;
		struct portion *portion = is_of_pools ? &pools : &door;

		if (portion->count == 0)
			continue;
		portion->count--;
		pack_entry(out, entry, config);
	}
}

/* --- and back --- */

/* A point in time that others can reckon with. */
static int read_time(struct reader *reader, uint64_t *ret)
{
	uint64_t ms;

	if (read_uint(reader, &ms) < 0 || ms > INT64_MAX)
		return -EPROTO;
	*ret = ms;
	return 0;
}

/* Skips a nil. */
static bool take_nil(struct reader *reader)
{
	return read_peek(reader) == VALUE_NIL && read_nil(reader) == 0;
}

static int read_uid(struct reader *reader, uint32_t *ret)
{
	uint64_t uid;

	*ret = RIGHTS_NO_UID;
	if (take_nil(reader))
		return 0;
	if (read_uint(reader, &uid) < 0 || uid >= RIGHTS_NO_UID)
		return -EPROTO;
	*ret = (uint32_t)uid;
	return 0;
}

static int read_pool(struct reader *reader, const struct config *config, uint32_t *ret)
{
	struct bytes name;

	*ret = NO_SLOT;
	if (take_nil(reader))
		return 0;
	if (read_str(reader, &name) < 0 || name.len > CONFIG_NAME_MAX)
		return -EPROTO;
	for (uint32_t i = 0; i < config->pool_count; i++)
		if (bytes_equal(name, config->pools[i].name))
			*ret = i;
	return 0;
}

static int read_kind(struct reader *reader, enum error_kind *ret)
{
	struct bytes name;

	if (read_str(reader, &name) < 0)
		return -EPROTO;
	*ret = error_kind_find(name);
	return *ret < ERROR_KIND_COUNT_ ? 0 : -EPROTO;
}

/* A map of names, as clients expect it; what the values are was the worker's choice too. */
static int read_shown(struct reader *reader, struct bytes *ret)
{
	struct reader map;
	struct bytes key, value;
	uint32_t pairs;

	if (read_value(reader, ret) < 0 || ret->len > ERROR_LOG_ENTRY_MAX)
		return -EPROTO;
	reader_init(&map, ret->data, ret->len);
	if (read_map(&map, &pairs) < 0)
		return -EPROTO;
	while (pairs-- > 0)
		if (read_str(&map, &key) < 0 || utf8_valid_prefix(key) != key.len ||
		    read_value(&map, &value) < 0)
			return -EPROTO;
	return 0;
}

/* The maps of *ret point into the file. */
static int read_entry(struct reader *reader, const struct config *config,
		      struct error_log_entry *ret)
{
	uint32_t fields;

	*ret = (struct error_log_entry){0};
	if (read_array(reader, &fields) < 0 || fields != ENTRY_FIELDS ||
	    read_time(reader, &ret->at_ms) < 0 || read_kind(reader, &ret->kind) < 0 ||
	    read_uid(reader, &ret->audience.uid) < 0 ||
	    read_pool(reader, config, &ret->audience.pool) < 0 ||
	    read_bool(reader, &ret->audience.is_for_callers) < 0 ||
	    read_shown(reader, &ret->open) < 0 || read_shown(reader, &ret->whole) < 0)
		return -EPROTO;
	return 0;
}

/* What stands before the entries. */
struct head {
	uint64_t pools_since_ms;
	uint64_t door_since_ms;
	uint32_t count;
};

static int read_head(struct reader *reader, struct head *ret)
{
	struct bytes name;
	uint64_t version;
	uint32_t fields;

	if (read_array(reader, &fields) < 0 || fields < 2 || read_str(reader, &name) < 0 ||
	    !bytes_equal(name, NAME) || read_uint(reader, &version) < 0)
		return -EPROTO;
	if (version != VERSION)
		return -EPROTONOSUPPORT;
	if (fields != 5 || read_time(reader, &ret->pools_since_ms) < 0 ||
	    read_time(reader, &ret->door_since_ms) < 0 || read_array(reader, &ret->count) < 0)
		return -EPROTO;
	return 0;
}

/* Whether the file is right to its end. */
static int check_entries(struct reader reader, const struct config *config, uint32_t count)
{
	struct error_log_entry entry;

	while (count-- > 0)
		if (read_entry(&reader, config, &entry) < 0)
			return -EPROTO;
	return reader_at_end(&reader) ? 0 : -EPROTO;
}

static int copy_entry(struct error_log_entry *entry)
{
	entry->open = bytes_copy(entry->open);
	entry->whole = bytes_copy(entry->whole);
	if (entry->open.data && entry->whole.data)
		return 0;
	bytes_free(&entry->open);
	bytes_free(&entry->whole);
	return -ENOMEM;
}

/* They were checked.  The first that there is no memory for is the end, as the others are older. */
static int add_entries(struct reader reader, const struct config *config, uint32_t count,
		       struct error_log *error_log)
{
	struct error_log_entry entry;

	for (; count > 0 && read_entry(&reader, config, &entry) == 0; count--) {
		if (copy_entry(&entry) < 0) {
			error_log->pools.since_ms = entry.at_ms;
			error_log->door.since_ms = entry.at_ms;
			return -ENOMEM;
		}
		error_log_add_older(error_log, &entry);
	}
	return 0;
}

/* It knows what the file did, as nothing happened between the two daemons. */
static void extend(struct error_ring *ring, uint64_t since_ms)
{
	if (since_ms < ring->since_ms)
		ring->since_ms = since_ms;
}

int error_saved_read(struct error_log *error_log, const struct config *config, struct bytes saved)
{
	struct reader reader;
	struct head head;
	int r;

	reader_init(&reader, saved.data, saved.len);
	r = read_head(&reader, &head);
	if (r == 0)
		r = check_entries(reader, config, head.count);
	if (r < 0)
		return r;
	extend(&error_log->pools, head.pools_since_ms);
	extend(&error_log->door, head.door_since_ms);
	return add_entries(reader, config, head.count, error_log);
}
