#include "daemon/core/engine.h"

#include <stdio.h>

#include "tests/lib/havoc.h"
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

START_TEST(requests_come_back_from_a_line)
{
	transcript_check(GOLDEN "recall.txt");
}
END_TEST

START_TEST(a_page_says_what_a_worker_has_begun)
{
	transcript_check(GOLDEN "page.txt");
}
END_TEST

START_TEST(clients_that_do_not_read_hold_back_their_own)
{
	transcript_check(GOLDEN "hold.txt");
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

START_TEST(workers_are_replaced)
{
	transcript_check(GOLDEN "roll.txt");
}
END_TEST

START_TEST(workers_come_and_go)
{
	transcript_check(GOLDEN "scaling.txt");
}
END_TEST

START_TEST(breakers_open_and_close)
{
	transcript_check(GOLDEN "breaker.txt");
}
END_TEST

START_TEST(requests_recover)
{
	transcript_check(GOLDEN "recovery.txt");
}
END_TEST

START_TEST(pools_fail_over)
{
	transcript_check(GOLDEN "failover.txt");
}
END_TEST

START_TEST(sessions_hold_together)
{
	transcript_check(GOLDEN "session.txt");
}
END_TEST

START_TEST(keys_run_once)
{
	transcript_check(GOLDEN "key.txt");
}
END_TEST

START_TEST(answers_come_in_parts)
{
	transcript_check(GOLDEN "stream.txt");
}
END_TEST

START_TEST(no_limit_counts_a_stop_of_the_daemon)
{
	transcript_check(GOLDEN "stall.txt");
}
END_TEST

START_TEST(bad_workers_are_ejected)
{
	transcript_check(GOLDEN "eject.txt");
}
END_TEST

START_TEST(requests_leave_in_time)
{
	transcript_check(GOLDEN "leave.txt");
}
END_TEST

static const char *keeps_its_promises(const uint64_t *ops, size_t len)
{
	return havoc_run(ops, len, NULL);
}

static void explain(const uint64_t *ops, size_t len)
{
	havoc_run(ops, len, stderr);
}

START_TEST(any_events_in_any_order)
{
	static const struct shrink_property property = {"engine", keeps_its_promises, NULL,
							explain};

	shrink_check(&property, 20000, 200);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		workers_start,
		requests_go_their_way,
		failed_attempts_are_tried_again,
		requests_stand_in_line,
		requests_come_back_from_a_line,
		a_page_says_what_a_worker_has_begun,
		clients_that_do_not_read_hold_back_their_own,
		workers_are_watched,
		the_engine_stops,
		workers_are_replaced,
		workers_come_and_go,
		breakers_open_and_close,
		requests_recover,
		pools_fail_over,
		sessions_hold_together,
		keys_run_once,
		answers_come_in_parts,
		no_limit_counts_a_stop_of_the_daemon,
		bad_workers_are_ejected,
		requests_leave_in_time,
		any_events_in_any_order,
	};

	return unit_main("engine", tests, ARRAY_SIZE(tests));
}
