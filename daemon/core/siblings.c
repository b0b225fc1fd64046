#include "daemon/core/siblings.h"

#define RECENT_MAX   128
#define EVIDENCE_MAX 128
#define ONE_BIT	     16 /* weights are in sixteenths of a bit */

/* Returns log2(x) in sixteenths of a bit, for x > 0; linear between powers of two, so that it is up
 * to 1.4 sixteenths too small. */
static unsigned log2_of(unsigned x)
{
	unsigned whole = 31 - (unsigned)__builtin_clz(x);

	return ONE_BIT * whole + (ONE_BIT * (x - (1u << whole)) >> whole);
}

/* Halves the recent counts of the share as often as those of the pool were meanwhile.  Successes and
 * failures are halved apart, each rounded down: so neither adds up to more than the pool's. */
static void catch_up(const struct siblings_method *method, struct siblings_share *share)
{
	uint32_t behind = method->halvings - share->halvings;
	unsigned shift = behind > 15 ? 16 : behind;
	unsigned successes = (unsigned)(share->recent_calls - share->recent_failures) >> shift;
	unsigned failures = (unsigned)share->recent_failures >> shift;

	share->recent_calls = (uint16_t)(successes + failures);
	share->recent_failures = (uint16_t)failures;
	share->halvings = method->halvings;
}

static void note(struct siblings_last *last, uint32_t worker, usec_t now)
{
	if (last->at > 0 && last->worker != worker)
		last->at_else = last->at;
	last->worker = worker;
	last->at = now;
}

static usec_t last_of_siblings(const struct siblings_last *last, uint32_t worker)
{
	return last->worker == worker ? last->at_else : last->at;
}

/* Returns the number of failures in so many calls, rounded up by their standard deviation: what is
 * chance must not look like a difference. */
static unsigned cautious(unsigned failures, unsigned calls)
{
	unsigned root = 0;

	while ((root + 1) * (root + 1) <= failures)
		root++;
	return failures + root < calls ? failures + root : calls;
}

/* Returns the evidence in sixteenths of a bit; at most 0: there is none. */
static int weigh(const struct siblings_method *method, const struct siblings_share *share)
{
	struct siblings_share own = *share;
	unsigned calls, failures, weight;

	catch_up(method, &own);
	/* The halves of the workers are rounded down one by one: they may add up to less. */
	calls = method->calls - own.recent_calls;
	failures = cautious(method->failures - own.recent_failures, calls);
	weight = log2_of(calls + failures + 5) - log2_of(2 * (failures + 2));
	return (int)(share->failures * weight) - (int)((share->calls - share->failures) * ONE_BIT);
}

static void add_evidence(const struct siblings_method *method, struct siblings_share *share,
			 bool failed, usec_t now)
{
	if (share->calls == 0 && !failed)
		return;
	if (share->calls == 0)
		share->since = now;
	share->calls++;
	share->failures += failed;
	if (!failed && weigh(method, share) <= 0) {
		share->calls = share->failures = 0;
	} else if (share->calls == EVIDENCE_MAX) {
		share->calls /= 2;
		share->failures /= 2;
	}
}

void siblings_count(struct siblings *siblings, struct siblings_share *shares, unsigned method,
		    uint32_t worker, bool failed, usec_t now)
{
	struct siblings_method *all = &siblings->methods[method];
	struct siblings_share *share = &shares[method];

	if (method == SIBLINGS_NOT)
		return;
	catch_up(all, share);
	share->recent_calls++;
	share->recent_failures += failed;
	all->calls++;
	all->failures += failed;
	if (all->calls == RECENT_MAX) {
		unsigned successes = (all->calls - all->failures) / 2;

		all->failures /= 2;
		all->calls = successes + all->failures;
		all->halvings++;
	}
	note(failed ? &all->failed : &all->succeeded, worker, now);
	add_evidence(all, share, failed, now);
}

void siblings_set_run(struct siblings *siblings, unsigned method, usec_t run)
{
	siblings->methods[method].run = run;
}

/* Whether a sibling has succeeded since then, or in the last call before, and none failed since. */
static bool has_succeeded(const struct siblings_method *all, uint32_t worker, usec_t since)
{
	usec_t succeeded = last_of_siblings(&all->succeeded, worker);

	if (succeeded == 0)
		return false;
	return succeeded >= since || (succeeded >= usec_sub(since, all->run) &&
				      last_of_siblings(&all->failed, worker) < succeeded);
}

bool siblings_stands_out(const struct siblings *siblings, const struct siblings_share *shares,
			 unsigned method, uint32_t worker, unsigned bits, usec_t from)
{
	const struct siblings_method *all = &siblings->methods[method];
	const struct siblings_share *share = &shares[method];

	return share->failures > 0 && has_succeeded(all, worker, usec_min(share->since, from)) &&
	       weigh(all, share) >= (int)(bits * ONE_BIT);
}

void siblings_acquit(struct siblings_share *shares)
{
	for (unsigned i = 0; i < SIBLINGS_METHODS; i++)
		shares[i].calls = shares[i].failures = 0;
}

void siblings_expel(struct siblings *siblings, struct siblings_share *shares)
{
	siblings_acquit(shares);
	for (unsigned i = 0; i < SIBLINGS_METHODS; i++) {
		struct siblings_method *all = &siblings->methods[i];

		catch_up(all, &shares[i]);
		all->calls -= shares[i].recent_calls;
		all->failures -= shares[i].recent_failures;
		shares[i].recent_calls = shares[i].recent_failures = 0;
	}
}
