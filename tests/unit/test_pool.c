#include "daemon/core/pool.h"

#include <string.h>

#include "tests/lib/defaults.h"
#include "tests/lib/unit.h"

#define WORKERS	 4
#define SLOTS	 (2 * WORKERS + 1)
#define PREFETCH 2

struct fixture {
	struct pool_settings settings;
	struct pool pool;
	struct worker workers[SLOTS];
	struct circuit circuits[1 + CIRCUIT_METHODS_MAX];
	struct window window;
	struct attempt attempts[SLOTS][WORKER_ATTEMPTS_MAX];
	struct request requests[8];
	struct lane lane_slots[8];
	struct table_entry *lane_buckets[16];
	struct lanes lanes;
};

/* With the settings that stand in the fixture. */
static void set_up_again(struct fixture *f)
{
	for (unsigned i = 0; i < SLOTS; i++)
		worker_init(&f->workers[i], i, 0, f->attempts[i]);
	pool_init(&f->pool, 0, &f->settings, f->workers, f->circuits, 1, 1);
	pool_attach_window(&f->pool, &f->window, 1);
	lanes_init(&f->lanes, f->lane_slots, ARRAY_SIZE(f->lane_slots), f->lane_buckets);
	queue_attach(&f->pool.queue, 0, &f->lanes, NULL, 0);
}

static void set_up(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	pool_default_settings(&f->settings);
	f->settings.workers_min = 2;
	f->settings.workers_max = WORKERS;
	f->settings.queue_max = 8;
	f->settings.queue_bytes_max = 1000;
	f->settings.prefetch = PREFETCH;
	f->settings.restart_delay = 100;
	f->settings.restart_delay_max = 1000;
	set_up_again(f);
}

static void make_ready(struct fixture *f, unsigned i, unsigned concurrency)
{
	worker_reset_life(&f->workers[i], 1);
	f->workers[i].concurrency = concurrency;
	pool_move_worker(&f->pool, &f->workers[i], WORKER_INITIALIZING, 1);
	pool_move_worker(&f->pool, &f->workers[i], WORKER_READY, 2);
}

static void give(struct fixture *f, unsigned i, unsigned count)
{
	while (count-- > 0)
		worker_add_attempt(&f->workers[i], &f->requests[count], 3);
	pool_place_worker(&f->pool, &f->workers[i], 3);
}

struct move {
	struct fixture f;
	enum worker_state to;
};

static void make_move(void *argument)
{
	struct move *move = argument;

	pool_move_worker(&move->f.pool, &move->f.workers[0], move->to, 9);
}

/* Puts the worker into the state as if it had come there, whatever the table says. */
static void place(struct fixture *f, enum worker_state state)
{
	list_remove(&f->pool.states[WORKER_TERMINATED], &f->workers[0].in_state);
	f->workers[0].state = state;
	list_push_front(&f->pool.states[state], &f->workers[0].in_state);
}

START_TEST(every_pair_of_states_moves_or_asserts)
{
	for (unsigned from = 0; from < WORKER_STATE_COUNT_; from++)
		for (unsigned to = 0; to < WORKER_STATE_COUNT_; to++) {
			bool may = worker_may_move((enum worker_state)from, (enum worker_state)to);
			struct move move = {.to = (enum worker_state)to};

			set_up(&move.f);
			place(&move.f, (enum worker_state)from);
			ck_assert_int_eq(unit_aborts(make_move, &move, true), !may);
			if (!may)
				continue;
			ck_assert_int_eq(move.f.workers[0].state, to);
			ck_assert_uint_eq(move.f.workers[0].since, 9);
			ck_assert_ptr_eq(list_first(&move.f.pool.states[to]),
					 &move.f.workers[0].in_state);
			ck_assert_uint_eq(move.f.pool.states[from].len,
					  from == WORKER_TERMINATED ? SLOTS - 1 : 0);
		}
}
END_TEST

START_TEST(a_new_pool_has_empty_slots)
{
	struct fixture f;

	set_up(&f);
	ck_assert_uint_eq(f.pool.states[WORKER_TERMINATED].len, SLOTS);
	ck_assert_uint_eq(pool_live(&f.pool), 0);
	ck_assert_int_eq(f.pool.health, POOL_DOWN);
	ck_assert_ptr_null(pool_pick(&f.pool, &f.requests[0]));
}
END_TEST

START_TEST(the_last_used_free_worker_is_picked)
{
	struct fixture f;

	set_up(&f);
	make_ready(&f, 0, 1);
	make_ready(&f, 1, 1);
	ck_assert_ptr_eq(pool_pick(&f.pool, &f.requests[0]), &f.workers[1]);
	give(&f, 1, 1);
	ck_assert_int_eq(f.workers[1].state, WORKER_BUSY);
	ck_assert_ptr_eq(pool_pick(&f.pool, &f.requests[0]), &f.workers[0]);
}
END_TEST

START_TEST(free_workers_come_before_busy_ones_with_room)
{
	struct fixture f;

	set_up(&f);
	make_ready(&f, 0, 2);
	give(&f, 0, 1);
	ck_assert_ptr_eq(pool_pick(&f.pool, &f.requests[0]), &f.workers[0]);
	make_ready(&f, 1, 1);
	ck_assert_ptr_eq(pool_pick(&f.pool, &f.requests[0]), &f.workers[1]);
}
END_TEST

START_TEST(who_may_wait_behind_a_busy_worker)
{
	static const struct {
		bool idempotent;
		usec_t typical_run;
		bool may;
	} cases[] = {{true, 0, false},	  {true, 1, true},   {true, 2000, true},
		     {true, 2001, false}, {false, 1, false}, {false, 0, false}};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct request request = {.is_idempotent = cases[i].idempotent};
		struct fixture f;

		set_up(&f);
		make_ready(&f, 0, 1);
		give(&f, 0, 1);
		f.pool.typical_run = cases[i].typical_run;
		ck_assert_ptr_eq(pool_pick(&f.pool, &request), cases[i].may ? &f.workers[0] : NULL);
	}
}
END_TEST

START_TEST(room_ends_with_prefetch)
{
	static const struct {
		unsigned concurrency, attempts;
		bool slow, open, behind;
	} cases[] = {
		{1, 1, false, false, true},    {1, 2, false, false, true},
		{1, 3, false, false, false},   {2, 1, false, true, false},
		{2, 2, false, false, true},    {2, 4, false, false, false},
		{1, 1, true, false, false},    {2, 1, true, true, false},
		{2, 2, true, false, false},    {64, 63, false, true, false},
		{64, 64, false, false, false},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct request request = {.state = REQUEST_SENT};
		struct fixture f;

		set_up(&f);
		make_ready(&f, 0, cases[i].concurrency);
		for (unsigned k = 0; k < cases[i].attempts; k++)
			worker_add_attempt(&f.workers[0], &request, 3);
		f.workers[0].is_slow = cases[i].slow;
		pool_place_worker(&f.pool, &f.workers[0], 3);
		ck_assert_uint_eq(f.pool.open.len, cases[i].open);
		ck_assert_uint_eq(f.pool.lines[LINE_SHORT].len, cases[i].behind);
	}
}
END_TEST

/* Makes a run of the method known, as that of the whole pool too. */
static void learn(struct fixture *f, struct bytes method, usec_t run)
{
	runs_learn_result(&f->pool.runs, RUNS_OTHER, method, run, run, 3);
	f->pool.typical_run = run;
}

/* The places in a line: the least that `prefetch` says, and so many as begin within a millisecond. */
START_TEST(a_line_is_as_long_as_what_it_runs_is_short)
{
	static const struct {
		unsigned concurrency, attempts;
		usec_t each; /* how long each runs */
		bool batches;
		int line; /* -1: none */
	} cases[] = {
		{1, 1, 999, false, LINE_SHORT}, {1, 1, 1000, false, LINE_LATE},
		{1, 2, 499, false, LINE_SHORT}, {1, 2, 500, false, LINE_LATE},
		{1, 3, 333, false, LINE_LONG},	{1, 3, 334, false, -1},
		{1, 8, 10, false, LINE_LONG},	{1, 9, 10, false, -1},
		{2, 2, 999, false, LINE_SHORT}, {2, 4, 499, false, LINE_LONG},
		{2, 4, 500, false, -1},		{1, 1, 10, true, LINE_LATE},
		{1, 3, 10, true, -1},		{64, 64, 1, false, -1},
		{60, 63, 1, false, LINE_LONG},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct request request = {.state = REQUEST_SENT};
		struct fixture f;
		struct worker *worker = &f.workers[0];

		set_up(&f);
		f.pool.settings.prefetch_max = 8;
		make_ready(&f, 0, cases[i].concurrency);
		worker->batches = cases[i].batches;
		for (unsigned k = 0; k < cases[i].attempts; k++)
			worker_expect(worker, worker_add_attempt(worker, &request, 3),
				      cases[i].each);
		pool_place_worker(&f.pool, worker, 3);
		for (int line = 0; line < LINE_COUNT_; line++)
			ck_assert_uint_eq(f.pool.lines[line].len, line == cases[i].line);
	}
}
END_TEST

/* Who may stand in which of them. */
START_TEST(what_must_not_run_twice_stands_where_it_can_come_back_from)
{
	enum {
		LISTS = 1u << LINE_SHORT | 1u << LINE_LONG | 1u << LINE_LATE
	};
	static const struct {
		bool idempotent, has_key, announces, recalls, batches;
		usec_t run;	/* of the method; 0: unknown */
		unsigned lines; /* mask of those where it may stand */
	} cases[] = {
		{true, false, false, false, false, 1000, LISTS},
		{true, false, false, false, false, 1001, 1u << LINE_SHORT | 1u << LINE_LATE},
		{true, false, false, false, false, 0, 1u << LINE_SHORT | 1u << LINE_LATE},
		{true, true, true, true, false, 10, 0},
		{false, false, true, true, false, 1000, 1u << LINE_SHORT | 1u << LINE_LONG},
		{false, false, true, true, false, 1001, 0},
		{false, false, true, true, false, 0, 0},
		{false, false, true, false, false, 10, 0},
		{false, false, false, true, false, 10, 0},
		{false, false, true, true, true, 10, 0},
		{false, true, true, true, false, 10, 0},
	};
	static const uint8_t known[] = "known", other[] = "other";

	for (unsigned i = 0; i < ARRAY_SIZE(cases) * LINE_COUNT_; i++) {
		const unsigned line = i % LINE_COUNT_, at = i / LINE_COUNT_;
		struct key key = {0};
		struct request request = {.is_idempotent = cases[at].idempotent,
					  .key = cases[at].has_key ? &key : NULL,
					  .method = {cases[at].run > 0 ? known : other, 5}};
		struct fixture f;
		struct worker *worker = &f.workers[0];
		bool may = cases[at].lines & 1u << line;

		set_up(&f);
		learn(&f, (struct bytes){known, 5}, cases[at].run > 0 ? cases[at].run : 10);
		make_ready(&f, 0, 1);
		worker->announces = cases[at].announces;
		worker->recalls = cases[at].recalls;
		give(&f, 0, 1);
		worker->batches = cases[at].batches;
		if (worker->room_list)
			list_remove(worker->room_list, &worker->in_room);
		worker->room_list = &f.pool.lines[line];
		list_push_back(worker->room_list, &worker->in_room);
		ck_assert_ptr_eq(pool_pick(&f.pool, &request), may ? worker : NULL);
		/* Nor does one that has lost a worker stand behind others again. */
		request.run.crashes = 1;
		ck_assert_ptr_null(pool_pick(&f.pool, &request));
	}
}
END_TEST

START_TEST(a_worker_without_attempts_is_free_again)
{
	struct fixture f;

	set_up(&f);
	make_ready(&f, 0, 2);
	give(&f, 0, 1);
	ck_assert_uint_eq(f.pool.open.len, 1);
	worker_drop_attempt(
		&f.workers[0],
		list_entry(list_first(&f.workers[0].attempts), struct attempt, in_worker), 5);
	pool_place_worker(&f.pool, &f.workers[0], 5);
	ck_assert_int_eq(f.workers[0].state, WORKER_READY);
	ck_assert_uint_eq(f.pool.open.len, 0);
	give(&f, 0, 1);
	pool_move_worker(&f.pool, &f.workers[0], WORKER_TERMINATING, 6);
	ck_assert_uint_eq(f.pool.open.len, 0);
	ck_assert_uint_eq(pool_live(&f.pool), 0);
}
END_TEST

/* A worker with nothing else in flight answers. */
static void answer(struct fixture *f, usec_t run)
{
	const struct batch_run of = {.kind = BATCH_RESULT, .begun = 3, .span = run};

	pool_measure(&f->pool, &f->workers[0], &of, 3 + run);
}

START_TEST(the_typical_run_follows_slowly)
{
	struct fixture f;

	set_up(&f);
	make_ready(&f, 0, 1);
	answer(&f, 800);
	ck_assert_uint_eq(f.pool.typical_run, 800);
	answer(&f, 1600);
	ck_assert_uint_eq(f.pool.typical_run, 900);
	/* One run counts as at most four. */
	answer(&f, USEC_PER_SEC);
	ck_assert_uint_eq(f.pool.typical_run, (7 * 900 + 4 * 900 + 7) / 8);
	for (unsigned i = 0; i < 100; i++)
		answer(&f, 0);
	ck_assert_uint_ge(f.pool.typical_run, 1);
	ck_assert_uint_lt(f.pool.typical_run, 20);
}
END_TEST

/* What a turn in the queue is worth: as many runs as a worker does in 250 us, from 1 to 16. */
static void expect_turn(const struct fixture *f, unsigned runs)
{
	ck_assert_uint_eq(f->pool.queue.turn, runs * QUEUE_RUN);
}

/* The worker, which has more to do, answers so many requests in each of some turns of the loop. */
static usec_t answer_in_turns(struct fixture *f, unsigned answers, usec_t interval, usec_t now)
{
	for (unsigned turn = 0; turn < 400; turn++) {
		now += interval;
		for (unsigned i = 0; i < answers; i++) {
			const struct batch_run of = {.kind = BATCH_RESULT, .span = 5000};

			pool_measure(&f->pool, &f->workers[0], &of, now);
		}
	}
	return now;
}

START_TEST(a_turn_is_worth_what_a_worker_does_in_its_time)
{
	struct fixture f;
	usec_t now;

	set_up(&f);
	make_ready(&f, 0, 1);
	expect_turn(&f, 1);
	now = answer_in_turns(&f, 1, 50, 2);
	expect_turn(&f, 5);
	now = answer_in_turns(&f, 1, 2, now);
	expect_turn(&f, 16);
	now = answer_in_turns(&f, 1, 300, now);
	expect_turn(&f, 1);
	/* However long each of them took: the worker runs several at the same time.  The mean falls a
	 * little with each of them. */
	now = answer_in_turns(&f, 20, 400, now);
	ck_assert_uint_ge(f.pool.queue.turn, 12 * QUEUE_RUN);
	ck_assert_uint_le(f.pool.queue.turn, 14 * QUEUE_RUN);
	/* Nobody waits for a worker that has nothing to do. */
	now += 3600 * USEC_PER_SEC;
	f.workers[0].since = now;
	answer_in_turns(&f, 1, 10, now);
	expect_turn(&f, 16);
}
END_TEST

START_TEST(one_run_that_was_stuck_changes_turns_for_a_while)
{
	struct fixture f;
	usec_t now;

	set_up(&f);
	make_ready(&f, 0, 1);
	now = answer_in_turns(&f, 1, 10, 2) + 60 * USEC_PER_SEC;
	pool_measure(&f.pool, &f.workers[0], &(struct batch_run){.kind = BATCH_RESULT}, now);
	expect_turn(&f, 13);
	answer_in_turns(&f, 1, 10, now);
	expect_turn(&f, 16);
}
END_TEST

static struct attempt *head_of(struct fixture *f)
{
	return list_entry(list_first(&f->workers[0].attempts), struct attempt, in_worker);
}

/* The answer to the head of the first worker's line is read at that time. */
static void read_answer(struct fixture *f, unsigned entry, enum batch_kind kind, usec_t now)
{
	const struct attempt *attempt = head_of(f);
	struct batch_run run = {.kind = kind,
				.entry = entry,
				.begun = attempt->begun,
				.span = attempt_ran(attempt, now),
				.expected = attempt->expected};

	worker_drop_attempt(&f->workers[0], head_of(f), now);
	pool_measure(&f->pool, &f->workers[0], &run, now);
}

/* Puts so many of runs like that into the line. */
static void line_up(struct fixture *f, unsigned count, usec_t expected, usec_t now)
{
	while (count-- > 0)
		worker_expect(&f->workers[0],
			      worker_add_attempt(&f->workers[0], &f->requests[0], now), expected);
}

/* Runs of 20 us, of which the daemon reads `each` answers in a turn. */
START_TEST(answers_of_one_turn_are_measured_together)
{
	static const unsigned each[] = {1, 2, 5, 50};

	for (unsigned i = 0; i < ARRAY_SIZE(each); i++) {
		struct fixture f;
		usec_t now = 1000;
		unsigned entry;

		set_up(&f);
		make_ready(&f, 0, 1);
		learn(&f, (struct bytes){(const uint8_t *)"m", 1}, 20);
		entry = runs_find(&f.pool.runs, (struct bytes){(const uint8_t *)"m", 1});
		line_up(&f, each[i], 20, now);
		for (unsigned turn = 0; turn < 100; turn++) {
			line_up(&f, 1, 20, now);
			now += 20 * each[i];
			for (unsigned k = 0; k < each[i]; k++)
				read_answer(&f, entry, k % 7 == 3 ? BATCH_ERROR : BATCH_RESULT,
					    now);
			line_up(&f, each[i] - 1, 20, now);
			ck_assert_uint_eq(runs_typical(&f.pool.runs, entry), 20);
			ck_assert_uint_eq(runs_cost(&f.pool.runs, entry), 20);
			ck_assert_uint_eq(runs_high(&f.pool.runs, entry), 20);
			ck_assert_uint_eq(f.pool.typical_run, 20);
		}
	}
}
END_TEST

/* A worker that may run several at once, with `line` of them at a time: it answers one each 20 us, or
 * `each` of them together.  A call takes as long as that worker needs for all of them, and costs the
 * pool no more than its share. */
START_TEST(what_overlaps_costs_its_share)
{
	static const unsigned lines[][2] = {{1, 1}, {17, 1}, {17, 5}, {17, 17}};

	for (unsigned i = 0; i < ARRAY_SIZE(lines); i++) {
		unsigned line = lines[i][0], each = lines[i][1];
		struct fixture f;
		usec_t now = 1000;
		unsigned entry;

		set_up(&f);
		make_ready(&f, 0, 1);
		f.workers[0].batches = true;
		learn(&f, (struct bytes){(const uint8_t *)"m", 1}, 20);
		entry = runs_find(&f.pool.runs, (struct bytes){(const uint8_t *)"m", 1});
		f.workers[0].since = now;
		line_up(&f, line, 20, now);
		for (unsigned turn = 0; turn < 1000; turn++) {
			now += 20 * each;
			for (unsigned k = 0; k < each; k++)
				read_answer(&f, entry, BATCH_RESULT, now);
			line_up(&f, each, 20, now);
		}
		ck_assert_uint_eq(runs_cost(&f.pool.runs, entry), 20);
		ck_assert_uint_ge(runs_typical(&f.pool.runs, entry), 20 * (line - each + 1));
		ck_assert_uint_lt(runs_typical(&f.pool.runs, entry), 20 * (line + each));
	}
}
END_TEST

/* Each gets its share of the time, whichever of them was read first. */
START_TEST(a_short_run_beside_a_long_one_stays_short)
{
	struct fixture f;
	unsigned quick, slow;

	set_up(&f);
	make_ready(&f, 0, 1);
	learn(&f, (struct bytes){(const uint8_t *)"slow", 4}, 900);
	learn(&f, (struct bytes){(const uint8_t *)"quick", 5}, 10);
	slow = runs_find(&f.pool.runs, (struct bytes){(const uint8_t *)"slow", 4});
	quick = runs_find(&f.pool.runs, (struct bytes){(const uint8_t *)"quick", 5});
	for (usec_t now = 1000; now < 101000; now += 1000) {
		bool is_first = now % 2000 == 0;

		line_up(&f, 1, is_first ? 900 : 10, now);
		line_up(&f, 1, is_first ? 10 : 900, now);
		read_answer(&f, is_first ? slow : quick, BATCH_RESULT, now + 910);
		read_answer(&f, is_first ? quick : slow, BATCH_RESULT, now + 910);
	}
	ck_assert_uint_eq(runs_typical(&f.pool.runs, slow), 900);
	ck_assert_uint_eq(runs_typical(&f.pool.runs, quick), 10);
}
END_TEST

/* What is learnt when: at once where no other answer of that turn can come; else with the next answer. */
START_TEST(a_run_is_learnt_when_its_turn_is_known)
{
	struct fixture f;
	unsigned entry;

	set_up(&f);
	make_ready(&f, 0, 1);
	learn(&f, (struct bytes){(const uint8_t *)"m", 1}, 20);
	entry = runs_find(&f.pool.runs, (struct bytes){(const uint8_t *)"m", 1});
	line_up(&f, 3, 20, 100);
	read_answer(&f, entry, BATCH_RESULT, 180);
	ck_assert_uint_eq(f.pool.typical_run, 20);
	read_answer(&f, entry, BATCH_LATE_RESULT, 200);
	ck_assert_uint_eq(f.pool.typical_run, (7 * 20 + 80 + 7) / 8);
	ck_assert_uint_eq(runs_typical(&f.pool.runs, entry), (20 + 80) / 2);
	read_answer(&f, entry, BATCH_NOTHING, 300);
	ck_assert_uint_eq(f.pool.typical_run, (7 * 20 + 80 + 7) / 8);
	ck_assert_uint_eq(runs_typical(&f.pool.runs, entry), (20 + 80 + 20) / 3);
	/* What was measured of a life is no part of the next. */
	line_up(&f, 2, 20, 400);
	read_answer(&f, entry, BATCH_RESULT, 5000);
	worker_drop_attempt(&f.workers[0], head_of(&f), 5000);
	pool_move_worker(&f.pool, &f.workers[0], WORKER_TERMINATING, 5000);
	pool_move_worker(&f.pool, &f.workers[0], WORKER_TERMINATED, 5000);
	make_ready(&f, 0, 1);
	line_up(&f, 1, 20, 6000);
	read_answer(&f, entry, BATCH_NOTHING, 6020);
	ck_assert_uint_eq(runs_typical(&f.pool.runs, entry), (20 + 80 + 20) / 3);
}
END_TEST

START_TEST(slow_is_eight_times_the_typical_run)
{
	static const struct {
		usec_t typical_run, slow;
	} cases[] = {{0, 10000}, {1000, 10000}, {1250, 10000}, {2000, 16000}, {1000000, 8000000}};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fixture f;

		set_up(&f);
		f.pool.typical_run = cases[i].typical_run;
		ck_assert_uint_eq(pool_slow_after(&f.pool), cases[i].slow);
	}
}
END_TEST

START_TEST(starts_that_lead_to_nothing_come_later_and_later)
{
	static const struct {
		unsigned fruitless, failed_starts;
		usec_t delay;
	} cases[] = {{0, 0, 0},	  {1, 1, 0},	{2, 2, 100},   {3, 3, 200},	     {4, 4, 400},
		     {5, 0, 800}, {6, 0, 1000}, {99, 0, 1000}, {0, 5, 1000},	     {0, 2, 0},
		     {0, 3, 100}, {0, 4, 200},	{2, 0, 100},   {UINT32_MAX, 0, 1000}};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fixture f;

		set_up(&f);
		f.workers[0].fruitless = cases[i].fruitless;
		f.pool.failed_starts = cases[i].failed_starts;
		ck_assert_uint_eq(pool_restart_delay(&f.pool, &f.workers[0]), cases[i].delay);
		ck_assert_uint_eq(pool_restart_delay(&f.pool, &f.workers[1]),
				  cases[i].failed_starts >= POOL_FAILED_STARTS ? 1000
				  : cases[i].failed_starts == 4		       ? 200
				  : cases[i].failed_starts == 3		       ? 100
									       : 0);
	}
}
END_TEST

START_TEST(when_to_come_again)
{
	struct fixture f;

	set_up(&f);
	ck_assert_uint_eq(pool_retry_after(&f.pool), 100 * USEC_PER_MSEC);
	make_ready(&f, 0, 1);
	make_ready(&f, 1, 1);
	ck_assert_uint_eq(pool_retry_after(&f.pool), 100 * USEC_PER_MSEC);
	f.pool.typical_run = USEC_PER_SEC;
	for (unsigned i = 0; i < 4; i++)
		queue_push(&f.pool.queue, &f.requests[i]);
	ck_assert_uint_eq(pool_retry_after(&f.pool), 2 * USEC_PER_SEC);
}
END_TEST

START_TEST(when_another_worker_would_help)
{
	static const struct {
		const char *why;
		unsigned ready, starting, pending, queued, failed_starts;
		usec_t typical_run;
		bool stopping, wants;
	} cases[] = {
		{"nothing is queued", 1, 0, 0, 0, 0, 0, false, false},
		{"nobody is there", 0, 0, 0, 1, 0, 1, false, true},
		{"nobody is there, one comes for each", 0, 1, 0, 1, 0, 1, false, false},
		{"nobody is there, a start is pending", 0, 0, 1, 1, 0, 1, false, false},
		{"the run time is not known", 1, 0, 0, 1, 0, 0, false, true},
		{"49 ms to wait", 1, 0, 0, 7, 0, 7000, false, false},
		{"56 ms to wait", 1, 0, 0, 8, 0, 7000, false, true},
		{"28 ms to wait", 2, 0, 0, 8, 0, 7000, false, false},
		{"there is no slot", WORKERS, 0, 0, 8, 0, 0, false, false},
		{"starts fail", 0, 0, 0, 8, 5, 0, false, true},
		{"starts fail, and one is being tried", 1, 1, 0, 8, 5, 0, false, false},
		{"starts fail, and one is about to be", 1, 0, 1, 8, 5, 0, false, false},
		{"stopping, one is there", 1, 0, 0, 8, 0, 0, true, false},
		{"stopping, nobody is there", 0, 0, 0, 1, 0, 0, true, true},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fixture f;
		unsigned k;

		set_up(&f);
		for (k = 0; k < cases[i].ready; k++)
			make_ready(&f, k, 1);
		for (; k < cases[i].ready + cases[i].starting; k++)
			pool_move_worker(&f.pool, &f.workers[k], WORKER_INITIALIZING, 1);
		for (k = 0; k < cases[i].queued; k++)
			queue_push(&f.pool.queue, &f.requests[k]);
		f.pool.starts_pending = cases[i].pending;
		f.pool.failed_starts = cases[i].failed_starts;
		f.pool.typical_run = cases[i].typical_run;
		f.pool.is_stopping = cases[i].stopping;
		ck_assert_msg(pool_wants_more(&f.pool) == cases[i].wants, "%s", cases[i].why);
	}
}
END_TEST

START_TEST(troubles_last_since_they_began)
{
	const usec_t begin = 1000 * USEC_PER_SEC, rest = POOL_TROUBLE_REST;
	struct fixture f;
	const usec_t *since = f.pool.troubles.since;

	set_up(&f);
	/* The bits 0 and 3. */
	ck_assert_int_eq(pool_note_troubles(&f.pool, TROUBLE_NO_WORKER, begin), POOL_DOWN);
	ck_assert_int_eq(pool_note_troubles(&f.pool, TROUBLE_QUEUE_FULL, begin + 5), POOL_DEGRADED);
	ck_assert_uint_eq(since[0], begin);
	ck_assert_uint_eq(since[3], begin + 5);
	/* One that comes back soon has not ended. */
	pool_note_troubles(&f.pool, 0, begin + 6);
	pool_note_troubles(&f.pool, TROUBLE_QUEUE_FULL, begin + 6 + rest);
	ck_assert_uint_eq(since[3], begin + 5);
	ck_assert_int_eq(pool_note_troubles(&f.pool, 0, begin + 7 + rest), POOL_OK);
	pool_note_troubles(&f.pool, TROUBLE_QUEUE_FULL | TROUBLE_NO_WORKER, begin + 8 + 2 * rest);
	ck_assert_uint_eq(since[0], begin + 8 + 2 * rest);
	ck_assert_uint_eq(since[3], begin + 8 + 2 * rest);
}
END_TEST

START_TEST(health_is_what_troubles_say)
{
	struct fixture f;

	set_up(&f);
	ck_assert_uint_eq(pool_troubles(&f.pool), TROUBLE_NO_WORKER | TROUBLE_BELOW_MINIMUM);
	ck_assert_int_eq(pool_judge(&f.pool), POOL_DOWN);
	make_ready(&f, 0, 1);
	ck_assert_uint_eq(pool_troubles(&f.pool), TROUBLE_BELOW_MINIMUM);
	ck_assert_int_eq(pool_judge(&f.pool), POOL_DEGRADED);
	make_ready(&f, 1, 1);
	give(&f, 1, 1);
	ck_assert_uint_eq(pool_troubles(&f.pool), 0);
	ck_assert_int_eq(pool_judge(&f.pool), POOL_OK);
	make_ready(&f, 2, 1);
	pool_move_worker(&f.pool, &f.workers[2], WORKER_DEGRADED, 4);
	ck_assert_uint_eq(pool_troubles(&f.pool), TROUBLE_UNHEALTHY);
	ck_assert_int_eq(pool_judge(&f.pool), POOL_DEGRADED);
	pool_move_worker(&f.pool, &f.workers[2], WORKER_READY, 5);
	f.pool.failed_starts = POOL_FAILED_STARTS;
	ck_assert_uint_eq(pool_troubles(&f.pool), TROUBLE_START_FAILED);
	ck_assert_int_eq(pool_judge(&f.pool), POOL_DEGRADED);
	f.pool.failed_starts = 0;
	for (unsigned i = 0; i < f.settings.queue_max; i++)
		queue_push(&f.pool.queue, &f.requests[i]);
	ck_assert_uint_eq(pool_troubles(&f.pool), TROUBLE_QUEUE_FULL);
	f.pool.is_stopping = true;
	ck_assert_uint_eq(pool_troubles(&f.pool), TROUBLE_QUEUE_FULL | TROUBLE_STOPPING);
	ck_assert_int_eq(pool_judge(&f.pool), POOL_DOWN);
}
END_TEST

/* --- who it was with, and whom it belongs to --- */

START_TEST(a_worker_it_failed_at_is_the_last_choice)
{
	struct request request = {.run.retries = 1};
	struct fixture f;

	set_up(&f);
	for (unsigned i = 0; i < 3; i++)
		make_ready(&f, i, 1);
	request_note_tried(&request, 2, f.workers[2].life);
	ck_assert_ptr_eq(pool_pick(&f.pool, &request), &f.workers[1]);
	request_note_tried(&request, 1, f.workers[1].life);
	ck_assert_ptr_eq(pool_pick(&f.pool, &request), &f.workers[0]);
	request_note_tried(&request, 0, f.workers[0].life);
	ck_assert_msg(pool_pick(&f.pool, &request) == &f.workers[2], "where there is no other");
	request.tried[0].life++;
	ck_assert_msg(pool_pick(&f.pool, &request) == &f.workers[2], "it is another life now");
}
END_TEST

/* Where the worker of a session's request stands, and what each affinity makes of it. */
static const struct {
	const char *why;
	enum worker_state state; /* BUSY: without room */
	bool same_life, same_pool;
	struct {
		bool picks_it, picks_other, waits, lost;
	} by[SESSION_AFFINITY_COUNT_]; /* hint, queue, strict */
} affinities[] = {
	{"it is free",
	 WORKER_READY,
	 true,
	 true,
	 {{.picks_it = true},
	  {.picks_it = true, .waits = true},
	  {.picks_it = true, .waits = true}}},
	{"it is busy",
	 WORKER_BUSY,
	 true,
	 true,
	 {{.picks_other = true}, {.waits = true}, {.waits = true}}},
	{"it is not well",
	 WORKER_DEGRADED,
	 true,
	 true,
	 {{.picks_other = true}, {.picks_other = true}, {.waits = true}}},
	{"it is being ended",
	 WORKER_TERMINATING,
	 true,
	 true,
	 {{.picks_other = true}, {.picks_other = true}, {.picks_other = true, .lost = true}}},
	{"it is gone",
	 WORKER_TERMINATED,
	 true,
	 true,
	 {{.picks_other = true}, {.picks_other = true}, {.picks_other = true, .lost = true}}},
	{"another process has its slot",
	 WORKER_BUSY,
	 false,
	 true,
	 {{.picks_other = true}, {.picks_other = true}, {.picks_other = true, .lost = true}}},
	{"it is of another pool, which keeps its state",
	 WORKER_BUSY,
	 true,
	 false,
	 {{.picks_other = true}, {.picks_other = true}, {.picks_other = true, .lost = true}}},
};

/* With all of its state it may come home from another pool; another request may go there anyway. */
START_TEST(a_strict_session_comes_home_with_its_state)
{
	struct session session = {.state = SESSION_OPEN};
	struct request request = {.session = &session};
	struct fixture f;

	set_up(&f);
	f.pool.settings.affinity = SESSION_STRICT;
	ck_assert(!pool_has_lost_session(&f.pool, &request));
	session_bind(&session, 1, 9, 1, true);
	ck_assert(!pool_has_lost_session(&f.pool, &request));
	session.has_lost_state = true;
	ck_assert(pool_has_lost_session(&f.pool, &request));
	request.home = 1;
	ck_assert(!pool_has_lost_session(&f.pool, &request));
}
END_TEST

START_TEST(a_session_finds_its_worker_as_the_affinity_says)
{
	for (unsigned i = 0; i < ARRAY_SIZE(affinities); i++)
		for (unsigned affinity = 0; affinity < SESSION_AFFINITY_COUNT_; affinity++) {
			struct session session = {.state = SESSION_OPEN};
			struct request request = {.session = &session};
			struct worker *bound, *picked;
			struct fixture f;

			set_up(&f);
			f.pool.settings.affinity = (enum session_affinity)affinity;
			make_ready(&f, 0, 1);
			bound = &f.workers[0];
			session_bind(&session, affinities[i].same_pool ? 0 : 1, 0, bound->life,
				     false);
			bound->life += !affinities[i].same_life;
			if (affinities[i].state == WORKER_BUSY)
				give(&f, 0, 1);
			else if (affinities[i].state != WORKER_READY)
				pool_move_worker(&f.pool, bound, affinities[i].state, 3);
			make_ready(&f, 1, 1);
			picked = pool_pick(&f.pool, &request);
			ck_assert_msg((picked == bound) == affinities[i].by[affinity].picks_it &&
					      (picked == &f.workers[1]) ==
						      affinities[i].by[affinity].picks_other,
				      "%s, %s: worker", affinities[i].why,
				      session_affinity_name((enum session_affinity)affinity));
			ck_assert_msg((pool_bound_worker(&f.pool, &request) == bound) ==
					      affinities[i].by[affinity].waits,
				      "%s, %s: waits", affinities[i].why,
				      session_affinity_name((enum session_affinity)affinity));
			ck_assert_msg(pool_has_lost_session(&f.pool, &request) ==
					      affinities[i].by[affinity].lost,
				      "%s, %s: lost", affinities[i].why,
				      session_affinity_name((enum session_affinity)affinity));
		}
}
END_TEST

START_TEST(a_session_of_nobody_goes_anywhere)
{
	struct session session = {.state = SESSION_OPEN};
	struct request request = {.session = &session};
	struct fixture f;

	set_up(&f);
	f.pool.settings.affinity = SESSION_STRICT;
	make_ready(&f, 0, 1);
	ck_assert_ptr_eq(pool_pick(&f.pool, &request), &f.workers[0]);
	ck_assert_ptr_null(pool_bound_worker(&f.pool, &request));
	ck_assert(!pool_has_lost_session(&f.pool, &request));
}
END_TEST

/* --- ejection --- */

START_TEST(at_most_half_of_those_that_live_are_ejected)
{
	for (unsigned live = 0; live <= WORKERS; live++)
		for (unsigned ejected = 0; ejected <= live; ejected++) {
			struct fixture f;

			set_up(&f);
			for (unsigned i = 0; i < live; i++)
				make_ready(&f, i, 1);
			for (unsigned i = 0; i < ejected; i++)
				pool_move_worker(&f.pool, &f.workers[i], WORKER_DEGRADED, 3);
			f.pool.ejected = ejected;
			ck_assert_int_eq(pool_may_eject(&f.pool), ejected + 1 <= live / 2);
			ck_assert_int_eq(pool_needs_ejected(&f.pool), ejected > live - ejected);
		}
}
END_TEST

START_TEST(who_is_to_be_ejected_has_no_room)
{
	struct fixture f;

	set_up(&f);
	make_ready(&f, 0, 2);
	f.workers[0].eject_pending = true;
	give(&f, 0, 1);
	ck_assert_uint_eq(f.pool.open.len, 0);
	ck_assert_ptr_null(pool_pick(&f.pool, &f.requests[2]));
}
END_TEST

/* --- circuits --- */

static struct bytes text(const char *word)
{
	return (struct bytes){(const uint8_t *)word, strlen(word)};
}

START_TEST(methods_get_circuits_until_all_are_given_away)
{
	struct circuit *circuit;
	struct fixture f;
	char word[] = "m0";

	set_up(&f);
	ck_assert_ptr_eq(pool_find_circuit(&f.pool, text("")), &f.circuits[0]);
	ck_assert_msg(!pool_add_circuit(&f.pool, text("a"), 1, 1), "only the pool has one");
	f.settings.breaker_per_method = true;
	set_up_again(&f);
	for (unsigned i = 0; i < CIRCUIT_METHODS_MAX; i++) {
		word[1] = (char)('0' + i);
		ck_assert_ptr_null(pool_find_circuit(&f.pool, text(word)));
		circuit = pool_add_circuit(&f.pool, text(word), 1, 1);
		ck_assert_ptr_eq(pool_find_circuit(&f.pool, text(word)), circuit);
		ck_assert_ptr_ne(circuit, &f.circuits[0]);
	}
	ck_assert_ptr_null(pool_add_circuit(&f.pool, text("one more"), 1, 1));
	ck_assert_ptr_null(pool_find_circuit(&f.pool, text("m")));
	ck_assert_ptr_eq(pool_find_circuit(&f.pool, text("")), &f.circuits[0]);
}
END_TEST

START_TEST(circuits_begin_as_the_pool_says)
{
	static const enum breaker_state begins[] = {BREAKER_CLOSED, BREAKER_OBSERVING,
						    BREAKER_DISABLED};

	for (unsigned i = 0; i < ARRAY_SIZE(begins); i++) {
		struct fixture f;

		set_up(&f);
		f.settings.breaker_begins = begins[i];
		f.settings.breaker_per_method = true;
		set_up_again(&f);
		pool_add_circuit(&f.pool, text("a"), 1, 1);
		ck_assert_int_eq(f.circuits[0].breaker.state, begins[i]);
		ck_assert_int_eq(f.circuits[1].breaker.state, begins[i]);
	}
}
END_TEST

static void put_circuit(struct fixture *f, enum breaker_state state)
{
	f->circuits[0].breaker.state = state;
}

START_TEST(health_knows_the_breaker_and_the_chain)
{
	struct fixture f;

	set_up(&f);
	make_ready(&f, 0, 1);
	make_ready(&f, 1, 1);
	put_circuit(&f, BREAKER_OPEN);
	ck_assert_uint_eq(pool_troubles(&f.pool), TROUBLE_CIRCUIT_OPEN);
	ck_assert_int_eq(pool_judge(&f.pool), POOL_DOWN);
	f.pool.is_covered = true;
	ck_assert_int_eq(pool_judge(&f.pool), POOL_DEGRADED);
	put_circuit(&f, BREAKER_FORCED_OPEN);
	ck_assert_uint_eq(pool_troubles(&f.pool), TROUBLE_CIRCUIT_OPEN);
	put_circuit(&f, BREAKER_HALF_OPEN);
	ck_assert_uint_eq(pool_troubles(&f.pool), TROUBLE_PROBING);
	ck_assert_int_eq(pool_judge(&f.pool), POOL_DEGRADED);
	put_circuit(&f, BREAKER_OBSERVING);
	ck_assert_uint_eq(pool_troubles(&f.pool), 0);
	f.pool.heads_chain = true;
	failover_set_able(&f.pool.failover, false, 9);
	ck_assert_uint_eq(pool_troubles(&f.pool), TROUBLE_FALLBACK);
	ck_assert_int_eq(pool_judge(&f.pool), POOL_DEGRADED);
}
END_TEST

START_TEST(a_static_pool_is_well_without_workers)
{
	struct fixture f;

	set_up(&f);
	f.settings.adapter = POOL_STATIC;
	f.settings.workers_min = f.settings.workers_max = 0;
	set_up_again(&f);
	ck_assert_int_eq(f.pool.health, POOL_OK);
	ck_assert_uint_eq(pool_troubles(&f.pool), 0);
	ck_assert(!pool_is_unavailable(&f.pool));
	f.pool.is_stopping = true;
	ck_assert_int_eq(pool_judge(&f.pool), POOL_DOWN);
}
END_TEST

START_TEST(a_pool_is_unavailable_when_starts_fail_and_nobody_works)
{
	struct fixture f;

	set_up(&f);
	ck_assert(!pool_is_unavailable(&f.pool));
	f.pool.failed_starts = POOL_FAILED_STARTS;
	ck_assert(pool_is_unavailable(&f.pool));
	make_ready(&f, 0, 1);
	ck_assert(!pool_is_unavailable(&f.pool));
	pool_move_worker(&f.pool, &f.workers[0], WORKER_DEGRADED, 3);
	ck_assert(pool_is_unavailable(&f.pool));
}
END_TEST

START_TEST(parked_requests_call_for_no_worker)
{
	struct fixture f;

	set_up(&f);
	make_ready(&f, 0, 1);
	queue_push(&f.pool.queue, &f.requests[0]);
	ck_assert(pool_wants_more(&f.pool));
	queue_park(&f.pool.queue, &f.requests[0], &f.workers[0].parked);
	ck_assert(!pool_wants_more(&f.pool));
}
END_TEST

START_TEST(who_is_parked_makes_way_too)
{
	struct fixture f;

	set_up(&f);
	make_ready(&f, 0, 1);
	make_ready(&f, 1, 1);
	for (unsigned i = 0; i < 3; i++)
		f.requests[i].rank = PRIORITY_NORMAL + (i > 0);
	for (unsigned i = 0; i < 2; i++) {
		queue_push(&f.pool.queue, &f.requests[i]);
		queue_park(&f.pool.queue, &f.requests[i], &f.workers[i].parked);
	}
	ck_assert_ptr_eq(pool_victim(&f.pool, PRIORITY_CRITICAL), &f.requests[1]);
	ck_assert_ptr_eq(pool_victim(&f.pool, PRIORITY_NORMAL), &f.requests[1]);
	ck_assert_ptr_null(pool_victim(&f.pool, (enum priority)f.requests[1].rank));
	/* Of two of the same priority the one that is not parked. */
	queue_push(&f.pool.queue, &f.requests[2]);
	ck_assert_ptr_eq(pool_victim(&f.pool, PRIORITY_CRITICAL), &f.requests[2]);
}
END_TEST

START_TEST(every_health_has_a_name)
{
	ck_assert_str_eq(pool_health_name(POOL_OK), "ok");
	ck_assert_str_eq(pool_health_name(POOL_DEGRADED), "degraded");
	ck_assert_str_eq(pool_health_name(POOL_DOWN), "down");
}
END_TEST

/* What is not known of a run is taken for the same as of the others. */
START_TEST(runs_of_unknown_length_have_equal_shares)
{
	struct fixture f;

	set_up(&f);
	make_ready(&f, 0, 1);
	line_up(&f, 2, 0, 3);
	read_answer(&f, RUNS_OTHER, BATCH_RESULT, 1003);
	ck_assert_uint_eq(f.pool.typical_run, 0);
	read_answer(&f, RUNS_OTHER, BATCH_RESULT, 1003);
	ck_assert_uint_eq(f.pool.typical_run, 500);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		every_pair_of_states_moves_or_asserts,
		a_new_pool_has_empty_slots,
		the_last_used_free_worker_is_picked,
		free_workers_come_before_busy_ones_with_room,
		who_may_wait_behind_a_busy_worker,
		room_ends_with_prefetch,
		a_line_is_as_long_as_what_it_runs_is_short,
		what_must_not_run_twice_stands_where_it_can_come_back_from,
		a_worker_without_attempts_is_free_again,
		the_typical_run_follows_slowly,
		a_turn_is_worth_what_a_worker_does_in_its_time,
		one_run_that_was_stuck_changes_turns_for_a_while,
		answers_of_one_turn_are_measured_together,
		what_overlaps_costs_its_share,
		a_short_run_beside_a_long_one_stays_short,
		a_run_is_learnt_when_its_turn_is_known,
		slow_is_eight_times_the_typical_run,
		starts_that_lead_to_nothing_come_later_and_later,
		when_to_come_again,
		when_another_worker_would_help,
		health_is_what_troubles_say,
		troubles_last_since_they_began,
		a_worker_it_failed_at_is_the_last_choice,
		a_session_finds_its_worker_as_the_affinity_says,
		a_strict_session_comes_home_with_its_state,
		a_session_of_nobody_goes_anywhere,
		at_most_half_of_those_that_live_are_ejected,
		who_is_to_be_ejected_has_no_room,
		methods_get_circuits_until_all_are_given_away,
		circuits_begin_as_the_pool_says,
		health_knows_the_breaker_and_the_chain,
		a_static_pool_is_well_without_workers,
		a_pool_is_unavailable_when_starts_fail_and_nobody_works,
		parked_requests_call_for_no_worker,
		who_is_parked_makes_way_too,
		every_health_has_a_name,
		runs_of_unknown_length_have_equal_shares,
	};

	return unit_main("pool", tests, ARRAY_SIZE(tests));
}
