#include "daemon/core/outcome_code.h"

/* Whose fault each failure is, as far as its code says that. */
static enum outcome_by by_code(enum errcode code)
{
	switch (errcode_info(code)->category) {
	case ERRCAT_timeout:
		return OUTCOME_BY_DEADLINE;
	case ERRCAT_connection:
		return code == ERR_connect_failed ? OUTCOME_BY_DAEMON : OUTCOME_BY_WORKER;
	case ERRCAT_communication:
		return code == ERR_encode_error ? OUTCOME_BY_DAEMON : OUTCOME_BY_WORKER;
	case ERRCAT_application:
	case ERRCAT_initialization:
	case ERRCAT_health_check:
		return OUTCOME_BY_WORKER;
	case ERRCAT_request:
		return code == ERR_cancelled ? OUTCOME_BY_CLIENT : OUTCOME_BY_DAEMON;
	case ERRCAT_resource:
	case ERRCAT_session:
	case ERRCAT_system:
	case ERRCAT_COUNT_:
		break;
	}
	return OUTCOME_BY_DAEMON;
}

static enum outcome_by by_of(const struct outcome_code_case *facts)
{
	if (facts->is_gone)
		return OUTCOME_BY_CLIENT;
	if (facts->code == ERR_NONE)
		return OUTCOME_BY_NOBODY;
	return facts->is_from_worker ? OUTCOME_BY_WORKER : by_code(facts->code);
}

/* Whether the answer was there, or a part of it, and the failure came after that. */
static bool is_in_reply(const struct outcome_code_case *facts)
{
	bool is_lost =
		facts->was_attempted && !facts->is_from_worker && facts->executed == EXECUTED_YES;

	if (facts->code == ERR_NONE && !facts->is_gone)
		return false;
	return facts->has_begun_answer || is_lost || facts->code == ERR_response_too_large;
}

static enum outcome_at at_of(const struct outcome_code_case *facts)
{
	bool has_failed = facts->code != ERR_NONE || facts->is_gone;
	bool had_attempt = has_failed ? facts->was_attempted || facts->executed != EXECUTED_NO
				      : facts->attempts > 0;

	if (is_in_reply(facts))
		return OUTCOME_AT_REPLY;
	if (facts->level > 0)
		return OUTCOME_AT_FALLBACK;
	if (facts->retries > 0)
		return OUTCOME_AT_RETRY;
	return had_attempt ? OUTCOME_AT_ATTEMPT : OUTCOME_AT_QUEUE;
}

struct outcome_code outcome_code_of(const struct outcome_code_case *facts)
{
	return (struct outcome_code){.by = by_of(facts), .at = at_of(facts)};
}

/* Of each pair, one after the other: "-Q", "-A" and so on. */
#define PAIRS(by)                                                                                  \
	{                                                                                          \
		{by, 'Q', 0}, {by, 'A', 0}, {by, 'R', 0}, {by, 'F', 0}, {by, 'P', 0},              \
	}

const char *outcome_code_text(struct outcome_code outcome)
{
	static const char texts[OUTCOME_BY_COUNT_][OUTCOME_AT_COUNT_][3] = {
#define BY(name, letter, text) [OUTCOME_BY_##name] = PAIRS(letter),
		OUTCOME_BYS(BY)
#undef BY
	};

	return texts[outcome.by][outcome.at];
}
