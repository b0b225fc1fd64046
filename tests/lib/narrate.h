/*
 * The engine's events and effects in words, one line each, for transcripts, traces and fuzzers.
 *
 * A worker is written SLOT.LIFE, a message to it by its id, a span of time with its unit (30us,
 * 250ms, 2s, never).
 */
#ifndef POOLD_TESTS_NARRATE_H
#define POOLD_TESTS_NARRATE_H

#include "daemon/core/engine.h"

#define NARRATE_MAX 200

/* "2s", "250ms", "30us" or "never" into `text` (NARRATE_MAX bytes). */
const char *narrate_span(usec_t span, char *text);

/* Each fills `text` (NARRATE_MAX bytes) and returns it. */
const char *narrate_event(const struct engine_event *event, char *text);
const char *narrate_effect(const struct effect *effect, char *text);

/*
 * The event that such a line says, all but its time; what is not said has a default (pool 0, normal
 * priority, 3 attempts, 1 byte, timeout 1s, concurrency 1).  Names in it are slices of the line.
 * False when the line makes no sense.
 */
bool narrate_read_event(const char *line, struct engine_event *ret);

/* Reads a span as narrate_span writes it; false when it is none. */
bool narrate_read_span(const char *text, usec_t *ret);

#endif
