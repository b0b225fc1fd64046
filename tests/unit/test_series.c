/*
 * What the daemon keeps to be looked at does not grow with what it has seen: a worker that lives
 * 100,000 times, and as many names of methods, leave the same series, rows and memory as the first
 * few hundred.
 */
#include "daemon/io/admin/report_recovery.h"
#include "daemon/io/admin/report_window.h"
#include "daemon/io/base/log.h"
#include "daemon/io/driver/driver.h"
#include "daemon/io/driver/submit.h"
#include "daemon/io/driver/worker_events.h"
#include "daemon/io/observe/metrics.h"
#include "daemon/io/worker/guard.h"

#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "protocol/read.h"
#include "tests/unit/test_config.h"

#define MEMORY	 ((size_t)64 * 1024 * 1024)
#define TEXT_LEN ((size_t)4 * 1024 * 1024)

/* After so many lives all that can be known is known; and so many there are. */
#define FIRST 500
#define ALL   100000

/* What may be in use besides: the text of the first stock. */
#define SLACK 65536

/* Nothing runs the command, as the loop does not turn: the test plays the worker.  No breaker opens. */
#define CONFIG                                                                                     \
	"[pool w]\n"                                                                               \
	"command = none\n"                                                                         \
	"workers = 1\n"                                                                            \
	"restart_delay = 1ms\n"                                                                    \
	"restart_delay_max = 1ms\n"                                                                \
	"[breaker w]\n"                                                                            \
	"per_method = yes\n"                                                                       \
	"failure_threshold = 1000000\n"                                                            \
	"failure_rate = 0\n"

static const struct bytes nothing = {(const uint8_t *)"\xc0", 1};

struct world {
	const struct config *config;
	struct guard guard;
	struct loop loop;
	struct driver driver;
	struct caller caller;
	uint32_t asked;
	uint32_t sent; /* the id of the last message to this life of the worker */
	unsigned answers;
	unsigned errors;
};

static struct world *of_caller(struct caller *caller)
{
	return container_of(caller, struct world, caller);
}

static void answer(struct caller *caller, uint32_t msgid, const struct caller_answer *answer)
{
	(void)msgid;
	(void)answer;
	of_caller(caller)->answers++;
}

static void answer_error(struct caller *caller, uint32_t msgid, const struct error *error)
{
	(void)msgid;
	(void)error;
	of_caller(caller)->errors++;
}

static const struct caller_ops ops = {.answer = answer, .error = answer_error};

static void ignore(void *owner)
{
	(void)owner;
}

static void open_world(struct world *world)
{
	const struct rlimit files = {.rlim_cur = 256, .rlim_max = 256};

	ck_assert_int_eq(log_open(LOG_TARGET_STDERR, LOG_LEVEL_ERROR), 0);
	*world = (struct world){.guard = {.instance = "test-series", .pid = getpid()}};
	world->config = must_parse(CONFIG);
	ck_assert_int_eq(loop_init(&world->loop, MEMORY), 0);
	ck_assert_int_eq(
		driver_init(&world->driver, &world->loop, world->config, &world->guard, &files), 0);
	world->driver.on_change = ignore;
	world->driver.on_stopped = ignore;
	caller_init(&world->caller, &ops);
	driver_start(&world->driver);
}

static void close_world(struct world *world)
{
	driver_leave(&world->driver, &world->caller);
	driver_done(&world->driver);
	link_free_closed(&world->loop);
	loop_done(&world->loop);
	config_unref(world->config);
	log_close();
}

/* --- a life of the worker --- */

/* Time passes until the worker is to be started. */
static void be_started(struct world *world)
{
	struct life *life = &world->driver.lives[0];

	while (!starts_drop(&world->driver.starts, life)) {
		world->loop.now =
			usec_max(world->loop.now + 1, engine_deadline(world->driver.engine));
		world->loop.on_timer(world->loop.owner);
	}
	worker_events_channel_handler.on_ready(&life->channel,
					       &(struct channel_ready){.concurrency = 1});
	world->sent = 0;
}

static void ask(struct world *world, const char *method)
{
	const struct call_options options = {.priority = PRIORITY_NORMAL};
	struct call *call = call_open(&world->driver.calls, &world->caller, ++world->asked);

	ck_assert_ptr_nonnull(call);
	call->pool = 0;
	call->method = bytes_of(method);
	call->args = nothing;
	driver_submit(&world->driver, call, &options);
	world->sent++;
}

static void answer_as(struct world *world, enum errcode code)
{
	const struct channel_answer result = {
		.result = nothing,
		.has_failed = code != ERR_NONE,
		.error = {.code = code, .message = bytes_of("no"), .retry_after = USEC_INFINITY}};

	worker_events_channel_handler.on_answer(&world->driver.lives[0].channel, world->sent,
						&result);
}

static void die(struct world *world)
{
	const struct process_end end = {.is_signalled = true, .status = SIGSEGV};

	worker_events_life_handler.on_exit(&world->driver.lives[0], &end);
}

/* The worker answers to one new name with a result, knows another one not, fails in a third, and
 * dies of a fourth. */
static void live(struct world *world, unsigned number)
{
	static const enum errcode codes[] = {ERR_NONE, ERR_unknown_method, ERR_exception};
	char method[32];

	be_started(world);
	for (unsigned i = 0; i <= ARRAY_SIZE(codes); i++) {
		snprintf(method, sizeof(method), "method%u.%u", number, i);
		ask(world, method);
		if (i < ARRAY_SIZE(codes))
			answer_as(world, codes[i]);
	}
	die(world);
}

/* --- what is kept --- */

struct kept {
	struct buf series; /* the text of the metrics without their values */
	uint32_t methods;  /* rows of poold.methods */
	uint32_t breakers; /* rows of poold.breakers */
	size_t memory;
};

/* Puts each line up to its last space. */
static void put_names(struct buf *names, struct buf *metrics)
{
	char *text = (char *)metrics->data, *line;

	while ((line = strsep(&text, "\n")) != NULL)
		if (*line && *line != '#')
			buf_printf(names, "%.*s\n", (int)(strrchr(line, ' ') - line), line);
}

static uint32_t count_rows(struct buf *report)
{
	struct reader in;
	uint32_t count;

	ck_assert_int_eq(buf_error(report), 0);
	reader_init(&in, report->data, report->len);
	ck_assert_int_eq(read_array(&in, &count), 0);
	buf_free(report);
	return count;
}

static void take_stock(struct world *world, struct kept *ret)
{
	struct buf out;

	*ret = (struct kept){.memory = mallinfo2().uordblks};
	buf_init(&ret->series, TEXT_LEN);
	buf_init(&out, TEXT_LEN);
	metrics_write(&world->driver, METRICS_PROMETHEUS, &out);
	text_of(&out);
	put_names(&ret->series, &out);
	buf_free(&out);
	buf_init(&out, TEXT_LEN);
	report_methods(&world->driver, &world->caller, &out);
	ret->methods = count_rows(&out);
	buf_init(&out, TEXT_LEN);
	report_breakers(&world->driver, &world->caller, &out);
	ret->breakers = count_rows(&out);
}

START_TEST(lives_and_names_leave_no_more_than_the_first_ones)
{
	static struct world world;
	struct kept first, last;

	open_world(&world);
	for (unsigned i = 0; i < FIRST; i++)
		live(&world, i);
	take_stock(&world, &first);
	for (unsigned i = FIRST; i < ALL; i++)
		live(&world, i);
	take_stock(&world, &last);
	ck_assert_uint_ge(engine_pool_stats(world.driver.engine, 0)->worker_crashes, ALL);
	ck_assert_uint_eq(world.answers + world.errors, 4 * ALL);
	ck_assert_uint_ge(world.answers, ALL / 2);
	ck_assert_uint_eq(last.series.len, first.series.len);
	ck_assert_mem_eq(last.series.data, first.series.data, first.series.len);
	ck_assert_uint_le(last.methods, WINDOW_METHODS);
	ck_assert_uint_eq(last.methods, first.methods);
	ck_assert_uint_eq(last.breakers, first.breakers);
	ck_assert_uint_le(last.memory, first.memory + SLACK);
	buf_free(&first.series);
	buf_free(&last.series);
	close_world(&world);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {lives_and_names_leave_no_more_than_the_first_ones};

	return unit_main("series", tests, ARRAY_SIZE(tests));
}
