#include "daemon/io/base/loop.h"

#include "daemon/io/base/clock.h"
#include "daemon/io/base/link.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>

static void on_timer(evutil_socket_t fd, short what, void *argument)
{
	struct loop *loop = argument;

	(void)fd;
	(void)what;
	loop->is_timer_due = true;
}

/*
 * Memory of large payloads is not given back to the system between two requests: to have it mapped
 * and cleared again costs more than copying the payload.  It is given back when no more was freed
 * for a while.
 */
#define KEEP_BYTES (256 * 1024 * 1024)
#define MMAP_BYTES (32 * 1024 * 1024)

/* Blocks for answers that say that there is no memory. */
#define KEPT_CHUNKS 4

static const struct timeval tidy_after = {.tv_usec = 200000};

static void on_tidy(evutil_socket_t fd, short what, void *argument)
{
	(void)fd;
	(void)what;
	(void)argument;
	malloc_trim(0);
}

/* Timers that exist at the same time, at most, for which memory is there from the start: libevent
 * keeps the room that it once had. */
#define TIMERS_RESERVED 4096

static int reserve_timers(struct event_base *base)
{
	struct event *timers = calloc(TIMERS_RESERVED, sizeof(*timers));
	const struct timeval never = {.tv_sec = 3600};
	int r = timers ? 0 : -ENOMEM;

	for (size_t i = 0; i < TIMERS_RESERVED && r == 0; i++) {
		evtimer_assign(&timers[i], base, NULL, NULL); /* none is ever due */
		if (event_add(&timers[i], &never) < 0)
			r = -ENOMEM;
	}
	for (size_t i = 0; timers && i < TIMERS_RESERVED; i++)
		if (event_initialized(&timers[i]))
			event_del(&timers[i]);
	free(timers);
	return r;
}

static void on_relief(evutil_socket_t fd, short what, void *argument)
{
	struct loop *loop = argument;

	(void)fd;
	(void)what;
	loop->is_relief_due = true;
}

static bool was_refused_lately(struct loop *loop)
{
	if (loop->refused != loop->store.refused)
		loop->refused_at = loop_now(loop);
	loop->refused = loop->store.refused;
	return loop->refused_at > 0 && usec_sub(loop_now(loop), loop->refused_at) < SHORT_FOR;
}

/* Those are looked for who could give some memory back. */
static void tell_short(struct loop *loop)
{
	bool was_short = loop->is_short;

	loop->is_short = was_refused_lately(loop) || loop->hungry > 0 ||
			 chunk_level(&loop->store) >= CHUNK_CROWDED;
	if (loop->is_short && !was_short)
		loop->short_since = loop_now(loop);
	if (loop->is_short ? was_short && !loop->is_relief_due : !was_short)
		return;
	if (loop->on_short)
		loop->on_short(loop->short_owner);
}

/* What waits for memory is looked at when some was given back, and now and then in any case. */
static void relieve(struct loop *loop)
{
	static const struct timeval interval = {.tv_usec = RELIEF_INTERVAL};

	link_feed_starved(loop);
	loop->is_relief_due = false;
	if (loop->is_short && !evtimer_pending(&loop->relief_timer, NULL))
		loop_add_timer(&loop->relief_timer, &interval);
}

static void plan_tidying(struct loop *loop)
{
	if (!loop->store.is_trimmable)
		return;
	loop->store.is_trimmable = false;
	loop_add_timer(&loop->tidy_timer, &tidy_after);
}

int loop_init(struct loop *loop, size_t memory_max)
{
	struct event_config *config = event_config_new();

	*loop = (struct loop){.timer_at = USEC_INFINITY};
	if (!config)
		return -ENOMEM;
	/* One thread: no locks.  The timer must follow the monotonic clock, which libevent uses by
	 * itself. */
	event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
	loop->base = event_base_new_with_config(config);
	event_config_free(config);
	if (!loop->base)
		return -ENOMEM;
	chunk_store_init(&loop->store, memory_max);
	if (reserve_timers(loop->base) < 0 || chunk_store_keep(&loop->store, KEPT_CHUNKS) < 0) {
		chunk_store_done(&loop->store);
		event_base_free(loop->base);
		loop->base = NULL;
		return -ENOMEM;
	}
	mallopt(M_MMAP_THRESHOLD, MMAP_BYTES);
	mallopt(M_TRIM_THRESHOLD, KEEP_BYTES);
	evtimer_assign(&loop->tidy_timer, loop->base, on_tidy, loop);
	evtimer_assign(&loop->relief_timer, loop->base, on_relief, loop);
	evtimer_assign(&loop->timer, loop->base, on_timer, loop);
	outbox_store_init(&loop->outboxes, &loop->store);
	list_init(&loop->deferred);
	list_init(&loop->backlog);
	list_init(&loop->backlog_last);
	list_init(&loop->dirty);
	list_init(&loop->starved);
	list_init(&loop->closed);
	return 0;
}

void loop_done(struct loop *loop)
{
	if (!loop->base)
		return;
	link_free_closed(loop);
	outbox_store_done(&loop->outboxes);
	chunk_unref(loop->shared);
	event_del(&loop->timer);
	event_del(&loop->tidy_timer);
	event_del(&loop->relief_timer);
	event_base_free(loop->base);
	chunk_store_done(&loop->store);
	loop->base = NULL;
}

usec_t loop_clock(void)
{
	return clock_now(CLOCK_MONOTONIC);
}

static void begin_turn(struct loop *loop)
{
	loop->now = loop_clock();
	loop->stalled =
		stall_wake(&loop->stall, loop->now, clock_now(CLOCK_BOOTTIME), &loop->suspended);
	loop->is_catching_up = loop->stalled > 0;
}

usec_t loop_now(struct loop *loop)
{
	if (loop->now == 0)
		begin_turn(loop);
	return loop->now;
}

usec_t loop_take_stall(struct loop *loop, usec_t *ret_suspended)
{
	usec_t stalled;

	loop_now(loop);
	stalled = loop->stalled;
	*ret_suspended = loop->suspended;
	loop->stalled = loop->suspended = 0;
	return stalled;
}

uint64_t loop_wall_ms(void)
{
	return clock_now(CLOCK_REALTIME) / USEC_PER_MSEC;
}

static void run_timer(struct loop *loop)
{
	if (!loop->is_timer_due)
		return;
	loop->is_timer_due = false;
	loop->timer_at = USEC_INFINITY;
	loop->on_timer(loop->owner);
}

/* After a stop: a signal may have ended the wait before any socket was looked at, and the system
 * names only some of those that are ready at a time. */
#define CATCH_UP_PASSES 8

static void catch_up(struct loop *loop)
{
	loop_now(loop);
	if (!loop->is_catching_up)
		return;
	loop->is_catching_up = false;
	for (unsigned i = 0; i < CATCH_UP_PASSES; i++) {
		turn_end(&loop->turn);
		event_base_loop(loop->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
		link_read_deferred(loop);
		link_serve_backlog(loop);
	}
}

static void fall_asleep(struct loop *loop)
{
	if (loop->next_timer)
		loop_set_timer(loop, loop->next_timer(loop->owner));
	stall_sleep(&loop->stall, loop_now(loop), loop_clock(), loop->timer_at);
	loop->now = 0;
	turn_end(&loop->turn);
}

static void end_turn(struct loop *loop)
{
	link_read_deferred(loop);
	catch_up(loop);
	link_serve_backlog(loop);
	run_timer(loop);
	if (loop->on_turn)
		loop->on_turn(loop->owner);
	tell_short(loop);
	link_flush_all(loop);
	link_free_closed(loop);
	relieve(loop);
	plan_tidying(loop);
	fall_asleep(loop);
}

void loop_run(struct loop *loop)
{
	/* What came before the first turn was the start: it may take long, and nobody waited. */
	if (loop->stall.slept == 0)
		loop->now = 0;
	end_turn(loop);
	while (!loop->is_leaving) {
		int wait = link_has_backlog(loop) ? EVLOOP_NONBLOCK : 0;

		event_base_loop(loop->base, EVLOOP_ONCE | wait);
		end_turn(loop);
	}
}

void loop_leave(struct loop *loop)
{
	loop->is_leaving = true;
}

void loop_set_timer(struct loop *loop, usec_t at)
{
	/* A timer that is due too early costs a turn now and then; to move it for every request
	 * would cost more. */
	if (at >= loop->timer_at)
		return;
	loop->timer_at = at;
	loop_set_event_timer(&loop->timer, usec_sub(at, loop_now(loop)));
}

void loop_add_timer(struct event *timer, const struct timeval *delay)
{
	if (event_add(timer, delay) < 0)
		event_active(timer, EV_TIMEOUT, 0);
}

void loop_set_event_timer(struct event *timer, usec_t span)
{
	struct timeval delay = {.tv_sec = (time_t)(span / USEC_PER_SEC),
				.tv_usec = (suseconds_t)(span % USEC_PER_SEC)};

	loop_add_timer(timer, &delay);
}
