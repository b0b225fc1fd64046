#include "daemon/io/driver/error_log.h"

#include "daemon/io/base/pack_named.h"
#include "daemon/io/base/slot_store.h"
#include "protocol/read.h"
#include "protocol/utf8.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TYPE_MAX ((size_t)100)

/* Numbers go up and down from here. */
#define FIRST_NUMBER (UINT64_C(1) << 32)

static int ring_init(struct error_ring *ring, unsigned max, uint64_t now_ms)
{
	*ring = (struct error_ring){.entries = calloc((size_t)max + 1, sizeof(*ring->entries)),
				    .max = max,
				    .since_ms = now_ms};
	return ring->entries ? 0 : -ENOMEM;
}

int error_log_init(struct error_log *error_log, unsigned max, uint64_t now_ms)
{
	*error_log = (struct error_log){.newest = FIRST_NUMBER, .oldest = FIRST_NUMBER};
	return ring_init(&error_log->pools, max, now_ms) < 0 ||
			       ring_init(&error_log->door, max, now_ms) < 0
		       ? -ENOMEM
		       : 0;
}

static void free_entry(struct error_log_entry *entry)
{
	bytes_free(&entry->whole);
	bytes_free(&entry->open);
}

static void ring_done(struct error_ring *ring)
{
	for (unsigned i = 0; ring->entries && i < ring->max; i++)
		free_entry(&ring->entries[i]);
	free(ring->entries);
}

void error_log_done(struct error_log *error_log)
{
	ring_done(&error_log->pools);
	ring_done(&error_log->door);
	*error_log = (struct error_log){0};
}

/* --- one entry --- */

static const char *const kind_names[] = {
	[ERROR_OF_REQUEST] = "request",
	[ERROR_INCIDENT] = "incident",
	[ERROR_REFUSAL] = "refusal",
	[ERROR_CONNECTION] = "connection",
};
static_assert(ARRAY_SIZE(kind_names) == ERROR_KIND_COUNT_, "a kind of error has no name");

const char *error_kind_name(enum error_kind kind)
{
	return kind_names[kind];
}

enum error_kind error_kind_find(struct bytes name)
{
	unsigned kind = 0;

	while (kind < ERROR_KIND_COUNT_ && !bytes_equal(name, kind_names[kind]))
		kind++;
	return (enum error_kind)kind;
}

static void pack_head(struct buf *buf, const struct error_record *record)
{
	pack_named_uint(buf, "at_ms", record->at_ms);
	pack_named_str(buf, "kind", kind_names[record->kind]);
}

/* Two pairs in the place of an error's. */
static void pack_end(struct buf *buf, enum caller_end end)
{
	pack_named_str(buf, "reason", caller_end_name(end));
	pack_named_str(buf, "message", caller_end_text(end));
}

static void pack_peer(struct buf *buf, const struct caller *caller)
{
	pack_str(buf, "peer");
	pack_map(buf, 3);
	pack_str(buf, "uid");
	if (caller->uid == RIGHTS_NO_UID)
		pack_nil(buf);
	else
		pack_uint(buf, caller->uid);
	pack_str(buf, "pid");
	if (caller->pid > 0)
		pack_uint(buf, (uint64_t)caller->pid);
	else
		pack_nil(buf);
	pack_named_text(buf, "client",
			(struct bytes){(const uint8_t *)caller->name, strlen(caller->name)});
}

static void pack_whole(struct buf *buf, const struct error_record *record)
{
	uint32_t pairs = record->error ? error_count_fields(record->error) : 2;

	pack_map(buf, pairs + 2 + (record->caller != NULL));
	pack_head(buf, record);
	if (record->error)
		error_pack_fields(buf, record->error);
	else
		pack_end(buf, record->end);
	if (record->caller)
		pack_peer(buf, record->caller);
}

struct bytes error_log_type(const struct error *error)
{
	struct bytes key, type;
	struct reader reader;
	uint32_t pairs;

	reader_init(&reader, error->detail.data, error->detail.len);
	if (error->detail.len == 0 || read_map(&reader, &pairs) < 0)
		return (struct bytes){0};
	while (pairs-- > 0) {
		bool is_type;

		if (read_str(&reader, &key) < 0)
			break;
		is_type = bytes_equal(key, "type");
		if (is_type && read_str(&reader, &type) == 0)
			return utf8_cut(type, TYPE_MAX);
		if (is_type || read_value(&reader, &type) < 0)
			break;
	}
	return (struct bytes){0};
}

/* What everybody may read of an error: the code, what it says in general, and the type of an
 * exception. */
static void pack_open_error(struct buf *buf, const struct error_record *record)
{
	const struct error *error = record->error;
	struct error general = error_make(error->code);
	struct bytes type = error_log_type(error);
	struct buf detail;

	general.severity = error->severity;
	general.strategy = error->strategy;
	general.is_retryable = error->is_retryable;
	general.executed = error->executed;
	general.pool = error->pool;
	general.adapter = error->adapter;
	buf_init(&detail, 2 * TYPE_MAX);
	if (type.len > 0) {
		pack_map(&detail, 1);
		pack_named_text(&detail, "type", type);
	}
	if (buf_error(&detail) == 0)
		general.detail = (struct bytes){detail.data, detail.len};
	pack_map(buf, error_count_fields(&general) + 2);
	pack_head(buf, record);
	error_pack_fields(buf, &general);
	buf_free(&detail);
}

static void pack_open(struct buf *buf, const struct error_record *record)
{
	if (record->error) {
		pack_open_error(buf, record);
		return;
	}
	pack_map(buf, 4);
	pack_head(buf, record);
	pack_end(buf, record->end);
}

/* Returns 0 or -errno. */
static int copy_of(void (*pack)(struct buf *buf, const struct error_record *record),
		   const struct error_record *record, struct bytes *ret)
{
	struct buf buf;
	int r;

	buf_init(&buf, ERROR_LOG_ENTRY_MAX);
	pack(&buf, record);
	r = buf_error(&buf);
	if (r == 0)
		*ret = bytes_copy((struct bytes){buf.data, buf.len});
	buf_free(&buf);
	return r;
}

/* --- both rings --- */

static struct error_ring *ring_of(struct error_log *error_log, enum error_kind kind)
{
	return ERROR_KINDS_OF_POOLS & 1u << kind ? &error_log->pools : &error_log->door;
}

/* The ring knows only what came after that. */
static void forget_until(struct error_ring *ring, uint64_t at_ms)
{
	if (at_ms > ring->since_ms)
		ring->since_ms = at_ms;
}

void error_log_add(struct error_log *error_log, const struct error_record *record)
{
	struct error_ring *ring = ring_of(error_log, record->kind);
	struct error_log_entry *entry = &ring->entries[ring->next];
	struct error_log_entry added = {
		.audience = record->audience, .kind = record->kind, .at_ms = record->at_ms};

	if (ring->max == 0)
		return;
	if (copy_of(pack_whole, record, &added.whole) < 0 ||
	    copy_of(pack_open, record, &added.open) < 0) {
		forget_until(ring, record->at_ms);
		free_entry(&added);
		return;
	}
	added.number = ++error_log->newest;
	if (ring->count == ring->max)
		forget_until(ring, entry->at_ms);
	free_entry(entry);
	*entry = added;
	ring->next = (ring->next + 1) % ring->max;
	ring->count += ring->count < ring->max;
}

/* The place of the entry before which so many are newer. */
static unsigned place_of(const struct error_ring *ring, unsigned newer)
{
	return (ring->next + ring->max - 1 - newer) % ring->max;
}

void error_log_add_older(struct error_log *error_log, const struct error_log_entry *entry)
{
	struct error_ring *ring = ring_of(error_log, entry->kind);
	struct error_log_entry added = *entry;

	if (ring->count == ring->max) {
		forget_until(ring, added.at_ms);
		free_entry(&added);
		return;
	}
	added.number = error_log->oldest--;
	ring->entries[place_of(ring, ring->count)] = added;
	ring->count++;
}

/* The first entry of these kinds from that one on, at which *passed stands then; NULL: there is
 * none. */
static const struct error_log_entry *find_next(const struct error_ring *ring, unsigned kinds,
					       unsigned *passed)
{
	for (; *passed < ring->count; (*passed)++) {
		const struct error_log_entry *entry = &ring->entries[place_of(ring, *passed)];

		if (kinds & 1u << entry->kind)
			return entry;
	}
	return NULL;
}

const struct error_log_entry *error_log_walk(struct error_walk *walk)
{
	const struct error_log *error_log = walk->error_log;
	const struct error_log_entry *entry =
		find_next(&error_log->pools, walk->kinds, &walk->passed_pools);
	const struct error_log_entry *other =
		find_next(&error_log->door, walk->kinds, &walk->passed_door);
	bool is_other = other && (!entry || other->number > entry->number);

	walk->passed_pools += !is_other;
	walk->passed_door += is_other;
	return is_other ? other : entry;
}

static unsigned count_of(const struct error_log *error_log, unsigned kinds)
{
	struct error_walk walk = {.error_log = error_log, .kinds = kinds};
	unsigned count = 0;

	while (error_log_walk(&walk))
		count++;
	return count;
}

static void pack_entry(const struct error_log_entry *entry, const struct driver *driver,
		       const struct caller *caller, struct buf *out)
{
	bool is_whole = rights_may_see(driver, caller, &entry->audience);
	struct bytes shown = is_whole ? entry->whole : entry->open;

	/* One that there was no memory for. */
	if (shown.len > 0)
		pack_raw(out, shown);
	else
		pack_map(out, 0);
}

void error_log_pack(const struct error_log *error_log, const struct driver *driver,
		    const struct caller *caller, unsigned kinds, unsigned max, struct buf *out)
{
	struct error_walk walk = {.error_log = error_log, .kinds = kinds};
	unsigned count = count_of(error_log, kinds);

	if (count > max)
		count = max;
	pack_array(out, count);
	while (count-- > 0)
		pack_entry(error_log_walk(&walk), driver, caller, out);
}
