#include "daemon/io/driver/critical.h"

#include "daemon/io/driver/state.h"

static bool is_known(const struct lowered *lowered, uint32_t uid)
{
	for (unsigned i = 0; i < lowered->count; i++)
		if (lowered->uids[i] == uid)
			return true;
	return false;
}

static COLD void tell_once(struct lowered *lowered, const struct caller *caller)
{
	if (lowered->count == LOWERED_MAX || is_known(lowered, caller->uid))
		return;
	lowered->uids[lowered->count++] = caller->uid;
	log_notice(
		"requests of user %u ask for the priority critical and run as normal: only members "
		"of critical_group, and who may control the daemon, get it (pid %d)%s",
		caller->uid, caller->pid,
		lowered->count == LOWERED_MAX ? "; further users are not reported" : "");
}

enum priority critical_allowed(struct driver *driver, const struct caller *caller,
			       enum priority wanted)
{
	if (wanted != PRIORITY_CRITICAL || caller->may_be_critical)
		return wanted;
	tell_once(&driver->lowered, caller);
	return PRIORITY_NORMAL;
}
