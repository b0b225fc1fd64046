#include "daemon/io/worker/channel.h"

#include "daemon/io/worker/dialect.h"
#include "daemon/io/worker/dialect_shared.h"

#include <stdlib.h>
#include <string.h>

/* The bytes of a message around the arguments and a session's state never exceed this: a method's
 * name, a trace and a few numbers. */
#define AROUND_MAX ((size_t)1024)

void channel_init(struct channel *channel, struct loop *loop, size_t state_max,
		  const struct channel_handler *handler, void *owner)
{
	*channel = (struct channel){.loop = loop, .handler = handler, .owner = owner};
	buf_init(&channel->scratch, AROUND_MAX + state_max);
}

void channel_done(struct channel *channel)
{
	channel_close(channel);
	buf_free(&channel->scratch);
}

/* --- from the worker --- */

static void on_message(void *owner, struct chunk *chunk, struct bytes message)
{
	struct channel *channel = owner;

	channel->dialect->on_message(channel, chunk, message);
}

static void report_closed(struct channel *channel, const char *why)
{
	if (channel->on_closed)
		channel->on_closed(channel, why);
	else
		dialect_broken(channel, ERR_peer_closed, why);
}

static void on_end(void *owner, enum link_end end, int error, struct bytes begun)
{
	struct channel *channel = owner;

	switch (end) {
	case LINK_END_MALFORMED: /* only MessagePack can be that before it is read */
		dialect_broken(channel, ERR_decode_error, "its bytes are not MessagePack");
		break;
	case LINK_END_TOO_LARGE:
		if (channel->dialect->find_id)
			channel->large_id = channel->dialect->find_id(begun);
		dialect_broken(channel, ERR_response_too_large, "its message is over response_max");
		break;
	case LINK_END_NO_MEMORY:
		dialect_broken(channel, ERR_memory_limit, "there was no memory for its messages");
		break;
	case LINK_END_OF_FILE:
	case LINK_END_STALLED:
		report_closed(channel, "it closed its channel");
		break;
	case LINK_END_ERROR:
		report_closed(channel, strerror(-error));
		break;
	}
}

static bool on_no_memory(void *owner, struct bytes begun)
{
	struct channel *channel = owner;

	return channel->dialect->on_no_memory && channel->is_ready &&
	       channel->dialect->on_no_memory(channel, begun);
}

static void on_free(struct link *link)
{
	free(link);
}

static const struct link_handler link_handler = {
	.on_message = on_message,
	.on_end = on_end,
	.on_no_memory = on_no_memory,
	.on_free = on_free,
};

int channel_adopt(struct channel *channel, int fd, const struct config_pool *pool,
		  const struct dialect *dialect, size_t response_max)
{
	int r;

	channel->pool = pool;
	channel->dialect = dialect;
	channel->response_max = response_max;
	channel->is_ready = channel->takes_credit = channel->is_paused = false;
	channel->stack_signal = 0;
	channel->large_id = 0;
	r = link_new(channel->loop, fd, dialect->framing, response_max, &link_handler, channel,
		     &channel->link);
	if (r < 0)
		return r;
	/* The lines that the worker wrote before it answered belong to the request that it answers:
	 * they are read first. */
	link_read_last(channel->link);
	return 0;
}

/* --- to the worker --- */

void channel_open(struct channel *channel)
{
	if (channel->link)
		channel->dialect->on_open(channel);
}

const char *channel_send(struct channel *channel, const struct channel_request *request)
{
	if (!channel->dialect->takes_both && dialect_has_both(request->args))
		return "positional and keyword arguments in one call";
	return channel->link ? channel->dialect->send(channel, request) : NULL;
}

void channel_cancel(struct channel *channel, uint32_t id)
{
	if (channel->link && channel->dialect->cancel)
		channel->dialect->cancel(channel, id);
}

void channel_credit(struct channel *channel, uint32_t id, uint64_t bytes)
{
	if (channel->link && channel->takes_credit)
		channel->dialect->credit(channel, id, bytes);
}

void channel_pause(struct channel *channel, bool paused)
{
	channel->is_paused = paused;
	if (channel->link)
		link_set_reading(channel->link, !paused);
}

void channel_end_session(struct channel *channel, struct bytes session, const char *reason)
{
	if (channel->link && channel->dialect->end_session)
		channel->dialect->end_session(channel, session, reason);
}

void channel_shutdown(struct channel *channel)
{
	if (channel->link)
		channel->dialect->shutdown(channel);
}

void channel_ping(struct channel *channel, uint32_t id)
{
	if (channel->link)
		channel->dialect->ping(channel, id);
}

void channel_close(struct channel *channel)
{
	if (channel->link)
		link_close(channel->link);
	channel->link = NULL;
}
