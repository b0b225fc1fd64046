#include "daemon/io/errorlog.h"

#include <errno.h>
#include <stdlib.h>

#include "daemon/io/pack_named.h"
#include "daemon/io/vault.h"

#define ENTRY_MAX ((size_t)128 * 1024)

int errorlog_init(struct errorlog *errorlog, unsigned max)
{
	*errorlog = (struct errorlog){
		.entries = calloc((size_t)max + 1, sizeof(*errorlog->entries)), .max = max};
	return errorlog->entries ? 0 : -ENOMEM;
}

void errorlog_done(struct errorlog *errorlog)
{
	for (unsigned i = 0; errorlog->entries && i < errorlog->max; i++)
		bytes_free(&errorlog->entries[i]);
	free(errorlog->entries);
	*errorlog = (struct errorlog){0};
}

void errorlog_add(struct errorlog *errorlog, const struct error *error, bool incident,
		  uint64_t at_ms)
{
	struct bytes *entry = &errorlog->entries[errorlog->next];
	struct buf buf;

	if (errorlog->max == 0)
		return;
	buf_init(&buf, ENTRY_MAX);
	pack_map(&buf, error_count_fields(error) + 2);
	pack_named_uint(&buf, "at_ms", at_ms);
	pack_named_str(&buf, "kind", incident ? "incident" : "request");
	error_pack_fields(&buf, error);
	if (buf_error(&buf) == 0) {
		bytes_free(entry);
		*entry = bytes_copy((struct bytes){buf.data, buf.len});
		errorlog->next = (errorlog->next + 1) % errorlog->max;
		errorlog->count += errorlog->count < errorlog->max;
	}
	buf_free(&buf);
}

void errorlog_pack(const struct errorlog *errorlog, unsigned max, struct buf *out)
{
	unsigned count = errorlog->count < max ? errorlog->count : max;

	pack_array(out, count);
	for (unsigned i = 1; i <= count; i++) {
		unsigned place = (errorlog->next + errorlog->max - i) % errorlog->max;

		/* One that there was no memory for. */
		if (errorlog->entries[place].len > 0)
			pack_raw(out, errorlog->entries[place]);
		else
			pack_map(out, 0);
	}
}
