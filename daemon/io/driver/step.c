#include "daemon/io/driver/step.h"

#include "daemon/io/driver/effects.h"
#include "daemon/io/driver/standstill.h"
#include "daemon/io/driver/state.h"

static void carry_out_all(struct driver *driver, struct driver_step *step)
{
	const struct effect *effect;

	while ((effect = engine_next_effect(driver->engine)))
		effects_carry_out(driver, step, effect);
}

static void run(struct driver *driver, struct driver_step *step)
{
	step->event.now = loop_now(driver->loop);
	engine_step(driver->engine, &step->event);
	carry_out_all(driver, step);
}

static void run_stall(struct driver *driver)
{
	usec_t stall = standstill_take(driver);

	if (stall > 0)
		run(driver, &(struct driver_step){.event = {.type = EVENT_STALL, .stall = stall}});
}

void driver_step(struct driver *driver, struct driver_step *step)
{
	/* Before all that came meanwhile. */
	if (!loop_knows_no_stall(driver->loop))
		run_stall(driver);
	run(driver, step);
}

void driver_first_step(struct driver *driver)
{
	struct driver_step step = {.answered = NO_SLOT};

	carry_out_all(driver, &step);
}
