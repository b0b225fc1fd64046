#include "daemon/io/worker/dialect_shared.h"

#include "daemon/io/base/json.h"
#include "daemon/io/base/log_text.h"
#include "daemon/io/base/slot_store.h"
#include "daemon/io/config/config.h"
#include "protocol/read.h"
#include "protocol/utf8.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Positional and keyword arguments in one value: an ext of this type whose data begins so. */
#define VALUES_EXT  112
#define VALUES_BOTH 0xa0

const char dialect_no_memory[] = "there was no memory for the message";
const char dialect_refusal[] = "the daemon takes no requests from workers";

void dialect_quote(struct channel *channel, const char *why)
{
	struct bytes said = utf8_cut(channel->said, CHANNEL_QUOTE_BYTES);
	char quote[4 * CHANNEL_QUOTE_BYTES + 8] = "";

	log_text_escape(said, quote, sizeof(quote));
	if (said.len == 0)
		snprintf(channel->last_why, sizeof(channel->last_why), "%.*s", CHANNEL_WHY_MAX - 1,
			 why);
	else
		snprintf(channel->last_why, sizeof(channel->last_why), "%.*s: \"%s\"%s",
			 CHANNEL_WORDS_MAX, why, quote, said.len < channel->said.len ? "..." : "");
}

/* An answer that is too large is one nevertheless, unless the worker was never asked. */
static bool is_quoted(const struct channel *channel, enum errcode code)
{
	return code == ERR_decode_error || code == ERR_protocol_violation ||
	       (code == ERR_response_too_large && !channel->is_ready);
}

/* What broke the channel first counts: the rest may follow from it. */
static void break_off(struct channel *channel, enum errcode code, const char *why, bool quoted)
{
	if (channel->broken_by == ERR_NONE) {
		if (!quoted)
			channel->said = (struct bytes){0};
		dialect_quote(channel, why);
		channel->broken_by = code;
	}
	channel->handler->on_broken(channel, code);
}

void dialect_broken(struct channel *channel, enum errcode code, const char *why)
{
	break_off(channel, code, why, is_quoted(channel, code));
}

/* Calls a method of the worker that no client asked for.  Returns 0, -ENOMEM, or -EINVAL: its
 * dialect can't express that. */
static int ask(struct channel *channel, uint32_t id, const char *method, struct bytes args)
{
	const struct channel_request request = {
		.id = id,
		.method = {(const uint8_t *)method, strlen(method)},
		.args = args,
	};
	const char *why = channel->dialect->send(channel, &request);

	if (!why)
		return 0;
	return why == dialect_no_memory ? -ENOMEM : -EINVAL;
}

static const uint8_t nil = 0xc0;

/* --- becoming ready --- */

static void report_ready(struct channel *channel)
{
	channel->is_ready = true;
	channel->handler->on_ready(
		channel,
		&(struct channel_ready){.concurrency = 1, .batches = channel->dialect->batches});
}

/* The pool's ready_params, or nil.  Returns 0 or -errno. */
static int read_params(const struct config_pool *pool, struct buf *out)
{
	const char *text = pool->ready_params;
	char fault[JSON_FAULT_MAX];

	if (*text)
		return json_to_value((struct bytes){(const uint8_t *)text, strlen(text)}, out,
				     fault);
	pack_nil(out);
	return buf_error(out);
}

static void ask_whether_ready(struct channel *channel)
{
	struct buf params;
	int r;

	buf_init(&params, CONFIG_FILE_MAX);
	r = read_params(channel->pool, &params);
	if (r == 0)
		r = ask(channel, GREETING_ID, channel->pool->ready_call,
			(struct bytes){params.data, params.len});
	buf_free(&params);
	if (r == -ENOMEM)
		dialect_broken(channel, ERR_memory_limit,
			       "there was no memory for its first message");
	else if (r < 0)
		dialect_broken(channel, ERR_protocol_violation, "ready_params can't be said to it");
}

void dialect_greet(struct channel *channel)
{
	if (*channel->pool->ready_call)
		ask_whether_ready(channel);
	else if (!*channel->pool->ready_notification)
		report_ready(channel);
}

void dialect_take_notification(struct channel *channel, struct bytes method)
{
	const char *awaited = channel->pool->ready_notification;

	channel->handler->on_alive(channel);
	if (channel->link && !channel->is_ready && *awaited && bytes_equal(method, awaited))
		report_ready(channel);
}

/* The handshake is made once in a life: a client that asks for it is given its answer.  False: there
 * was no memory for that, which was reported. */
static bool shake_hands(struct channel *channel, struct bytes result)
{
	channel->greeting = bytes_copy(result);
	if (!channel->greeting.data) {
		dialect_broken(channel, ERR_memory_limit, "there was no memory for its message");
		return false;
	}
	channel->dialect->notify(channel, channel->pool->ready_then);
	return true;
}

static void take_greeting(struct channel *channel, const struct channel_answer *answer)
{
	const struct config_pool *pool = channel->pool;
	int len = (int)(answer->error.message.len < 100 ? answer->error.message.len : 100);
	char why[200];

	if (!answer->has_failed) {
		if (*pool->ready_then && !shake_hands(channel, answer->result))
			return;
		report_ready(channel);
		return;
	}
	snprintf(why, sizeof(why), "it answered %.60s with an error: %.*s", pool->ready_call, len,
		 len > 0 ? (const char *)answer->error.message.data : "");
	break_off(channel, ERR_protocol_violation, why, false);
}

void dialect_take_answer(struct channel *channel, uint32_t id, const struct channel_answer *answer)
{
	if (id == GREETING_ID && !channel->is_ready && *channel->pool->ready_call)
		take_greeting(channel, answer);
	else
		channel->handler->on_answer(channel, id, answer);
}

/* --- the rest of its life --- */

void dialect_ping(struct channel *channel, uint32_t id)
{
	const char *method = channel->pool->ping_call;

	/* A name from the configuration can be said, and nil can; where there is no memory for that,
	 * the next check of its health is. */
	(void)ask(channel, id, *method ? method : "ping", (struct bytes){&nil, 1});
}

void dialect_end_input(struct channel *channel)
{
	link_finish_output(channel->link);
}

/* --- JSON --- */

bool dialect_lose_json(struct channel *channel, struct bytes begun)
{
	outline_init(&channel->lost);
	outline_feed(&channel->lost, begun);
	return true;
}

void dialect_skip_json(struct channel *channel, struct bytes bytes, bool is_end)
{
	struct outline *lost = &channel->lost;
	uint32_t id;

	outline_feed(lost, bytes);
	if (!is_end)
		return;
	if (channel->is_ready && outline_is_answer(lost, &id))
		channel->handler->on_lost(channel, id, false);
	else if (!channel->is_ready || !outline_is_notification(lost))
		dialect_broken(channel, ERR_memory_limit, "there was no memory for its message");
}

static void report_unread(struct channel *channel, struct bytes message, int error,
			  const char *fault)
{
	char why[JSON_FAULT_MAX + 40];

	if (error == -EINVAL) {
		snprintf(why, sizeof(why), "its message is not JSON: %s", fault);
		dialect_broken(channel, ERR_decode_error, why);
	} else if (error == -ENOBUFS) {
		dialect_broken(channel, ERR_response_too_large, "its message is over response_max");
	} else {
		outline_init(&channel->lost);
		dialect_skip_json(channel, message, true);
	}
}

/* A text may begin with a byte order mark, as programs for Windows write it; it says nothing. */
static struct bytes skip_mark(struct bytes text)
{
	static const uint8_t mark[] = {0xef, 0xbb, 0xbf};

	if (text.len < sizeof(mark) || memcmp(text.data, mark, sizeof(mark)) != 0)
		return text;
	return (struct bytes){text.data + sizeof(mark), text.len - sizeof(mark)};
}

struct chunk *dialect_read_json(struct channel *channel, struct bytes message, struct bytes *ret)
{
	struct chunk_store *store = &channel->loop->store;
	char fault[JSON_FAULT_MAX] = "";
	struct chunk *chunk = NULL;
	struct buf value;
	int r;

	chunk_buf_init(&value, channel->response_max);
	r = json_to_value(skip_mark(message), &value, fault);
	if (r == 0) {
		ret->len = chunk_buf_bytes(&value).len;
		chunk = chunk_from_buf(store, &value);
		r = chunk ? 0 : -ENOMEM;
	}
	buf_free(&value);
	if (r < 0)
		report_unread(channel, message, r, fault);
	else
		ret->data = chunk->data;
	return chunk;
}

const char *dialect_put_buf(struct channel *channel, struct buf *buf, const char *fault)
{
	size_t len = chunk_buf_bytes(buf).len;
	struct chunk *chunk = NULL;

	if (buf_error(buf) == -ENOMEM)
		fault = dialect_no_memory;
	else if (buf_error(buf) < 0)
		fault = "more than there is room for";
	if (!fault) {
		chunk = chunk_from_buf(&channel->loop->store, buf);
		if (chunk)
			link_put_shared(channel->link, chunk, (struct bytes){chunk->data, len});
		else
			fault = dialect_no_memory;
	}
	chunk_unref(chunk);
	buf_free(buf);
	return fault;
}

bool dialect_may_refuse(struct channel *channel)
{
	if (channel->link->out.bytes <= UNREAD_MAX) {
		channel->handler->on_alive(channel);
		return channel->link != NULL;
	}
	break_off(channel, ERR_protocol_violation, "it asks and does not read the answers", false);
	return false;
}

/* Where the data of an ext begins, after its type; 0: the value is none. */
static size_t ext_data_at(struct bytes value)
{
	switch (value.len > 0 ? value.data[0] : 0) {
	case 0xd4: /* of 1, 2, 4, 8 or 16 bytes */
	case 0xd5:
	case 0xd6:
	case 0xd7:
	case 0xd8:
		return 2;
	case 0xc7: /* with a length of 1, 2 or 4 bytes before the type */
		return 3;
	case 0xc8:
		return 4;
	case 0xc9:
		return 6;
	default:
		return 0;
	}
}

bool dialect_has_both(struct bytes args)
{
	size_t at = ext_data_at(args);

	return at > 0 && args.len > at && args.data[at - 1] == VALUES_EXT &&
	       args.data[at] == VALUES_BOTH;
}

uint8_t dialect_array_head(struct bytes args, bool *ret_empty)
{
	struct reader reader;
	enum value_type type;

	reader_init(&reader, args.data, args.len);
	type = read_peek(&reader);
	*ret_empty = type == VALUE_NIL;
	if (type == VALUE_NIL)
		return 0x90;
	return type == VALUE_ARRAY ? 0 : 0x91;
}
