#include "daemon/core/failing.h"

#include <string.h>

/* So many failures of another one make it the suspect, however long the present one has been it. */
#define VOTES_MAX 16

/* This part of `min` others must have succeeded to speak for the pool. */
#define OTHERS_PART 4

void failing_init(struct failing *failing, const struct failing_settings *settings, usec_t now)
{
	*failing = (struct failing){
		.settings = *settings,
		.slot_ends = usec_add(now - now % FAILING_SLOT, FAILING_SLOT),
	};
}

/* --- the window --- */

static struct failing_slot sum_up(const struct failing *failing)
{
	struct failing_slot sum = {.all.succeeded = failing->succeeded};

	for (unsigned i = 0; i < FAILING_SLOTS; i++) {
		const struct failing_slot *slot = &failing->slots[i];

		sum.all.succeeded += slot->all.succeeded;
		sum.all.failed += slot->all.failed;
		for (unsigned k = 0; k < FAILING_SUSPECTS_; k++) {
			sum.others[k].succeeded += slot->others[k].succeeded;
			sum.others[k].failed += slot->others[k].failed;
		}
	}
	return sum;
}

/* Forgets who and what failed, as nothing of it is left in the window. */
static void forget(struct failing *failing)
{
	memset(failing->suspects, 0, sizeof(failing->suspects));
	failing->code = (struct failing_vote){0};
	failing->has_suspects = false;
}

static void turn(struct failing *failing, usec_t now)
{
	usec_t passed = usec_sub(now, failing->slot_ends) / FAILING_SLOT + 1;

	failing->slots[failing->place].all.succeeded += failing->succeeded;
	failing->succeeded = 0;
	for (unsigned i = 0; i < FAILING_SLOTS && i < passed; i++) {
		failing->place = (failing->place + 1) % FAILING_SLOTS;
		failing->slots[failing->place] = (struct failing_slot){0};
	}
	failing->slot_ends = usec_add(now - now % FAILING_SLOT, FAILING_SLOT);
	if (sum_up(failing).all.failed == 0)
		forget(failing);
}

/* --- the rule --- */

static bool exceeds(struct failing_tally tally, unsigned share)
{
	uint64_t all = (uint64_t)tally.succeeded + tally.failed;

	return tally.failed > 0 && (uint64_t)tally.failed * 100 >= all * share;
}

/* Whether the others show that the pool works: the suspect's failures are its own. */
static bool speak_for_it(const struct failing *failing, struct failing_tally others, unsigned share)
{
	return others.succeeded > 0 &&
	       (uint64_t)others.succeeded * OTHERS_PART >= failing->settings.min &&
	       !exceeds(others, share);
}

static bool judge(const struct failing *failing)
{
	struct failing_slot sum = sum_up(failing);
	unsigned share = failing->settings.share;

	if (failing->is_failing)
		share -= share / 4;
	else if (failing->settings.min == 0 || sum.all.failed < failing->settings.min)
		return false;
	if (!exceeds(sum.all, share))
		return false;
	for (unsigned i = 0; i < FAILING_SUSPECTS_; i++)
		if (speak_for_it(failing, sum.others[i], share))
			return false;
	return true;
}

static bool update(struct failing *failing, usec_t now)
{
	bool is_failing = judge(failing);

	if (is_failing == failing->is_failing)
		return false;
	failing->is_failing = is_failing;
	failing->since = now;
	return true;
}

/* --- counting --- */

/* Returns whether the value has become the winner. */
static bool vote(struct failing_vote *vote, uint32_t value)
{
	if (vote->votes > 0 && vote->value != value) {
		vote->votes--;
		return false;
	}
	if (vote->votes > 0) {
		vote->votes += vote->votes < VOTES_MAX;
		return false;
	}
	*vote = (struct failing_vote){value, 1};
	return true;
}

/* Another one is the suspect: who the others are is known from now on. */
static void forget_others(struct failing *failing, unsigned suspect)
{
	for (unsigned i = 0; i < FAILING_SLOTS; i++)
		failing->slots[i].others[suspect] = (struct failing_tally){0};
}

static COLD void count_failure(struct failing *failing, const uint32_t ids[FAILING_SUSPECTS_],
			       enum errcode code)
{
	struct failing_slot *slot = &failing->slots[failing->place];

	slot->all.failed++;
	for (unsigned i = 0; i < FAILING_SUSPECTS_; i++) {
		uint32_t was = failing->suspects[i].value;

		if (vote(&failing->suspects[i], ids[i]) && was != ids[i])
			forget_others(failing, i);
		slot->others[i].failed += failing->suspects[i].value != ids[i];
	}
	(void)vote(&failing->code, code);
	failing->has_suspects = true;
}

static void count_success(struct failing *failing, const uint32_t ids[FAILING_SUSPECTS_])
{
	struct failing_slot *slot = &failing->slots[failing->place];

	slot->all.succeeded++;
	for (unsigned i = 0; failing->has_suspects && i < FAILING_SUSPECTS_; i++)
		slot->others[i].succeeded += failing->suspects[i].value != ids[i];
}

bool failing_count(struct failing *failing, usec_t now, uint32_t user, uint32_t client,
		   enum errcode code)
{
	const uint32_t ids[FAILING_SUSPECTS_] = {user, client};

	if (now >= failing->slot_ends)
		turn(failing, now);
	if (code == ERR_NONE)
		count_success(failing, ids);
	else
		count_failure(failing, ids, code);
	/* Successes end a failure at once, but begin none. */
	return (code != ERR_NONE || failing->is_failing) && update(failing, now);
}

usec_t failing_deadline(const struct failing *failing)
{
	return failing->is_failing ? failing->slot_ends : USEC_INFINITY;
}

bool failing_tick(struct failing *failing, usec_t now)
{
	if (now >= failing->slot_ends)
		turn(failing, now);
	return update(failing, now);
}

enum errcode failing_code(const struct failing *failing)
{
	return (enum errcode)failing->code.value;
}

struct failing_tally failing_sum(const struct failing *failing)
{
	return sum_up(failing).all;
}
