/*
 * Lets allocations of a program fail, one after another.  The program is linked with
 * $(SHORTAGE_LDFLAGS) of the Makefile, by which malloc, calloc and realloc in the project's own code
 * come through here.
 */
#ifndef POOLD_TESTS_SHORTAGE_H
#define POOLD_TESTS_SHORTAGE_H

#include <stdbool.h>

/* The k-th allocation from now on fails (1: the next one), and with `lasting` all after it. */
void shortage_begin(unsigned k, bool lasting);

/* No allocation fails any more.  Returns whether one did. */
bool shortage_end(void);

/* While it is paused no allocation fails, nor is one counted: for the test's own. */
void shortage_pause(bool pause);

#endif
