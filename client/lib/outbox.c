#include "client/lib/outbox.h"

#include <stdlib.h>
#include <string.h>

struct frame {
	struct list_node in_outbox;
	struct frame **holder;
	struct frame **keeper;
	size_t len;
	uint8_t data[];
};

void outbox_init(struct outbox *outbox)
{
	*outbox = (struct outbox){0};
	list_init(&outbox->frames);
}

/* The frame that comes first, or NULL. */
static struct frame *first_frame(const struct outbox *outbox)
{
	struct list_node *node = list_first(&outbox->frames);

	return node ? list_entry(node, struct frame, in_outbox) : NULL;
}

static void take_out(struct outbox *outbox, struct frame *frame)
{
	list_remove(&outbox->frames, &frame->in_outbox);
	outbox->bytes -= frame->len;
	if (frame->holder)
		*frame->holder = NULL;
}

static void drop(struct outbox *outbox, struct frame *frame)
{
	take_out(outbox, frame);
	free(frame);
}

void frame_free(struct frame *frame)
{
	free(frame);
}

struct bytes frame_bytes(const struct frame *frame)
{
	return (struct bytes){frame->data, frame->len};
}

void outbox_done(struct outbox *outbox)
{
	struct list_node *node, *after;

	list_for_each_safe (node, after, &outbox->frames)
		drop(outbox, list_entry(node, struct frame, in_outbox));
}

struct frame *frame_new(const struct bytes *parts, size_t part_count)
{
	struct frame *frame;
	size_t len = 0;

	for (size_t i = 0; i < part_count; i++)
		len += parts[i].len;
	frame = malloc(sizeof(*frame) + len);
	if (!frame)
		return NULL;
	*frame = (struct frame){0};
	for (size_t i = 0; i < part_count; i++) {
		if (parts[i].len > 0)
			memcpy(frame->data + frame->len, parts[i].data, parts[i].len);
		frame->len += parts[i].len;
	}
	return frame;
}

static void take_over(struct outbox *outbox, struct frame *frame, struct frame **holder,
		      struct frame **keeper)
{
	outbox->bytes += frame->len;
	frame->holder = holder;
	frame->keeper = keeper;
	if (holder)
		*holder = frame;
}

void outbox_add(struct outbox *outbox, struct frame *frame, struct frame **holder,
		struct frame **keeper)
{
	list_push_back(&outbox->frames, &frame->in_outbox);
	take_over(outbox, frame, holder, keeper);
}

void outbox_add_first(struct outbox *outbox, struct frame *frame, struct frame **holder)
{
	assert(outbox->written == 0);
	list_push_front(&outbox->frames, &frame->in_outbox);
	take_over(outbox, frame, holder, NULL);
}

/* Passes a frame that is not in the outbox any more to its keeper, if it has one. */
static void keep(struct frame *frame)
{
	if (frame->keeper)
		*frame->keeper = frame;
	else
		free(frame);
}

void outbox_take_back(struct outbox *outbox, struct frame *frame)
{
	assert(!outbox_has_begun(outbox, frame));
	take_out(outbox, frame);
	keep(frame);
}

bool outbox_has_begun(const struct outbox *outbox, const struct frame *frame)
{
	return frame == first_frame(outbox) && outbox->written > 0;
}

void outbox_drop(struct outbox *outbox, struct frame *frame)
{
	if (!outbox_has_begun(outbox, frame)) {
		drop(outbox, frame);
	} else if (frame->holder) {
		*frame->holder = NULL;
		frame->holder = NULL;
		frame->keeper = NULL;
	}
}

void outbox_restart(struct outbox *outbox)
{
	struct list_node *node, *after;

	outbox->written = 0;
	list_for_each_safe (node, after, &outbox->frames) {
		struct frame *frame = list_entry(node, struct frame, in_outbox);

		if (!frame->holder)
			drop(outbox, frame);
	}
}

bool outbox_is_empty(const struct outbox *outbox)
{
	return list_empty(&outbox->frames);
}

size_t outbox_slices(const struct outbox *outbox, struct iovec *slices, size_t max)
{
	size_t written = outbox->written;
	size_t count = 0;
	struct list_node *node;

	list_for_each (node, &outbox->frames) {
		struct frame *frame = list_entry(node, struct frame, in_outbox);

		if (count == max)
			break;
		slices[count].iov_base = frame->data + written;
		slices[count].iov_len = frame->len - written;
		written = 0;
		count++;
	}
	return count;
}

void outbox_wrote(struct outbox *outbox, size_t len)
{
	struct list_node *node, *after;

	outbox->written += len;
	list_for_each_safe (node, after, &outbox->frames) {
		struct frame *frame = list_entry(node, struct frame, in_outbox);

		if (outbox->written < frame->len)
			break;
		outbox->written -= frame->len;
		take_out(outbox, frame);
		keep(frame);
	}
}
