#include "tests/lib/unit.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

/* Seconds after which a test hangs: sanitizers, valgrind and a busy machine slow a property test down a lot. */
#define TIMEOUT 600

/* Check selects by case and not by test: a case of its own for each test, under the test's name. */
static void add_test(Suite *suite, const TTest *test)
{
	TCase *tcase = tcase_create(test->name);

	tcase_set_timeout(tcase, TIMEOUT);
	tcase_add_test(tcase, test);
	suite_add_tcase(suite, tcase);
}

int unit_main(const char *name, const TTest *const *tests, size_t count)
{
	Suite *suite = suite_create(name);
	SRunner *runner;
	int ran, failed;

	for (size_t i = 0; i < count; i++)
		add_test(suite, tests[i]);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	ran = srunner_ntests_run(runner);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	if (ran == 0)
		fprintf(stderr, "%s: CK_RUN_CASE or CK_RUN_SUITE names none of its tests\n", name);
	return ran == 0 || failed > 0;
}

static sigjmp_buf aborted;

static void on_abort(int number)
{
	(void)number;
	siglongjmp(aborted, 1);
}

static int silence_stderr(void)
{
	int kept = dup(STDERR_FILENO);
	int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);

	dup2(nowhere, STDERR_FILENO);
	close(nowhere);
	return kept;
}

static void restore_stderr(int kept)
{
	dup2(kept, STDERR_FILENO);
	close(kept);
}

bool unit_aborts(void (*function)(void *), void *argument, bool quiet)
{
	struct sigaction before, ours = {.sa_handler = on_abort};
	volatile int kept = quiet ? silence_stderr() : -1;
	volatile bool ended = true;

	sigaction(SIGABRT, &ours, &before);
	if (sigsetjmp(aborted, 1) == 0) {
		function(argument);
		ended = false;
	}
	sigaction(SIGABRT, &before, NULL);
	if (kept >= 0)
		restore_stderr(kept);
	return ended;
}
