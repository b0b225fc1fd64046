#include "daemon/io/driver/step.h"

#include "daemon/io/driver/effects.h"
#include "daemon/io/driver/standstill.h"
#include "daemon/io/driver/state.h"

static usec_t next_deadline(const struct driver *driver)
{
	usec_t next = usec_min(engine_deadline(driver->engine), starts_deadline(&driver->starts));

	if (engine_open_requests(driver->engine) > 0)
		next = usec_min(next, usec_add(loop_now(driver->loop), STALL_PULSE));
	next = usec_min(next, driver->overloads.check_at);
	return engine_stopping(driver->engine) ? next : usec_min(next, driver->memory.check_at);
}

void driver_set_timer(struct driver *driver)
{
	/* What is left for the end of a turn can't wait for the next event. */
	bool is_pending = !list_empty(&driver->noted) || !list_empty(&driver->turned_callers) ||
			  !list_empty(&driver->events.late) || driver->has_stopped;

	loop_set_timer(driver->loop, is_pending ? loop_now(driver->loop) : next_deadline(driver));
}

static void carry_out_all(struct driver *driver, struct driver_step *step)
{
	struct effect effect;

	while (engine_next_effect(driver->engine, &effect))
		effects_carry_out(driver, step, &effect);
	driver_set_timer(driver);
}

static void run(struct driver *driver, struct driver_step *step)
{
	step->event.now = loop_now(driver->loop);
	engine_step(driver->engine, &step->event);
	carry_out_all(driver, step);
}

void driver_step(struct driver *driver, struct driver_step *step)
{
	struct driver_step stall = {
		.event = {.type = EVENT_STALL, .stall = standstill_take(driver)}};

	/* Before all that came meanwhile. */
	if (stall.event.stall > 0)
		run(driver, &stall);
	run(driver, step);
}

void driver_first_step(struct driver *driver)
{
	struct driver_step step = {.answered = NO_SLOT};

	carry_out_all(driver, &step);
}
