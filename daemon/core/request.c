#include "daemon/core/request.h"

#include <string.h>

static const struct {
	const char *name;
	unsigned next;
} states[REQUEST_STATE_COUNT_] = {
#define STATE(name, word, next, text) {(word), (next)},
	REQUEST_STATES(STATE)
#undef STATE
};

static const char *const priorities[PRIORITY_COUNT_] = {"critical", "normal", "sheddable"};

const char *request_state_name(enum request_state state)
{
	return states[state].name;
}

const char *priority_name(enum priority priority)
{
	return priorities[priority];
}

enum priority priority_find(const char *name, size_t len)
{
	for (unsigned i = 0; i < PRIORITY_COUNT_; i++)
		if (strlen(priorities[i]) == len && memcmp(priorities[i], name, len) == 0)
			return (enum priority)i;
	return PRIORITY_COUNT_;
}

void request_move(struct request *request, enum request_state state)
{
	assert(states[request->state].next & 1u << state);
	request->state = state;
}
