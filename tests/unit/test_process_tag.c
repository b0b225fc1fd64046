#include "daemon/io/worker/process_tag.h"

#include "tests/lib/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char instance[] = "0123456789abcdef0123456789abcdef";

START_TEST(two_daemons_have_two_names)
{
	char one[PROCESS_TAG_INSTANCE_SIZE], other[PROCESS_TAG_INSTANCE_SIZE];

	ck_assert_int_eq(process_tag_draw(one), 0);
	ck_assert_int_eq(process_tag_draw(other), 0);
	ck_assert_uint_eq(strlen(one), PROCESS_TAG_INSTANCE_SIZE - 1);
	ck_assert_str_ne(one, other);
}
END_TEST

START_TEST(a_life_is_read_back)
{
	char name[PROCESS_TAG_LIFE_SIZE];
	uint32_t worker = 0, life = 0;

	process_tag_life(instance, UINT32_MAX, UINT32_MAX, name);
	ck_assert_int_eq(process_tag_parse_life(instance, name, &worker, &life), 0);
	ck_assert_uint_eq(worker, UINT32_MAX);
	ck_assert_uint_eq(life, UINT32_MAX);
}
END_TEST

START_TEST(what_is_no_life_of_ours_is_reported)
{
	static const char *const others[] = {
		"",
		"0123456789abcdef0123456789abcdef",
		"0123456789abcdef0123456789abcdef/1",
		"0123456789abcdef0123456789abcdef/1/",
		"0123456789abcdef0123456789abcdef/1/2x",
		"0123456789abcdef0123456789abcdef/ 1/2",
		"0123456789abcdef0123456789abcdef/1/-2",
		"0123456789abcdef0123456789abcdef/99999999999/2",
		"1123456789abcdef0123456789abcdef/1/2",
	};
	uint32_t worker = 7, life = 7;

	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		ck_assert_int_eq(process_tag_parse_life(instance, others[i], &worker, &life),
				 -EINVAL);
	ck_assert_uint_eq(worker + life, 14);
}
END_TEST

/* A process with this environment that sleeps until it is killed. */
static pid_t start(char *const environment[], int *ret_pipe)
{
	char *const arguments[] = {(char[]){"cat"}, NULL};
	int ends[2], ready[2];
	char byte;
	pid_t pid;

	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_eq(pipe2(ready, O_CLOEXEC), 0); /* closed once it executes the program */
	pid = fork();
	if (pid == 0) {
		dup2(ends[0], STDIN_FILENO);
		close(ends[1]);
		execve("/bin/cat", arguments, environment);
		_exit(127);
	}
	close(ends[0]);
	close(ready[1]);
	ck_assert_int_eq(read(ready[0], &byte, 1), 0);
	close(ready[0]);
	*ret_pipe = ends[1];
	return pid;
}

START_TEST(a_process_carries_its_tag)
{
	char *const environment[] = {(char[]){"NOT_POOLD_LIFE=x"}, (char[]){"POOLD_LIFE=abcdef"},
				     (char[]){"POOLD_LIFETIME=y"}, NULL};
	char value[8] = "", cut[4] = "";
	int hold;
	pid_t pid = start(environment, &hold);

	ck_assert_int_eq(process_tag_read(pid, PROCESS_TAG_LIFE, value, sizeof(value)), 1);
	ck_assert_str_eq(value, "abcdef");
	ck_assert_int_eq(process_tag_read(pid, PROCESS_TAG_LIFE, cut, sizeof(cut)), 1);
	ck_assert_str_eq(cut, "abc");
	ck_assert_int_eq(process_tag_read(pid, PROCESS_TAG_INSTANCE, value, sizeof(value)), 0);
	close(hold);
	waitpid(pid, NULL, 0);
	ck_assert_int_eq(process_tag_read(pid, PROCESS_TAG_LIFE, value, sizeof(value)), -ENOENT);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		two_daemons_have_two_names,
		a_life_is_read_back,
		what_is_no_life_of_ours_is_reported,
		a_process_carries_its_tag,
	};

	return unit_main("mark", tests, ARRAY_SIZE(tests));
}
