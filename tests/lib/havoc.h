/*
 * The engine under any sequence of events that its contract allows, sensible or not: no physics, no
 * manners.  Each event is read from 64 bits, the first 64 give the settings.  A ledger of who owns
 * each request's slot and of which processes there are is the naive model that the effects are held
 * against.
 */
#ifndef POOLD_TESTS_HAVOC_H
#define POOLD_TESTS_HAVOC_H

#include "daemon/core/worker_input.h"

#include <stdio.h>

/*
 * Plays the events on a new engine, then stops it.  NULL, or in words what does not hold.  With
 * `trace` each event and effect is written there.
 */
const char *havoc_run(const uint64_t *words, size_t len, FILE *trace);

/* The same where most of what workers say is true, and few of them die: so that they come into all
 * of their states. */
const char *havoc_run_calm(const uint64_t *words, size_t len);

/* How often that input found a worker in that state, in all runs of this process. */
uint64_t havoc_inputs(enum worker_input input, enum worker_state state);

#endif
