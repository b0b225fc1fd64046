#include "daemon/core/policy.h"

#include <string.h>

#include "tests/lib/unit.h"

/* The table of errors, written out here once more by category, so that a slip in errcode.def shows.
 */
static const struct {
	const char *codes;
	enum errcategory category;
	struct policy_row row; /* severity, strategy, retries, backoff, worker, breaker, chain */
} table[] = {
	{"spawn_failed init_failed init_timeout",
	 ERRCAT_initialization,
	 {SEVERITY_CRITICAL, STRATEGY_CIRCUIT_BREAK, 3, ERRBACKOFF_EXPONENTIAL, false, true,
	  FAILOVER_YES}},
	{"worker_exited worker_killed connect_failed peer_closed",
	 ERRCAT_connection,
	 {SEVERITY_MAJOR, STRATEGY_BACKOFF_RETRY, 5, ERRBACKOFF_EXPONENTIAL, true, true,
	  FAILOVER_YES}},
	{"encode_error response_too_large",
	 ERRCAT_communication,
	 {SEVERITY_MAJOR, STRATEGY_ABANDON, 0, ERRBACKOFF_NONE, false, false, FAILOVER_NO}},
	{"decode_error protocol_violation",
	 ERRCAT_communication,
	 {SEVERITY_MAJOR, STRATEGY_IMMEDIATE_RETRY, 3, ERRBACKOFF_LINEAR, true, true,
	  FAILOVER_YES}},
	{"attempt_timeout",
	 ERRCAT_timeout,
	 {SEVERITY_MAJOR, STRATEGY_BACKOFF_RETRY, 2, ERRBACKOFF_EXPONENTIAL, true, true,
	  FAILOVER_IDEMPOTENT}},
	{"queue_timeout",
	 ERRCAT_timeout,
	 {SEVERITY_MAJOR, STRATEGY_ABANDON, 0, ERRBACKOFF_NONE, false, false, FAILOVER_YES}},
	{"deadline_exceeded",
	 ERRCAT_timeout,
	 {SEVERITY_MAJOR, STRATEGY_ABANDON, 0, ERRBACKOFF_NONE, false, false, FAILOVER_NO}},
	{"queue_full pool_unavailable retry_budget_exhausted memory_limit process_limit",
	 ERRCAT_resource,
	 {SEVERITY_CRITICAL, STRATEGY_FAILOVER, 1, ERRBACKOFF_NONE, false, false, FAILOVER_YES}},
	{"circuit_open shed",
	 ERRCAT_resource,
	 {SEVERITY_WARNING, STRATEGY_FAILOVER, 1, ERRBACKOFF_NONE, false, false, FAILOVER_YES}},
	{"health_check_failed health_check_timeout",
	 ERRCAT_health_check,
	 {SEVERITY_MINOR, STRATEGY_BACKOFF_RETRY, 3, ERRBACKOFF_LINEAR, true, false, FAILOVER_NO}},
	{"session_not_found session_expired session_lost session_limit",
	 ERRCAT_session,
	 {SEVERITY_MINOR, STRATEGY_IMMEDIATE_RETRY, 2, ERRBACKOFF_NONE, false, false, FAILOVER_NO}},
	{"exception",
	 ERRCAT_application,
	 {SEVERITY_MAJOR, STRATEGY_FAILOVER, 3, ERRBACKOFF_NONE, false, false, FAILOVER_ASKED}},
	{"internal shutting_down",
	 ERRCAT_system,
	 {SEVERITY_CRITICAL, STRATEGY_ABANDON, 0, ERRBACKOFF_NONE, true, true, FAILOVER_YES}},
	{"invalid_request rejected unknown_pool unknown_method payload_too_large permission_denied "
	 "cancelled",
	 ERRCAT_request,
	 {SEVERITY_WARNING, STRATEGY_ABANDON, 0, ERRBACKOFF_NONE, false, false, FAILOVER_NO}},
};

static void assert_row(const struct policy_row *row, const struct policy_row *wanted,
		       const char *name)
{
	ck_assert_msg(row->severity == wanted->severity, "%s: severity", name);
	ck_assert_msg(row->strategy == wanted->strategy, "%s: strategy", name);
	ck_assert_msg(row->retries == wanted->retries, "%s: retries", name);
	ck_assert_msg(row->backoff == wanted->backoff, "%s: backoff", name);
	ck_assert_msg(row->counts_worker == wanted->counts_worker, "%s: counts_worker", name);
	ck_assert_msg(row->counts_breaker == wanted->counts_breaker, "%s: counts_breaker", name);
	ck_assert_msg(row->fails_over == wanted->fails_over, "%s: fails_over", name);
}

START_TEST(every_code_has_the_row_of_the_table)
{
	struct policy policy;
	unsigned codes = 0;

	policy_init(&policy);
	for (unsigned i = 0; i < ARRAY_SIZE(table); i++) {
		const char *name = table[i].codes;

		for (size_t len; *name; name += len + (name[len] == ' '), codes++) {
			enum errcode code = errcode_find(name, len = strcspn(name, " "));

			ck_assert_msg(code != ERR_NONE, "there is no %s", name);
			ck_assert_int_eq(errcode_info(code)->category, table[i].category);
			assert_row(policy_row(&policy, code), &table[i].row, errcode_name(code));
		}
	}
	ck_assert_msg(codes == ERR_COUNT_ - 1, "%u of %u codes are in the table", codes,
		      (unsigned)ERR_COUNT_ - 1);
}
END_TEST

static void ask_for(void *argument)
{
	struct policy policy;

	policy_init(&policy);
	policy_row(&policy, *(enum errcode *)argument);
}

START_TEST(what_is_no_code_has_no_row)
{
	enum errcode codes[] = {ERR_NONE, ERR_COUNT_};

	for (unsigned i = 0; i < ARRAY_SIZE(codes); i++)
		ck_assert(unit_aborts(ask_for, &codes[i], true));
}
END_TEST

/* --- severity --- */

/* The codes stand for their rows: circuit_open a warning, session_lost minor, exception major,
 * queue_full critical. */
static const struct {
	const char *why;
	enum errcode code;
	struct policy_context context;
	enum errseverity severity;
} severities[] = {
	{"as its row says", ERR_exception, {1, false, PRIORITY_NORMAL, false, 0}, SEVERITY_MAJOR},
	{"as its row says", ERR_circuit_open, {0}, SEVERITY_WARNING},
	{"a critical request makes minor major",
	 ERR_session_lost,
	 {1, false, PRIORITY_CRITICAL, false, 0},
	 SEVERITY_MAJOR},
	{"and a warning no graver",
	 ERR_circuit_open,
	 {1, false, PRIORITY_CRITICAL, false, 0},
	 SEVERITY_WARNING},
	{"and major no graver",
	 ERR_exception,
	 {1, false, PRIORITY_CRITICAL, false, 0},
	 SEVERITY_MAJOR},
	{"other priorities change nothing",
	 ERR_session_lost,
	 {1, false, PRIORITY_SHEDDABLE, false, 0},
	 SEVERITY_MINOR},
	{"the third attempt is not past it",
	 ERR_exception,
	 {3, false, PRIORITY_NORMAL, false, 0},
	 SEVERITY_MAJOR},
	{"the fourth is", ERR_exception, {4, false, PRIORITY_NORMAL, false, 0}, SEVERITY_CRITICAL},
	{"one step up", ERR_circuit_open, {9, false, PRIORITY_NORMAL, false, 0}, SEVERITY_MINOR},
	{"one step up", ERR_session_lost, {4, false, PRIORITY_NORMAL, false, 0}, SEVERITY_MAJOR},
	{"one step up, and the priority not on top of it",
	 ERR_circuit_open,
	 {4, false, PRIORITY_CRITICAL, false, 0},
	 SEVERITY_MINOR},
	{"there is nothing above critical",
	 ERR_queue_full,
	 {9, false, PRIORITY_CRITICAL, false, 0},
	 SEVERITY_CRITICAL},
	{"all workers are affected",
	 ERR_circuit_open,
	 {1, true, PRIORITY_NORMAL, false, 0},
	 SEVERITY_CRITICAL},
	{"all workers come before the attempts",
	 ERR_circuit_open,
	 {4, true, PRIORITY_NORMAL, false, 0},
	 SEVERITY_CRITICAL},
	{"the worker's word comes first",
	 ERR_exception,
	 {9, true, PRIORITY_CRITICAL, true, SEVERITY_WARNING},
	 SEVERITY_WARNING},
	{"the worker's word comes first",
	 ERR_rejected,
	 {1, false, PRIORITY_NORMAL, true, SEVERITY_CRITICAL},
	 SEVERITY_CRITICAL},
	{"what was not given does not count",
	 ERR_rejected,
	 {1, false, PRIORITY_NORMAL, false, SEVERITY_CRITICAL},
	 SEVERITY_WARNING},
};

START_TEST(severity_follows_its_rules_in_their_order)
{
	struct policy policy;

	policy_init(&policy);
	for (unsigned i = 0; i < ARRAY_SIZE(severities); i++)
		ck_assert_msg(policy_severity(&policy, severities[i].code,
					      &severities[i].context) == severities[i].severity,
			      "case %u: %s", i, severities[i].why);
}
END_TEST

/* Every code under every context: as the rules say when they are read from the last to the first.
 */
START_TEST(severity_of_every_code_in_every_context)
{
	struct policy policy;

	policy_init(&policy);
	for (enum errcode code = ERR_NONE + 1; code < ERR_COUNT_; code++)
		for (unsigned bits = 0; bits < 32; bits++) {
			struct policy_context context = {
				.attempts = bits & 1 ? 4 : 3,
				.is_of_all_workers = bits & 2,
				.priority = bits & 4 ? PRIORITY_CRITICAL : PRIORITY_NORMAL,
				.has_severity = bits & 8,
				.severity = bits & 16 ? SEVERITY_MINOR : SEVERITY_CRITICAL,
			};
			enum errseverity row = policy.rows[code].severity, wanted = row;

			if (bits & 4 && row == SEVERITY_MINOR)
				wanted = SEVERITY_MAJOR;
			if (bits & 1)
				wanted = row == SEVERITY_CRITICAL ? row : row + 1;
			if (bits & 2)
				wanted = SEVERITY_CRITICAL;
			if (bits & 8)
				wanted = context.severity;
			ck_assert_int_eq(policy_severity(&policy, code, &context), wanted);
		}
}
END_TEST

/* --- delays --- */

static const struct backoff_settings pool = {
	.kind = BACKOFF_FIBONACCI, .base = 7 * USEC_PER_MSEC, .cap = 40 * USEC_PER_MSEC};

/* In milliseconds, for the first five retries. */
static void assert_delays(const struct policy *policy, enum errcode code, const unsigned *delays)
{
	struct prng prng;

	prng_init(&prng, 1);
	for (uint32_t n = 1; n <= 5; n++)
		ck_assert_msg(policy_delay(policy, code, &pool, n, 0, &prng) ==
				      delays[n - 1] * USEC_PER_MSEC,
			      "%s, retry %u", errcode_name(code), n);
}

START_TEST(every_backoff_has_its_delays)
{
	static const unsigned none[] = {0, 0, 0, 0, 0}, linear[] = {7, 14, 21, 28, 35},
			      curve[] = {7, 7, 14, 21, 35};
	struct policy policy;

	policy_init(&policy);
	assert_delays(&policy, ERR_queue_full, none);
	assert_delays(&policy, ERR_health_check_timeout, linear);
	assert_delays(&policy, ERR_worker_exited, curve);
	assert_delays(&policy, ERR_attempt_timeout, curve);
	assert_delays(&policy, ERR_init_failed, curve);
}
END_TEST

/* Its delays are its own, whatever the pool's cap and the row's backoff. */
START_TEST(immediate_retry_waits_0_100_200_ms)
{
	static const unsigned delays[] = {0, 100, 200, 200, 200};
	static const char *const codes[] = {"decode_error", "protocol_violation", "session_lost"};
	struct policy policy;

	policy_init(&policy);
	for (unsigned i = 0; i < ARRAY_SIZE(codes); i++)
		assert_delays(&policy, errcode_find(codes[i], strlen(codes[i])), delays);
	policy.rows[ERR_exception].strategy = STRATEGY_IMMEDIATE_RETRY;
	for (unsigned backoff = 0; backoff < ERRBACKOFF_COUNT_; backoff++) {
		policy.rows[ERR_exception].backoff = (enum errbackoff)backoff;
		assert_delays(&policy, ERR_exception, delays);
	}
}
END_TEST

START_TEST(linear_delays_end_at_the_pools_cap)
{
	struct policy policy;
	struct prng prng;

	policy_init(&policy);
	prng_init(&prng, 1);
	ck_assert_uint_eq(policy_delay(&policy, ERR_health_check_failed, &pool, 6, 0, &prng),
			  pool.cap);
	ck_assert_uint_eq(
		policy_delay(&policy, ERR_health_check_failed, &pool, UINT32_MAX, 0, &prng),
		pool.cap);
}
END_TEST

/* Whatever kind it is, and with what it was before. */
START_TEST(exponential_is_the_curve_of_the_pool)
{
	static const usec_t list[] = {5, 50};
	struct policy policy;

	policy_init(&policy);
	for (unsigned kind = 0; kind < BACKOFF_KIND_COUNT_; kind++)
		for (uint32_t n = 1; n < 10; n++) {
			struct backoff_settings curve = {.kind = (enum backoff_kind)kind,
							 .base = 1000,
							 .cap = 50000,
							 .list = list,
							 .list_len = ARRAY_SIZE(list)};
			struct prng a, b;

			prng_init(&a, n);
			prng_init(&b, n);
			ck_assert_uint_eq(
				policy_delay(&policy, ERR_worker_killed, &curve, n, 1234, &a),
				backoff_delay(&curve, n, 1234, &b));
		}
}
END_TEST

/* --- a matrix that was changed --- */

START_TEST(a_changed_row_is_followed)
{
	static const unsigned none[] = {0, 0, 0, 0, 0}, linear[] = {7, 14, 21, 28, 35},
			      curve[] = {7, 7, 14, 21, 35};
	const struct policy_context context = {.attempts = 1, .priority = PRIORITY_NORMAL};
	struct policy policy, before;

	policy_init(&policy);
	before = policy;
	policy.rows[ERR_exception] = (struct policy_row){
		.severity = SEVERITY_WARNING,
		.strategy = STRATEGY_BACKOFF_RETRY,
		.retries = 7,
		.backoff = ERRBACKOFF_LINEAR,
	};
	ck_assert_int_eq(policy_severity(&policy, ERR_exception, &context), SEVERITY_WARNING);
	assert_delays(&policy, ERR_exception, linear);
	policy.rows[ERR_exception].backoff = ERRBACKOFF_EXPONENTIAL;
	assert_delays(&policy, ERR_exception, curve);
	policy.rows[ERR_exception].backoff = ERRBACKOFF_NONE;
	assert_delays(&policy, ERR_exception, none);
	for (enum errcode code = ERR_NONE + 1; code < ERR_COUNT_; code++)
		if (code != ERR_exception)
			assert_row(policy_row(&policy, code), policy_row(&before, code),
				   errcode_name(code));
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		every_code_has_the_row_of_the_table,
		what_is_no_code_has_no_row,
		severity_follows_its_rules_in_their_order,
		severity_of_every_code_in_every_context,
		every_backoff_has_its_delays,
		immediate_retry_waits_0_100_200_ms,
		linear_delays_end_at_the_pools_cap,
		exponential_is_the_curve_of_the_pool,
		a_changed_row_is_followed,
	};

	return unit_main("policy", tests, ARRAY_SIZE(tests));
}
