#include "tests/sim/load_cases.h"

#define MS USEC_PER_MSEC
#define S  USEC_PER_SEC
#define FIXED50                                                                                    \
	{                                                                                          \
		{                                                                                  \
			.runs = LOAD_FIXED, .run = 50 * MS                                         \
		}                                                                                  \
	}

/* The times of a world in seconds: when its figures begin to count, and how long its load lasts. */
#define PLAN(plan_name, warm_time, length_time)                                                    \
	.name = (plan_name), .start = 30 * MS, .warm = (warm_time)*S, .length = (length_time)*S

/* Eight workers for one request at a time: the pool of most plans. */
#define EIGHT(plan_name, warm_time, length_time)                                                   \
	PLAN(plan_name, warm_time, length_time), .workers = 8

#define STEADY(load_percent)  .percent = (load_percent), .is_steady = true, .timeout = S
#define POISSON(load_percent) .percent = (load_percent), .timeout = S

/* Standing load. */
#define LOADED(plan_name, runs_kind, ...)                                                          \
	{                                                                                          \
		EIGHT(plan_name, 2, 30), .methods = {{.runs = (runs_kind), .run = 50 * MS}},       \
					 .streams = {                                              \
						 {__VA_ARGS__}                                     \
					 }                                                         \
	}

/* The same without admission. */
#define OFF(plan_name, load_percent)                                                               \
	{                                                                                          \
		EIGHT(plan_name, 2, 30), .no_admission = true, .methods = FIXED50, .streams = {    \
			{STEADY(load_percent)}                                                     \
		}                                                                                  \
	}

/* One bad worker of eight. */
#define BAD(plan_name, fault_kind, ...)                                                            \
	{                                                                                          \
		EIGHT(plan_name, 0, 120), .methods = FIXED50, .fault = (fault_kind), .streams = {  \
			{__VA_ARGS__}                                                              \
		}                                                                                  \
	}
#define ONE .is_closed = true, .timeout = S

/* All runs stand still for some seconds. */
#define STALL(plan_name, load_percent, seconds)                                                    \
	{                                                                                          \
		EIGHT(plan_name, 2, (seconds) + 25), .methods = FIXED50, .fault = LOAD_STALL,      \
						     .fault_at = 5 * S, .fault_for = (seconds)*S,  \
						     .streams = {                                  \
							     {STEADY(load_percent)}                \
						     }                                             \
	}

/* Runs of `time` ms that take 20 times as long from 5 s to 11 s. */
#define CHANGING(time)                                                                             \
	{                                                                                          \
		{                                                                                  \
			.runs = LOAD_CHANGING, .run = (time)*MS, .slow_from = 5 * S,               \
			.slow_until = 11 * S                                                       \
		}                                                                                  \
	}

const struct load_plan load_plans[] = {
	LOADED("0.5, random", LOAD_FIXED, POISSON(50)),
	LOADED("1.0, random", LOAD_FIXED, POISSON(100)),
	LOADED("1.15", LOAD_FIXED, STEADY(115)),
	LOADED("2", LOAD_FIXED, STEADY(200)),
	LOADED("5", LOAD_FIXED, STEADY(500)),
	LOADED("10", LOAD_FIXED, STEADY(1000)),
	LOADED("2, exponential", LOAD_EXPONENTIAL, POISSON(200)),
	/* The sum of so unequal runs strays by 2 % of itself in 30 s, by 1 % in 120 s. */
	{EIGHT("2, bimodal", 2, 122), .methods = {{.runs = LOAD_BIMODAL, .run = 50 * MS}},
	 .streams = {{POISSON(200)}}},
	LOADED("0.8, exponential", LOAD_EXPONENTIAL, POISSON(80)),
	LOADED("0.8, bimodal", LOAD_BIMODAL, POISSON(80)),
	LOADED("2, idempotent", LOAD_FIXED, STEADY(200), .idempotent = 100),
	LOADED("2, long deadlines", LOAD_FIXED, .percent = 200, .timeout = 5 * S),
	{PLAN("2, four at once", 2, 30), .workers = 2, .concurrency = 4, .methods = FIXED50,
	 .streams = {{POISSON(200)}}},
	{PLAN("2, four at once, deaf", 2, 30), .workers = 2, .concurrency = 4,
	 .ignores_cancel = true, .methods = FIXED50, .streams = {{POISSON(200)}}},
	OFF("1.15, off", 115),
	OFF("2, off", 200),
	OFF("10, off", 1000),
	{EIGHT("2, 1 and 400 ms", 2, 30), .methods = {{.run = MS}, {.run = 400 * MS}},
	 .streams = {{POISSON(100)}, {POISSON(100), .method = 1}}},
	{EIGHT("2, 1 and 400 ms, one of each", 2, 30), .methods = {{.run = MS}, {.run = 400 * MS}},
	 .streams = {{.percent = 1, .timeout = S}, {POISSON(199), .method = 1}}},
	{EIGHT("2, 30 % critical", 2, 30), .methods = FIXED50,
	 .streams = {{POISSON(200), .critical = 30}}},
	{EIGHT("2, critical in haste", 2, 30), .methods = FIXED50,
	 .streams = {{POISSON(140)}, {.percent = 60, .timeout = 300 * MS, .critical = 100}}},
	{EIGHT("2, hopeless beside", 2, 30), .methods = FIXED50,
	 .streams = {{POISSON(200)}, {.percent = 50, .timeout = 10 * MS, .from = S}}},
	{EIGHT("2, short beside long", 2, 30), .methods = FIXED50,
	 .streams = {{POISSON(100)}, {.percent = 100, .timeout = 120 * MS}}},
	{EIGHT("2, then nothing", 2, 10), .methods = FIXED50,
	 .streams = {{POISSON(200), .returns = true}}},
	{EIGHT("runs 20x as long for 6 s", 14, 24), .methods = CHANGING(45),
	 .streams = {{POISSON(60)}}},
	{EIGHT("runs 20x as long, one caller", 16, 24), .methods = CHANGING(45),
	 .streams = {{ONE}}},
	/* What is known of the long runs leaves no request enough time when they are short again. */
	{EIGHT("runs 20x, deadline of five", 16, 24), .methods = CHANGING(20),
	 .streams = {{.percent = 60, .timeout = 100 * MS}}},
	{EIGHT("runs 20x, one caller in haste", 16, 24), .methods = CHANGING(20),
	 .streams = {{.is_closed = true, .timeout = 100 * MS}}},
	{EIGHT("runs of 2 s for 6 s", 16, 24), .methods = CHANGING(100),
	 .streams = {{.is_closed = true, .timeout = 500 * MS}}},
	/* --- hasty callers --- */
	{EIGHT("5 hasty", 2, 30), .methods = FIXED50,
	 .streams = {{ONE}, {.burst = 5, .timeout = 10 * MS, .from = 5 * S}}},
	{EIGHT("5000 hasty", 2, 30), .methods = FIXED50,
	 .streams = {{POISSON(50)}, {.burst = 5000, .timeout = 10 * MS, .from = 5 * S}}},
	{EIGHT("5000 hasty in 5 s", 2, 30), .methods = FIXED50,
	 .streams = {{POISSON(50)},
		     {.percent = 625, .timeout = 10 * MS, .from = 5 * S, .until = 10 * S}}},
	/* Nobody else calls the method any more, so that nothing else tells how long it runs. */
	{EIGHT("hopeless for ever", 6, 60), .methods = FIXED50,
	 .streams = {{ONE, .until = 5 * S}, {.percent = 625, .timeout = 10 * MS}}},
	{EIGHT("hopeless for ever, 2 s", 10, 100), .methods = {{.run = 2 * S}},
	 .streams = {{.is_closed = true, .timeout = 10 * S, .until = 5 * S},
		     {.percent = 2000, .timeout = S}}},
	{PLAN("hopeless beside, one worker", 2, 30), .workers = 1,
	 .methods = {{.run = 20 * MS}, {.run = 50 * MS}},
	 .streams = {{.percent = 50, .timeout = S},
		     {.percent = 5000, .timeout = 10 * MS, .method = 1, .from = S},
		     {.percent = 20, .timeout = S, .method = 1, .until = S}}},
	{EIGHT("runs 20x, hopeless beside", 16, 24), .methods = CHANGING(20),
	 .streams = {{.is_closed = true, .timeout = 100 * MS},
		     {.percent = 250, .timeout = 10 * MS}}},
	/* --- one client beside another --- */
	{EIGHT("1000 queued beside one", 2, 30), .methods = FIXED50,
	 .streams = {{.is_closed = true, .timeout = 200 * MS},
		     {.burst = 1000, .timeout = 30 * S, .from = 2 * S},
		     {.burst = 1000, .timeout = 30 * S, .from = 10 * S}}},
	{EIGHT("0.4 beside 5", 2, 30), .methods = FIXED50,
	 .streams = {{POISSON(40)}, {.percent = 500, .timeout = 5 * S}}},
	{EIGHT("1 ms beside 300 of 400 ms", 2, 30), .methods = {{.run = MS}, {.run = 400 * MS}},
	 .streams = {{.is_closed = true, .timeout = S},
		     {.burst = 300, .timeout = 60 * S, .method = 1, .from = 2 * S}}},
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
	{EIGHT("raises from 5 s on, 1.1", 0, 125), .methods = FIXED50, .fault = LOAD_RAISES,
	 .fault_at = 5 * S, .streams = {{POISSON(110)}}},
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
	{EIGHT("all dead, a fallback", 6, 30), .methods = FIXED50, .fault = LOAD_ALL_DIE,
	 .fault_at = 5 * S, .restart = 20 * S, .fallback = 8,
	 .streams = {{.percent = 50, .timeout = 5 * S}}},
	{EIGHT("all dead, no fallback", 6, 30), .methods = FIXED50, .fault = LOAD_ALL_DIE,
	 .fault_at = 5 * S, .restart = 5 * S, .streams = {{.percent = 10, .timeout = 20 * S}}},
};
const unsigned load_plan_count = ARRAY_SIZE(load_plans);

#define LEAST(plan_name, figure_name, limit_value)                                                 \
	{                                                                                          \
		plan_name, LOAD_##figure_name, LOAD_AT_LEAST, limit_value                          \
	}
#define MOST(plan_name, figure_name, limit_value)                                                  \
	{                                                                                          \
		plan_name, LOAD_##figure_name, LOAD_AT_MOST, limit_value                           \
	}

/* Load that is not the workers' fault: nobody is ended, nothing opens, nothing is tried in vain. */
#define CALM(plan_name)                                                                            \
	MOST(plan_name, KILLS, 0), MOST(plan_name, OPENINGS, 0), MOST(plan_name, ATTEMPTS, 1.1),   \
		MOST(plan_name, BROKEN, 0)
#define OVERLOADED(plan_name) LEAST(plan_name, GOODPUT, 95), CALM(plan_name)
/* Calls that can't be answered in time cost next to nothing. */
#define HARMLESS(plan_name, most)                                                                  \
	MOST(plan_name, WASTE, most), MOST(plan_name, KILLS, 0), MOST(plan_name, OPENINGS, 0),     \
		MOST(plan_name, BROKEN, 0)
/* Who stood still for longer than any run has taken made no progress: such workers may be ended. */
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
	LEAST("2, exponential", WORK, 95),
	/* A tenth of the runs are more than half of the work, and the mean of so few is known to a
	 * fifth: so some that are sent have less time left than was thought. */
	OVERLOADED("2, bimodal"),
	LEAST("2, bimodal", WORK, 90),
	OVERLOADED("0.8, exponential"),
	OVERLOADED("0.8, bimodal"),
	OVERLOADED("2, idempotent"),
	OVERLOADED("2, long deadlines"),
	OVERLOADED("2, four at once"),
	OVERLOADED("2, four at once, deaf"),
	/* Who is not refused on arrival is served. */
	MOST("2", VAIN, 5),
	MOST("5", VAIN, 5),
	MOST("2, 30 % critical", VAIN, 5),
	MOST("2, critical in haste", VAIN, 5),
	/* Without admission the same load must collapse: else these worlds prove nothing. */
	MOST("1.15, off", GOODPUT, 50),
	MOST("2, off", GOODPUT, 50),
	MOST("10, off", GOODPUT, 50),
	LEAST("2, 1 and 400 ms", WORK, 90),
	CALM("2, 1 and 400 ms"),
	LEAST("2, 1 and 400 ms, one of each", WORK, 90),
	LEAST("2, 1 and 400 ms, one of each", FIRST, 95),
	CALM("2, 1 and 400 ms, one of each"),
	LEAST("2, 30 % critical", CRITICAL, 100),
	LEAST("2, 30 % critical", REST, 90),
	CALM("2, 30 % critical"),
	LEAST("2, critical in haste", CRITICAL, 100),
	LEAST("2, critical in haste", REST, 90),
	CALM("2, critical in haste"),
	OVERLOADED("2, hopeless beside"),
	OVERLOADED("2, short beside long"),
	LEAST("2, then nothing", RETURNED, 95),
	OVERLOADED("2, then nothing"),
	OVERLOADED("runs 20x as long for 6 s"),
	LEAST("runs 20x as long, one caller", FIRST, 100),
	CALM("runs 20x as long, one caller"),
	OVERLOADED("runs 20x, deadline of five"),
	LEAST("runs 20x, one caller in haste", FIRST, 100),
	CALM("runs 20x, one caller in haste"),
	LEAST("runs of 2 s for 6 s", FIRST, 100),
	CALM("runs of 2 s for 6 s"),
	LEAST("5 hasty", FIRST, 100),
	CALM("5 hasty"),
	LEAST("5000 hasty", FIRST, 100),
	CALM("5000 hasty"),
	LEAST("5000 hasty in 5 s", FIRST, 100),
	CALM("5000 hasty in 5 s"),
	HARMLESS("hopeless for ever", 1),
	HARMLESS("hopeless for ever, 2 s", 5),
	HARMLESS("hopeless beside, one worker", 5),
	LEAST("hopeless beside, one worker", FIRST, 100),
	HARMLESS("runs 20x, hopeless beside", 1),
	LEAST("runs 20x, hopeless beside", FIRST, 100),
	LEAST("1000 queued beside one", FIRST, 100),
	LEAST("1000 queued beside one", GOODPUT, 95),
	CALM("1000 queued beside one"),
	LEAST("0.4 beside 5", FIRST, 99),
	OVERLOADED("0.4 beside 5"),
	LEAST("1 ms beside 300 of 400 ms", FIRST, 100),
	CALM("1 ms beside 300 of 400 ms"),
	RECOVERS("0.7, stall of 3 s"),
	RECOVERS("0.7, stall of 10 s"),
	RECOVERS("0.7, stall of 30 s"),
	RECOVERS("0.95, stall of 3 s"),
	RECOVERS("0.95, stall of 10 s"),
	RECOVERS("0.95, stall of 30 s"),
	SPARED("raises, one call"),
	SPARED("raises, 0.5"),
	SPARED("raises from 5 s on, 1.1"),
	/* What fails before any sibling has had time to answer can't be blamed on the worker: in
	 * the first 50 ms, which are 9 calls at this load. */
	MOST("raises, 1.1", FAILED, 26),
	MOST("raises, 1.1", KILLS, 0),
	MOST("raises, 1.1", BROKEN, 0),
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
