#include "client/lib/inbox.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The least memory for one read, and the most that an empty inbox keeps. */
#define READ_MIN     ((size_t)64 * 1024)
#define CAPACITY_MAX ((size_t)1024 * 1024)

void inbox_init(struct inbox *inbox, size_t value_max)
{
	*inbox = (struct inbox){.value_max = value_max};
	skip_init(&inbox->skip, value_max);
}

void inbox_free(struct inbox *inbox)
{
	free(inbox->held);
	free(inbox->data);
	inbox_init(inbox, inbox->value_max);
}

static size_t stored(const struct inbox *inbox)
{
	return (size_t)(inbox->end - inbox->base);
}

/* Moves the bytes that are still needed to the begin of the memory. */
static void compact(struct inbox *inbox)
{
	size_t gone = (size_t)(inbox->kept - inbox->base);

	if (gone == 0)
		return;
	memmove(inbox->data, inbox->data + gone, (size_t)(inbox->end - inbox->kept));
	inbox->base = inbox->kept;
}

static int resize(struct inbox *inbox, size_t capacity)
{
	uint8_t *data = realloc(inbox->data, capacity);

	if (!data)
		return -ENOMEM;
	inbox->data = data;
	inbox->capacity = capacity;
	return 0;
}

/* The same while the inbox is held: the old memory stays, and the inbox continues in a copy. */
static int resize_held(struct inbox *inbox, size_t capacity)
{
	uint8_t *data = malloc(capacity);

	if (!data)
		return -ENOMEM;
	memcpy(data, inbox->data, stored(inbox));

	/* The holder's pointers are into the memory from before the first of these copies. */
	if (inbox->held)
		free(inbox->data);
	else
		inbox->held = inbox->data;
	inbox->data = data;
	inbox->capacity = capacity;
	return 0;
}

/* Makes room by moving the bytes if less than half of the memory is in use, else by growing. */
static int make_room(struct inbox *inbox)
{
	size_t needed = (size_t)(inbox->end - inbox->kept);
	size_t doubled = inbox->capacity > 0 ? 2 * inbox->capacity : READ_MIN;

	if (inbox->is_held)
		return resize_held(inbox, doubled);
	compact(inbox);
	return needed < inbox->capacity / 2 ? 0 : resize(inbox, doubled);
}

int inbox_space(struct inbox *inbox, uint8_t **ret_data, size_t *ret_len)
{
	bool is_empty = inbox->end == inbox->kept;
	int r = 0;

	if (is_empty && !inbox->is_held) {
		compact(inbox);
		if (inbox->capacity > CAPACITY_MAX)
			r = resize(inbox, READ_MIN);
	}
	if (r == 0 && inbox->capacity - stored(inbox) < READ_MIN / 2)
		r = make_room(inbox);
	if (r < 0)
		return r;
	*ret_data = inbox->data + stored(inbox);
	*ret_len = inbox->capacity - stored(inbox);
	return 0;
}

void inbox_took(struct inbox *inbox, size_t len)
{
	inbox->end += len;
}

int inbox_next(struct inbox *inbox, uint64_t *ret_position, size_t *ret_len)
{
	size_t taken;

	if (inbox->scanned == inbox->end)
		return 0;
	switch (skip_feed(&inbox->skip, inbox_at(inbox, inbox->scanned),
			  (size_t)(inbox->end - inbox->scanned), &taken)) {
	case SKIP_MORE:
		inbox->scanned = inbox->end;
		return 0;
	case SKIP_DONE:
		break;
	case SKIP_TOO_LARGE:
		return -EMSGSIZE;
	case SKIP_BAD:
	default:
		return -EPROTO;
	}
	inbox->scanned += taken;
	*ret_position = inbox->value;
	*ret_len = (size_t)(inbox->scanned - inbox->value);
	inbox->value = inbox->scanned;
	skip_init(&inbox->skip, inbox->value_max);
	return 1;
}

const uint8_t *inbox_at(const struct inbox *inbox, uint64_t position)
{
	assert(position >= inbox->base && position <= inbox->end);
	return inbox->data + (position - inbox->base);
}

void inbox_release(struct inbox *inbox, uint64_t position)
{
	assert(position >= inbox->kept && position <= inbox->value);
	inbox->kept = position;
}

void inbox_hold(struct inbox *inbox)
{
	inbox->is_held = true;
}

void inbox_unhold(struct inbox *inbox)
{
	inbox->is_held = false;
	free(inbox->held);
	inbox->held = NULL;
}
