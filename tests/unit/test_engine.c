#include "daemon/core/engine.h"

#include <stdio.h>

#include "tests/lib/shrink.h"
#include "tests/lib/transcript.h"
#include "tests/lib/unit.h"

#define GOLDEN "tests/unit/golden/"

START_TEST(workers_start)
{
	transcript_check(GOLDEN "start.txt");
}
END_TEST

START_TEST(requests_go_their_way)
{
	transcript_check(GOLDEN "request.txt");
}
END_TEST

START_TEST(failed_attempts_are_tried_again)
{
	transcript_check(GOLDEN "retry.txt");
}
END_TEST

START_TEST(requests_stand_in_line)
{
	transcript_check(GOLDEN "line.txt");
}
END_TEST

START_TEST(workers_are_watched)
{
	transcript_check(GOLDEN "health.txt");
}
END_TEST

START_TEST(the_engine_stops)
{
	transcript_check(GOLDEN "stop.txt");
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		workers_start,		requests_go_their_way, failed_attempts_are_tried_again,
		requests_stand_in_line, workers_are_watched,   the_engine_stops,
	};

	return unit_main("engine", tests, ARRAY_SIZE(tests));
}
