#include "daemon/io/worker/outline.h"

#include "tests/lib/unit.h"

#include <stdio.h>
#include <string.h>

/* What a message is, read in two pieces. */
static const char *kind_of(struct bytes text, size_t cut)
{
	static char kind[32];
	struct outline outline;
	uint32_t id;

	outline_init(&outline);
	outline_feed(&outline, (struct bytes){text.data, cut});
	outline_feed(&outline, (struct bytes){text.data + cut, text.len - cut});
	if (outline_is_answer(&outline, &id))
		snprintf(kind, sizeof(kind), "answer %u", id);
	else
		snprintf(kind, sizeof(kind), "%s",
			 outline_is_notification(&outline) ? "notification" : "other");
	return kind;
}

START_TEST(kinds_of_messages)
{
	static const char *const cases[][2] = {
		{"{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":[1,{\"id\":8}]}", "answer 7"},
		{"{\"result\":{\"id\":8,\"method\":\"m\"},\"jsonrpc\":\"2.0\",\"id\":7}",
		 "answer 7"},
		{" { \"error\" : null , \"id\" : 4294967295 , \"success\" : true } \r\n",
		 "answer 4294967295"},
		{"{\"result\":\"\\\"id\\\":8\",\"id\":7}", "answer 7"},
		{"{\"result\":\"}],\\\\\",\"id\":7}", "answer 7"},
		{"{\"a\":[\"]}\\\\\\\"\"],\"id\":7,\"result\":{}}", "answer 7"},
		{"{\"id\":0,\"result\":null}", "answer 0"},
		{"{\"method\":\"result\",\"params\":{\"id\":7,\"result\":1}}", "notification"},
		{"{\"params\":[],\"jsonrpc\":\"2.0\",\"method\":\"m\"}", "notification"},
		/* A request of the worker's. */
		{"{\"id\":7,\"method\":\"m\",\"params\":{\"result\":1}}", "other"},
		{"{\"id\":\"mine\",\"method\":\"m\"}", "other"},
		/* Ids that are none of the daemon's. */
		{"{\"id\":\"7\",\"result\":1}", "other"},
		{"{\"id\":null,\"result\":1}", "other"},
		{"{\"id\":-7,\"result\":1}", "other"},
		{"{\"id\":7.0,\"result\":1}", "other"},
		{"{\"id\":4294967296,\"result\":1}", "other"},
		{"{\"id\":18446744073709551623,\"result\":1}", "other"},
		{"{\"id\":[7],\"result\":1}", "other"},
		{"{\"id\":{},\"result\":1}", "other"},
		{"{\"id\":\"\",\"result\":1}", "other"},
		{"{\"id\":7,\"result\":1,\"id\":8}", "other"},
		/* Other names. */
		{"{\"idx\":7,\"result\":1}", "other"},
		{"{\"id\":7,\"results\":1,\"resul\":1,\"result result\":1}", "other"},
		{"{\"x\":\"id\",\"y\":7,\"result\":1}", "other"},
		{"{\"id\":7,\"x\":\"result\"}", "other"},
		{"{\"a\":{\"id\":7,\"result\":1}}", "other"},
		/* What is not whole, or no object. */
		{"{\"id\":7,\"result\":1", "other"},
		{"{\"id\":7,\"result\":\"}", "other"},
		{"{\"method\":\"m\"", "other"},
		{"{}", "other"},
		{"[]]]}", "other"},
		{"\"id\":7,\"result\":1", "other"},
		{"7", "other"},
		{"", "other"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct bytes text = {(const uint8_t *)cases[i][0], strlen(cases[i][0])};

		for (size_t cut = 0; cut <= text.len; cut++)
			ck_assert_msg(strcmp(kind_of(text, cut), cases[i][1]) == 0,
				      "%s, cut at %zu: %s", cases[i][0], cut, kind_of(text, cut));
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {kinds_of_messages};

	return unit_main("outline", tests, ARRAY_SIZE(tests));
}
