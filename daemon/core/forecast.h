/*
 * Whether a request can be answered before its deadline, predicted from the run times of the
 * pool's methods (runs.h).
 *
 * A queue that is limited only by its length lets every request wait for nearly its whole deadline
 * when more comes than the workers can serve; then hardly any is answered in time.  So a request
 * that would come too late is refused when it arrives, while its client can still do something
 * else; and one that has become too late in the queue is answered instead of sent.
 *
 * A prediction must not lock a pool: when its calls have become fast again, only a call that is
 * sent can show it.  So an idle worker with nothing queued gets a request that contradicts the
 * prediction too, one at a time; after one that was in vain, the next one that needs a run as short
 * waits for a while: four typical runs, and between 1 and 4 s.
 */
#ifndef POOLD_CORE_FORECAST_H
#define POOLD_CORE_FORECAST_H

#include "protocol/base.h"

struct attempt;
struct pool;
struct prng;
struct request;
struct worker;

/* A request at the head of the queue must have this share of its method's typical run left, in
 * percent; and on its arrival there must be hope that it will have the same share of nearly the
 * longest run.  With less, too many runs end after the deadline and were in vain. */
#define FORECAST_SHARE 150

/* A pool that refuses requests for their wait is told to do so for this long after the last one. */
#define FORECAST_RECENT (5 * USEC_PER_SEC)

/* What the forecast of a pool remembers. */
struct forecast {
	/* Work that came to the queue in the present second and in the one before, µs of one
	 * worker by priority: it overtakes what waits with a lower one. */
	uint64_t came[3];
	uint64_t came_before[3];
	usec_t second; /* when the present second began */
	/* Work of the requests that were refused and may come back, as they were told when. */
	uint64_t promised;
	usec_t promised_at;
	/* Requests that were refused by FORECAST_FULL: in the present FORECAST_RECENT and in the one
	 * before; when the present one began, and when the last of them was refused. */
	uint64_t refused;
	uint64_t refused_before;
	usec_t refused_from;
	usec_t refused_at;
	/* The attempt that contradicts the forecast, if it is still in flight: its worker, the
	 * life of that worker, and its message id; id 0: none. */
	uint32_t worker;
	uint32_t life;
	uint32_t id;
};

enum forecast_verdict {
	FORECAST_IN_TIME = 0,
	FORECAST_FULL,	  /* too much waits before it; later there is less */
	FORECAST_HOPELESS /* its deadline is below the typical run: waiting does not help */
};

/* Returns how long all that is queued with this priority or a higher one waits, in µs. */
usec_t forecast_wait(const struct pool *pool, unsigned priority, usec_t now);

/* Judges a request that is to be queued.  It waits for no more than its client's share of what is
 * queued: see queue.h. */
enum forecast_verdict forecast_judge(const struct pool *pool, const struct request *request,
				     usec_t now);

/* Whether the request at the head of the queue still has the time to run at a worker that has room
 * now. */
bool forecast_may_send(const struct pool *pool, const struct request *request, usec_t now);

/* The request was queued, or is sent now as its run.attempt. */
void forecast_queued(struct pool *pool, const struct request *request, usec_t now);
void forecast_sent(struct pool *pool, const struct request *request, usec_t now);

/* The deadline of the attempt's request has passed while it was at that worker. */
void forecast_late(struct pool *pool, const struct worker *worker, const struct attempt *attempt,
		   usec_t now);

/*
 * The request is refused by FORECAST_FULL or because the queue is full: returns after which time
 * it is likely to be admitted.  That is when the work before it has fallen to what its deadline
 * allows, and those have been served that were refused before it; half to one and a half of that,
 * at random, so that those refused together do not come back together.
 */
usec_t forecast_retry_after(struct pool *pool, const struct request *request, struct prng *prng,
			    usec_t now);

/* Counts a request that is refused by FORECAST_FULL. */
void forecast_refused(struct pool *pool, usec_t now);

/* Returns how many were in the last FORECAST_RECENT, about. */
uint64_t forecast_recently_refused(const struct pool *pool, usec_t now);

#endif
