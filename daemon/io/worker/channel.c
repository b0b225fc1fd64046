#include "daemon/io/worker/channel.h"

#include "daemon/io/base/slot_store.h"
#include "daemon/io/worker/dialect.h"
#include "daemon/io/worker/dialect_shared.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The bytes of a message around the arguments and a session's state never exceed this: a method's
 * name, a trace with its state, and a few numbers. */
#define AROUND_MAX ((size_t)2048)

void channel_init(struct channel *channel, struct loop *loop, size_t state_max,
		  const struct channel_handler *handler, void *owner)
{
	*channel = (struct channel){.loop = loop, .handler = handler, .owner = owner, .recall = -1};
	buf_init(&channel->scratch, AROUND_MAX + state_max);
	progress_init(&channel->progress);
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
	bool is_framed = channel->dialect->framing != FRAMING_MSGPACK;

	/* A text among MessagePack is a message at each letter. */
	channel->said = is_framed ? message : channel->link->arrived;
	channel->dialect->on_message(channel, chunk, message);
	channel->said = (struct bytes){0};
}

static void report_closed(struct channel *channel, const char *why)
{
	if (channel->on_closed)
		channel->on_closed(channel, why);
	else
		dialect_broken(channel, ERR_peer_closed, why);
}

/* --- ends within a message --- */

static bool is_on_pipes(const struct channel *channel)
{
	return channel->link->stream.in != channel->link->stream.out;
}

/* A worker that was never ready, and said something that is no whole message: that is told. */
static void note_cut_off(struct channel *channel, struct bytes begun)
{
	if (channel->is_ready || begun.len == 0 || channel->broken_by != ERR_NONE)
		return;
	channel->was_cut_off = true;
	channel->said = begun;
	dialect_quote(channel, "it began with what is no whole message");
	channel->said = (struct bytes){0};
}

static void end_closed(struct channel *channel, struct bytes begun)
{
	char why[CHANNEL_WHY_MAX];

	note_cut_off(channel, begun);
	snprintf(why, sizeof(why), "%s",
		 channel->was_cut_off	? channel->last_why
		 : is_on_pipes(channel) ? "it closed its standard output"
					: "it closed its channel");
	report_closed(channel, why);
}

static bool is_text(uint8_t byte)
{
	return (byte >= ' ' && byte < 0x7f) || byte == '\n' || byte == '\r' || byte == '\t';
}

/* Whether the length of a packet is letters, or, where those were too few, letters and the first
 * bytes of a length. */
static bool is_stray_text(struct bytes begun)
{
	if (begun.len < FRAMING_HEAD || !is_text(begun.data[0]))
		return false;
	for (size_t i = 1; i < FRAMING_HEAD; i++)
		if (!is_text(begun.data[i]) && begun.data[i] != 0)
			return false;
	return true;
}

static void end_too_large(struct channel *channel, struct bytes begun)
{
	if (channel->dialect->framing == FRAMING_PACKET4 && is_stray_text(begun)) {
		dialect_broken(channel, ERR_decode_error,
			       "text, such as a stray print, stands where the length of its "
			       "message belongs");
		return;
	}
	if (channel->dialect->find_id)
		channel->large_id = channel->dialect->find_id(begun);
	dialect_broken(channel, ERR_response_too_large, "its message is over response_max");
}

static const char closed_input[] = "it closed its standard input";

static void end_failed(struct channel *channel, int error)
{
	if (error == -EPIPE && is_on_pipes(channel))
		report_closed(channel, closed_input);
	else
		report_closed(channel, strerror(-error));
}

static void on_end(void *owner, enum link_end end, int error, struct bytes begun)
{
	struct channel *channel = owner;

	channel->said = begun;
	switch (end) {
	case LINK_END_MALFORMED: /* only MessagePack can be that before it is read */
		dialect_broken(channel, ERR_decode_error, "its bytes are not MessagePack");
		break;
	case LINK_END_TOO_LARGE:
		end_too_large(channel, begun);
		break;
	case LINK_END_NO_MEMORY:
		dialect_broken(channel, ERR_memory_limit, "there was no memory for its messages");
		break;
	case LINK_END_UNREAD:
		dialect_broken(channel, ERR_protocol_violation,
			       "it left more messages behind than a socket holds");
		break;
	case LINK_END_OF_FILE:
	case LINK_END_STALLED:
		end_closed(channel, begun);
		break;
	case LINK_END_ERROR:
		end_failed(channel, error);
		break;
	}
	channel->said = (struct bytes){0};
}

static bool on_no_memory(void *owner, struct bytes begun, bool by_system)
{
	struct channel *channel = owner;

	(void)by_system;
	return channel->dialect->on_no_memory && channel->is_ready &&
	       channel->dialect->on_no_memory(channel, begun);
}

static void on_skipped(void *owner, struct bytes bytes, bool is_end)
{
	struct channel *channel = owner;

	if (channel->dialect->on_skipped)
		channel->dialect->on_skipped(channel, bytes, is_end);
}

static void on_free(struct link *link)
{
	free(link);
}

static const struct link_handler link_handler = {
	.on_message = on_message,
	.on_end = on_end,
	.on_no_memory = on_no_memory,
	.on_skipped = on_skipped,
	.on_free = on_free,
};

void channel_forget(struct channel *channel)
{
	channel->was_cut_off = false;
	channel->broken_by = ERR_NONE;
	channel->last_why[0] = '\0';
	channel->said = (struct bytes){0};
}

int channel_adopt(struct channel *channel, struct stream stream, const struct config_pool *pool,
		  const struct dialect *dialect, size_t response_max)
{
	int r;

	channel->pool = pool;
	channel->dialect = dialect;
	channel->response_max = response_max;
	channel->is_ready = channel->takes_credit = channel->recalls = channel->is_paused = false;
	channel_forget(channel);
	channel->stack_signal = 0;
	channel->large_id = 0;
	r = link_new(channel->loop, stream, dialect->framing, response_max, &link_handler, channel,
		     &channel->link);
	if (r < 0)
		return r;
	/* The lines that the worker wrote before it answered belong to the request that it answers:
	 * they are read first. */
	link_read_last(channel->link);
	/* No worker ends because others have the memory; what is put for it has limits of its own. */
	channel->link->out.reserve = SIZE_MAX;
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
	if (!channel->link)
		return NULL;
	if (!channel->dialect->takes_both && dialect_has_both(request->args))
		return "positional and keyword arguments in one call";
	return channel->dialect->send(channel, request);
}

void channel_cancel(struct channel *channel, uint32_t id)
{
	if (channel->link && channel->dialect->cancel)
		channel->dialect->cancel(channel, id);
}

static void close_recall(struct channel *channel)
{
	if (channel->recall >= 0)
		close(channel->recall);
	channel->recall = -1;
}

void channel_recall(struct channel *channel, uint32_t id)
{
	uint8_t message[RECALL_MAX];
	struct bytes bytes;

	if (!channel->link || channel->recall < 0)
		return;
	bytes = channel->dialect->recall(id, message);
	/* Nobody waits for room there: so short a message is sent whole, or not at all. */
	if (send(channel->recall, bytes.data, bytes.len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 &&
	    errno != EAGAIN && errno != EINTR)
		close_recall(channel);
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

void channel_blame(struct channel *channel)
{
	if (channel->broken_by != ERR_NONE)
		return;
	channel->broken_by = ERR_protocol_violation;
	dialect_quote(channel,
		      "it spoke of a request that it has not begun by its page, or that it "
		      "does not have, or was ready twice");
}

void channel_check_input(struct channel *channel)
{
	if (!channel->link || channel->broken_by != ERR_NONE || !link_is_unheard(channel->link))
		return;
	channel->broken_by = ERR_peer_closed;
	snprintf(channel->last_why, sizeof(channel->last_why), "%s", closed_input);
}

void channel_answer_kept(struct channel *channel)
{
	const struct channel_answer answer = {.result = channel->greeting};
	struct bytes greeting = channel->greeting;

	if (channel->kept_count == 0)
		return;
	/* What takes an answer may close the channel, or send the next request. */
	channel->greeting = (struct bytes){0};
	while (channel->kept_count > 0)
		channel->handler->on_answer(channel, channel->kept[--channel->kept_count], &answer);
	if (channel->link)
		channel->greeting = greeting;
	else
		bytes_free(&greeting);
}

void channel_close(struct channel *channel)
{
	if (channel->link) {
		note_cut_off(channel, link_begun(channel->link));
		link_close(channel->link);
	}
	channel->link = NULL;
	close_recall(channel);
	progress_clear(&channel->progress);
	bytes_free(&channel->greeting);
	channel->kept_count = 0;
}
