/*
 * The engine's events and effects as text, one line each, for transcripts, traces and fuzzers.
 *
 * A worker is written SLOT.LIFE, a message to it by its id, a span of time with its unit (30us,
 * 250ms, 2s, never).
 */
#ifndef POOLD_TESTS_NARRATE_H
#define POOLD_TESTS_NARRATE_H

#include "daemon/core/engine.h"

#define NARRATE_MAX 200

/* Writes "2s", "250ms", "30us" or "never" to `text` (NARRATE_MAX bytes) and returns it. */
const char *narrate_span(usec_t span, char *text);

/* Each fills `text` (NARRATE_MAX bytes) and returns it. */
const char *narrate_event(const struct engine_event *event, char *text);
const char *narrate_effect(const struct effect *effect, char *text);

/*
 * Reads the event of such a line, without its time.  What the line does not contain has a default
 * (pool 0, normal priority, 3 attempts, 1 byte, timeout 1s, concurrency 1).  Names in the event are
 * slices of the line.  Returns false when the line is not valid.
 */
bool narrate_read_event(const char *line, struct engine_event *ret);

/* Reads a span as narrate_span writes it; returns false when the text is none. */
bool narrate_read_span(const char *text, usec_t *ret);

#endif
