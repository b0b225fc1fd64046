#include "daemon/io/base/stall.h"

void stall_sleep(struct stall *stall, usec_t begun, usec_t now, usec_t wake_at)
{
	stall->turn = usec_sub(now, begun) > STALL_LATE ? usec_sub(now, begun) : 0;
	stall->slept = now;
	stall->wake_at = wake_at;
}

/* For how long the loop slept beyond the time when it was to wake up. */
static usec_t overslept(const struct stall *stall, usec_t now)
{
	usec_t late = usec_sub(now, usec_max(stall->wake_at, stall->slept));

	if (late <= STALL_LATE)
		return 0;
	/* It may have stopped before its timer was due. */
	return usec_min(usec_sub(now, stall->slept), usec_add(late, STALL_PULSE));
}

usec_t stall_wake(struct stall *stall, usec_t now, usec_t boot, usec_t *ret_suspended)
{
	usec_t offset = usec_sub(boot, now);
	usec_t suspended = usec_sub(offset, stall->boot_offset);

	stall->boot_offset = offset;
	*ret_suspended = stall->slept > 0 && suspended > STALL_LATE ? suspended : 0;
	return stall->slept > 0 ? usec_add(stall->turn, overslept(stall, now)) : 0;
}
