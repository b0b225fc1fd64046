#include "client/lib/client_requests.h"

#include <errno.h>
#include <stdlib.h>

#define SLOT_BITS 16

void client_requests_init(struct client_requests *requests, size_t slots_max)
{
	assert(slots_max <= CLIENT_REQUESTS_MAX);
	*requests = (struct client_requests){.slots_max = slots_max};
}

void client_requests_done(struct client_requests *requests)
{
	free(requests->slots);
	free(requests->free_ids);
}

size_t client_requests_count(const struct client_requests *requests)
{
	return requests->slot_count - requests->free_count;
}

static size_t slot_of(uint32_t id)
{
	return id & ((1u << SLOT_BITS) - 1);
}

static int grow(struct client_requests *requests)
{
	size_t count = requests->slot_count > 0 ? 2 * requests->slot_count : 16;
	struct client_request **slots;
	uint32_t *free_ids;

	if (count > requests->slots_max)
		count = requests->slots_max;
	slots = realloc(requests->slots, count * sizeof(struct client_request *));
	if (!slots)
		return -ENOMEM;
	requests->slots = slots;
	free_ids = realloc(requests->free_ids, count * sizeof(*free_ids));
	if (!free_ids)
		return -ENOMEM;
	requests->free_ids = free_ids;

	for (size_t slot = count; slot-- > requests->slot_count;) {
		slots[slot] = NULL;
		free_ids[requests->free_count++] = (uint32_t)slot;
	}
	requests->slot_count = count;
	return 0;
}

int client_requests_add(struct client_requests *requests, struct client_request *request)
{
	if (requests->free_count == 0) {
		int r = grow(requests);

		if (r < 0)
			return r;
	}
	request->id = requests->free_ids[--requests->free_count];
	request->has_slot = true;
	requests->slots[slot_of(request->id)] = request;
	return 0;
}

void client_requests_remove(struct client_requests *requests, struct client_request *request)
{
	requests->slots[slot_of(request->id)] = NULL;
	requests->free_ids[requests->free_count++] = request->id + (1u << SLOT_BITS);
	request->has_slot = false;
}

struct client_request *client_requests_find(const struct client_requests *requests, uint32_t id)
{
	size_t slot = slot_of(id);
	struct client_request *request = slot < requests->slot_count ? requests->slots[slot] : NULL;

	return request && request->id == id ? request : NULL;
}
