#include "daemon/io/driver/error_log.h"

#include "daemon/io/base/pack_named.h"
#include "daemon/io/base/slot_store.h"
#include "protocol/read.h"
#include "protocol/utf8.h"

#include <errno.h>
#include <stdlib.h>

#define ENTRY_MAX ((size_t)128 * 1024)
#define TYPE_MAX  ((size_t)100)

int error_log_init(struct error_log *error_log, unsigned max)
{
	*error_log = (struct error_log){
		.entries = calloc((size_t)max + 1, sizeof(*error_log->entries)), .max = max};
	return error_log->entries ? 0 : -ENOMEM;
}

static void free_entry(struct error_log_entry *entry)
{
	bytes_free(&entry->whole);
	bytes_free(&entry->open);
}

void error_log_done(struct error_log *error_log)
{
	for (unsigned i = 0; error_log->entries && i < error_log->max; i++)
		free_entry(&error_log->entries[i]);
	free(error_log->entries);
	*error_log = (struct error_log){0};
}

static void pack_head(struct buf *buf, bool incident, uint64_t at_ms)
{
	pack_named_uint(buf, "at_ms", at_ms);
	pack_named_str(buf, "kind", incident ? "incident" : "request");
}

static void pack_whole(struct buf *buf, const struct error *error, bool incident, uint64_t at_ms)
{
	pack_map(buf, error_count_fields(error) + 2);
	pack_head(buf, incident, at_ms);
	error_pack_fields(buf, error);
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

/* What everybody may read: the code, what it says in general, and the type of an exception. */
static void pack_open(struct buf *buf, const struct error *error, bool incident, uint64_t at_ms)
{
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
	pack_head(buf, incident, at_ms);
	error_pack_fields(buf, &general);
	buf_free(&detail);
}

/* Returns 0 or -errno. */
static int copy_of(void (*pack)(struct buf *buf, const struct error *error, bool incident,
				uint64_t at_ms),
		   const struct error *error, bool incident, uint64_t at_ms, struct bytes *ret)
{
	struct buf buf;
	int r;

	buf_init(&buf, ENTRY_MAX);
	pack(&buf, error, incident, at_ms);
	r = buf_error(&buf);
	if (r == 0)
		*ret = bytes_copy((struct bytes){buf.data, buf.len});
	buf_free(&buf);
	return r;
}

void error_log_add(struct error_log *error_log, const struct error *error,
		   const struct audience *audience, bool incident, uint64_t at_ms)
{
	struct error_log_entry *entry = &error_log->entries[error_log->next];
	struct error_log_entry added = {.audience = *audience};

	if (error_log->max == 0)
		return;
	if (copy_of(pack_whole, error, incident, at_ms, &added.whole) < 0 ||
	    copy_of(pack_open, error, incident, at_ms, &added.open) < 0) {
		free_entry(&added);
		return;
	}
	free_entry(entry);
	*entry = added;
	error_log->next = (error_log->next + 1) % error_log->max;
	error_log->count += error_log->count < error_log->max;
}

void error_log_pack(const struct error_log *error_log, const struct driver *driver,
		    const struct caller *caller, unsigned max, struct buf *out)
{
	unsigned count = error_log->count < max ? error_log->count : max;

	pack_array(out, count);
	for (unsigned i = 1; i <= count; i++) {
		unsigned place = (error_log->next + error_log->max - i) % error_log->max;
		const struct error_log_entry *entry = &error_log->entries[place];
		bool is_whole = rights_may_see(driver, caller, &entry->audience);
		struct bytes shown = is_whole ? entry->whole : entry->open;

		/* One that there was no memory for. */
		if (shown.len > 0)
			pack_raw(out, shown);
		else
			pack_map(out, 0);
	}
}
