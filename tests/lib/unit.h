/* The main function of every unit test, and a call that detects failed assertions. */
#ifndef POOLD_TESTS_UNIT_H
#define POOLD_TESTS_UNIT_H

#include <check.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * Runs the tests as one suite, each as a case with the name of its function: CK_RUN_CASE=name in
 * the environment runs only that one.  Returns the exit status of main: 1 if a test failed or none
 * ran.
 */
int unit_main(const char *name, const TTest *const *tests, size_t count);

/*
 * Calls the function and returns whether it ended in an abort, as a failed assertion does.  `quiet`
 * hides what it writes to stderr.  Works without forks, so under valgrind too.
 */
bool unit_aborts(void (*function)(void *), void *argument, bool quiet);

#endif
