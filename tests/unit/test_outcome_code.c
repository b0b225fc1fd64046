#include "daemon/core/outcome_code.h"

#include <string.h>

#include "tests/lib/unit.h"

/* Rows of the tables below. */
#define AT_WORKER  .was_attempted = true, .attempts = 1
#define BY_WORKER  .is_from_worker = true, AT_WORKER
#define RETRIED	   .retries = 1, .attempts = 2
#define DEGRADED   .level = 1
#define STREAMED   .has_begun_answer = true
#define MAYBE	   .executed = EXECUTED_MAYBE
#define RAN	   .executed = EXECUTED_YES
#define CODE(name) .code = ERR_##name

/* Every combination of letters that occurs, by each way to it. */
static const struct {
	struct outcome_code_case facts;
	const char *text;
	const char *what;
} cases[] = {
	{{0}, "-Q", "a static answer, or a stored one"},
	{{.attempts = 1}, "-A", "a result"},
	{{RETRIED}, "-R", "a result of a retry"},
	{{.attempts = 2, .retries = 1, DEGRADED}, "-F", "a result of a fallback"},
	{{DEGRADED}, "-F", "a static answer of a fallback"},
	{{.attempts = 1, STREAMED}, "-A", "a result after parts"},

	{{CODE(cancelled)}, "CQ", "cancelled in the queue"},
	{{CODE(cancelled), MAYBE, .attempts = 1}, "CA", "cancelled at a worker"},
	{{CODE(cancelled), MAYBE, RETRIED}, "CR", "cancelled in a retry"},
	{{CODE(cancelled), DEGRADED}, "CF", "cancelled in a fallback"},
	{{CODE(cancelled), MAYBE, .attempts = 1, STREAMED}, "CP", "cancelled after parts"},
	{{CODE(cancelled), .is_gone = true}, "CQ", "gone while it waited"},
	{{CODE(cancelled), MAYBE, .is_gone = true, .attempts = 1}, "CA", "gone while it ran"},
	{{CODE(cancelled), MAYBE, .is_gone = true, RETRIED}, "CR", "gone in a retry"},
	{{CODE(cancelled), .is_gone = true, DEGRADED}, "CF", "gone in a fallback"},
	{{CODE(cancelled), MAYBE, .is_gone = true, STREAMED}, "CP", "gone after parts"},

	{{CODE(queue_full)}, "DQ", "refused by a full queue"},
	{{CODE(pool_unavailable)}, "DQ", "no worker can be started"},
	{{CODE(circuit_open)}, "DQ", "refused by the breaker"},
	{{CODE(shed)}, "DQ", "shed"},
	{{CODE(connect_failed)}, "DQ", "the server of the pool is not there"},
	{{CODE(session_not_found)}, "DQ", "its session is not there"},
	{{CODE(session_expired)}, "DQ", "its session has expired"},
	{{CODE(session_lost)}, "DQ", "its session is lost"},
	{{CODE(shutting_down)}, "DQ", "the daemon stopped before it ran"},
	{{CODE(shutting_down), MAYBE, .attempts = 1}, "DA", "the daemon stopped as it ran"},
	{{CODE(encode_error), AT_WORKER}, "DA", "its arguments cannot be said"},
	{{CODE(memory_limit), AT_WORKER}, "DA", "no memory to send it"},
	{{CODE(circuit_open), RETRIED}, "DR", "refused by the breaker before a retry"},
	{{CODE(shutting_down), RETRIED}, "DR", "the daemon stopped before a retry"},
	{{CODE(queue_full), DEGRADED}, "DF", "the queue of the fallback is full"},
	{{CODE(session_limit), AT_WORKER, RAN}, "DP", "no room for the state it handed back"},
	{{CODE(memory_limit), AT_WORKER, RAN}, "DP", "no memory for its answer"},
	{{CODE(shutting_down), MAYBE, STREAMED}, "DP", "the daemon stopped after parts"},

	{{CODE(worker_exited), AT_WORKER, MAYBE}, "WA", "its worker ended"},
	{{CODE(worker_killed), AT_WORKER, MAYBE}, "WA", "its worker was killed"},
	{{CODE(peer_closed), AT_WORKER, MAYBE}, "WA", "its worker closed the channel"},
	{{CODE(decode_error), AT_WORKER, MAYBE}, "WA", "its worker's bytes were none"},
	{{CODE(protocol_violation), AT_WORKER, MAYBE}, "WA", "its worker broke the protocol"},
	{{CODE(exception), BY_WORKER, RAN}, "WA", "its code raised"},
	{{CODE(rejected), BY_WORKER, MAYBE}, "WA", "its worker refused it"},
	{{CODE(unknown_method), BY_WORKER}, "WA", "its worker does not know the method"},
	{{CODE(encode_error), BY_WORKER}, "WA", "its worker could not take the arguments"},
	{{CODE(exception), .is_from_worker = true, .was_attempted = true, RAN, RETRIED},
	 "WR",
	 "its code raised in a retry"},
	{{CODE(worker_exited), .was_attempted = true, MAYBE, RETRIED},
	 "WR",
	 "its worker ended in a retry"},
	{{CODE(exception), BY_WORKER, RAN, DEGRADED}, "WF", "the fallback's code raised"},
	{{CODE(response_too_large), AT_WORKER, RAN}, "WP", "the worker's answer is too large"},
	{{CODE(worker_exited), AT_WORKER, MAYBE, STREAMED}, "WP", "its worker ended after parts"},
	{{CODE(worker_exited)}, "WQ", "the request that ran with its key failed"},

	{{CODE(queue_timeout)}, "TQ", "no worker was free in time"},
	{{CODE(deadline_exceeded), MAYBE, .attempts = 1}, "TA", "its time was over as it ran"},
	{{CODE(attempt_timeout), AT_WORKER, MAYBE}, "TA", "the attempt's time was over"},
	{{CODE(attempt_timeout), .was_attempted = true, MAYBE, RETRIED},
	 "TR",
	 "a retry's time was over"},
	{{CODE(queue_timeout), DEGRADED}, "TF", "no worker of the fallback was free in time"},
	{{CODE(deadline_exceeded), MAYBE, .attempts = 1, STREAMED},
	 "TP",
	 "its time was over after parts"},
};

START_TEST(each_case)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct outcome_code outcome = outcome_code_of(&cases[i].facts);

		ck_assert_msg(strcmp(outcome_code_text(outcome), cases[i].text) == 0,
			      "%s: %s instead of %s", cases[i].what, outcome_code_text(outcome),
			      cases[i].text);
	}
}
END_TEST

/* The table above has all pairs of letters but these, which cannot occur: a result is never lost on
 * its way by nobody. */
START_TEST(all_pairs)
{
	for (unsigned by = 0; by < OUTCOME_BY_COUNT_; by++) {
		for (unsigned at = 0; at < OUTCOME_AT_COUNT_; at++) {
			struct outcome_code outcome = {(enum outcome_by)by, (enum outcome_at)at};
			bool may_occur = by != OUTCOME_BY_NOBODY || at != OUTCOME_AT_REPLY;
			bool is_listed = false;

			for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
				is_listed |= strcmp(cases[i].text, outcome_code_text(outcome)) == 0;
			ck_assert_msg(is_listed == may_occur, "%s", outcome_code_text(outcome));
		}
	}
}
END_TEST

START_TEST(letters_are_those_of_the_table)
{
	static const char by[] = {
#define BY(name, letter, text) letter,
		OUTCOME_BYS(BY)
#undef BY
	};
	static const char at[] = {
#define AT(name, letter, text) letter,
		OUTCOME_ATS(AT)
#undef AT
	};

	for (unsigned i = 0; i < ARRAY_SIZE(by) * ARRAY_SIZE(at); i++) {
		struct outcome_code outcome = {(enum outcome_by)(i / ARRAY_SIZE(at)),
					       (enum outcome_at)(i % ARRAY_SIZE(at))};
		const char *text = outcome_code_text(outcome);

		ck_assert_int_eq(text[0], by[outcome.by]);
		ck_assert_int_eq(text[1], at[outcome.at]);
		ck_assert_int_eq(text[2], 0);
	}
}
END_TEST

/* Whatever the facts are, each code has an outcome, and a request whose client is gone is the
 * client's. */
START_TEST(every_code)
{
	for (enum errcode code = ERR_NONE + 1; code < ERR_COUNT_; code++) {
		struct outcome_code_case facts = {.code = code};

		ck_assert_uint_eq(strlen(outcome_code_text(outcome_code_of(&facts))), 2);
		ck_assert_int_ne(outcome_code_of(&facts).by, OUTCOME_BY_NOBODY);
		facts.is_from_worker = true;
		ck_assert_int_eq(outcome_code_of(&facts).by, OUTCOME_BY_WORKER);
		facts.is_gone = true;
		ck_assert_int_eq(outcome_code_of(&facts).by, OUTCOME_BY_CLIENT);
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {each_case, all_pairs, letters_are_those_of_the_table,
				      every_code};

	return unit_main("outcome_code", tests, ARRAY_SIZE(tests));
}
