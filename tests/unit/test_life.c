#include "daemon/io/worker/life.h"

#include "daemon/io/worker/identity.h"
#include "protocol/read.h"
#include "tests/unit/test_config.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define REPORTED_MAX ((size_t)4096)

/* A life whose owner writes down what is reported, and leaves the loop at each report. */
struct world {
	struct loop loop;
	struct cgroups cgroups; /* there are none */
	struct rlimit files;
	struct identity identity; /* the test's own */
	struct life life;
	struct buf reported;
};

/* --- the owner --- */

static void report(struct world *world, const char *text)
{
	buf_printf(&world->reported, "%s\n", text);
	loop_leave(&world->loop);
}

static void on_ready(struct channel *channel, const struct channel_ready *ready)
{
	(void)ready;
	report(channel->owner, "ready");
}

static void on_answer(struct channel *channel, uint32_t id, const struct channel_answer *answer)
{
	(void)id;
	report(channel->owner, answer->has_failed ? errcode_name(answer->error.code) : "result");
}

/* The channel of a process may be closed before its end is noticed, or after. */
static void on_broken(struct channel *channel, enum errcode code)
{
	if (code != ERR_peer_closed)
		report(channel->owner, errcode_name(code));
	channel_close(channel);
}

static void on_alive(struct channel *channel)
{
	(void)channel;
}

static const struct channel_handler channel_handler = {
	.on_ready = on_ready, .on_answer = on_answer, .on_alive = on_alive, .on_broken = on_broken};

static void on_unreachable(struct life *life, int error)
{
	(void)error;
	report(life->owner, life->last_end);
}

static void on_output(struct life *life, enum output_stream stream, struct bytes line,
		      unsigned part)
{
	struct world *world = life->owner;

	(void)stream;
	(void)part;
	buf_put(&world->reported, line.data, line.len);
	report(world, "");
}

static void on_output_dropped(struct life *life, uint64_t count)
{
	(void)count;
	report(life->owner, "dropped");
}

static void on_exit_of_life(struct life *life, const struct process_end *end)
{
	report(life->owner, end ? "process ended" : "connection ended");
}

static const struct life_handler life_handler = {
	.on_unreachable = on_unreachable,
	.on_output = on_output,
	.on_output_dropped = on_output_dropped,
	.on_exit = on_exit_of_life,
};

static void on_turn(void *owner)
{
	(void)owner;
}

/* --- the test --- */

static void open_world(struct world *world)
{
	*world = (struct world){0};
	ck_assert_int_eq(loop_init(&world->loop, (size_t)1 << 24), 0);
	world->loop.on_turn = on_turn;
	cgroups_init(&world->cgroups, &world->loop);
	getrlimit(RLIMIT_NOFILE, &world->files);
	buf_init(&world->reported, REPORTED_MAX);
	life_init(&world->life, &world->loop, 0, 1024, &life_handler, &channel_handler, world);
	world->life.cgroups = &world->cgroups;
}

static void close_world(struct world *world)
{
	life_done(&world->life);
	link_free_closed(&world->loop);
	cgroups_close(&world->cgroups);
	buf_free(&world->reported);
	loop_done(&world->loop);
}

/* Starts the next life, with a configuration that nobody else keeps. */
static int start(struct world *world, const char *text)
{
	const struct config *config = must_parse(text);
	const struct start start = {.loop = &world->loop,
				    .pool = &config->pools[0],
				    .instance = "t",
				    .open_files = &world->files,
				    .identity = &world->identity};
	int r;

	world->life.number++;
	r = life_start(&world->life, &start, 1, 4096);
	config_unref(config);
	return r;
}

/* Runs the loop until as many lines were reported. */
static void expect(struct world *world, const char *lines)
{
	while (world->reported.len < strlen(lines)) {
		world->loop.is_leaving = false;
		loop_run(&world->loop);
	}
	ck_assert_str_eq(text_of(&world->reported), lines);
	buf_reset(&world->reported);
}

/* `cat` sends back the request, which the daemon refuses, and then the refusal: it is an answer. */
START_TEST(a_process_keeps_its_configuration)
{
	static const uint8_t nil = 0xc0;
	const struct channel_request request = {
		.id = 1, .method = {(const uint8_t *)"m", 1}, .args = {&nil, 1}};
	struct world world;

	open_world(&world);
	ck_assert_int_eq(start(&world, "[pool a]\ncommand = /bin/cat\ndialect = jsonrpc\n"), 0);
	ck_assert_int_gt(world.life.process.pid, 0);
	channel_open(&world.life.channel);
	expect(&world, "ready\n");
	ck_assert_str_eq(world.life.pool->argv[0], "/bin/cat");
	ck_assert_ptr_null(channel_send(&world.life.channel, &request));
	expect(&world, "unknown_method\n");
	life_signal(&world.life, SIGTERM, false);
	expect(&world, "process ended\n");
	ck_assert_str_eq(world.life.last_end, "signal 15 (Terminated)");
	ck_assert_int_eq(world.life.process.pid, 0);

	/* The next one has another, and the first is gone. */
	ck_assert_int_eq(start(&world, "[pool a]\ncommand = /nonexistent\ndialect = jsonrpc\n"),
			 -ENOENT);
	ck_assert_str_eq(world.life.pool->argv[0], "/nonexistent");
	ck_assert_str_eq(world.life.last_end,
			 "could not be started: command /nonexistent: No such file or directory");
	close_world(&world);
}
END_TEST

START_TEST(the_last_lines_of_a_process_are_kept)
{
	struct world world;

	open_world(&world);
	ck_assert_int_eq(start(&world, "[pool a]\ncommand = /bin/cat /nonexistent\n"
				       "dialect = jsonrpc\nenv.LC_ALL = C\n"),
			 0);
	expect(&world, "/bin/cat: /nonexistent: No such file or directory\n"
		       "process ended\n");
	ck_assert_str_eq(world.life.last_end, "exit status 1");
	ck_assert(bytes_equal(world.life.last_stderr,
			      "/bin/cat: /nonexistent: No such file or directory"));
	close_world(&world);
}
END_TEST

/* Its page comes first, with a message of 8 bytes; a shell can't take its descriptor.  The last two bytes
 * of the other are those of a MessagePack number of 32 bits. */
START_TEST(a_worker_is_asked_on_a_socket_of_its_own)
{
	struct world world;

	open_world(&world);
	ck_assert_int_eq(start(&world,
			       "[pool a]\n"
			       "command = /bin/sh -c \"echo $POOLD_RECALL_FD; "
			       "head -c 8 <&4 | tail -c 5 | head -c 4; echo; "
			       "head -c 15 <&4 | tail -c 2 | od -An -tx1; head -c 1 <&4\"\n"),
			 0);
	ck_assert_int_ge(world.life.channel.recall, 0);
	channel_recall(&world.life.channel, 0x0708);
	expect(&world, "4\npage\n 07 08\n");
	channel_close(&world.life.channel);
	ck_assert_int_eq(world.life.channel.recall, -1);
	expect(&world, "process ended\n");
	close_world(&world);
}
END_TEST

START_TEST(no_socket_where_nothing_waits_at_a_worker)
{
	static const char *const pools[] = {
		"prefetch = 0\ncommand = /bin/sh -c \"echo ${POOLD_RECALL_FD-none}\"\n",
		"dialect = msgpack-rpc\ncommand = /bin/sh -c \"echo ${POOLD_RECALL_FD-none} "
		">&2\"\n"};
	struct world world;
	char text[256];

	open_world(&world);
	for (size_t i = 0; i < ARRAY_SIZE(pools); i++) {
		snprintf(text, sizeof(text), "[pool a]\n%s", pools[i]);
		ck_assert_int_eq(start(&world, text), 0);
		ck_assert_int_eq(world.life.channel.recall, -1);
		channel_recall(&world.life.channel, 1);
		expect(&world, "none\nprocess ended\n");
	}
	close_world(&world);
}
END_TEST

/* A worker that does not read has its questions dropped, and is asked no more when it has closed
 * the socket. */
START_TEST(nobody_waits_for_a_worker_that_does_not_listen)
{
	struct world world;

	open_world(&world);
	ck_assert_int_eq(start(&world, "[pool a]\ncommand = /bin/sh -c \"head -c 1 <&3 >&4; "
				       "exec 4<&-; echo closed; exec sleep 1000\"\n"),
			 0);
	for (uint32_t id = 1; id <= 100000; id++)
		channel_recall(&world.life.channel, id);
	ck_assert_int_ge(world.life.channel.recall, 0);
	channel_cancel(&world.life.channel, 1);
	expect(&world, "closed\n");
	channel_recall(&world.life.channel, 1);
	ck_assert_int_eq(world.life.channel.recall, -1);
	channel_recall(&world.life.channel, 2);
	life_signal(&world.life, SIGKILL, false);
	expect(&world, "process ended\n");
	close_world(&world);
}
END_TEST

/* It has answered and ended before anybody looks. */
START_TEST(the_last_answer_of_a_process_is_heard)
{
	struct world world;
	siginfo_t info;

	open_world(&world);
	ck_assert_int_eq(start(&world,
			       "[pool a]\ncommand = /bin/echo '{\"jsonrpc\":\"2.0\",\"id\":1,"
			       "\"result\":2}'\ndialect = jsonrpc\n"),
			 0);
	ck_assert_int_eq(waitid(P_PID, (id_t)world.life.process.pid, &info, WEXITED | WNOWAIT), 0);
	channel_open(&world.life.channel);
	expect(&world, "ready\nresult\nprocess ended\n");
	close_world(&world);
}
END_TEST

static int listen_at(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	unlink(path);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(fd, 1), 0);
	return fd;
}

START_TEST(a_connection_that_the_server_closes_ends_the_life)
{
	char path[64], text[256];
	struct world world;
	int fd, peer;

	snprintf(path, sizeof(path), "/tmp/poold-test-life-%d", (int)getpid());
	snprintf(text, sizeof(text),
		 "[pool a]\nadapter = socket\naddress = %s\ndialect = jsonrpc\n", path);
	open_world(&world);
	fd = listen_at(path);
	ck_assert_int_eq(start(&world, text), 0);
	expect(&world, "ready\n");
	/* A server is not asked to end. */
	life_shutdown(&world.life);
	peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	ck_assert_int_ge(peer, 0);
	close(peer);
	expect(&world, "connection ended\n");
	ck_assert_str_eq(world.life.last_end, "it closed its channel");

	unlink(path);
	close(fd);
	ck_assert_int_eq(start(&world, text), -ENOENT);
	ck_assert_str_eq(world.life.last_end, "not reached: No such file or directory");
	close_world(&world);
}
END_TEST

START_TEST(nobody_has_no_memory)
{
	ck_assert_uint_gt(process_rss(getpid()), 0);
	/* Beyond the greatest number that a process can have. */
	ck_assert_uint_eq(process_rss(INT_MAX), 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_process_keeps_its_configuration,
		the_last_lines_of_a_process_are_kept,
		a_worker_is_asked_on_a_socket_of_its_own,
		no_socket_where_nothing_waits_at_a_worker,
		nobody_waits_for_a_worker_that_does_not_listen,
		the_last_answer_of_a_process_is_heard,
		a_connection_that_the_server_closes_ends_the_life,
		nobody_has_no_memory,
	};

	return unit_main("life", tests, ARRAY_SIZE(tests));
}
