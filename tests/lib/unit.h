/* What every unit test's main does, and how a test sees an assertion of the code under test fail.
 */
#ifndef POOLD_TESTS_UNIT_H
#define POOLD_TESTS_UNIT_H

#include <check.h>
#include <stdbool.h>
#include <stddef.h>

/* Runs the tests as one suite; the exit status of main. */
int unit_main(const char *suite, const TTest *const *tests, size_t count);

/*
 * Calls the function: whether it ended in an abort, as a failed assertion does.  `quiet` hides what
 * it writes to stderr.  Works without forks, so under valgrind too.
 */
bool unit_aborts(void (*function)(void *), void *argument, bool quiet);

#endif
