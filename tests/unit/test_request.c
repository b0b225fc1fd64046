#include "daemon/core/request.h"

#include <string.h>

#include "tests/lib/unit.h"

/* Written out here once more, so that a slip in the table shows. */
static const bool allowed[REQUEST_STATE_COUNT_][REQUEST_STATE_COUNT_] = {
	[REQUEST_FREE] =
		{[REQUEST_WAITING] = true, [REQUEST_DELAYED] = true, [REQUEST_DONE] = true},
	[REQUEST_WAITING] =
		{[REQUEST_DELAYED] = true, [REQUEST_SENT] = true, [REQUEST_DONE] = true},
	[REQUEST_QUEUED] = {[REQUEST_SENT] = true,
			    [REQUEST_HELD] = true,
			    [REQUEST_DELAYED] = true,
			    [REQUEST_DONE] = true},
	[REQUEST_HELD] = {[REQUEST_QUEUED] = true, [REQUEST_DELAYED] = true, [REQUEST_DONE] = true},
	[REQUEST_SENT] = {[REQUEST_DELAYED] = true, [REQUEST_DONE] = true},
	[REQUEST_DELAYED] = {[REQUEST_WAITING] = true,
			     [REQUEST_QUEUED] = true,
			     [REQUEST_HELD] = true,
			     [REQUEST_DONE] = true},
	[REQUEST_DONE] = {[REQUEST_FREE] = true},
};

struct move {
	struct request request;
	enum request_state to;
};

static void make_move(void *argument)
{
	struct move *move = argument;

	request_move(&move->request, move->to);
}

START_TEST(every_pair_moves_or_asserts)
{
	for (unsigned from = 0; from < REQUEST_STATE_COUNT_; from++)
		for (unsigned to = 0; to < REQUEST_STATE_COUNT_; to++) {
			struct move move = {.request.state = (enum request_state)from,
					    .to = (enum request_state)to};

			ck_assert_int_eq(unit_aborts(make_move, &move, true), !allowed[from][to]);
			ck_assert_int_eq(move.request.state, allowed[from][to] ? to : from);
		}
}
END_TEST

START_TEST(every_state_has_a_name)
{
	for (unsigned i = 0; i < REQUEST_STATE_COUNT_; i++)
		for (unsigned k = 0; k < REQUEST_STATE_COUNT_; k++)
			ck_assert(i == k || strcmp(request_state_name((enum request_state)i),
						   request_state_name((enum request_state)k)) != 0);
	ck_assert_str_eq(request_state_name(REQUEST_QUEUED), "queued");
}
END_TEST

START_TEST(priorities_are_found_by_name)
{
	static const struct {
		const char *name;
		enum priority priority;
	} cases[] = {{"critical", PRIORITY_CRITICAL},	{"normal", PRIORITY_NORMAL},
		     {"sheddable", PRIORITY_SHEDDABLE}, {"", PRIORITY_COUNT_},
		     {"norma", PRIORITY_COUNT_},	{"normall", PRIORITY_COUNT_},
		     {"Normal", PRIORITY_COUNT_}};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++)
		ck_assert_int_eq(priority_find(cases[i].name, strlen(cases[i].name)),
				 cases[i].priority);
	ck_assert_int_eq(priority_find("normal and more", 6), PRIORITY_NORMAL);
	for (unsigned i = 0; i < PRIORITY_COUNT_; i++) {
		const char *name = priority_name((enum priority)i);

		ck_assert_int_eq(priority_find(name, strlen(name)), (enum priority)i);
	}
}
END_TEST

/* A request remembers the last few workers that it failed at, by their lives. */
START_TEST(the_last_workers_it_failed_at_are_remembered)
{
	struct request request = {.state = REQUEST_SENT};

	ck_assert(!request_has_tried(&request, 0, 1));
	for (uint32_t worker = 0; worker <= REQUEST_TRIED_MAX; worker++) {
		request_note_tried(&request, worker, 7);
		ck_assert(request_has_tried(&request, worker, 7));
		ck_assert(!request_has_tried(&request, worker, 8));
		ck_assert(!request_has_tried(&request, worker, 6));
	}
	ck_assert_msg(!request_has_tried(&request, 0, 7), "the oldest makes way");
	for (uint32_t worker = 1; worker <= REQUEST_TRIED_MAX; worker++)
		ck_assert(request_has_tried(&request, worker, 7));
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		every_pair_moves_or_asserts,
		every_state_has_a_name,
		priorities_are_found_by_name,
		the_last_workers_it_failed_at_are_remembered,
	};

	return unit_main("request", tests, ARRAY_SIZE(tests));
}
