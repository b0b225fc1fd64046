/* The words that `poolctl explain` knows: a table that explain.awk makes from the documents and from
 * the tables of the code, so that they are said in one place. */
#ifndef POOLD_POOLCTL_EXPLAIN_H
#define POOLD_POOLCTL_EXPLAIN_H

#include <stddef.h>

struct explanation {
	const char *kind; /* "error code", "event", "metric", "state of a worker" and so on */
	const char *word;
	const char *facts; /* what its table says, in lines; "": nothing */
	const char *text;  /* what it means and what to do */
	const char *page;  /* the title of its page in the runbook; NULL: it has none */
};

extern const struct explanation explanations[];
extern const size_t explanation_count;

#endif
