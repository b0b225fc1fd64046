/* Which of the known words somebody may have meant who wrote another one. */
#ifndef POOLD_PROTOCOL_NEAREST_H
#define POOLD_PROTOCOL_NEAREST_H

#include "protocol/base.h"

struct nearest {
	const char *word;  /* what was written */
	const char *found; /* the nearest of the words that were offered; NULL: none is near */
	unsigned distance; /* of `found` */
};

/* `word` must stay as long as the struct is used. */
void nearest_init(struct nearest *nearest, const char *word);

/*
 * Offers one of the known words, which must stay too; of equally near ones the first is kept.  A
 * word is near when few letters of it, a third at most, are added, missing, changed or swapped;
 * upper and lower case, and - and _, count as the same.
 */
void nearest_offer(struct nearest *nearest, const char *known);

#endif
