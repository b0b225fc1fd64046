#include "daemon/io/worker/forkserver.h"

#include "daemon/io/worker/identity.h"
#include "daemon/io/worker/orphans.h"
#include "daemon/io/worker/process_stat.h"
#include "tests/unit/test_config.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define FORK_REQUESTS_MAX 3
#define MEMORY		  ((size_t)64 * 1024 * 1024)

/* One fork request, and its result. */
struct order {
	struct world *world;
	struct fork_request fork_request;
	int other_end; /* of its channel */
	pid_t pid;
	int error;
	struct process_end end;
	unsigned reported;
};

struct world {
	struct loop loop;
	struct rlimit files;
	struct identity identity; /* the test's own */
	struct forkserver server;
	struct order orders[FORK_REQUESTS_MAX];
	unsigned awaited; /* the loop ends when so many were reported */
};

static void notify(struct order *order)
{
	order->reported++;
	if (--order->world->awaited == 0)
		loop_leave(&order->world->loop);
}

static void on_forked(void *owner, pid_t pid)
{
	struct order *order = owner;

	order->pid = pid;
	notify(order);
}

static void on_not_forked(void *owner, int error, const struct process_end *end)
{
	struct order *order = owner;

	order->error = error;
	if (end)
		order->end = *end;
	notify(order);
}

/* A fork server of pool `a` of this configuration, which nobody else keeps. */
static void open_configured(struct world *world, const char *text)
{
	struct start start = {.loop = &world->loop,
			      .instance = "t",
			      .open_files = &world->files,
			      .identity = &world->identity};
	const struct config *config = must_parse(text);

	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	*world = (struct world){0};
	ck_assert_int_eq(loop_init(&world->loop, MEMORY), 0);
	getrlimit(RLIMIT_NOFILE, &world->files);
	start.pool = &config->pools[0];
	forkserver_init(&world->server, &start, 0);
	config_unref(config);
}

static void open_world(struct world *world, const char *mode)
{
	char text[256];

	snprintf(text, sizeof(text),
		 "[pool a]\ncommand = /usr/bin/python3 -SEI tests/unit/forkserver.py %s\n"
		 "prefork = yes\n",
		 mode);
	open_configured(world, text);
}

static void close_world(struct world *world)
{
	for (size_t i = 0; i < FORK_REQUESTS_MAX; i++) {
		struct order *order = &world->orders[i];

		if (order->world)
			close(order->other_end);
		if (order->pid > 1 && waitpid(order->pid, NULL, WNOHANG) == 0) {
			kill(order->pid, SIGKILL);
			waitpid(order->pid, NULL, 0);
		}
	}
	forkserver_done(&world->server);
	loop_done(&world->loop);
}

static void hold(struct world *world, size_t i)
{
	struct order *order = &world->orders[i];
	int ends[2];

	ck_assert_int_eq(process_make_channel(ends), 0);
	*order = (struct order){.world = world, .other_end = ends[0]};
	order->fork_request = (struct fork_request){.files = {ends[1], -1, -1, -1},
						    .on_forked = on_forked,
						    .on_not_forked = on_not_forked,
						    .owner = order};
}

static void order(struct world *world, size_t i)
{
	hold(world, i);
	ck_assert_int_eq(forkserver_fork(&world->server, &world->orders[i].fork_request), 0);
}

static void run_until_reported(struct world *world, unsigned count)
{
	world->loop.is_leaving = false;
	world->awaited = count;
	loop_run(&world->loop);
}

START_TEST(fork_requests_are_done_in_order)
{
	struct world world;

	open_world(&world, "fork");
	for (size_t i = 0; i < FORK_REQUESTS_MAX; i++)
		order(&world, i);
	run_until_reported(&world, FORK_REQUESTS_MAX);
	for (size_t i = 0; i < FORK_REQUESTS_MAX; i++) {
		siginfo_t info;

		ck_assert_uint_eq(world.orders[i].reported, 1);
		ck_assert_int_gt(world.orders[i].pid, 1);
		ck_assert(!fork_request_is_waiting(&world.orders[i].fork_request));
		ck_assert_int_eq(waitid(P_PID, (id_t)world.orders[i].pid, &info,
					WEXITED | WNOHANG | WNOWAIT),
				 0);
		ck_assert_int_eq(getsid(world.orders[i].pid), world.orders[i].pid);
	}
	close_world(&world);
}
END_TEST

START_TEST(what_the_system_refuses)
{
	struct world world;

	open_world(&world, "refuse");
	order(&world, 0);
	order(&world, 1);
	run_until_reported(&world, 2);
	for (size_t i = 0; i < 2; i++) {
		ck_assert_int_eq(world.orders[i].error, -EAGAIN);
		ck_assert_int_eq(world.orders[i].end.status, 0);
	}
	ck_assert_int_gt(world.server.process.pid, 0);
	close_world(&world);
}
END_TEST

/* The server answers with the additions that it was given. */
START_TEST(files_and_additions_are_handed_over)
{
	struct world world;
	char text[64] = "";
	int out[2], err[2];
	struct order *first = &world.orders[0];

	open_world(&world, "show");
	ck_assert_int_eq(pipe(out), 0);
	ck_assert_int_eq(pipe(err), 0);
	hold(&world, 0);
	snprintf(first->fork_request.additions[0], FORK_REQUEST_ADDITION_MAX, "A=1=2");
	snprintf(first->fork_request.additions[1], FORK_REQUEST_ADDITION_MAX, "B=");
	first->fork_request.files[1] = out[1];
	first->fork_request.files[2] = err[1];
	ck_assert_int_eq(forkserver_fork(&world.server, &first->fork_request), 0);
	run_until_reported(&world, 1);
	ck_assert_int_eq(first->error, -EAGAIN);
	ck_assert_int_eq(read(err[0], text, sizeof(text)), 4);
	ck_assert_str_eq(text, "here");
	ck_assert_int_eq(read(out[0], text, sizeof(text)), 10);
	ck_assert_mem_eq(text,
			 "\x82\xa1"
			 "A\xa3"
			 "1=2\xa1"
			 "B\xa0",
			 10);
	ck_assert_int_eq(read(out[0], text, sizeof(text)), 0); /* no other process has it open */
	close(out[0]);
	close(err[0]);
	close_world(&world);
}
END_TEST

/* One that knows nothing of recall sockets would take it for standard output. */
START_TEST(a_recall_socket_only_for_who_takes_it)
{
	static const char *const modes[] = {"recall", "fork"};
	char text[64] = "";

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		struct world world;
		int ends[2];

		open_world(&world, modes[i]);
		ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
		hold(&world, 0);
		world.orders[0].fork_request.files[FORK_REQUEST_RECALL] = ends[1];
		ck_assert_int_eq(forkserver_fork(&world.server, &world.orders[0].fork_request), 0);
		run_until_reported(&world, 1);
		ck_assert_int_gt(world.orders[0].pid, 1);
		ck_assert_int_eq(read(ends[0], text, sizeof(text)), i == 0 ? 5 : 0);
		close(ends[0]);
		close_world(&world);
	}
}
END_TEST

/* The end of the server is reported to all requests that wait. */
START_TEST(one_that_never_gets_ready)
{
	struct world world;

	open_world(&world, "unready");
	order(&world, 0);
	order(&world, 1);
	run_until_reported(&world, 2);
	for (size_t i = 0; i < 2; i++) {
		ck_assert_int_eq(world.orders[i].end.status, 3);
		ck_assert(!world.orders[i].end.is_signalled);
	}
	ck_assert_int_eq(world.server.process.pid, 0);
	close_world(&world);
}
END_TEST

/* Only the request that it was forking fails; another server forks the others. */
START_TEST(one_that_dies_at_its_work)
{
	struct world world;

	open_world(&world, "die");
	for (size_t i = 0; i < FORK_REQUESTS_MAX; i++)
		order(&world, i);
	run_until_reported(&world, 1);
	ck_assert_uint_eq(world.orders[0].reported, 1);
	ck_assert_int_eq(world.orders[0].end.status, 4);
	ck_assert_uint_eq(world.orders[1].reported, 0);
	run_until_reported(&world, 2);
	ck_assert_uint_eq(world.orders[2].reported, 1);
	close_world(&world);
}
END_TEST

START_TEST(what_it_must_not_say)
{
	static const char *const modes[] = {"garbage", "text",	   "wordy",
					    "request", "other_id", "half"};

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		struct world world;

		open_world(&world, modes[i]);
		order(&world, 0);
		if (strcmp(modes[i], "half") == 0) {
			/* It may still go on: forkserver_kill decides when it takes too long. */
			world.awaited = 1;
			while (!forkserver_is_forking(&world.server))
				event_base_loop(world.loop.base, EVLOOP_ONCE);
			forkserver_kill(&world.server);
		}
		run_until_reported(&world, 1);
		ck_assert_msg(world.orders[0].end.is_signalled && world.orders[0].pid == 0, "%s",
			      modes[i]);
		close_world(&world);
	}
}
END_TEST

START_TEST(ready_twice_is_ready_once)
{
	struct world world;

	open_world(&world, "twice");
	order(&world, 0);
	run_until_reported(&world, 1);
	ck_assert_int_gt(world.orders[0].pid, 1);
	close_world(&world);
}
END_TEST

static void end_children(void)
{
	struct process_table all = {0};

	ck_assert_int_eq(process_table_read(&all), 0);
	for (size_t i = 0; i < all.count; i++) {
		if (all.entries[i].parent != getpid())
			continue;
		kill(all.entries[i].pid, SIGKILL);
		waitpid(all.entries[i].pid, NULL, 0);
	}
	process_table_free(&all);
}

/* It names a process that the daemon has not asked it for: it ends, and nobody else does. */
START_TEST(what_it_has_not_forked)
{
	static const char *const lies[] = {"first",    "daemon",   "itself",	  "child",
					   "nobody",   "earlier",  "sessionless", "sibling",
					   "stranger", "negative", "huge"};

	for (size_t i = 0; i < ARRAY_SIZE(lies); i++) {
		struct world world;

		open_world(&world, lies[i]);
		order(&world, 0);
		run_until_reported(&world, 1);
		ck_assert_msg(world.orders[0].pid == 0 && world.orders[0].error == 0, "%s",
			      lies[i]);
		ck_assert_msg(world.orders[0].end.is_signalled &&
				      world.orders[0].end.status == SIGKILL,
			      "%s", lies[i]);
		ck_assert_int_eq(world.server.process.pid, 0);
		close_world(&world);
		end_children();
	}
}
END_TEST

START_TEST(a_process_that_is_in_use_is_not_given_twice)
{
	struct world world;
	struct orphans orphans = {0};
	siginfo_t info;

	open_world(&world, "again");
	world.loop.orphans = &orphans;
	order(&world, 0);
	run_until_reported(&world, 1);
	ck_assert_int_gt(world.orders[0].pid, 1);
	ck_assert_int_eq(orphans_track(&orphans, world.orders[0].pid), 0);
	order(&world, 1);
	run_until_reported(&world, 1);
	ck_assert_int_eq(world.orders[1].pid, 0);
	ck_assert_int_eq(world.orders[1].end.status, SIGKILL);
	ck_assert_int_eq(
		waitid(P_PID, (id_t)world.orders[0].pid, &info, WEXITED | WNOHANG | WNOWAIT), 0);
	world.loop.orphans = NULL;
	free(orphans.tracked);
	close_world(&world);
}
END_TEST

static void on_exit_of_adopted(void *owner, const struct process_end *end)
{
	struct world *world = owner;

	ck_assert(end->is_signalled);
	ck_assert_int_eq(end->status, SIGTERM);
	loop_leave(&world->loop);
}

/* A process that has ended before it was adopted is reported too. */
START_TEST(an_adopted_one_is_watched_and_reaped)
{
	struct world world;
	struct process process;

	open_world(&world, "fork");
	for (unsigned late = 0; late < 2; late++) {
		siginfo_t info;
		pid_t pid;

		order(&world, 0);
		run_until_reported(&world, 1);
		pid = world.orders[0].pid;
		close(world.orders[0].other_end);
		if (late) {
			kill(pid, SIGTERM);
			waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
		}
		ck_assert_int_eq(
			process_adopt(&process, &world.loop, pid, on_exit_of_adopted, &world), 0);
		process_signal(&process, SIGTERM);
		world.loop.is_leaving = false;
		loop_run(&world.loop);
		ck_assert_int_eq(process.pid, 0);
		ck_assert_int_eq(waitpid(pid, NULL, WNOHANG), -1);
		world.orders[0] = (struct order){0};
	}
	close_world(&world);
}
END_TEST

/* A request that was not sent can be cancelled, one that was sent cannot. */
START_TEST(fork_requests_are_cancelled)
{
	struct world world;

	open_world(&world, "mute");
	order(&world, 0);
	order(&world, 1);
	while (!forkserver_is_forking(&world.server))
		event_base_loop(world.loop.base, EVLOOP_ONCE);
	ck_assert(!forkserver_cancel(&world.server, &world.orders[0].fork_request));
	ck_assert(forkserver_cancel(&world.server, &world.orders[1].fork_request));
	ck_assert(!fork_request_is_waiting(&world.orders[1].fork_request));
	forkserver_kill(&world.server);
	run_until_reported(&world, 1);
	ck_assert_uint_eq(world.orders[0].reported, 1);
	ck_assert_int_eq(world.orders[0].end.status, SIGKILL);
	ck_assert_uint_eq(world.orders[1].reported, 0);
	close_world(&world);
}
END_TEST

/* A server that closes its socket exits by itself or is killed. */
START_TEST(one_that_hangs_up)
{
	struct world world;

	open_world(&world, "hang_up");
	order(&world, 0);
	run_until_reported(&world, 1);
	ck_assert_int_eq(world.orders[0].end.status, SIGKILL);
	close_world(&world);
}
END_TEST

/* It is not reported to the requests that wait. */
START_TEST(renewed)
{
	struct world world;
	pid_t before;

	open_world(&world, "fork");
	forkserver_renew(&world.server);
	ck_assert_int_eq(world.server.process.pid, 0);
	order(&world, 0);
	run_until_reported(&world, 1);
	before = world.server.process.pid;
	forkserver_renew(&world.server);
	order(&world, 1);
	run_until_reported(&world, 1);
	ck_assert_int_gt(world.orders[1].pid, 1);
	ck_assert_int_ne(world.server.process.pid, before);
	forkserver_renew(&world.server);
	order(&world, 2);
	forkserver_renew(&world.server);
	run_until_reported(&world, 1);
	ck_assert_int_gt(world.orders[2].pid, 1);
	close_world(&world);
}
END_TEST

START_TEST(renewed_while_it_forks)
{
	struct world world;
	pid_t before;

	open_world(&world, "fork");
	order(&world, 0);
	order(&world, 1);
	while (!forkserver_is_forking(&world.server))
		event_base_loop(world.loop.base, EVLOOP_ONCE);
	before = world.server.process.pid;
	forkserver_renew(&world.server);
	run_until_reported(&world, 2);
	ck_assert_int_gt(world.orders[0].pid, 1);
	ck_assert_int_gt(world.orders[1].pid, 1);
	ck_assert_int_ne(world.server.process.pid, before);
	close_world(&world);
}
END_TEST

START_TEST(a_command_that_is_not_there)
{
	struct world world;
	struct fork_request fork_request = {.files = {-1, -1, -1}};

	open_configured(&world, "[pool a]\ncommand = /nonexistent\nprefork = yes\n");
	ck_assert_int_eq(forkserver_fork(&world.server, &fork_request), -ENOENT);
	ck_assert(!fork_request_is_waiting(&fork_request));
	close_world(&world);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		fork_requests_are_done_in_order,
		what_the_system_refuses,
		files_and_additions_are_handed_over,
		a_recall_socket_only_for_who_takes_it,
		one_that_never_gets_ready,
		one_that_dies_at_its_work,
		what_it_must_not_say,
		ready_twice_is_ready_once,
		what_it_has_not_forked,
		a_process_that_is_in_use_is_not_given_twice,
		an_adopted_one_is_watched_and_reaped,
		fork_requests_are_cancelled,
		one_that_hangs_up,
		renewed,
		renewed_while_it_forks,
		a_command_that_is_not_there,
	};

	return unit_main("forkserver", tests, ARRAY_SIZE(tests));
}
