#include "client/poolctl/event_stream.h"

#include "client/poolctl/field.h"
#include "client/poolctl/json.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sysexits.h>

static void on_event(void *userdata, struct poold_bytes event)
{
	struct event_stream *stream = userdata;
	json_t *json;

	if (stream->is_over)
		return;
	if (json_from_value(event, JSON_MARKED, &json) < 0) {
		fprintf(stderr, "poolctl: an event cannot be read\n");
		stream->is_over = true;
		stream->status = EX_PROTOCOL;
		return;
	}
	stream->came++;
	stream->seq = (uint64_t)field_number(json, "seq");
	stream->is_over = !stream->take(stream->userdata, json);
	json_decref(json);
}

/* [kinds or nil] or [kinds or nil, {since, epoch?}] */
static void write_params(struct poold_writer *writer, const struct event_stream *stream,
			 bool has_since)
{
	poold_write_array(writer, has_since ? 2 : 1);
	if (stream->kind_count == 0)
		poold_write_nil(writer);
	else
		poold_write_array(writer, stream->kind_count);
	for (unsigned i = 0; i < stream->kind_count; i++)
		poold_write_str(writer, stream->kinds[i]);
	if (!has_since)
		return;
	poold_write_map(writer, stream->epoch != 0 ? 2 : 1);
	poold_write_str(writer, "since");
	poold_write_uint(writer, stream->seq);
	if (stream->epoch == 0)
		return;
	poold_write_str(writer, "epoch");
	poold_write_uint(writer, stream->epoch);
}

static void take_answer(struct event_stream *stream, struct poold_bytes result, bool has_since)
{
	json_t *json;
	uint64_t epoch;

	if (json_from_value(result, JSON_MARKED, &json) < 0)
		return;
	epoch = (uint64_t)field_number(json, "epoch");
	if (!has_since || (stream->epoch != 0 && epoch != stream->epoch))
		stream->seq = has_since ? 0 : (uint64_t)field_number(json, "seq");
	stream->epoch = epoch;
	stream->lost = (uint64_t)field_number(json, "lost");
	json_decref(json);
}

int event_stream_begin(struct event_stream *stream, bool has_since, struct poold_reply *ret_reply)
{
	struct poold_writer *writer = poold_writer_new();
	int r;

	*ret_reply = (struct poold_reply){0};
	if (!writer)
		return -ENOMEM;
	write_params(writer, stream, has_since);
	poold_set_event_callback(stream->client, on_event, stream);
	r = poold_request(stream->client, "poold.subscribe", poold_writer_bytes(writer),
			  stream->options->wait_ms, ret_reply);
	poold_writer_free(writer);
	if (r >= 0)
		take_answer(stream, ret_reply->result, has_since);
	return r;
}

/* The daemon sends events in the order of its stream, as many as may be unread at a time: when none
 * has come before the answer to a question that was asked after the last one, there is none. */
int event_stream_take_kept(struct event_stream *stream, struct poold_reply *ret_reply)
{
	uint64_t before;

	do {
		int r;

		before = stream->came;
		poold_reply_free(ret_reply);
		r = poold_request(stream->client, "poold.version", (struct poold_bytes){0},
				  stream->options->wait_ms, ret_reply);
		if (r < 0)
			return r;
	} while (!stream->is_over && stream->came != before);
	return 0;
}

int event_stream_follow(struct event_stream *stream)
{
	while (!stream->is_over) {
		struct pollfd ready = {.fd = poold_fd(stream->client),
				       .events = poold_events(stream->client)};
		int r;

		poll(&ready, 1, poold_timeout_ms(stream->client));
		r = poold_dispatch(stream->client, ready.revents);
		if (r < 0 && !stream->is_over)
			return r;
	}
	return 0;
}
