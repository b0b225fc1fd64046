#include "daemon/core/budget.h"

#define MILLI_TOKEN ((uint64_t)1000000) /* in the unit of the balance */

static uint64_t max_balance(const struct budget *budget)
{
	return budget->settings.max * MILLI_TOKEN;
}

void budget_init(struct budget *budget, const struct budget_settings *settings, usec_t now)
{
	*budget = (struct budget){.settings = *settings, .refilled = now};
	budget->balance = max_balance(budget);
}

/*
 * Adds what the time since the last call has earned.  If the clock jumps forward, the limit is the
 * same as for real time; if it jumps back, the jump adds nothing, and time counts from there.
 */
static void refill(struct budget *budget, usec_t now)
{
	uint64_t limit = budget->settings.refill_below * MILLI_TOKEN;
	uint64_t rate = budget->settings.per_second;
	usec_t elapsed = usec_sub(now, budget->refilled);
	uint64_t missing;

	budget->refilled = now;
	if (limit > max_balance(budget))
		limit = max_balance(budget);
	if (rate == 0 || budget->balance >= limit)
		return;
	missing = limit - budget->balance;
	budget->balance += elapsed > missing / rate ? missing : elapsed * rate;
}

bool budget_take(struct budget *budget, usec_t now)
{
	refill(budget, now);
	if (budget->balance < BUDGET_RETRY * MILLI_TOKEN)
		return false;
	budget->balance -= BUDGET_RETRY * MILLI_TOKEN;
	return true;
}

static void add(struct budget *budget, uint32_t milli_tokens, usec_t now)
{
	refill(budget, now);
	budget->balance += milli_tokens * MILLI_TOKEN;
	if (budget->balance > max_balance(budget))
		budget->balance = max_balance(budget);
}

void budget_return(struct budget *budget, usec_t now)
{
	add(budget, BUDGET_RETRY, now);
}

void budget_success(struct budget *budget, usec_t now)
{
	add(budget, budget->settings.per_success, now);
}

uint32_t budget_remaining(const struct budget *budget, usec_t now)
{
	struct budget then = *budget;

	refill(&then, now);
	return (uint32_t)(then.balance / MILLI_TOKEN);
}
