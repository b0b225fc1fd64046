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

/* Whether REQUEST_STATES allows the transition. */
static bool may_move(enum request_state from, enum request_state to)
{
	return states[from].next & 1u << to;
}

void request_move(struct request *request, enum request_state state)
{
	assert(may_move(request->state, state));
	request->state = state;
}

uint32_t request_runs(const struct request *request)
{
	return request->run.attempts - request->run.unbegun;
}

bool request_has_tried(const struct request *request, uint32_t worker, uint32_t life)
{
	for (unsigned i = 0; i < REQUEST_TRIED_MAX; i++)
		if (request->tried[i].life == life && request->tried[i].worker == worker)
			return true;
	return false;
}

void request_note_tried(struct request *request, uint32_t worker, uint32_t life)
{
	request->tried[request->tried_next].worker = worker;
	request->tried[request->tried_next].life = life;
	request->tried_next = (request->tried_next + 1) % REQUEST_TRIED_MAX;
}
