#include "daemon/io/driver/standstill.h"

#include "daemon/io/driver/notify.h"
#include "daemon/io/driver/state.h"

usec_t standstill_take(struct driver *driver)
{
	usec_t suspended;
	usec_t stalled = loop_take_stall(driver->loop, &suspended);

	if (stalled == 0 && suspended == 0)
		return 0;
	driver->stats.stalls++;
	driver->stats.stalled_ms += usec_add(stalled, suspended) / USEC_PER_MSEC;
	notify_standstill(driver, stalled, suspended);
	/* While the machine is suspended no clock of the engine goes on. */
	return stalled;
}
