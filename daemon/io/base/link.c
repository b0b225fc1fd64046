#include "daemon/io/base/link.h"

#include "daemon/io/base/link_internal.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

int link_open(struct link *link, struct loop *loop, struct stream stream, enum framing_kind framing,
	      uint64_t message_max, const struct link_handler *handler, void *owner)
{
	*link = (struct link){
		.loop = loop,
		.handler = handler,
		.owner = owner,
		.stream = stream,
		.is_reading = true,
	};
	framing_init(&link->framing, framing, message_max);
	link->out.reserve = OUTPUT_RESERVE;
	event_assign(&link->read_event, loop->base, stream.in, EV_READ | EV_PERSIST,
		     link_on_readable, link);
	event_assign(&link->write_event, loop->base, stream.out, EV_WRITE | EV_PERSIST,
		     link_on_writable, link);
	return event_add(&link->read_event, NULL) < 0 ? -ENOMEM : 0;
}

int link_new(struct loop *loop, struct stream stream, enum framing_kind framing,
	     uint64_t message_max, const struct link_handler *handler, void *owner,
	     struct link **ret)
{
	struct link *link = malloc(sizeof(*link));
	int r;

	if (!link)
		return -ENOMEM;
	r = link_open(link, loop, stream, framing, message_max, handler, owner);
	if (r < 0)
		free(link);
	else
		*ret = link;
	return r;
}

bool link_is_unheard(const struct link *link)
{
	struct pollfd output = {.fd = link->stream.out};

	if (link->stream.out < 0 || stream_is_socket(link->stream))
		return false;
	return poll(&output, 1, 0) == 1 && (output.revents & POLLERR);
}

bool link_is_idle(const struct link *link)
{
	return !link->in && !link->rest_chunk && !link->is_skipping && link->out.bytes == 0;
}
