#include "daemon/io/worker/dialect_shared.h"

#include "daemon/io/base/json.h"
#include "daemon/io/config/config.h"
#include "protocol/read.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Positional and keyword arguments in one value: an ext of this type whose data begins so. */
#define VALUES_EXT  112
#define VALUES_BOTH 0xa0

const char dialect_refusal[] = "the daemon takes no requests from workers";

void dialect_broken(struct channel *channel, enum errcode code, const char *why)
{
	snprintf(channel->last_why, sizeof(channel->last_why), "%.*s", CHANNEL_WHY_MAX - 1, why);
	channel->handler->on_broken(channel, code);
}

/* Calls a method of the worker that no client asked for.  False: its dialect can't express that. */
static bool ask(struct channel *channel, uint32_t id, const char *method, struct bytes args)
{
	const struct channel_request request = {
		.id = id,
		.method = {(const uint8_t *)method, strlen(method)},
		.args = args,
	};

	return channel->dialect->send(channel, &request) == NULL;
}

static const uint8_t nil = 0xc0;

/* --- becoming ready --- */

static void report_ready(struct channel *channel)
{
	channel->is_ready = true;
	channel->handler->on_ready(channel, 1, false, channel->dialect->batches);
}

static void ask_whether_ready(struct channel *channel)
{
	const struct config_pool *pool = channel->pool;
	char fault[JSON_FAULT_MAX] = "";
	struct bytes args = {&nil, 1};
	struct buf params;
	int r = 0;

	buf_init(&params, CONFIG_FILE_MAX);
	if (*pool->ready_params) {
		r = json_to_value((struct bytes){(const uint8_t *)pool->ready_params,
						 strlen(pool->ready_params)},
				  &params, fault);
		args = (struct bytes){params.data, params.len};
	}
	if (r < 0 || !ask(channel, GREETING_ID, pool->ready_call, args))
		dialect_broken(channel, ERR_protocol_violation, "ready_params can't be said to it");
	buf_free(&params);
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

	if (!channel->is_ready && *awaited && bytes_equal(method, awaited))
		report_ready(channel);
}

static void take_greeting(struct channel *channel, const struct channel_answer *answer)
{
	const struct config_pool *pool = channel->pool;
	int len = (int)(answer->error.message.len < 100 ? answer->error.message.len : 100);
	char why[200];

	if (!answer->has_failed) {
		if (*pool->ready_then)
			channel->dialect->notify(channel, pool->ready_then);
		report_ready(channel);
		return;
	}
	snprintf(why, sizeof(why), "it answered %.60s with an error: %.*s", pool->ready_call, len,
		 len > 0 ? (const char *)answer->error.message.data : "");
	dialect_broken(channel, ERR_protocol_violation, why);
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

	/* A name from the configuration can be said, and nil can. */
	(void)ask(channel, id, *method ? method : "ping", (struct bytes){&nil, 1});
}

void dialect_end_input(struct channel *channel)
{
	link_finish_output(channel->link);
}

bool dialect_read_json(struct channel *channel, struct bytes message, struct buf *out)
{
	char fault[JSON_FAULT_MAX] = "", why[JSON_FAULT_MAX + 40];
	int r = json_to_value(message, out, fault);

	if (r == -EINVAL) {
		snprintf(why, sizeof(why), "its message is not JSON: %s", fault);
		dialect_broken(channel, ERR_decode_error, why);
	} else if (r < 0) {
		dialect_broken(channel, r == -ENOBUFS ? ERR_response_too_large : ERR_memory_limit,
			       r == -ENOBUFS ? "its message is over response_max"
					     : "there was no memory for its message");
	}
	return r == 0;
}

bool dialect_may_refuse(struct channel *channel)
{
	if (channel->link->out.bytes <= UNREAD_MAX)
		return true;
	dialect_broken(channel, ERR_protocol_violation, "it asks and does not read the answers");
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
