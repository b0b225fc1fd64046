/*
 * Runs the engine with any sequence of events that its contract allows, even one that real
 * processes would not cause.  The first 64 bits give the settings, each later 64 bits one
 * event.  The effects are compared to a naive model: a ledger of who owns each request's slot
 * and of the existing processes.
 */
#ifndef POOLD_TESTS_HAVOC_H
#define POOLD_TESTS_HAVOC_H

#include "daemon/core/worker_input.h"

#include <stdio.h>

/* Plays the events on a new engine, then stops it.  Returns NULL, or the text of what does not
 * hold.  Writes each event and effect to `trace` unless that is NULL. */
const char *havoc_run(const uint64_t *words, size_t len, FILE *trace);

/* The same, but most of what workers send is true and few of them die, so that they enter all
 * of their states. */
const char *havoc_run_calm(const uint64_t *words, size_t len);

/* Returns how often a worker in that state got that input, in all runs of this process. */
uint64_t havoc_inputs(enum worker_input input, enum worker_state state);

#endif
