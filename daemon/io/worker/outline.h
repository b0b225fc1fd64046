/*
 * The outline of a JSON message that there is no memory to keep: which request it answers.  The
 * bytes come piece by piece, and nothing of them is kept but a few flags.
 *
 * Only the members of the outermost object count.  Whether the rest is JSON is not looked at.
 */
#ifndef POOLD_IO_WORKER_OUTLINE_H
#define POOLD_IO_WORKER_OUTLINE_H

#include "protocol/base.h"

enum outline_member {
	OUTLINE_OTHER = 0,
	OUTLINE_ID,
	OUTLINE_METHOD,
	OUTLINE_RESULT,
	OUTLINE_ERROR,
	OUTLINE_MEMBER_COUNT_
};

/* Room for a key, or for a number of 32 bits. */
#define OUTLINE_WORD_MAX 11

struct outline {
	unsigned counts[OUTLINE_MEMBER_COUNT_]; /* how often each came */
	bool has_number;			/* the id is a number of 32 bits, in `id` */
	uint32_t id;

	/* Where the last piece ended. */
	uint64_t depth;
	bool is_in_text;
	bool is_escaped;	    /* behind a backslash */
	bool is_value;		    /* behind a colon of the outermost object */
	bool is_text;		    /* the word below is between quotes */
	enum outline_member member; /* whose value comes or is there */
	size_t word_len;	    /* more than OUTLINE_WORD_MAX: too long, and of no interest */
	char word[OUTLINE_WORD_MAX];
};

void outline_init(struct outline *outline);
void outline_feed(struct outline *outline, struct bytes bytes);

/* Whether it answers a request; then *ret_id says which. */
bool outline_is_answer(const struct outline *outline, uint32_t *ret_id);

/* Whether it is a notification. */
bool outline_is_notification(const struct outline *outline);

#endif
