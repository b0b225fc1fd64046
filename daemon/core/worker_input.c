#include "daemon/core/worker_input.h"

static const uint8_t reactions[INPUT_COUNT_][WORKER_STATE_COUNT_] = {
#define INPUT(name, terminated, initializing, ready, busy, degraded, draining, terminating)        \
	[INPUT_##name] = {                                                                         \
		[WORKER_TERMINATED] = REACTION_##terminated,                                       \
		[WORKER_INITIALIZING] = REACTION_##initializing,                                   \
		[WORKER_READY] = REACTION_##ready,                                                 \
		[WORKER_BUSY] = REACTION_##busy,                                                   \
		[WORKER_DEGRADED] = REACTION_##degraded,                                           \
		[WORKER_DRAINING] = REACTION_##draining,                                           \
		[WORKER_TERMINATING] = REACTION_##terminating,                                     \
	},
	WORKER_INPUTS(INPUT)
#undef INPUT
};

enum worker_reaction worker_reaction(enum worker_state state, enum worker_input input)
{
	return (enum worker_reaction)reactions[input][state];
}
