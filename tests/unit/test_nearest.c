#include "protocol/nearest.h"
#include "tests/lib/unit.h"

#include <string.h>

static const char *nearest_of(const char *word, const char *const *known)
{
	struct nearest nearest;

	nearest_init(&nearest, word);
	for (; *known; known++)
		nearest_offer(&nearest, *known);
	return nearest.found;
}

START_TEST(words)
{
	static const char *const known[] = {"workers", "spares", "socket", "socket_mode",
					    "timeout", "group",	 "nice",   NULL};
	static const struct {
		const char *word, *found;
	} cases[] = {
		{"workers", "workers"},
		{"worker", "workers"},
		{"wokrers", "workers"},
		{"Workers", "workers"},
		{"socket-mode", "socket_mode"},
		{"sockett", "socket"},
		{"SocketMode", "socket_mode"},
		{"time_out", "timeout"},
		{"rgoup", "group"},
		{"nie", "nice"},
		{"x", NULL},
		{"", NULL},
		{"processes", NULL},
		{"cpu", NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *found = nearest_of(cases[i].word, known);

		ck_assert_msg(found == cases[i].found || (found && cases[i].found &&
							  strcmp(found, cases[i].found) == 0),
			      "%s: %s", cases[i].word, found ? found : "none");
	}
}
END_TEST

START_TEST(long_words_are_not_compared)
{
	static const char word[] =
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
	const char *const known[] = {word, NULL};

	ck_assert_ptr_null(nearest_of(word, known));
	ck_assert_ptr_null(nearest_of("a", known));
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {words, long_words_are_not_compared};

	return unit_main("nearest", tests, ARRAY_SIZE(tests));
}
