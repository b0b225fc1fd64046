/*
 * A client's session against a daemon of the test's own, in random order: requests, cancels,
 * partial writes and reads, deadlines, lost and refused connections.  Whatever happens,
 *
 *   - every request gets exactly one callback, and a result is its own;
 *   - chunks come in order and before the callback, all of them before a result;
 *   - the daemon never sees a request whole twice, nor an id twice at the same time;
 *   - who is told `executed no` can rely on it.
 */
#include "client/lib/client_session.h"

#include <errno.h>
#include <string.h>

#include "protocol/envelope.h"
#include "protocol/read.h"
#include "tests/lib/prop.h"
#include "tests/lib/unit.h"
#include "tests/lib/wire.h"

#define STEPS	     300
#define STREAM_MAX   ((size_t)1024 * 1024)
#define REQUESTS_MAX STEPS

struct request {
	uint32_t id;
	unsigned reported; /* callbacks */
	unsigned seen;	   /* times the daemon read it whole */
	unsigned chunks_sent;
	unsigned chunks_reported;
};

/* What the daemon has read and not answered. */
struct open_request {
	uint32_t id;
	unsigned number; /* which request; REQUESTS_MAX: hello */
};

struct world {
	struct prop prop;
	struct client_session session;
	struct request requests[REQUESTS_MAX];
	unsigned count;
	usec_t now;
	bool is_connected;
	struct buf to_daemon; /* bytes written and not read whole */
	struct buf to_client; /* bytes answered and not taken */
	struct open_request open[REQUESTS_MAX + 1];
	size_t open_count;
};

static unsigned number_of(const struct world *world, const struct request *request)
{
	return (unsigned)(request - world->requests);
}

static struct world *current;

/* A chunk is [number of the request, number of the chunk]. */
static void on_chunk(void *userdata, struct poold_bytes value)
{
	struct request *request = userdata;
	struct world *world = current;
	struct poold_reader reader = poold_reader_init(value);
	uint32_t count;
	uint64_t number = 0, nth = 0;

	poold_read_array(&reader, &count);
	poold_read_uint(&reader, &number);
	poold_read_uint(&reader, &nth);
	prop_check(&world->prop,
		   request->reported == 0 && number == number_of(world, request) &&
			   nth == request->chunks_reported,
		   "request %u got chunk %" PRIu64 " of %" PRIu64, number_of(world, request), nth,
		   number);
	request->chunks_reported++;
}

static void on_reply(void *userdata, const struct poold_reply *reply)
{
	struct request *request = userdata;
	struct world *world = current;
	struct poold_reader reader = poold_reader_init(reply->result);
	uint64_t value = 0;

	request->reported++;
	prop_check(&world->prop, request->reported == 1, "request %u told twice",
		   number_of(world, request));
	if (reply->status == 0) {
		poold_read_uint(&reader, &value);
		prop_check(&world->prop, request->seen == 1 && value == number_of(world, request),
			   "request %u got the result of %" PRIu64, number_of(world, request),
			   value);
		prop_check(&world->prop, request->chunks_reported == request->chunks_sent,
			   "request %u lost a chunk", number_of(world, request));
	} else if (reply->error.executed == POOLD_EXECUTED_NO) {
		prop_check(&world->prop, request->seen == 0, "request %u was seen after all",
			   number_of(world, request));
	}
}

static void start_one(struct world *world)
{
	struct request *request = &world->requests[world->count];
	usec_t deadline = prop_chance(&world->prop, 50) ? world->now + prop_below(&world->prop, 100)
							: USEC_INFINITY;
	struct buf params;

	buf_init(&params, 64);
	pack_array(&params, 1);
	pack_uint(&params, world->count);

	struct bytes part = {params.data, params.len};
	struct client_start start = {.method = "m",
				     .parts = &part,
				     .part_count = 1,
				     .deadline = deadline,
				     .callback = on_reply,
				     .userdata = request,
				     .stream = {on_chunk, NULL, request}};
	int r = client_session_start(&world->session, &start, &request->id);

	if (r == 0)
		world->count++;
	else
		prop_check(&world->prop, r == -EBUSY, "start: %d", r);
	buf_free(&params);
}

static void on_request(struct world *world, const struct envelope *envelope)
{
	struct reader params;
	struct open_request open = {envelope->id, REQUESTS_MAX};
	uint32_t count;
	uint64_t number;

	for (size_t i = 0; i < world->open_count; i++)
		prop_check(&world->prop, world->open[i].id != open.id, "id %u twice", open.id);
	reader_init(&params, envelope->params.data, envelope->params.len);
	if (read_array(&params, &count) == 0 && read_uint(&params, &number) == 0) {
		open.number = (unsigned)number;
		world->requests[number].seen++;
		prop_check(&world->prop, world->requests[number].seen == 1, "request %u seen twice",
			   open.number);
	}
	world->open[world->open_count++] = open;
}

static void drop_first(struct buf *buf, size_t len)
{
	memmove(buf->data, buf->data + len, buf->len - len);
	buf->len -= len;
}

static void daemon_reads(struct world *world)
{
	struct envelope envelope;
	size_t len;

	while ((len = skip_value(world->to_daemon.data, world->to_daemon.len, STREAM_MAX)) > 0) {
		prop_check(&world->prop, envelope_read(world->to_daemon.data, len, &envelope) == 0,
			   "not an envelope");
		if (envelope.type == ENVELOPE_REQUEST)
			on_request(world, &envelope);
		drop_first(&world->to_daemon, len);
	}
}

static void write_some(struct world *world)
{
	struct iovec slices[3];
	size_t count = client_session_output(&world->session, slices, ARRAY_SIZE(slices));
	size_t left = (size_t)prop_below(&world->prop, 100);
	size_t written = 0;

	for (size_t i = 0; i < count && left > 0; i++) {
		size_t len = slices[i].iov_len < left ? slices[i].iov_len : left;

		buf_put(&world->to_daemon, slices[i].iov_base, len);
		left -= len;
		written += len;
	}
	client_session_wrote(&world->session, written);
	daemon_reads(world);
}

static void send_chunk(struct world *world, struct open_request open)
{
	uint8_t head[ENVELOPE_HEAD_MAX + METHOD_LEN_MAX];
	const struct bytes method = {(const uint8_t *)"poold.chunk", strlen("poold.chunk")};
	struct buf *out = &world->to_client;

	buf_put(out, head, envelope_put_notification(head, method));
	pack_array(out, 2);
	pack_uint(out, open.id);
	pack_array(out, 2);
	pack_uint(out, open.number);
	pack_uint(out, world->requests[open.number].chunks_sent++);
}

static void answer_one(struct world *world)
{
	uint8_t head[ENVELOPE_HEAD_MAX];
	struct buf *out = &world->to_client;

	if (world->open_count == 0)
		return;
	size_t chosen = (size_t)prop_below(&world->prop, world->open_count);
	struct open_request open = world->open[chosen];

	if (open.number < REQUESTS_MAX && prop_chance(&world->prop, 40)) {
		send_chunk(world, open);
		return;
	}
	world->open[chosen] = world->open[--world->open_count];
	if (prop_chance(&world->prop, 70)) {
		buf_put(out, head, envelope_put_result(head, open.id));
		pack_uint(out, open.number);
	} else {
		buf_put(out, head, envelope_put_error(head, open.id));
		wire_put(out, "{'code': 'exception', 'executed': 'yes'} nil");
	}
}

static void read_some(struct world *world)
{
	size_t len = (size_t)prop_below(&world->prop, world->to_client.len + 1);
	uint8_t *room;
	size_t room_len;

	if (len == 0)
		return;
	ck_assert_int_eq(client_session_space(&world->session, &room, &room_len), 0);
	ck_assert_uint_ge(room_len, len);
	memcpy(room, world->to_client.data, len);
	drop_first(&world->to_client, len);
	ck_assert_int_eq(client_session_took(&world->session, len), 0);
}

static void lose(struct world *world)
{
	client_session_lost(&world->session, -ECONNRESET, "gone");
	world->is_connected = false;
	world->open_count = 0;
	buf_reset(&world->to_daemon);
	buf_reset(&world->to_client);
}

static void reconnect(struct world *world)
{
	if (prop_chance(&world->prop, 30)) {
		client_session_refused(&world->session, -ENOENT, "refused");
	} else {
		ck_assert_int_eq(client_session_begin(&world->session), 0);
		world->is_connected = true;
	}
}

static void cancel_one(struct world *world)
{
	if (world->count > 0)
		client_session_cancel(&world->session,
				      world->requests[prop_below(&world->prop, world->count)].id);
}

/* As the driver does: without a connection, nothing starts or waits. */
static void step(struct world *world)
{
	uint64_t dice = prop_below(&world->prop, 100);

	if (!world->is_connected)
		reconnect(world);
	else if (dice < 30)
		start_one(world);
	else if (dice < 55)
		write_some(world);
	else if (dice < 70)
		answer_one(world);
	else if (dice < 85)
		read_some(world);
	else if (dice < 92)
		cancel_one(world);
	else if (dice < 97)
		world->now += prop_below(&world->prop, 30);
	else
		lose(world);
	client_session_tick(&world->session, world->now);
	client_session_deliver(&world->session);
}

static void run_world(struct world *world)
{
	current = world;
	client_session_init(&world->session,
			    (struct client_session_limits){
				    .response_max = 4096, .output_max = 4096, .in_flight_max = 12},
			    "t");
	buf_init(&world->to_daemon, STREAM_MAX);
	buf_init(&world->to_client, STREAM_MAX);
	for (unsigned i = 0; i < STEPS; i++)
		step(world);
	lose(world);
	client_session_refused(&world->session, -ENOENT, "the end");
	client_session_deliver(&world->session);
	for (unsigned i = 0; i < world->count; i++)
		prop_check(&world->prop, world->requests[i].reported == 1,
			   "request %u was told %u times", i, world->requests[i].reported);
	prop_check(&world->prop, client_requests_count(&world->session.requests) == 0,
		   "a slot is lost");
	prop_check(&world->prop, world->session.outbox.bytes == 0, "output is miscounted");
	client_session_done(&world->session);
	buf_free(&world->to_daemon);
	buf_free(&world->to_client);
}

START_TEST(one_callback_whatever_happens)
{
	static struct world world;
	struct prop_rounds rounds = prop_rounds(2000);
	struct prop prop;

	while (prop_round(&rounds, &prop)) {
		memset(&world, 0, sizeof(world));
		world.prop = prop;
		run_world(&world);
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {one_callback_whatever_happens};

	return unit_main("client_random", tests, ARRAY_SIZE(tests));
}
