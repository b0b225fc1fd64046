#include "daemon/io/frontend/http_stream.h"

#include "daemon/io/base/json.h"
#include "daemon/io/base/link.h"
#include "daemon/io/driver/state.h"
#include "protocol/read.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define PAUSE USEC_PER_SEC

/* When a browser comes again, in ms: after a stream has broken off, and when the daemon has said that
 * it ends. */
#define RETRY_MS     1000
#define RETRY_MS_END 5000

/* A batch takes no further event beyond that; and the largest one as JSON has room. */
#define BATCH_BYTES ((size_t)64 * 1024)
#define BATCH_MAX   ((size_t)2 * 1024 * 1024)

/* Room for the lines of a message before its data. */
#define LINES_MAX 96

static const struct events *events_of(const struct http_streams *streams)
{
	return &streams->answers->driver->events;
}

static struct http_stream *of_node(struct list_node *node)
{
	return list_entry(node, struct http_stream, in_streams);
}

/* --- events --- */

/* The map of an event begins with its kind and its number. */
static uint64_t number_of(struct bytes map)
{
	struct reader reader;
	struct bytes skipped;
	uint64_t seq = 0;
	uint32_t pairs;

	reader_init(&reader, map.data, map.len);
	if (read_map(&reader, &pairs) == 0 && read_value(&reader, &skipped) == 0 &&
	    read_value(&reader, &skipped) == 0 && read_value(&reader, &skipped) == 0)
		(void)read_uint(&reader, &seq);
	return seq;
}

static bool put_event(struct caller *caller, struct bytes map)
{
	struct http_streams *streams = container_of(caller, struct http_streams, reader);
	struct buf *text = &streams->text;
	size_t before = text->len;

	if (chunk_buf_bytes(text).len >= BATCH_BYTES)
		return false;
	buf_printf(text, "id: %" PRIu64 "-%" PRIu64 "\ndata: ", events_of(streams)->epoch,
		   number_of(map));
	if (json_from_value(map, text) && buf_error(text) == 0)
		text->len = before; /* JSON can't express it: no event of the daemon is so */
	else
		buf_put(text, "\n\n", 2);
	return buf_error(text) == 0;
}

static const struct caller_ops reader_ops = {.event = put_event};

static void drop_batch(struct http_streams *streams)
{
	chunk_unref(streams->batch.chunk);
	streams->batch = (struct http_batch){0};
}

/* Where there is no memory for it, it is empty, and made again in a second. */
static void make_batch(struct http_streams *streams, uint64_t after)
{
	struct driver *driver = streams->answers->driver;
	struct http_batch *batch = &streams->batch;

	drop_batch(streams);
	*batch = (struct http_batch){.is_made = true, .after = after, .upto = after};
	chunk_buf_init(&streams->text, BATCH_MAX);
	streams->reader.event_seen = after;
	events_read(&driver->events, &streams->reader);
	batch->len = chunk_buf_bytes(&streams->text).len;
	if (batch->len > 0)
		batch->chunk = chunk_from_buf(&driver->loop->store, &streams->text);
	if (batch->len == 0 || batch->chunk)
		batch->upto = streams->reader.event_seen;
	buf_free(&streams->text);
}

static void put_events(struct http_streams *streams, struct http_stream *stream)
{
	struct http_batch *batch = &streams->batch;

	if (!batch->is_made || batch->after != stream->seen)
		make_batch(streams, stream->seen);
	stream->seen = batch->upto;
	if (batch->chunk)
		link_put_shared(stream->link, batch->chunk,
				(struct bytes){batch->chunk->data, batch->len});
}

/* --- the state --- */

static void put_status(const struct http_streams *streams, struct http_stream *stream,
		       const struct http_answer *status)
{
	char lines[LINES_MAX];
	int len =
		snprintf(lines, sizeof(lines), "id: %" PRIu64 "-%" PRIu64 "\nevent: status\ndata: ",
			 events_of(streams)->epoch, stream->seen);

	link_put(stream->link, lines, (size_t)len);
	link_put_shared(stream->link, status->chunk, status->body);
	link_put(stream->link, "\n\n", 2);
	stream->put_at = loop_now(streams->answers->driver->loop);
}

static void on_due(evutil_socket_t fd, short what, void *argument)
{
	struct http_streams *streams = argument;
	struct list_node *node, *after;
	struct http_answer status;

	(void)fd;
	(void)what;
	http_answer_state(streams->answers, &status);
	list_for_each_safe (node, after, &streams->streams) {
		struct http_stream *stream = of_node(node);

		if (!status.chunk || stream->link->out.bytes > 0)
			continue;
		put_events(streams, stream);
		put_status(streams, stream, &status);
	}
	chunk_unref(status.chunk);
	drop_batch(streams);
	if (!list_empty(&streams->streams))
		loop_set_event_timer(&streams->timer, PAUSE);
}

/* --- from its beginning to its end --- */

static bool read_decimal(struct bytes *text, uint64_t *ret)
{
	size_t len = 0;

	*ret = 0;
	for (; len < text->len && text->data[len] >= '0' && text->data[len] <= '9'; len++)
		*ret = *ret * 10 + (uint64_t)(text->data[len] - '0');
	text->data += len;
	text->len -= len;
	return len > 0 && len <= 18;
}

/* The event that an id names: EPOCH-SEQ, or SEQ in the present epoch.  0 for any other, as whoever
 * was somewhere else has missed all that is kept. */
static uint64_t place_of(const struct events *events, struct bytes id)
{
	uint64_t epoch, seq;

	if (!read_decimal(&id, &epoch))
		return 0;
	if (id.len == 0)
		return epoch;
	if (id.data[0] != '-' || epoch != events->epoch)
		return 0;
	id.data++;
	id.len--;
	return read_decimal(&id, &seq) && id.len == 0 ? seq : 0;
}

/* Where the request says that it was: as a browser says when it comes back, or in its query. */
static uint64_t find_place(const struct events *events, const struct http_request *request)
{
	static const char since[] = "since=";
	const size_t len = sizeof(since) - 1;
	struct bytes query = request->query;
	uint64_t place = events->sequence;

	if (request->last_id.len > 0)
		place = place_of(events, request->last_id);
	else if (query.len > len && memcmp(query.data, since, len) == 0)
		place = place_of(events, (struct bytes){query.data + len, query.len - len});
	return place <= events->sequence ? place : 0;
}

void http_stream_open(struct http_streams *streams, struct http_stream *stream, struct link *link,
		      const struct http_request *request)
{
	struct http_answer status;
	char lines[LINES_MAX];
	int len = snprintf(lines, sizeof(lines), "retry: %d\n\n", RETRY_MS);

	*stream = (struct http_stream){
		.streams = streams,
		.link = link,
		.seen = find_place(events_of(streams), request),
	};
	link_put(link, lines, (size_t)len);
	http_answer_state(streams->answers, &status);
	if (status.chunk)
		put_status(streams, stream, &status);
	chunk_unref(status.chunk);
	if (list_empty(&streams->streams))
		loop_set_event_timer(&streams->timer, PAUSE);
	list_push_back(&streams->streams, &stream->in_streams);
}

void http_stream_close(struct http_stream *stream)
{
	if (!stream->streams)
		return;
	list_remove(&stream->streams->streams, &stream->in_streams);
	if (list_empty(&stream->streams->streams))
		event_del(&stream->streams->timer);
	*stream = (struct http_stream){0};
}

bool http_streams_have_room(const struct http_streams *streams)
{
	return !streams->is_over && streams->streams.len < HTTP_STREAMS_MAX;
}

void http_streams_finish(struct http_streams *streams)
{
	struct list_node *node, *after;
	char lines[LINES_MAX];
	int len =
		snprintf(lines, sizeof(lines), "retry: %d\nevent: end\ndata: {}\n\n", RETRY_MS_END);

	streams->is_over = true;
	list_for_each_safe (node, after, &streams->streams) {
		struct http_stream *stream = of_node(node);
		struct link *link = stream->link;

		/* The last ones, such as that the daemon is stopping. */
		if (link->out.bytes == 0)
			put_events(streams, stream);
		link_put(link, lines, (size_t)len);
		http_stream_close(stream);
		link_close_when_written(link);
	}
	drop_batch(streams);
}

void http_streams_init(struct http_streams *streams, struct http_answers *answers, bool texts)
{
	*streams = (struct http_streams){.answers = answers};
	http_reader_init(&streams->reader, &reader_ops, texts);
	/* No stream can name kinds, and spans come to those who do only. */
	streams->reader.event_kinds = event_kinds_unnamed();
	list_init(&streams->streams);
	evtimer_assign(&streams->timer, answers->driver->loop->base, on_due, streams);
}

void http_streams_done(struct http_streams *streams)
{
	event_del(&streams->timer);
	drop_batch(streams);
}
