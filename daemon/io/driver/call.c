#include "daemon/io/driver/call.h"

#include "daemon/io/base/slot_store.h"

#include <errno.h>
#include <stdlib.h>

int call_table_init(struct call_table *table, uint32_t capacity)
{
	uint32_t buckets = 16;

	while (buckets < capacity)
		buckets *= 2;
	*table = (struct call_table){
		.calls = calloc(capacity, sizeof(*table->calls)),
		.buckets = calloc(buckets, sizeof(struct call *)),
		.capacity = capacity,
		.bucket_mask = buckets - 1,
		.next_number = 1,
	};
	if (!table->calls || !table->buckets) {
		call_table_done(table);
		return -ENOMEM;
	}
	for (uint32_t i = capacity; i-- > 0;) {
		table->calls[i].slot = i;
		table->calls[i].next_same = table->free;
		table->free = &table->calls[i];
	}
	return 0;
}

void call_table_done(struct call_table *table)
{
	for (uint32_t i = 0; table->calls && i < table->capacity; i++) {
		call_drop_state(&table->calls[i]);
		attempt_history_free(table->calls[i].attempt_history);
	}
	free(table->calls);
	free(table->buckets);
	*table = (struct call_table){0};
}

/* Ids of one client usually count up, so neighbours land in neighbouring buckets. */
static struct call **bucket_of(const struct call_table *table, const struct connection *connection,
			       uint32_t msgid)
{
	uint64_t mixed = (uint64_t)(uintptr_t)connection * UINT64_C(0x9E3779B97F4A7C15);

	return &table->buckets[((uint32_t)(mixed >> 32) + msgid) & table->bucket_mask];
}

struct call *call_open(struct call_table *table, struct connection *connection, uint32_t msgid)
{
	struct call **bucket = bucket_of(table, connection, msgid);
	struct call *call = table->free;

	if (!call)
		return NULL;
	table->free = call->next_same;
	*call = (struct call){
		.connection = connection,
		.slot = call->slot,
		.msgid = msgid,
		.number = table->next_number++,
		.next_same = *bucket,
	};
	*bucket = call;
	return call;
}

struct call *call_find(const struct call_table *table, const struct connection *connection,
		       uint32_t msgid)
{
	struct call *call = *bucket_of(table, connection, msgid);

	while (call && (call->connection != connection || call->msgid != msgid))
		call = call->next_same;
	return call;
}

void call_drop_state(struct call *call)
{
	bytes_free(&call->state);
	call->has_state = false;
	call->state_len = 0;
}

void call_close(struct call_table *table, struct call *call)
{
	struct call **at = bucket_of(table, call->connection, call->msgid);

	while (*at != call)
		at = &(*at)->next_same;
	*at = call->next_same;
	call_drop_state(call);
	attempt_history_free(call->attempt_history);
	call->attempt_history = NULL;
	chunk_unref(call->chunk);
	call->chunk = NULL;
	call->connection = NULL;
	call->next_same = table->free;
	table->free = call;
}
