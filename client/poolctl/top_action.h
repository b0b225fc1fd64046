/* What an operator can do from `poolctl top`: which call of the daemon each makes, in words and in
 * bytes.  It is pure. */
#ifndef POOLD_POOLCTL_TOP_ACTION_H
#define POOLD_POOLCTL_TOP_ACTION_H

#include "client/poolctl/sheet.h"

#include <poold.h>
#include <stdbool.h>
#include <stdint.h>

#define TOP_LINE_MAX 512

enum top_act {
	TOP_ACT_NONE = 0,
	TOP_ACT_BREAKER_RESET,
	TOP_ACT_BREAKER_OPEN,
	TOP_ACT_RESTART,
	TOP_ACT_DRAIN,
	TOP_ACT_RESUME,
	TOP_ACT_TERM,
	TOP_ACT_KILL,
	TOP_ACT_CANCEL,
	TOP_ACT_COUNT_
};

struct top_action {
	enum top_act act;
	char pool[SHEET_ID_MAX];
	int64_t worker, request;
};

/* The action of that key, TOP_ACT_NONE: it has none. */
enum top_act top_action_of_key(int key);
/* The key of an action, and what it does in a few words, for the help. */
int top_action_key(enum top_act act);
const char *top_action_summary(enum top_act act);

/* Makes the action for what a row is about.  Returns false, and then says in `fault` why it has
 * none. */
bool top_action_make(struct top_action *action, enum top_act act, const struct sheet_row *row,
		     char fault[TOP_LINE_MAX]);
/* What it will do, as a sentence.  Returns `out`. */
const char *top_action_sentence(const struct top_action *action, char out[TOP_LINE_MAX]);
/* The call: poold.drain ["images"].  Returns `out`. */
const char *top_action_call(const struct top_action *action, char out[TOP_LINE_MAX]);
const char *top_action_method(const struct top_action *action);
void top_action_write(const struct top_action *action, struct poold_writer *params);

#endif
