#include "protocol/nearest.h"

#include <string.h>

/* Longer words are not compared: nobody mistypes those. */
#define WORD_MAX 48

static char plain(char c)
{
	static const char upper[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	const char *at = c != '\0' ? strchr(upper, c) : NULL;

	if (at)
		return "abcdefghijklmnopqrstuvwxyz"[at - upper];
	if (c == '-')
		return '_';
	return c;
}

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* How many letters are added, missing, changed, or swapped with their neighbour. */
static unsigned distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	unsigned rows[3][WORD_MAX + 1];
	unsigned *before = rows[0], *last = rows[1], *row = rows[2];

	for (unsigned j = 0; j <= b_len; j++)
		last[j] = j;
	for (unsigned i = 1; i <= a_len; i++) {
		unsigned *free_row = before;

		row[0] = i;
		for (unsigned j = 1; j <= b_len; j++) {
			bool is_same = plain(a[i - 1]) == plain(b[j - 1]);

			row[j] = least(last[j - 1] + !is_same, least(last[j], row[j - 1]) + 1);
			if (i > 1 && j > 1 && plain(a[i - 1]) == plain(b[j - 2]) &&
			    plain(a[i - 2]) == plain(b[j - 1]))
				row[j] = least(row[j], before[j - 2] + 1);
		}
		before = last;
		last = row;
		row = free_row;
	}
	return last[b_len];
}

void nearest_init(struct nearest *nearest, const char *word)
{
	*nearest = (struct nearest){.word = word};
}

void nearest_offer(struct nearest *nearest, const char *known)
{
	size_t len = strlen(nearest->word), known_len = strlen(known);
	unsigned found;

	if (len == 0 || len > WORD_MAX || known_len > WORD_MAX)
		return;
	found = distance(nearest->word, len, known, known_len);
	if (found > (len + 2) / 3 || found >= known_len ||
	    (nearest->found && found >= nearest->distance))
		return;
	nearest->found = known;
	nearest->distance = found;
}
