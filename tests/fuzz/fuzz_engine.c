/* Bytes as events: whatever comes in whatever order, the engine keeps its promises
 * (tests/lib/havoc.h). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/havoc.h"

#define WORDS_MAX 512

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t words[WORDS_MAX];
	size_t len = size / sizeof(words[0]);
	const char *wrong;

	if (len > WORDS_MAX)
		len = WORDS_MAX;
	memcpy(words, data, len * sizeof(words[0]));
	wrong = havoc_run(words, len, NULL);
	if (!wrong)
		return 0;
	havoc_run(words, len, stderr);
	fprintf(stderr, "%s\n", wrong);
	abort();
}
