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
	list_init(&table->open);
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
	for (uint32_t i = 0; table->calls && i < table->capacity; i++)
		attempt_history_free(table->calls[i].history);
	free(table->calls);
	free(table->buckets);
	*table = (struct call_table){0};
}

/* The ids of one caller usually count up, so neighbours land in neighbouring buckets. */
static struct call **bucket_of(const struct call_table *table, const struct caller *caller,
			       uint32_t msgid)
{
	uint64_t mixed = (uint64_t)(uintptr_t)caller * UINT64_C(0x9E3779B97F4A7C15);

	return &table->buckets[((uint32_t)(mixed >> 32) + msgid) & table->bucket_mask];
}

struct call *call_open(struct call_table *table, struct caller *caller, uint32_t msgid)
{
	struct call **bucket = bucket_of(table, caller, msgid);
	struct call *call = table->free;

	if (!call)
		return NULL;
	table->free = call->next_same;
	*call = (struct call){
		.caller = caller,
		.slot = call->slot,
		.msgid = msgid,
		.number = table->next_number++,
		.next_same = *bucket,
	};
	*bucket = call;
	list_push_back(&caller->calls, &call->in_caller);
	list_push_back(&table->open, &call->in_open);
	caller->calls_opened++;
	return call;
}

void call_keep(struct call_table *table, struct call *call, struct chunk *chunk, size_t len)
{
	call->chunk = chunk_ref(chunk);
	call->cost = chunk_cost(chunk, len);
	call->caller->kept += call->cost;
	table->kept += call->cost;
}

struct call *call_find(const struct call_table *table, const struct caller *caller, uint32_t msgid)
{
	struct call *call = *bucket_of(table, caller, msgid);

	while (call && (call->caller != caller || call->msgid != msgid))
		call = call->next_same;
	return call;
}

struct call *call_find_number(const struct call_table *table, uint64_t number)
{
	struct list_node *node;

	list_for_each (node, &table->open) {
		struct call *call = list_entry(node, struct call, in_open);

		if (call->number >= number)
			return call->number == number ? call : NULL;
	}
	return NULL;
}

void call_answer(const struct call *call, const struct caller_answer *answer)
{
	call->caller->ops->answer(call->caller, call->msgid, answer);
}

void call_answer_error(const struct call *call, const struct error *error)
{
	call->caller->ops->error(call->caller, call->msgid, error);
}

void call_answer_part(const struct call *call, struct chunk *chunk, struct bytes value)
{
	call->caller->ops->part(call->caller, call->msgid, chunk, value);
}

void call_answer_restart(const struct call *call)
{
	call->caller->ops->restart(call->caller, call->msgid);
}

void call_close(struct call_table *table, struct call *call)
{
	struct call **at = bucket_of(table, call->caller, call->msgid);

	while (*at != call)
		at = &(*at)->next_same;
	*at = call->next_same;
	attempt_history_free(call->history);
	call->history = NULL;
	call->caller->kept -= call->cost;
	table->kept -= call->cost;
	chunk_unref(call->chunk);
	call->chunk = NULL;
	list_remove(&call->caller->calls, &call->in_caller);
	list_remove(&table->open, &call->in_open);
	call->caller = NULL;
	call->next_same = table->free;
	table->free = call;
}
