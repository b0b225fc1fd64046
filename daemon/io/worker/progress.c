#include "daemon/io/worker/progress.h"

#include "daemon/io/base/slot_store.h"
#include "protocol/read.h"

#include <errno.h>
#include <stdlib.h>

struct reporting {
	struct list_node in_progress;
	uint32_t id;
	struct bytes token; /* the caller's own, MessagePack; empty: none */
};

void progress_init(struct progress *progress)
{
	list_init(&progress->attempts);
}

static void forget(struct progress *progress, struct reporting *reporting)
{
	list_remove(&progress->attempts, &reporting->in_progress);
	bytes_free(&reporting->token);
	free(reporting);
}

void progress_clear(struct progress *progress)
{
	struct list_node *node;

	while ((node = list_first(&progress->attempts)))
		forget(progress, list_entry(node, struct reporting, in_progress));
}

static struct reporting *find(const struct progress *progress, uint64_t id)
{
	struct list_node *node;

	list_for_each (node, &progress->attempts) {
		struct reporting *reporting = list_entry(node, struct reporting, in_progress);

		if (reporting->id == id)
			return reporting;
	}
	return NULL;
}

/* --- maps --- */

/* A map, and one of its members. */
struct split {
	uint32_t pairs;
	struct bytes before; /* the pairs before the member; all pairs where there is none */
	struct bytes value;  /* of the member; empty: there is none */
	struct bytes after;
};

static struct bytes between(const uint8_t *begin, const uint8_t *end)
{
	return (struct bytes){begin, (size_t)(end - begin)};
}

/* Finds the first member of that name.  -EPROTO: it is no map with texts as keys. */
static int split_map(struct bytes map, const char *name, struct split *ret)
{
	struct bytes key, value;
	struct reader reader;
	const uint8_t *begin;

	reader_init(&reader, map.data, map.len);
	*ret = (struct split){0};
	if (read_map(&reader, &ret->pairs) < 0)
		return -EPROTO;
	begin = reader.at;
	for (uint32_t i = 0; i < ret->pairs; i++) {
		const uint8_t *at = reader.at;

		if (read_str(&reader, &key) < 0 || read_value(&reader, &value) < 0)
			return -EPROTO;
		if (ret->value.len == 0 && bytes_equal(key, name)) {
			ret->before = between(begin, at);
			ret->value = value;
			begin = reader.at;
		}
	}
	if (ret->value.len > 0)
		ret->after = between(begin, reader.at);
	else
		ret->before = between(begin, reader.at);
	return 0;
}

/* The head of the map with its member in another number, 0 or 1, and the other pairs. */
static void put_rest(struct buf *out, const struct split *split, unsigned members)
{
	pack_map(out, split->pairs - (split->value.len > 0) + members);
	pack_raw(out, split->before);
	pack_raw(out, split->after);
}

/* --- to the worker --- */

/* nil and the empty array are no arguments; so is the empty map. */
static const uint8_t empty_map = 0x80;

static struct bytes as_map(struct bytes args)
{
	if (args.len == 1 && (args.data[0] == 0xc0 || args.data[0] == 0x90))
		return (struct bytes){&empty_map, 1};
	return args;
}

/* The map and its `_meta`, and that map and its token. */
static int split_args(struct bytes args, struct split *ret_args, struct split *ret_meta)
{
	if (split_map(as_map(args), "_meta", ret_args) < 0)
		return -EPROTO;
	*ret_meta = (struct split){0};
	return ret_args->value.len > 0 ? split_map(ret_args->value, "progressToken", ret_meta) : 0;
}

bool progress_put_args(struct bytes args, uint32_t id, bool is_stream, struct buf *out)
{
	struct split all, meta;

	if (split_args(args, &all, &meta) < 0 || (!is_stream && meta.value.len == 0))
		return false;
	put_rest(out, &all, 1);
	pack_str(out, "_meta");
	put_rest(out, &meta, is_stream ? 1 : 0);
	if (is_stream) {
		pack_str(out, "progressToken");
		pack_uint(out, id);
	}
	return true;
}

int progress_begin(struct progress *progress, uint32_t id, struct bytes args)
{
	struct reporting *reporting = calloc(1, sizeof(*reporting));
	struct split all, meta;

	if (!reporting)
		return -ENOMEM;
	reporting->id = id;
	if (split_args(args, &all, &meta) == 0 && meta.value.len > 0) {
		reporting->token = bytes_copy(meta.value);
		if (!reporting->token.data) {
			free(reporting);
			return -ENOMEM;
		}
	}
	list_push_back(&progress->attempts, &reporting->in_progress);
	return 0;
}

void progress_end(struct progress *progress, uint32_t id)
{
	struct reporting *reporting = find(progress, id);

	if (reporting)
		forget(progress, reporting);
}

/* --- from the worker --- */

uint32_t progress_take(const struct progress *progress, struct bytes params, struct buf *out)
{
	const struct reporting *reporting;
	struct reader token;
	struct split split;
	uint64_t id;

	if (split_map(params, "progressToken", &split) < 0 || split.value.len == 0)
		return 0;
	reader_init(&token, split.value.data, split.value.len);
	if (read_uint(&token, &id) < 0)
		return 0;
	reporting = find(progress, id);
	if (!reporting)
		return 0;
	put_rest(out, &split, reporting->token.len > 0 ? 1 : 0);
	if (reporting->token.len > 0) {
		pack_str(out, "progressToken");
		pack_raw(out, reporting->token);
	}
	return reporting->id;
}
