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

static struct request *entry(struct list_node *node)
{
	return node ? list_entry(node, struct request, in_queue) : NULL;
}

struct request *queue_victim(const struct queue *queue, enum priority priority)
{
	for (unsigned i = PRIORITY_COUNT_ - 1; i > priority; i--) {
		struct request *first = entry(list_first(&queue->classes[i]));

		if (first)
			return first->run.retries > 0 ? first
						      : entry(list_last(&queue->classes[i]));
	}
	return NULL;
}

static void enter(struct queue *queue, struct request *request, struct list *line)
{
	request->line = line;
	queue->len++;
	queue->bytes += request->bytes;
}

void queue_push(struct queue *queue, struct request *request)
{
	struct list *line = &queue->classes[request->rank];

	assert(queue_has_room(queue, request->bytes));
	list_push_back(line, &request->in_queue);
	enter(queue, request, line);
}

void queue_push_front(struct queue *queue, struct request *request)
{
	struct list *line = &queue->classes[request->rank];

	list_push_front(line, &request->in_queue);
	enter(queue, request, line);
}

void queue_put_back(struct queue *queue, struct request *request)
{
	struct list *line = &queue->classes[request->rank];
	struct list_node *node;

	list_for_each (node, line)
		if (entry(node)->submitted > request->submitted)
			break;
	list_insert_after(line, node->prev, &request->in_queue);
	enter(queue, request, line);
}

void queue_park(struct queue *queue, struct request *request, struct list *parked)
{
	list_remove(request->line, &request->in_queue);
	list_push_back(parked, &request->in_queue);
	request->line = parked;
	queue->parked++;
}

void queue_unpark(struct queue *queue, struct request *request)
{
	struct list *line = &queue->classes[request->rank];

	list_remove(request->line, &request->in_queue);
	list_push_front(line, &request->in_queue);
	request->line = line;
	queue->parked--;
}

struct request *queue_peek(const struct queue *queue)
{
	for (unsigned i = 0; i < PRIORITY_COUNT_; i++) {
		struct request *first = entry(list_first(&queue->classes[i]));

		if (first)
			return first;
	}
	return NULL;
}

void queue_remove(struct queue *queue, struct request *request)
{
	queue->parked -= request->line != &queue->classes[request->rank];
	list_remove(request->line, &request->in_queue);
	request->line = NULL;
	queue->len--;
	queue->bytes -= request->bytes;
}
