#include "tests/sim/judge.h"

#include "daemon/core/engine_inspect.h"
#include <string.h>

/*
 * Whose turn it is: clients that wait with the same priority in the same pool get the same service,
 * and no user has more than the limits allow one.
 */

/* Who waits, and who has how much open: counted in one walk over the requests. */
struct standing {
	bool waits[POOLS_MAX][PRIORITY_COUNT_][CLIENTS_MAX];
	unsigned queued[POOLS_MAX][USERS];
	unsigned open[USERS];
};

uint32_t judge_user(const struct record *record)
{
	return record->user;
}

static void count_standing(const struct world *world, struct standing *ret)
{
	memset(ret, 0, sizeof(*ret));
	for (uint32_t i = 0; i < world->settings.requests_max; i++) {
		const struct request *request = engine_request(world->engine, i);
		const struct record *record;

		if (world->open[i] == NOBODY)
			continue;
		record = &world->records[world->open[i]];
		ret->open[judge_user(record)]++;
		if (request->state != REQUEST_QUEUED)
			continue;
		ret->queued[request->run.pool][judge_user(record)]++;
		if (request->lane)
			ret->waits[request->run.pool][request->rank][record->client] = true;
	}
}

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

/* False: one was called out of turn, as its worker has room, or may be. */
static bool is_plain(const struct pool *pool, enum priority priority)
{
	return pool->queue.parked == 0 && list_empty(&pool->queue.classes[priority].called);
}

static void judge_pair(struct world *world, const struct pool *pool, struct reported_turns *turns,
		       uint32_t a, uint32_t b)
{
	uint32_t *turn = &turns->turn[a][b];

	if (pool->queue.turn > *turn)
		*turn = pool->queue.turn;
	if (turns->lead[a][b] > 2 * ((int64_t)*turn + turns->heaviest[a][b]))
		judge_blame(world, "turns",
			    "pool %u: client %u had %ld more than client %u, which waits too",
			    pool->index, a, (long)turns->lead[a][b], b);
}

static void judge_class(struct world *world, const struct pool *pool, enum priority priority,
			const bool waits[CLIENTS_MAX])
{
	struct reported_turns *turns = &world->judge.turns[pool->index][priority];
	bool plain = is_plain(pool, priority);
	bool anybody = memchr(turns->waits, true, sizeof(turns->waits)) != NULL;

	/* Where nobody waited before, nobody has a lead. */
	for (uint32_t a = 0; anybody && a < CLIENTS_MAX; a++)
		for (uint32_t b = 0; b < CLIENTS_MAX; b++) {
			if (plain && turns->waits[a] && turns->waits[b] && waits[a] && waits[b])
				judge_pair(world, pool, turns, a, b);
			else
				turns->lead[a][b] = turns->heaviest[a][b] = turns->turn[a][b] = 0;
		}
	memcpy(turns->waits, waits, sizeof(turns->waits));
}

/* --- users --- */

bool judge_is_over_share(const struct world *world, const struct record *record, uint32_t pool,
			 enum over_share over)
{
	uint32_t user = judge_user(record);
	struct standing now;

	count_standing(world, &now);
	if (over == OVER_DAEMON)
		return world->settings.requests_per_user > 0 &&
		       now.open[user] > world->settings.requests_per_user;
	if (world->pools[pool].queue_per_user == 0)
		return false;
	/* One that comes from elsewhere may have found others there during the event. */
	return world->subject != judge_number(world, record) ||
	       now.queued[pool][user] >= world->pools[pool].queue_per_user ||
	       world->judge.queued_by[pool][user] >= world->pools[pool].queue_per_user;
}

static void judge_user_limits(struct world *world, uint32_t user, const struct standing *now)
{
	unsigned open_max = world->settings.requests_per_user;

	if (open_max > 0 && now->open[user] > open_max)
		judge_blame(world, "P5", "user %u has %u requests", user, now->open[user]);
	for (uint32_t i = 0; i < world->settings.pool_count; i++) {
		unsigned queued = now->queued[i][user], max = world->pools[i].queue_per_user;

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
	struct standing now;

	count_standing(world, &now);
	memcpy(world->judge.queued_by, now.queued, sizeof(now.queued));
}

void judge_turns_after(struct world *world)
{
	struct standing now;

	count_standing(world, &now);
	for (uint32_t i = 0; i < world->settings.pool_count; i++)
		for (unsigned priority = 0; priority < PRIORITY_COUNT_; priority++)
			judge_class(world, engine_pool(world->engine, i), priority,
				    now.waits[i][priority]);
	for (uint32_t user = 0; user < USERS; user++)
		judge_user_limits(world, user, &now);
}
