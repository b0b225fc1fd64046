#include "tests/lib/unit.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <unistd.h>

/* Seconds for one test: sanitizers and valgrind slow a property test down a lot. */
#define TIMEOUT 120

int unit_main(const char *suite, const TTest *const *tests, size_t count)
{
	Suite *whole = suite_create(suite);
	TCase *tcase = tcase_create(suite);
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, TIMEOUT);
	for (size_t i = 0; i < count; i++)
		tcase_add_test(tcase, tests[i]);
	suite_add_tcase(whole, tcase);
	runner = srunner_create(whole);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed > 0;
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
