#include "tests/sim/load_cases.h"

#define MS USEC_PER_MSEC
#define S  USEC_PER_SEC
#define FIXED50                                                                                    \
	{                                                                                          \
		{                                                                                  \
			.runs = LOAD_FIXED, .run = 50 * MS                                         \
		}                                                                                  \
	}

/* Eight workers, runs of 50 ms, deadlines of 1 s: the pool of most plans. */
#define EIGHT(plan_name)                                                                           \
	.name = (plan_name), .workers = 8, .start = 30 * MS, .has_admission = true, .warm = 2 * S, \
	.length = 30 * S

#define STEADY(load_percent)  .percent = (load_percent), .is_steady = true, .timeout = S
#define POISSON(load_percent) .percent = (load_percent), .timeout = S

/* --- standing overload --- */

#define OVERLOAD(plan_name, runs_kind, ...)                                                        \
	{                                                                                          \
		EIGHT(plan_name), .methods = {{.runs = (runs_kind), .run = 50 * MS}}, .streams = { \
			{__VA_ARGS__}                                                              \
		}                                                                                  \
	}

/* --- one bad worker of eight --- */

#define BAD(plan_name, fault_kind, ...)                                                            \
	{                                                                                          \
		EIGHT(plan_name), .methods = FIXED50, .fault = (fault_kind),                       \
				  .streams = {{__VA_ARGS__}}, .length = 120 * S, .warm = 0         \
	}
#define ONE .is_closed = true, .timeout = S

/* --- all runs stand still --- */

#define STALL(plan_name, load_percent, seconds)                                                    \
	{                                                                                          \
		EIGHT(plan_name), .methods = FIXED50, .fault = LOAD_STALL, .fault_at = 5 * S,      \
				  .fault_for = (seconds)*S, .streams = {{STEADY(load_percent)}},   \
				  .length = ((seconds) + 25) * S                                   \
	}

const struct load_plan load_plans[] = {
	OVERLOAD("0.5, random", LOAD_FIXED, POISSON(50)),
	OVERLOAD("1.0, random", LOAD_FIXED, POISSON(100)),
	OVERLOAD("1.15", LOAD_FIXED, STEADY(115)),
	OVERLOAD("2", LOAD_FIXED, STEADY(200)),
	OVERLOAD("5", LOAD_FIXED, STEADY(500)),
	OVERLOAD("10", LOAD_FIXED, STEADY(1000)),
	OVERLOAD("2, exponential", LOAD_EXPONENTIAL, POISSON(200)),
	OVERLOAD("2, bimodal", LOAD_BIMODAL, POISSON(200)),
	OVERLOAD("2, idempotent", LOAD_FIXED, STEADY(200), .idempotent = 100),
	OVERLOAD("2, long deadlines", LOAD_FIXED, .percent = 200, .timeout = 5 * S),
	{EIGHT("2, four at once"), .workers = 2, .concurrency = 4, .methods = FIXED50,
	 .streams = {{POISSON(200)}}},
	{EIGHT("2, four at once, deaf"), .workers = 2, .concurrency = 4, .ignores_cancel = true,
	 .methods = FIXED50, .streams = {{POISSON(200)}}},
	{EIGHT("1.15, off"), .has_admission = false, .methods = FIXED50,
	 .streams = {{STEADY(115)}}},
	{EIGHT("2, off"), .has_admission = false, .methods = FIXED50, .streams = {{STEADY(200)}}},
	{EIGHT("10, off"), .has_admission = false, .methods = FIXED50, .streams = {{STEADY(1000)}}},
	{EIGHT("2, 1 and 400 ms"), .methods = {{.run = MS}, {.run = 400 * MS}},
	 .streams = {{POISSON(100)}, {POISSON(100), .method = 1}}},
	{EIGHT("2, 30 % critical"), .methods = FIXED50,
	 .streams = {{POISSON(200), .critical = 30}}},
	{EIGHT("2, short beside long"), .methods = FIXED50,
	 .streams = {{POISSON(100)}, {.percent = 100, .timeout = 120 * MS}}},
	{EIGHT("2, then nothing"), .methods = FIXED50, .streams = {{POISSON(200), .returns = true}},
	 .length = 10 * S},
	{EIGHT("runs 20x as long for 6 s"),
	 .methods = {{.runs = LOAD_CHANGING,
		      .run = 50 * MS,
		      .slow_from = 5 * S,
		      .slow_until = 11 * S}},
	 .streams = {{POISSON(60)}}, .warm = 14 * S, .length = 24 * S},
	{EIGHT("runs 20x as long, one caller"),
	 .methods = {{.runs = LOAD_CHANGING,
		      .run = 45 * MS,
		      .slow_from = 5 * S,
		      .slow_until = 11 * S}},
	 .streams = {{ONE}}, .warm = 16 * S, .length = 24 * S},
	/* --- hasty callers --- */
	{EIGHT("5 hasty"), .methods = FIXED50,
	 .streams = {{ONE}, {.burst = 5, .timeout = 10 * MS, .from = 5 * S}}},
	{EIGHT("5000 hasty"), .methods = FIXED50,
	 .streams = {{POISSON(50)}, {.burst = 5000, .timeout = 10 * MS, .from = 5 * S}}},
	{EIGHT("5000 hasty in 5 s"), .methods = FIXED50,
	 .streams = {{POISSON(50)},
		     {.percent = 625, .timeout = 10 * MS, .from = 5 * S, .until = 10 * S}}},
	/* --- stalls --- */
	STALL("0.7, stall of 3 s", 70, 3),
	STALL("0.7, stall of 10 s", 70, 10),
	STALL("0.7, stall of 30 s", 70, 30),
	STALL("0.95, stall of 3 s", 95, 3),
	STALL("0.95, stall of 10 s", 95, 10),
	STALL("0.95, stall of 30 s", 95, 30),
	/* --- one bad worker --- */
	BAD("raises, one call", LOAD_RAISES, ONE),
	BAD("raises, 0.5", LOAD_RAISES, POISSON(50)),
	BAD("raises, 1.1", LOAD_RAISES, POISSON(110)),
	BAD("hangs, one call", LOAD_HANGS, ONE),
	BAD("hangs, 0.5", LOAD_HANGS, POISSON(50)),
	BAD("hangs, 1.1", LOAD_HANGS, POISSON(110)),
	BAD("exits, one call", LOAD_EXITS, ONE),
	BAD("exits, 0.5", LOAD_EXITS, POISSON(50)),
	BAD("exits, 1.1", LOAD_EXITS, POISSON(110)),
	BAD("fatal, one call", LOAD_FATAL, ONE),
	BAD("fatal, 0.5", LOAD_FATAL, POISSON(50)),
	BAD("fatal, 1.1", LOAD_FATAL, POISSON(110)),
	/* --- nobody there --- */
	{EIGHT("all dead, a fallback"), .methods = FIXED50, .fault = LOAD_ALL_DIE,
	 .fault_at = 5 * S, .restart = 20 * S, .fallback = 8, .warm = 6 * S,
	 .streams = {{.percent = 50, .timeout = 5 * S}}},
	{EIGHT("all dead, no fallback"), .methods = FIXED50, .fault = LOAD_ALL_DIE,
	 .fault_at = 5 * S, .restart = 5 * S, .warm = 6 * S,
	 .streams = {{.percent = 10, .timeout = 20 * S}}},
};
const unsigned load_plan_count = ARRAY_SIZE(load_plans);

#define LEAST(plan_name, figure_name, limit_value)                                                 \
	{                                                                                          \
		plan_name, LOAD_##figure_name, LOAD_AT_LEAST, limit_value, false                   \
	}
#define MOST(plan_name, figure_name, limit_value)                                                  \
	{                                                                                          \
		plan_name, LOAD_##figure_name, LOAD_AT_MOST, limit_value, false                    \
	}

/* Load that is not the workers' fault: nobody is ended, nothing opens, nothing is tried in vain. */
#define CALM(plan_name)                                                                            \
	MOST(plan_name, KILLS, 0), MOST(plan_name, OPENINGS, 0), MOST(plan_name, ATTEMPTS, 1.1),   \
		MOST(plan_name, BROKEN, 0)
#define OVERLOADED(plan_name) LEAST(plan_name, GOODPUT, 95), CALM(plan_name)
#define RECOVERS(plan_name)                                                                        \
	MOST(plan_name, RECOVERY, 5), MOST(plan_name, OPENINGS, 0), MOST(plan_name, BROKEN, 0)
#define SPARED(plan_name)                                                                          \
	MOST(plan_name, FAILED, 20), MOST(plan_name, KILLS, 0), MOST(plan_name, BROKEN, 0)

const struct load_case load_cases[] = {
	OVERLOADED("0.5, random"),
	OVERLOADED("1.0, random"),
	OVERLOADED("1.15"),
	OVERLOADED("2"),
	OVERLOADED("5"),
	OVERLOADED("10"),
	OVERLOADED("2, exponential"),
	OVERLOADED("2, bimodal"),
	OVERLOADED("2, idempotent"),
	OVERLOADED("2, long deadlines"),
	OVERLOADED("2, four at once"),
	OVERLOADED("2, four at once, deaf"),
	/* Without admission the same load must collapse: else these worlds prove nothing. */
	MOST("1.15, off", GOODPUT, 50),
	MOST("2, off", GOODPUT, 50),
	MOST("10, off", GOODPUT, 50),
	LEAST("2, 1 and 400 ms", WORK, 90),
	CALM("2, 1 and 400 ms"),
	LEAST("2, 30 % critical", CRITICAL, 100),
	LEAST("2, 30 % critical", REST, 90),
	CALM("2, 30 % critical"),
	OVERLOADED("2, short beside long"),
	LEAST("2, then nothing", RETURNED, 95),
	OVERLOADED("2, then nothing"),
	OVERLOADED("runs 20x as long for 6 s"),
	LEAST("runs 20x as long, one caller", FIRST, 100),
	MOST("runs 20x as long, one caller", BROKEN, 0),
	LEAST("5 hasty", FIRST, 100),
	CALM("5 hasty"),
	LEAST("5000 hasty", FIRST, 100),
	CALM("5000 hasty"),
	LEAST("5000 hasty in 5 s", FIRST, 100),
	CALM("5000 hasty in 5 s"),
	RECOVERS("0.7, stall of 3 s"),
	RECOVERS("0.7, stall of 10 s"),
	RECOVERS("0.7, stall of 30 s"),
	RECOVERS("0.95, stall of 3 s"),
	RECOVERS("0.95, stall of 10 s"),
	RECOVERS("0.95, stall of 30 s"),
	SPARED("raises, one call"),
	SPARED("raises, 0.5"),
	SPARED("raises, 1.1"),
	SPARED("hangs, one call"),
	SPARED("hangs, 0.5"),
	SPARED("hangs, 1.1"),
	SPARED("exits, one call"),
	SPARED("exits, 0.5"),
	SPARED("exits, 1.1"),
	SPARED("fatal, one call"),
	SPARED("fatal, 0.5"),
	SPARED("fatal, 1.1"),
	LEAST("all dead, a fallback", FIRST, 100),
	MOST("all dead, a fallback", WAIT, 2.1),
	MOST("all dead, a fallback", BROKEN, 0),
	LEAST("all dead, no fallback", FIRST, 100),
	MOST("all dead, no fallback", BROKEN, 0),
};
const unsigned load_case_count = ARRAY_SIZE(load_cases);
