/*
 * What is wrong with a pool or with the daemon, one problem after the other: which, since when, in
 * words, and what to do.  All reports and screens take it from here.
 *
 * First the troubles of the pool (enum pool_trouble), then the alerts that fire: those that name who is
 * behind it before the others.  An alert that only repeats a trouble is left out.
 */
#ifndef POOLD_IO_ADMIN_PROBLEM_H
#define POOLD_IO_ADMIN_PROBLEM_H

#include "daemon/io/driver/driver.h"
#include "protocol/buf.h"

/* About the daemon itself. */
#define PROBLEM_NO_POOL	    UINT32_MAX

#define PROBLEM_TEXT_MAX    1024
#define PROBLEM_COMMAND_MAX 128

struct alert_rule;
struct caller;

struct problem {
	const char *code;		/* "start_failed"; of an alert the name of its kind */
	const struct alert_rule *alert; /* whose alert it is; NULL: it is a trouble */
	usec_t since;			/* 0: unknown */
	char text[PROBLEM_TEXT_MAX];
	char advice[PROBLEM_TEXT_MAX];
	char command[PROBLEM_COMMAND_MAX]; /* for a shell: what shows more, or helps */
};

/* Where a walk is; begins with zeros. */
struct problem_cursor {
	size_t trouble;
	size_t naming;
	size_t other;
};

/* The problem of that pool after the cursor's, as the caller may read it; returns false when there are
 * no more. */
bool problem_next(const struct driver *driver, const struct caller *caller, uint32_t pool,
		  struct problem_cursor *cursor, struct problem *ret);

unsigned problem_count(const struct driver *driver, const struct caller *caller, uint32_t pool);

/* Appends to the text how that worker of the pool ended that was the last one to end without a plan
 * since that time, and had been ready: "; worker 2 ended last: exit status 3".  Appends nothing if there
 * is none, or the caller may not call the pool. */
void problem_append_exit(const struct driver *driver, const struct caller *caller, uint32_t pool,
			 usec_t since, char *text, size_t size);

/* Packs the array that poold.status has as `problems`. */
void problems_pack(const struct driver *driver, const struct caller *caller, uint32_t pool,
		   struct buf *out);

/* Packs an array of the texts alone, those of alerts with their names; or of the advice for
 * each. */
void problems_pack_texts(const struct driver *driver, const struct caller *caller, uint32_t pool,
			 struct buf *out);
void problems_pack_advice(const struct driver *driver, const struct caller *caller, uint32_t pool,
			  struct buf *out);

#endif
