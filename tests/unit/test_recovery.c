#include "daemon/core/recovery.h"

#include "tests/lib/unit.h"

#define CRASHES_MAX 1

START_TEST(what_never_ran_may_always_be_sent_again)
{
	for (enum errcode code = ERR_NONE + 1; code < ERR_COUNT_; code++) {
		struct request request = {.attempts = 100, .max_attempts = 1, .crashes = 100};

		ck_assert(recovery_may_retry(&request, code, EXECUTED_NO, CRASHES_MAX));
	}
}
END_TEST

START_TEST(what_may_have_run_needs_every_permission)
{
	static const struct {
		const char *why;
		struct request request;
		enum errcode code;
		bool may;
	} cases[] = {
		{"all is well",
		 {.idempotent = true, .attempts = 1, .max_attempts = 9},
		 ERR_worker_exited,
		 true},
		{"not idempotent",
		 {.idempotent = false, .attempts = 1, .max_attempts = 9},
		 ERR_worker_exited,
		 false},
		{"the fifth retry is the matrix's last",
		 {.idempotent = true, .attempts = 5, .max_attempts = 9},
		 ERR_worker_exited,
		 true},
		{"a sixth is one too many",
		 {.idempotent = true, .attempts = 6, .max_attempts = 9},
		 ERR_worker_exited,
		 false},
		{"the request's own limit",
		 {.idempotent = true, .attempts = 2, .max_attempts = 2},
		 ERR_worker_exited,
		 false},
		{"one attempt means no retry",
		 {.idempotent = true, .attempts = 1, .max_attempts = 1},
		 ERR_worker_exited,
		 false},
		{"it took one worker down",
		 {.idempotent = true, .attempts = 1, .max_attempts = 9, .crashes = CRASHES_MAX},
		 ERR_worker_exited,
		 true},
		{"it took too many down",
		 {.idempotent = true, .attempts = 2, .max_attempts = 9, .crashes = CRASHES_MAX + 1},
		 ERR_worker_exited,
		 false},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++)
		for (unsigned ran = EXECUTED_MAYBE; ran <= EXECUTED_YES; ran++)
			ck_assert_msg(recovery_may_retry(&cases[i].request, cases[i].code,
							 (enum executed)ran,
							 CRASHES_MAX) == cases[i].may,
				      "%s", cases[i].why);
}
END_TEST

/* Every ceiling of the matrix can be reached, and none can be passed. */
START_TEST(every_code_has_its_ceiling)
{
	for (enum errcode code = ERR_NONE + 1; code < ERR_COUNT_; code++) {
		struct request request = {.idempotent = true, .max_attempts = UINT32_MAX};
		unsigned retries = 0;

		request.attempts = 1;
		while (recovery_may_retry(&request, code, EXECUTED_MAYBE, CRASHES_MAX)) {
			request.attempts++;
			retries++;
		}
		ck_assert_msg(retries == errcode_info(code)->retries, "%s: %u retries",
			      errcode_name(code), retries);
	}
}
END_TEST

START_TEST(every_number_of_crashes_has_its_limit)
{
	for (unsigned limit = 0; limit < 4; limit++)
		for (uint32_t crashes = 0; crashes < 6; crashes++) {
			struct request request = {.idempotent = true,
						  .attempts = 1,
						  .max_attempts = 9,
						  .crashes = crashes};

			ck_assert_int_eq(recovery_may_retry(&request, ERR_worker_killed,
							    EXECUTED_MAYBE, limit),
					 crashes <= limit);
		}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		what_never_ran_may_always_be_sent_again,
		what_may_have_run_needs_every_permission,
		every_code_has_its_ceiling,
		every_number_of_crashes_has_its_limit,
	};

	return unit_main("recovery", tests, ARRAY_SIZE(tests));
}
