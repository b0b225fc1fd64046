/*
 * How a request ended, in two letters: who ended it, and where it was then.
 *
 * The letters are for people and for programs that count: in the log, in poold.errors, in the error
 * map.  Not each letter goes with each other one: the table of tests/unit/test_outcome_code.c has those
 * that occur.
 */
#ifndef POOLD_CORE_OUTCOME_CODE_H
#define POOLD_CORE_OUTCOME_CODE_H

#include "protocol/errcode.h"

/* BY(NAME, letter, text): who ended it. */
#define OUTCOME_BYS(BY)                                                                            \
	BY(NOBODY, '-', "it was answered with a result")                                           \
	BY(CLIENT, 'C', "its client cancelled it, or was gone")                                    \
	BY(DAEMON, 'D', "the daemon refused it, ended it, or could not go on with it")             \
	BY(WORKER, 'W', "a worker failed, or answered with an error")                              \
	BY(DEADLINE, 'T', "its time, or that of an attempt, was over")

/* AT(NAME, letter, text): where it was then. */
#define OUTCOME_ATS(AT)                                                                            \
	AT(QUEUE, 'Q', "no worker had run it: it waited, or was refused")                          \
	AT(ATTEMPT, 'A', "in its first attempt at a worker")                                       \
	AT(RETRY, 'R', "in a retry, or while it waited for one")                                   \
	AT(FALLBACK, 'F', "in a fallback of its pool")                                             \
	AT(REPLY, 'P', "in its answer: a part was given, or all was there and could not be given")

enum outcome_by {
#define BY(name, letter, text) OUTCOME_BY_##name,
	OUTCOME_BYS(BY)
#undef BY
	OUTCOME_BY_COUNT_
};

enum outcome_at {
#define AT(name, letter, text) OUTCOME_AT_##name,
	OUTCOME_ATS(AT)
#undef AT
	OUTCOME_AT_COUNT_
};

struct outcome_code {
	enum outcome_by by;
	enum outcome_at at;
};

/* All that it depends on. */
struct outcome_code_case {
	enum errcode code;	/* ERR_NONE: it was answered with a result */
	bool is_gone;		/* its client is */
	bool is_from_worker;	/* the worker reported the error */
	bool was_attempted;	/* the failure is that of an attempt */
	enum executed executed; /* whether a worker has run it */
	bool has_begun_answer;	/* its client has parts of an answer */
	unsigned attempts;	/* times it was sent to a worker */
	unsigned retries;	/* of these: retries in the pool where it was last */
	unsigned level;		/* of the chain where it was last; above 0: a fallback */
};

struct outcome_code outcome_code_of(const struct outcome_code_case *facts);

/* The two letters, as a text that is always there. */
const char *outcome_code_text(struct outcome_code outcome);

#endif
