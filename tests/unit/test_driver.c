/*
 * The driver without a socket: a caller of the test's own submits calls to a static pool, to a
 * worker whose part the test plays, and to a real one (tests/workers/echo.c).
 */
#include "daemon/io/admin/report_window.h"
#include "daemon/io/base/log.h"
#include "daemon/io/driver/credit.h"
#include "daemon/io/driver/driver.h"
#include "daemon/io/driver/operator.h"
#include "daemon/io/driver/step.h"
#include "daemon/io/driver/submit.h"
#include "daemon/io/driver/worker_events.h"
#include "daemon/io/worker/guard.h"

#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/lib/wire.h"
#include "tests/unit/test_config.h"

#define MEMORY	   ((size_t)64 * 1024 * 1024)
#define RECORD_MAX 65536

#define STATIC_POOL                                                                                \
	"[pool s]\n"                                                                               \
	"adapter = static\n"                                                                       \
	"answer.hello = \"world\"\n"                                                               \
	"answer = 1\n"

/* Nothing runs it as long as the loop does not turn: the test plays its worker. */
#define PLAYED_POOL                                                                                \
	"[pool w]\n"                                                                               \
	"command = none\n"                                                                         \
	"workers = 1\n"                                                                            \
	"idempotent = yes\n"

/* Somebody who asks. */
struct asker {
	struct caller caller;
	struct loop *loop;
	struct buf record; /* what it was told, one line each */
	bool counts;	   /* what it was given in parts: the test says what is taken */
	bool is_behind;	   /* takes no event now */
	unsigned awaited;  /* answers after which the loop is left */
};

struct world {
	const struct config *config;
	struct guard guard;
	struct loop loop;
	struct driver driver;
	struct asker asker;
	uint32_t sent; /* the id of the last message to the worker that the test plays */
};

/* --- who asks --- */

static struct asker *of_caller(struct caller *caller)
{
	return container_of(caller, struct asker, caller);
}

static void count_answer(struct asker *asker)
{
	if (asker->awaited > 0 && --asker->awaited == 0)
		loop_leave(asker->loop);
}

static void answer(struct caller *caller, uint32_t msgid, const struct caller_answer *answer)
{
	struct asker *asker = of_caller(caller);
	struct buf whole;

	buf_init(&whole, 4096);
	pack_raw(&whole, answer->before);
	pack_raw(&whole, answer->value);
	pack_raw(&whole, answer->behind);
	buf_printf(&asker->record, "answer %u ", msgid);
	wire_render(&asker->record, whole.data, whole.len);
	buf_free(&whole);
	count_answer(asker);
}

static void answer_error(struct caller *caller, uint32_t msgid, const struct error *error)
{
	struct asker *asker = of_caller(caller);

	buf_printf(&asker->record, "error %u %s", msgid, errcode_name(error->code));
	for (size_t i = 0; i < error->attempt_count; i++)
		buf_printf(&asker->record, "; %s: %s", error->attempts[i].pool,
			   error->attempts[i].message);
	buf_printf(&asker->record, "\n");
	count_answer(asker);
}

static void answer_part(struct caller *caller, uint32_t msgid, struct chunk *chunk,
			struct bytes value)
{
	(void)chunk;
	if (of_caller(caller)->counts)
		caller->put += value.len;
	buf_printf(&of_caller(caller)->record, "part %u ", msgid);
	wire_render(&of_caller(caller)->record, value.data, value.len);
}

static void answer_restart(struct caller *caller, uint32_t msgid)
{
	buf_printf(&of_caller(caller)->record, "restart %u\n", msgid);
}

static bool take_event(struct caller *caller, struct bytes map)
{
	struct asker *asker = of_caller(caller);

	if (asker->is_behind)
		return false;
	wire_render(&asker->record, map.data, map.len);
	return true;
}

static const struct caller_ops ops = {
	.answer = answer,
	.error = answer_error,
	.part = answer_part,
	.restart = answer_restart,
	.event = take_event,
};

static void asker_init(struct asker *asker, struct loop *loop)
{
	*asker = (struct asker){.loop = loop};
	caller_init(&asker->caller, &ops);
	buf_init(&asker->record, RECORD_MAX);
}

/* What it was told since this was last called. */
static const char *told(struct asker *asker)
{
	static char text[RECORD_MAX + 1];

	ck_assert_int_eq(buf_error(&asker->record), 0);
	snprintf(text, sizeof(text), "%.*s", (int)asker->record.len,
		 (const char *)asker->record.data);
	buf_reset(&asker->record);
	return text;
}

/* --- the driver --- */

static void ignore(void *owner)
{
	(void)owner;
}

static void leave(void *owner)
{
	loop_leave(&((struct world *)owner)->loop);
}

static void turn_loop(struct world *world)
{
	world->loop.is_leaving = false;
	loop_run(&world->loop);
}

static void open_world(struct world *world, const char *text)
{
	const struct rlimit files = {.rlim_cur = 256, .rlim_max = 256};

	ck_assert_int_eq(log_open(LOG_TARGET_STDERR, LOG_LEVEL_ERROR), 0);
	*world = (struct world){.guard = {.instance = "test-driver", .pid = getpid()}};
	world->config = must_parse(text);
	ck_assert_int_eq(loop_init(&world->loop, MEMORY), 0);
	ck_assert_int_eq(
		driver_init(&world->driver, &world->loop, world->config, &world->guard, &files), 0);
	world->driver.on_change = ignore;
	world->driver.on_stopped = leave;
	world->driver.owner = world;
	asker_init(&world->asker, &world->loop);
	driver_start(&world->driver);
}

static void close_world(struct world *world)
{
	driver_leave(&world->driver, &world->asker.caller);
	driver_done(&world->driver);
	link_free_closed(&world->loop);
	loop_done(&world->loop);
	buf_free(&world->asker.record);
	config_unref(world->config);
	log_close();
}

/* Turns the loop until the asker has so many answers. */
static void await_answers(struct world *world, unsigned count)
{
	world->asker.awaited = count;
	turn_loop(world);
}

/* Until no worker is left. */
static void stop(struct world *world)
{
	driver_stop(&world->driver);
	turn_loop(world);
}

static struct call *open_call(struct world *world, struct asker *asker, uint32_t msgid,
			      const char *pool, const char *method)
{
	struct call *call = call_open(&world->driver.calls, &asker->caller, msgid);

	ck_assert_ptr_nonnull(call);
	ck_assert_int_eq(driver_find_pool(&world->driver, bytes_of(pool), &call->pool), 0);
	call->method = bytes_of(method);
	return call;
}

/* The arguments are the text's value, and stay for as long as the test. */
static void ask(struct world *world, uint32_t msgid, const char *pool, const char *method,
		struct bytes args)
{
	const struct call_options options = {
		.priority = PRIORITY_NORMAL, .is_stream = true, .is_restartable = true};
	struct call *call = open_call(world, &world->asker, msgid, pool, method);

	call->args = args;
	driver_submit(&world->driver, call, &options);
}

static const struct bytes nothing = {(const uint8_t *)"\xc0", 1};
static const struct bytes seven = {(const uint8_t *)"\x07", 1};
static const struct bytes list_of_100 = {(const uint8_t *)"\x91\x64", 2};

/* --- the worker that the test plays --- */

static struct life *played(struct world *world)
{
	return &world->driver.lives[0];
}

static void play_ready(struct world *world)
{
	ck_assert(starts_drop(&world->driver.starts, played(world)));
	worker_events_channel_handler.on_ready(&played(world)->channel,
					       &(struct channel_ready){.concurrency = 1});
}

static void play_part(struct world *world, struct bytes value)
{
	worker_events_channel_handler.on_part(&played(world)->channel, world->sent, NULL, value);
}

static void play_result(struct world *world, struct bytes value)
{
	const struct channel_answer result = {.result = value};

	worker_events_channel_handler.on_answer(&played(world)->channel, world->sent, &result);
}

static void play_failure(struct world *world, enum errcode code)
{
	const struct channel_answer result = {
		.has_failed = true,
		.error = {.code = code, .message = bytes_of("no"), .retry_after = USEC_INFINITY}};

	worker_events_channel_handler.on_answer(&played(world)->channel, world->sent, &result);
}

static void play_crash(struct world *world)
{
	const struct process_end end = {.is_signalled = true, .status = SIGSEGV};

	worker_events_life_handler.on_exit(played(world), &end);
}

/* The engine counts the messages to a worker from 1 on. */
static void ask_played(struct world *world, uint32_t msgid)
{
	ask(world, msgid, "w", "m", nothing);
	world->sent++;
}

/* --- the tests --- */

START_TEST(a_static_pool_answers_at_once)
{
	struct world world;

	open_world(&world, STATIC_POOL);
	ask(&world, 7, "s", "hello", nothing);
	ask(&world, 8, "s", "other", nothing);
	ck_assert_str_eq(told(&world.asker), "answer 7 'world'\nanswer 8 1\n");
	ck_assert_uint_eq(world.asker.caller.calls.len, 0);
	close_world(&world);
}
END_TEST

START_TEST(the_answer_says_who_gave_it)
{
	const struct call_options options = {.priority = PRIORITY_NORMAL};
	struct world world;
	struct call *call;

	open_world(&world, STATIC_POOL);
	call = open_call(&world, &world.asker, 1, "s", "hello");
	call->args = nothing;
	call->wants_meta = true;
	driver_submit(&world.driver, call, &options);
	ck_assert_ptr_nonnull(strstr(told(&world.asker),
				     "answer 1 {'result': 'world', 'meta': {'served_by': 's'"));
	close_world(&world);
}
END_TEST

START_TEST(parts_come_before_the_answer)
{
	struct world world;

	open_world(&world, PLAYED_POOL);
	ask_played(&world, 1);
	ck_assert_str_eq(told(&world.asker), "");
	play_ready(&world);
	play_part(&world, seven);
	ck_assert_str_eq(told(&world.asker), "part 1 7\n");
	play_result(&world, nothing);
	ck_assert_str_eq(told(&world.asker), "answer 1 nil\n");
	close_world(&world);
}
END_TEST

/* A part of 100000 bytes; three of them are more than the window. */
static struct bytes large(void)
{
	static uint8_t value[100005] = {0xc6, 0, 1, 0x86, 0xa0};

	return (struct bytes){value, sizeof(value)};
}

static void play_large(struct world *world, unsigned count)
{
	while (count-- > 0) {
		play_part(world, large());
		buf_reset(&world->asker.record);
	}
}

static void take(struct world *world, uint64_t bytes)
{
	world->asker.caller.taken += bytes;
	driver_caller_took(&world->driver, &world->asker.caller);
}

START_TEST(who_does_not_read_pauses_the_worker)
{
	struct world world;

	open_world(&world, PLAYED_POOL);
	world.asker.counts = true;
	play_ready(&world);
	ask_played(&world, 1);
	play_large(&world, 2);
	ck_assert(!played(&world)->channel.is_paused);
	play_large(&world, 1);
	ck_assert(played(&world)->channel.is_paused);
	take(&world, 100004);
	ck_assert(played(&world)->channel.is_paused);
	take(&world, 1);
	ck_assert(!played(&world)->channel.is_paused);
	play_large(&world, 1);
	ck_assert(played(&world)->channel.is_paused);
	take(&world, 300015);
	ck_assert(!played(&world)->channel.is_paused);
	ck_assert_uint_eq(world.asker.caller.unread.len, 0);
	play_result(&world, nothing);
	close_world(&world);
}
END_TEST

START_TEST(a_worker_is_heard_when_its_stream_is_over)
{
	struct world world;

	open_world(&world, PLAYED_POOL);
	world.asker.counts = true;
	play_ready(&world);
	ask_played(&world, 1);
	play_large(&world, 3);
	ck_assert(played(&world)->channel.is_paused);
	driver_cancel(&world.driver, call_find(&world.driver.calls, &world.asker.caller, 1));
	ck_assert(!played(&world)->channel.is_paused);
	ck_assert_uint_eq(world.asker.caller.unread.len, 0);
	take(&world, 300015);
	close_world(&world);
}
END_TEST

START_TEST(a_worker_with_other_work_is_not_paused)
{
	struct world world;

	open_world(&world, PLAYED_POOL);
	world.asker.counts = true;
	ck_assert(starts_drop(&world.driver.starts, played(&world)));
	worker_events_channel_handler.on_ready(&played(&world)->channel,
					       &(struct channel_ready){.concurrency = 2});
	ask_played(&world, 1);
	play_large(&world, 30);
	ck_assert(!played(&world)->channel.is_paused);
	close_world(&world);
}
END_TEST

START_TEST(what_is_asked_with_too_much_unread_waits)
{
	struct pool_view pool;
	struct world world;

	open_world(&world, PLAYED_POOL);
	play_ready(&world);
	driver_hold_caller(&world.driver, &world.asker.caller, true);
	ask(&world, 1, "w", "m", nothing);
	engine_view_pool(world.driver.engine, 0, &pool);
	ck_assert_uint_eq(pool.held, 1);
	driver_hold_caller(&world.driver, &world.asker.caller, false);
	flow_hold_callers(&world.driver);
	engine_view_pool(world.driver.engine, 0, &pool);
	ck_assert_uint_eq(pool.held, 0);
	ck_assert_uint_eq(pool.running, 1);
	driver_hold_caller(&world.driver, &world.asker.caller, true);
	driver_leave(&world.driver, &world.asker.caller);
	flow_hold_callers(&world.driver);
	close_world(&world);
}
END_TEST

START_TEST(a_failure_is_told_with_its_attempts)
{
	struct world world;

	open_world(&world, PLAYED_POOL);
	play_ready(&world);
	ask_played(&world, 1);
	play_failure(&world, ERR_exception);
	ck_assert_str_eq(told(&world.asker), "error 1 exception\n");
	ask_played(&world, 2);
	play_result(&world, seven);
	ck_assert_str_eq(told(&world.asker), "answer 2 7\n");
	close_world(&world);
}
END_TEST

START_TEST(a_call_is_given_up)
{
	struct world world;

	open_world(&world, PLAYED_POOL);
	ask(&world, 1, "w", "m", nothing);
	ask(&world, 2, "w", "m", nothing);
	ck_assert_uint_eq(world.asker.caller.calls.len, 2);
	driver_cancel(&world.driver, call_find(&world.driver.calls, &world.asker.caller, 1));
	ck_assert_str_eq(told(&world.asker), "error 1 cancelled\n");
	ck_assert_ptr_null(call_find(&world.driver.calls, &world.asker.caller, 1));
	ck_assert_ptr_nonnull(call_find(&world.driver.calls, &world.asker.caller, 2));
	close_world(&world);
}
END_TEST

START_TEST(who_leaves_hears_nothing_more)
{
	struct world world;
	struct asker other;

	open_world(&world, PLAYED_POOL);
	asker_init(&other, &world.loop);
	ask(&world, 1, "w", "m", nothing);
	/* The same id of another caller is another call. */
	driver_submit(&world.driver, open_call(&world, &other, 1, "w", "m"),
		      &(struct call_options){.priority = PRIORITY_NORMAL});
	driver_leave(&world.driver, &other.caller);
	ck_assert_uint_eq(other.caller.calls.len, 0);
	ck_assert_ptr_null(call_find(&world.driver.calls, &other.caller, 1));
	ck_assert_str_eq(told(&other), "");
	ck_assert_uint_eq(world.asker.caller.calls.len, 1);
	play_ready(&world);
	world.sent = 1;
	play_result(&world, seven);
	ck_assert_str_eq(told(&world.asker), "answer 1 7\n");
	buf_free(&other.record);
	close_world(&world);
}
END_TEST

/* The events that it was told of since this was last called: the worker's state, or how many were lost, each
 * with a space behind it. */
static const char *heard(struct asker *asker)
{
	static char out[256];
	const char *text = told(asker);

	out[0] = '\0';
	while ((text = strstr(text, "'kind': '"))) {
		const char *what = strstr(text, "'what': '"), *lost = strstr(text, "'lost': ");
		const char *end = strchr(text, '\n');
		size_t len = strlen(out);

		if (what && what < end)
			snprintf(out + len, sizeof(out) - len, "%.*s ", (int)strcspn(what + 9, "'"),
				 what + 9);
		else if (lost && lost < end)
			snprintf(out + len, sizeof(out) - len, "%d ", atoi(lost + 8));
		text = end;
	}
	return out;
}

START_TEST(events_wait_for_one_that_is_behind)
{
	struct world world;
	struct events *events = &world.driver.events;

	open_world(&world, PLAYED_POOL);
	events_subscribe(events, &world.asker.caller, 1u << EVENT_KIND_worker);
	world.asker.is_behind = true;
	play_ready(&world);
	worker_events_life_handler.on_forked(played(&world));
	events_catch_up(events);
	ck_assert_str_eq(heard(&world.asker), "");
	world.asker.is_behind = false;
	/* It counts nothing, so the next event is the sign. */
	events_catch_up(events);
	ck_assert_str_eq(heard(&world.asker), "");
	worker_events_life_handler.on_forked(played(&world));
	events_catch_up(events);
	ck_assert_str_eq(heard(&world.asker), "ready started started ");
	worker_events_life_handler.on_forked(played(&world));
	ck_assert_str_eq(heard(&world.asker), "started ");
	driver_leave(&world.driver, &world.asker.caller);
	worker_events_life_handler.on_forked(played(&world));
	ck_assert_str_eq(told(&world.asker), "");
	close_world(&world);
}
END_TEST

START_TEST(events_that_are_not_kept_are_counted)
{
	struct world world;
	struct events *events = &world.driver.events;

	open_world(&world, "[daemon]\nevents_kept = 2\n" PLAYED_POOL);
	events_subscribe(events, &world.asker.caller, 1u << EVENT_KIND_worker);
	world.asker.is_behind = true;
	play_ready(&world);
	for (unsigned i = 0; i < 4; i++)
		worker_events_life_handler.on_forked(played(&world));
	world.asker.is_behind = false;
	/* As when its peer has read. */
	events_caller_took(events, &world.asker.caller);
	events_catch_up(events);
	ck_assert_str_eq(heard(&world.asker), "3 started started ");
	worker_events_life_handler.on_forked(played(&world));
	ck_assert_str_eq(heard(&world.asker), "started ");
	close_world(&world);
}
END_TEST

START_TEST(events_that_came_before)
{
	struct world world;
	struct events *events = &world.driver.events;
	struct caller *caller = &world.asker.caller;
	uint64_t ready;

	open_world(&world, "[daemon]\nevents_kept = 3\n" PLAYED_POOL);
	play_ready(&world);
	ready = events->sequence;
	worker_events_life_handler.on_forked(played(&world));
	ck_assert_uint_eq(events_subscribe_since(events, caller, 1u << EVENT_KIND_worker, ready),
			  0);
	/* Between the subscription and the end of the turn. */
	worker_events_life_handler.on_forked(played(&world));
	ck_assert_str_eq(heard(&world.asker), "");
	events_catch_up(events);
	ck_assert_str_eq(heard(&world.asker), "started started ");
	/* What is gone is said at once, and not once more in a gap. */
	for (unsigned i = 0; i < 3; i++)
		worker_events_life_handler.on_forked(played(&world));
	(void)told(&world.asker);
	ck_assert_uint_eq(events_subscribe_since(events, caller, 1u << EVENT_KIND_worker, ready),
			  2);
	events_catch_up(events);
	ck_assert_str_eq(heard(&world.asker), "started started started ");
	/* A number of an earlier start. */
	ck_assert_uint_eq(events_subscribe_since(events, caller, 1u << EVENT_KIND_stall, 1000),
			  events->sequence - 3);
	events_catch_up(events);
	ck_assert_str_eq(heard(&world.asker), "");
	close_world(&world);
}
END_TEST

START_TEST(events_of_which_none_is_kept)
{
	struct world world;
	struct events *events = &world.driver.events;

	open_world(&world, "[daemon]\nevents_kept = 0\n" PLAYED_POOL);
	play_ready(&world);
	ck_assert_uint_eq(
		events_subscribe_since(events, &world.asker.caller, 1u << EVENT_KIND_worker, 0), 0);
	events_catch_up(events);
	worker_events_life_handler.on_forked(played(&world));
	ck_assert_str_eq(heard(&world.asker), "started ");
	world.asker.is_behind = true;
	worker_events_life_handler.on_forked(played(&world));
	world.asker.is_behind = false;
	worker_events_life_handler.on_forked(played(&world));
	events_catch_up(events);
	ck_assert_str_eq(heard(&world.asker), "2 ");
	close_world(&world);
}
END_TEST

START_TEST(nobody_hears_after_it_left)
{
	struct world world;

	open_world(&world, PLAYED_POOL);
	events_subscribe_since(&world.driver.events, &world.asker.caller, 1u << EVENT_KIND_worker,
			       0);
	driver_leave(&world.driver, &world.asker.caller);
	events_catch_up(&world.driver.events);
	worker_events_life_handler.on_forked(played(&world));
	ck_assert_str_eq(told(&world.asker), "");
	close_world(&world);
}
END_TEST

START_TEST(a_step_brings_its_verdict)
{
	struct driver_step drain = {.event = {.type = EVENT_DRAIN, .pool = 0}};
	struct driver_step cancel = {.event = {.type = EVENT_RECOVERY_CANCEL, .recovery = 99}};
	struct world world;

	open_world(&world, PLAYED_POOL);
	driver_step(&world.driver, &cancel);
	ck_assert_int_ne(cancel.verdict, ERR_NONE);
	driver_step(&world.driver, &drain);
	ck_assert_int_eq(drain.verdict, ERR_NONE);
	ck_assert_int_eq(operator_set_drained(&world.driver, 0, false), ERR_NONE);
	ck_assert_int_ne(operator_close_session(&world.driver, 0, bytes_of("s")), ERR_NONE);
	close_world(&world);
}
END_TEST

/* A pool of the worker that was built beside this program. */
static const char *real_pool(const char *more)
{
	static char text[PATH_MAX + 1024];
	char path[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 1);

	ck_assert_int_gt(len, 0);
	path[len] = '\0';
	snprintf(text, sizeof(text),
		 "[pool r]\ncommand = \"%s/../workers/echo\"\nworkers = 1\nidempotent = yes\n%s",
		 dirname(path), more);
	return text;
}

START_TEST(a_process_answers)
{
	struct world world;

	open_world(&world, real_pool(""));
	ask(&world, 1, "r", "echo", seven);
	await_answers(&world, 1);
	ck_assert_str_eq(told(&world.asker), "answer 1 7\n");
	close_world(&world);
}
END_TEST

/* From here on the configuration before lives only as long as something holds a reference to it;
 * returns it. */
static const struct config *change_config(struct world *world, const char *text)
{
	const struct config *before = world->config;
	const struct config *config = must_parse(text);

	ck_assert_int_eq(driver_set_config(&world->driver, config), 0);
	config_unref(before);
	world->config = config;
	return before;
}

START_TEST(a_worker_keeps_its_configuration)
{
	const struct config *second;
	struct world world;

	open_world(&world, real_pool(""));
	change_config(&world, real_pool("queue_max = 2\n"));
	ask(&world, 1, "r", "echo", seven);
	await_answers(&world, 1);
	ask(&world, 2, "r", "sleep_ms", list_of_100);
	ask(&world, 3, "r", "echo", seven);
	second = change_config(&world, real_pool("queue_max = 3\n"));
	/* Only the worker holds it: without that, this reads freed memory. */
	ck_assert_str_eq(second->pools[0].name, "r");
	ck_assert_uint_eq(second->references, 1);
	await_answers(&world, 2);
	ck_assert_str_eq(told(&world.asker), "answer 1 7\nanswer 2 true\nanswer 3 7\n");
	stop(&world);
	close_world(&world);
}
END_TEST

START_TEST(a_call_outlives_the_configuration_it_failed_in)
{
	struct world world;

	/* Fork servers and identities hold the first configuration as well. */
	open_world(&world, PLAYED_POOL);
	change_config(&world, PLAYED_POOL "queue_max = 2\n");
	play_ready(&world);
	ask_played(&world, 1);
	play_crash(&world);
	ck_assert_str_eq(told(&world.asker), "");
	/* What is known of the attempt must not point into the second one. */
	change_config(&world, PLAYED_POOL "queue_max = 3\n");
	driver_cancel(&world.driver, call_find(&world.driver.calls, &world.asker.caller, 1));
	ck_assert_ptr_nonnull(strstr(told(&world.asker), "error 1 cancelled; w: worker 1 ended"));
	close_world(&world);
}
END_TEST

/* Whether the window of the last 10 s says so of the pool. */
static bool is_in_window(const struct world *world, const char *what)
{
	struct buf out;
	bool is_found;

	buf_init(&out, RECORD_MAX);
	report_pack_window(&world->driver, &out, 0, "last", 10 * USEC_PER_SEC);
	ck_assert_int_eq(buf_error(&out), 0);
	is_found = strstr(wire_text(out.data, out.len), what) != NULL;
	buf_free(&out);
	return is_found;
}

START_TEST(what_has_waited_since_before_the_window_is_in_it)
{
	struct world world;

	open_world(&world, PLAYED_POOL);
	play_ready(&world);
	for (unsigned i = 1; i <= 3; i++)
		ask(&world, i, "w", "m", nothing);
	ck_assert(is_in_window(&world, "'queue_high': 2, 'busy_high': 1"));
	/* Nothing has changed meanwhile, so the window itself knows of no such time. */
	world.loop.now += 60 * USEC_PER_SEC;
	ck_assert(is_in_window(&world, "'queue_high': 2, 'busy_high': 1"));
	close_world(&world);
}
END_TEST

START_TEST(a_configuration_of_other_pools_is_refused)
{
	const struct config *other;
	struct world world;

	open_world(&world, STATIC_POOL);
	other = must_parse(PLAYED_POOL);
	ck_assert_int_eq(driver_set_config(&world.driver, other), -EINVAL);
	config_unref(other);
	other = must_parse(STATIC_POOL PLAYED_POOL);
	ck_assert_int_eq(driver_set_config(&world.driver, other), -EINVAL);
	config_unref(other);
	ask(&world, 1, "s", "hello", nothing);
	ck_assert_str_eq(told(&world.asker), "answer 1 'world'\n");
	close_world(&world);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_static_pool_answers_at_once,
		the_answer_says_who_gave_it,
		parts_come_before_the_answer,
		who_does_not_read_pauses_the_worker,
		a_worker_is_heard_when_its_stream_is_over,
		a_worker_with_other_work_is_not_paused,
		what_is_asked_with_too_much_unread_waits,
		a_failure_is_told_with_its_attempts,
		a_call_is_given_up,
		who_leaves_hears_nothing_more,
		events_wait_for_one_that_is_behind,
		events_that_are_not_kept_are_counted,
		events_that_came_before,
		events_of_which_none_is_kept,
		nobody_hears_after_it_left,
		a_step_brings_its_verdict,
		a_process_answers,
		a_worker_keeps_its_configuration,
		a_call_outlives_the_configuration_it_failed_in,
		what_has_waited_since_before_the_window_is_in_it,
		a_configuration_of_other_pools_is_refused,
	};

	return unit_main("driver", tests, ARRAY_SIZE(tests));
}
