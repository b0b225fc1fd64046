/*
 * How long a connection over HTTP may take for what: each limit, up to its last microsecond and after
 * it.  The connection and the driver are real; the test says how much time has passed.
 */
#include "daemon/io/frontend/http_connection.h"

#include "daemon/io/base/log.h"
#include "daemon/io/driver/driver.h"
#include "daemon/io/frontend/http.h"
#include "daemon/io/worker/guard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/test_config.h"

#define MEMORY ((size_t)64 * 1024 * 1024)

/* The state of so many pools is larger than what such a socket holds. */
#define POOLS	     20
#define SOCKET_BYTES 4096

struct world {
	char folder[32];
	const struct config *config;
	struct guard guard;
	struct loop loop;
	struct driver driver;
	struct http http;
	struct http_connection *connection;
	int peer; /* the other end of it */
};

static void ignore(void *owner)
{
	(void)owner;
}

static const struct config *make_config(const char *folder)
{
	const struct config *config;
	struct buf text;

	buf_init(&text, TEXT_MAX);
	buf_printf(&text, "[http]\nlisten = unix:%s/http\n", folder);
	for (unsigned i = 0; i < POOLS; i++)
		buf_printf(&text, "[pool p%u]\nadapter = static\nanswer = 1\n", i);
	config = must_parse(text_of(&text));
	buf_free(&text);
	return config;
}

static void open_connection(struct world *world)
{
	const int bytes = SOCKET_BYTES;
	int fds[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds),
			 0);
	ck_assert_int_eq(setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)), 0);
	ck_assert_int_eq(http_connection_open(&world->http, fds[0]), 0);
	world->connection = list_entry(list_first(&world->http.connections), struct http_connection,
				       in_connections);
	world->peer = fds[1];
}

static void open_world(struct world *world)
{
	const struct rlimit files = {.rlim_cur = 256, .rlim_max = 256};
	char why[SOCKET_FILE_WHY_SIZE];

	ck_assert_int_eq(log_open(LOG_TARGET_STDERR, LOG_LEVEL_ERROR), 0);
	*world = (struct world){.folder = "/tmp/test-http.XXXXXX",
				.guard = {.instance = "test-http", .pid = getpid()}};
	ck_assert_ptr_nonnull(mkdtemp(world->folder));
	world->config = make_config(world->folder);
	ck_assert_int_eq(loop_init(&world->loop, MEMORY), 0);
	ck_assert_int_eq(
		driver_init(&world->driver, &world->loop, world->config, &world->guard, &files), 0);
	world->driver.on_change = ignore;
	world->driver.on_stopped = ignore;
	driver_start(&world->driver);
	ck_assert_int_eq(http_open(&world->http, &world->driver, why), 0);
	open_connection(world);
}

static void close_world(struct world *world)
{
	http_close(&world->http);
	link_free_closed(&world->loop);
	ck_assert(list_empty(&world->http.connections));
	driver_done(&world->driver);
	loop_done(&world->loop);
	config_unref(world->config);
	log_close();
	close(world->peer);
	ck_assert_int_eq(rmdir(world->folder), 0);
}

/* Its peer sends that, and it is read. */
static void hear(struct world *world, const char *text)
{
	ck_assert_int_eq(write(world->peer, text, strlen(text)), (ssize_t)strlen(text));
	event_base_loop(world->loop.base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
	loop_leave(&world->loop);
	loop_run(&world->loop);
}

static void hear_request(struct world *world, const char *path)
{
	char text[128];

	snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path);
	hear(world, text);
}

/* The connection becomes that when so much time has passed, and not before. */
static void expect_limit(struct world *world, usec_t since, usec_t limit, enum http_state next)
{
	struct http_connection *connection = world->connection;
	enum http_state now = connection->state;

	http_connection_check(connection, since);
	http_connection_check(connection, since + limit - 1);
	ck_assert_int_eq((int)connection->state, (int)now);
	http_connection_check(connection, since + limit);
	ck_assert_int_eq((int)connection->state, (int)next);
}

static void expect_state(const struct world *world, enum http_state state)
{
	ck_assert_int_eq((int)world->connection->state, (int)state);
}

static void expect_refused(const struct world *world, uint64_t count)
{
	ck_assert_uint_eq(world->driver.stats.http_refused, count);
}

/* Its peer reads all that comes within the next turns, until nothing more does. */
static void read_all(struct world *world)
{
	static char bytes[65536];

	while (world->connection->link.out.bytes > 0) {
		while (read(world->peer, bytes, sizeof(bytes)) > 0)
			continue;
		hear(world, "");
	}
}

START_TEST(the_first_request_is_awaited)
{
	struct world world;

	open_world(&world);
	expect_limit(&world, world.connection->since, 10 * USEC_PER_SEC, HTTP_CLOSED);
	/* It stays in the list until its link is freed, and nothing more happens to it. */
	http_connection_check(world.connection, world.connection->since + 100 * USEC_PER_SEC);
	expect_state(&world, HTTP_CLOSED);
	expect_refused(&world, 0);
	close_world(&world);
}
END_TEST

START_TEST(so_is_the_next_one_for_longer)
{
	struct world world;

	open_world(&world);
	hear_request(&world, "/healthz");
	expect_state(&world, HTTP_READING);
	ck_assert_uint_eq(world.connection->requests, 1);
	expect_limit(&world, world.connection->since, 75 * USEC_PER_SEC, HTTP_CLOSED);
	expect_refused(&world, 0);
	close_world(&world);
}
END_TEST

START_TEST(who_sends_a_request_slowly)
{
	struct world world;
	usec_t seen;

	open_world(&world);
	hear(&world, "GET /healthz HT");
	seen = world.connection->since + 9 * USEC_PER_SEC;
	expect_limit(&world, seen, 5 * USEC_PER_SEC, HTTP_REFUSED);
	expect_refused(&world, 1);
	expect_limit(&world, world.connection->since, USEC_PER_SEC, HTTP_CLOSED);
	close_world(&world);
}
END_TEST

START_TEST(who_reads_an_answer_slowly)
{
	struct world world;

	open_world(&world);
	hear_request(&world, "/api/status");
	expect_state(&world, HTTP_ANSWERING);
	expect_limit(&world, world.connection->since, 30 * USEC_PER_SEC, HTTP_CLOSED);
	expect_refused(&world, 1);
	close_world(&world);
}
END_TEST

START_TEST(who_reads_a_stream_slowly)
{
	struct world world;

	open_world(&world);
	hear_request(&world, "/api/events");
	expect_state(&world, HTTP_STREAMING);
	/* The time of the state that is being read counts, not that of the stream. */
	world.connection->stream.put_at += USEC_PER_SEC;
	expect_limit(&world, world.connection->stream.put_at, 30 * USEC_PER_SEC, HTTP_CLOSED);
	expect_refused(&world, 1);
	close_world(&world);
}
END_TEST

START_TEST(who_has_read_all_of_a_stream_stays)
{
	struct world world;

	open_world(&world);
	hear_request(&world, "/api/events");
	read_all(&world);
	http_connection_check(world.connection,
			      world.connection->stream.put_at + 1000 * USEC_PER_SEC);
	expect_state(&world, HTTP_STREAMING);
	expect_refused(&world, 0);
	close_world(&world);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		the_first_request_is_awaited, so_is_the_next_one_for_longer,
		who_sends_a_request_slowly,   who_reads_an_answer_slowly,
		who_reads_a_stream_slowly,    who_has_read_all_of_a_stream_stays,
	};

	return unit_main("http_connection", tests, ARRAY_SIZE(tests));
}
