#include "daemon/core/queue.h"

void queue_init(struct queue *queue, unsigned len_max, uint64_t bytes_max)
{
	*queue = (struct queue){.len_max = len_max, .bytes_max = bytes_max};
	for (unsigned i = 0; i < PRIORITY_COUNT_; i++)
		list_init(&queue->classes[i]);
}

bool queue_has_room(const struct queue *queue, uint64_t bytes)
{
	return queue->len < queue->len_max && bytes <= queue->bytes_max &&
	       queue->bytes <= queue->bytes_max - bytes;
}

struct request *queue_victim(const struct queue *queue, enum priority priority)
{
	for (unsigned i = PRIORITY_COUNT_ - 1; i > priority; i--) {
		struct list_node *node = list_last(&queue->classes[i]);

		if (node)
			return list_entry(node, struct request, in_queue);
	}
	return NULL;
}

static void count_in(struct queue *queue, const struct request *request)
{
	queue->len++;
	queue->bytes += request->bytes;
}

void queue_push(struct queue *queue, struct request *request)
{
	assert(queue_has_room(queue, request->bytes));
	list_push_back(&queue->classes[request->priority], &request->in_queue);
	count_in(queue, request);
}

void queue_push_front(struct queue *queue, struct request *request)
{
	list_push_front(&queue->classes[request->priority], &request->in_queue);
	count_in(queue, request);
}

struct request *queue_peek(const struct queue *queue)
{
	for (unsigned i = 0; i < PRIORITY_COUNT_; i++) {
		struct list_node *node = list_first(&queue->classes[i]);

		if (node)
			return list_entry(node, struct request, in_queue);
	}
	return NULL;
}

void queue_remove(struct queue *queue, struct request *request)
{
	list_remove(&queue->classes[request->priority], &request->in_queue);
	queue->len--;
	queue->bytes -= request->bytes;
}
