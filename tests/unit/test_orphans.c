/* Its static functions are tested too, so the file is included. */
#include "daemon/io/worker/orphans.c" // NOLINT(bugprone-suspicious-include)

#include "tests/lib/unit.h"

#include <sys/resource.h>

static const char instance[] = "0123456789abcdef0123456789abcdef";

struct fixture {
	struct loop loop;
	struct orphans orphans;
	uint32_t living; /* the life of worker 1 that goes on */
};

static bool is_living(void *owner, uint32_t worker, uint32_t life)
{
	return worker == 1 && life == ((struct fixture *)owner)->living;
}

static struct fixture *begin(void)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	ck_assert_ptr_nonnull(fixture);
	fixture->living = 2;
	ck_assert_int_eq(loop_init(&fixture->loop, (size_t)1 << 20), 0);
	ck_assert_int_eq(
		orphans_init(&fixture->orphans, &fixture->loop, instance, is_living, fixture), 0);
	return fixture;
}

static void end(struct fixture *fixture)
{
	orphans_done(&fixture->orphans);
	loop_done(&fixture->loop);
	free(fixture);
}

/* A child that sleeps, with the tag of this life; 0: without a tag. */
static pid_t start(uint32_t life)
{
	char mark[sizeof(PROCESS_TAG_LIFE) + PROCESS_TAG_LIFE_SIZE] = PROCESS_TAG_LIFE "=";
	char *const arguments[] = {(char[]){"sleep"}, (char[]){"1000"}, NULL};
	char *const environment[] = {life > 0 ? mark : NULL, NULL};
	int ready[2];
	char byte;
	pid_t pid;

	process_tag_life(instance, 1, life, mark + strlen(PROCESS_TAG_LIFE) + 1);
	ck_assert_int_eq(pipe2(ready, O_CLOEXEC), 0); /* closed once it executes the program */
	pid = fork();
	if (pid == 0) {
		execve("/bin/sleep", arguments, environment);
		_exit(127);
	}
	close(ready[1]);
	ck_assert_int_eq(read(ready[0], &byte, 1), 0);
	close(ready[0]);
	return pid;
}

static bool is_there(pid_t pid)
{
	return kill(pid, 0) == 0;
}

/* Turns of the loop until the sweep is over. */
static void sweep(struct fixture *fixture)
{
	orphans_sweep(&fixture->orphans);
	while (fixture->orphans.steps_left > 0)
		event_base_loop(fixture->loop.base, EVLOOP_ONCE);
}

START_TEST(a_sweep_takes_the_dead_lives_and_no_others)
{
	struct fixture *fixture = begin();
	pid_t dead = start(1), living = start(2), unmarked = start(0), known = start(1);

	ck_assert_int_eq(orphans_track(&fixture->orphans, known), 0);
	sweep(fixture);
	ck_assert(!is_there(dead));
	ck_assert(!is_there(unmarked));
	ck_assert(is_there(living));
	ck_assert(is_there(known));
	ck_assert_uint_ge(fixture->orphans.killed, 2);
	/* Its life ends too; and a child that is not tracked any more is an orphan like others. */
	fixture->living = 3;
	orphans_untrack(&fixture->orphans, known);
	sweep(fixture);
	ck_assert(!is_there(living));
	ck_assert(!is_there(known));
	end(fixture);
}
END_TEST

START_TEST(who_was_there_before_is_left_alone)
{
	pid_t inherited = start(0);
	struct fixture *fixture = begin();

	sweep(fixture);
	ck_assert(is_there(inherited));
	/* And it is reaped when it ends. */
	kill(inherited, SIGKILL);
	while (is_there(inherited))
		event_base_loop(fixture->loop.base, EVLOOP_ONCE);
	end(fixture);
}
END_TEST

START_TEST(more_than_one_step_takes_are_all_found)
{
	struct fixture *fixture = begin();
	pid_t pids[READ_MAX + 20];

	/* Those of the life that goes on come before the others. */
	for (size_t i = 0; i < ARRAY_SIZE(pids); i++)
		pids[i] = start(i < READ_MAX + 10 ? 2 : i % 2);
	sweep(fixture);
	for (size_t i = 0; i < ARRAY_SIZE(pids); i++)
		ck_assert(is_there(pids[i]) == (i < READ_MAX + 10));
	fixture->living = 3;
	sweep(fixture);
	for (size_t i = 0; i < ARRAY_SIZE(pids); i++)
		ck_assert(!is_there(pids[i]));
	end(fixture);
}
END_TEST

START_TEST(who_ends_by_himself_is_reaped)
{
	struct fixture *fixture = begin();
	pid_t pid = start(2), known = start(2);

	ck_assert_int_eq(orphans_track(&fixture->orphans, known), 0);
	kill(known, SIGKILL);
	kill(pid, SIGKILL);
	while (is_there(pid))
		event_base_loop(fixture->loop.base, EVLOOP_ONCE);
	/* A tracked child is for other code to wait for. */
	ck_assert_int_eq(waitpid(known, NULL, 0), known);
	end(fixture);
}
END_TEST

static void set_files_limit(rlim_t most)
{
	struct rlimit limit;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = most;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* A sweep that can't look goes on until it can. */
START_TEST(without_descriptors_a_sweep_goes_on)
{
	struct fixture *fixture = begin();
	pid_t dead = start(1), living = start(2);

	set_files_limit(0);
	orphans_sweep(&fixture->orphans);
	for (unsigned i = 0; i < 3; i++)
		event_base_loop(fixture->loop.base, EVLOOP_ONCE);
	ck_assert(is_there(dead));
	ck_assert_uint_gt(fixture->orphans.steps_left, 0);
	set_files_limit(1024);
	while (fixture->orphans.steps_left > 0)
		event_base_loop(fixture->loop.base, EVLOOP_ONCE);
	ck_assert(!is_there(dead));
	ck_assert(is_there(living));
	/* Whoever ends meanwhile is reaped later. */
	set_files_limit(0);
	kill(living, SIGKILL);
	event_base_loop(fixture->loop.base, EVLOOP_ONCE);
	set_files_limit(1024);
	while (is_there(living))
		event_base_loop(fixture->loop.base, EVLOOP_ONCE);
	end(fixture);
}
END_TEST

/* Who was there before must be known. */
START_TEST(without_descriptors_there_is_no_begin)
{
	struct orphans orphans;
	struct loop loop;

	ck_assert_int_eq(loop_init(&loop, (size_t)1 << 20), 0);
	set_files_limit(0);
	ck_assert_int_eq(orphans_init(&orphans, &loop, instance, is_living, NULL), -EMFILE);
	set_files_limit(1024);
	orphans_done(&orphans);
	loop_done(&loop);
}
END_TEST

START_TEST(the_known_are_kept_in_order)
{
	static const pid_t pids[] = {5, 9, 7, 1, 8, 3};
	struct fixture *fixture = begin();
	struct orphans *orphans = &fixture->orphans;

	for (size_t i = 0; i < ARRAY_SIZE(pids); i++)
		ck_assert_int_eq(orphans_track(orphans, pids[i]), 0);
	for (size_t i = 1; i < orphans->tracked_count; i++)
		ck_assert_int_lt(orphans->tracked[i - 1], orphans->tracked[i]);
	for (pid_t pid = 0; pid < 11; pid++)
		ck_assert(has_pid(orphans->tracked, orphans->tracked_count, pid) ==
			  (pid == 1 || pid == 3 || pid == 5 || (pid >= 7 && pid <= 9)));
	orphans_untrack(orphans, 4);
	ck_assert_uint_eq(orphans->tracked_count, ARRAY_SIZE(pids));
	for (size_t i = 0; i < ARRAY_SIZE(pids); i++)
		orphans_untrack(orphans, pids[i]);
	ck_assert_uint_eq(orphans->tracked_count, 0);
	end(fixture);
}
END_TEST

START_TEST(a_search_finds_the_same_as_the_kernel_says)
{
	pid_t pids[] = {start(1), start(2), start(0)};
	struct pids reported = {0}, found = {0};

	ck_assert_int_eq(list_by_search(&found), 0);
	ck_assert_uint_eq(found.count, ARRAY_SIZE(pids));
	if (list_by_kernel(&reported) == 0) {
		ck_assert_uint_eq(reported.count, found.count);
		qsort(reported.pids, reported.count, sizeof(pid_t), compare_pids);
		qsort(found.pids, found.count, sizeof(pid_t), compare_pids);
		ck_assert_mem_eq(reported.pids, found.pids, reported.count * sizeof(pid_t));
	}
	for (size_t i = 0; i < ARRAY_SIZE(pids); i++) {
		ck_assert(has_pid(found.pids, found.count, pids[i]));
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
	}
	free(reported.pids);
	free(found.pids);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_sweep_takes_the_dead_lives_and_no_others,
		who_was_there_before_is_left_alone,
		more_than_one_step_takes_are_all_found,
		who_ends_by_himself_is_reaped,
		without_descriptors_a_sweep_goes_on,
		without_descriptors_there_is_no_begin,
		the_known_are_kept_in_order,
		a_search_finds_the_same_as_the_kernel_says,
	};

	return unit_main("orphans", tests, ARRAY_SIZE(tests));
}
