#include "daemon/io/driver/flow.h"

#include "daemon/io/driver/state.h"

struct life *flow_life(struct driver *driver, const struct flow *flow)
{
	struct life *life = &driver->lives[flow->worker];

	return life->number == flow->life ? life : NULL;
}

static void forget_unread(struct call *call)
{
	if (list_linked(&call->flow.in_unread))
		list_remove(&call->caller->unread, &call->flow.in_unread);
	call->flow.unread = call->flow.before_mark = 0;
}

void flow_reset(struct driver *driver, struct call *call)
{
	struct life *life = call->flow.is_held ? flow_life(driver, &call->flow) : NULL;

	if (life)
		flow_cancelled(life, call->flow.id);
	forget_unread(call);
	call->flow.is_held = false;
	call->flow.owed = 0;
}

void flow_cancelled(struct life *life, uint32_t id)
{
	if (life->channel.is_paused && life->paused_for == id)
		channel_pause(&life->channel, false);
}
