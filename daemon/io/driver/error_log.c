#include "daemon/io/driver/error_log.h"

#include "daemon/io/base/pack_named.h"
#include "daemon/io/base/slot_store.h"

#include <errno.h>
#include <stdlib.h>

#define ENTRY_MAX ((size_t)128 * 1024)

int error_log_init(struct error_log *error_log, unsigned max)
{
	*error_log = (struct error_log){
		.entries = calloc((size_t)max + 1, sizeof(*error_log->entries)), .max = max};
	return error_log->entries ? 0 : -ENOMEM;
}

void error_log_done(struct error_log *error_log)
{
	for (unsigned i = 0; error_log->entries && i < error_log->max; i++)
		bytes_free(&error_log->entries[i]);
	free(error_log->entries);
	*error_log = (struct error_log){0};
}

void error_log_add(struct error_log *error_log, const struct error *error, bool incident,
		   uint64_t at_ms)
{
	struct bytes *entry = &error_log->entries[error_log->next];
	struct buf buf;

	if (error_log->max == 0)
		return;
	buf_init(&buf, ENTRY_MAX);
	pack_map(&buf, error_count_fields(error) + 2);
	pack_named_uint(&buf, "at_ms", at_ms);
	pack_named_str(&buf, "kind", incident ? "incident" : "request");
	error_pack_fields(&buf, error);
	if (buf_error(&buf) == 0) {
		bytes_free(entry);
		*entry = bytes_copy((struct bytes){buf.data, buf.len});
		error_log->next = (error_log->next + 1) % error_log->max;
		error_log->count += error_log->count < error_log->max;
	}
	buf_free(&buf);
}

void error_log_pack(const struct error_log *error_log, unsigned max, struct buf *out)
{
	unsigned count = error_log->count < max ? error_log->count : max;

	pack_array(out, count);
	for (unsigned i = 1; i <= count; i++) {
		unsigned place = (error_log->next + error_log->max - i) % error_log->max;

		/* One that there was no memory for. */
		if (error_log->entries[place].len > 0)
			pack_raw(out, error_log->entries[place]);
		else
			pack_map(out, 0);
	}
}
