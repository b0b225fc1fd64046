#include "tests/sim/judge.h"

#include "daemon/core/engine_inspect.h"
#include <string.h>

/*
 * Whose turn it is: clients that wait with the same priority in the same pool get the same service,
 * and no user has more than the limits allow one.
 */

/* --- turns --- */

void judge_turns_send(struct world *world, const struct record *record, uint32_t pool)
{
	const struct request *request = engine_request(world->engine, record->slot);
	struct reported_turns *turns = &world->judge.turns[pool][request->rank];
	uint32_t client = record->client;

	if (!turns->waits[client])
		return;
	for (uint32_t other = 0; other < CLIENTS_MAX; other++) {
		if (!turns->waits[other])
			continue;
		turns->lead[client][other] += request->weight;
		turns->lead[other][client] -= request->weight;
		if (request->weight > turns->heaviest[client][other])
			turns->heaviest[client][other] = turns->heaviest[other][client] =
				request->weight;
	}
}

/* Notes who waits there.  False: one was called out of turn, as its worker has room, or may be. */
static bool note_waiting(const struct world *world, const struct pool *pool, enum priority priority,
			 bool *ret)
{
	for (uint32_t i = 0; i < world->settings.requests_max; i++) {
		const struct request *request = engine_request(world->engine, i);

		if (world->open[i] != NOBODY && request->state == REQUEST_QUEUED &&
		    request->run.pool == pool->index && request->rank == priority && request->lane)
			ret[world->records[world->open[i]].client] = true;
	}
	return pool->queue.parked == 0 && list_empty(&pool->queue.classes[priority].called);
}

static void judge_class(struct world *world, const struct pool *pool, enum priority priority)
{
	struct reported_turns *turns = &world->judge.turns[pool->index][priority];
	bool waits[CLIENTS_MAX] = {false};
	bool is_plain = note_waiting(world, pool, priority, waits);

	for (uint32_t a = 0; a < CLIENTS_MAX; a++)
		for (uint32_t b = 0; b < CLIENTS_MAX; b++) {
			uint32_t *turn = &turns->turn[a][b];

			if (pool->queue.turn > *turn)
				*turn = pool->queue.turn;
			if (!is_plain || !turns->waits[a] || !turns->waits[b] || !waits[a] ||
			    !waits[b])
				turns->lead[a][b] = turns->heaviest[a][b] = *turn = 0;
			else if (turns->lead[a][b] > 2 * ((int64_t)*turn + turns->heaviest[a][b]))
				judge_blame(world, "turns",
					    "pool %u: client %u had %ld more than client %u, which "
					    "waits too",
					    pool->index, a, (long)turns->lead[a][b], b);
		}
	memcpy(turns->waits, waits, sizeof(waits));
}

/* --- users --- */

uint32_t judge_user(const struct record *record)
{
	return record->user;
}

static unsigned count_open(const struct world *world, uint32_t user)
{
	unsigned count = 0;

	for (uint32_t i = 0; i < world->settings.requests_max; i++)
		count += world->open[i] != NOBODY &&
			 judge_user(&world->records[world->open[i]]) == user;
	return count;
}

static unsigned count_queued(const struct world *world, uint32_t pool, uint32_t user)
{
	unsigned count = 0;

	for (uint32_t i = 0; i < world->settings.requests_max; i++) {
		const struct request *request = engine_request(world->engine, i);

		count += world->open[i] != NOBODY && request->state == REQUEST_QUEUED &&
			 request->run.pool == pool &&
			 judge_user(&world->records[world->open[i]]) == user;
	}
	return count;
}

bool judge_is_over_share(const struct world *world, const struct record *record, uint32_t pool,
			 enum over_share over)
{
	uint32_t user = judge_user(record);

	if (over == OVER_DAEMON)
		return world->settings.requests_per_user > 0 &&
		       count_open(world, user) > world->settings.requests_per_user;
	if (world->pools[pool].queue_per_user == 0)
		return false;
	/* One that comes from elsewhere may have found others there during the event. */
	return world->subject != judge_number(world, record) ||
	       count_queued(world, pool, user) >= world->pools[pool].queue_per_user ||
	       world->judge.queued_by[pool][user] >= world->pools[pool].queue_per_user;
}

static void judge_user_limits(struct world *world, uint32_t user)
{
	unsigned open_max = world->settings.requests_per_user;

	if (open_max > 0 && count_open(world, user) > open_max)
		judge_blame(world, "P5", "user %u has %u requests", user, count_open(world, user));
	for (uint32_t i = 0; i < world->settings.pool_count; i++) {
		unsigned queued = count_queued(world, i, user),
			 max = world->pools[i].queue_per_user;

		/* What comes back to the queue is let in in any case. */
		if (world->event.type == EVENT_SUBMIT && max > 0 && queued > max &&
		    queued > world->judge.queued_by[i][user] && !judge_has_come_back(world, i))
			judge_blame(world, "P5", "user %u has %u requests in the queue of pool %u",
				    user, queued, i);
	}
}

/* --- around each event --- */

void judge_turns_before(struct world *world)
{
	for (uint32_t i = 0; i < world->settings.pool_count; i++)
		for (uint32_t user = 0; user < USERS; user++)
			world->judge.queued_by[i][user] = count_queued(world, i, user);
}

void judge_turns_after(struct world *world)
{
	for (uint32_t i = 0; i < world->settings.pool_count; i++)
		for (unsigned priority = 0; priority < PRIORITY_COUNT_; priority++)
			judge_class(world, engine_pool(world->engine, i), priority);
	for (uint32_t user = 0; user < USERS; user++)
		judge_user_limits(world, user);
}
