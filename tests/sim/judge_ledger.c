#include "tests/sim/judge.h"

/*
 * What really runs, by the processes themselves: nobody may run two requests of a session, or two
 * with the same key, at the same time, and none with a key that has succeeded.  It does not matter
 * whether a client still waits for the one that runs.
 */

/* Whether what the process says about its requests can be believed. */
static bool is_honest(const struct process *process)
{
	return process->exists && process->alive && !process->liar;
}

static bool is_same_key(const struct record *one, const struct record *other)
{
	return one->key != NO_NAME && one->key == other->key && one->pool == other->pool;
}

static bool is_same_session(const struct record *one, const struct record *other)
{
	return one->session != NO_NAME && one->session == other->session;
}

static void judge_both(struct world *world, uint32_t one, uint32_t other)
{
	const struct record *mine = &world->records[one];
	const struct record *others = &world->records[other];

	if (is_same_key(mine, others))
		judge_blame(world, "P3", "request %u runs while %u with the same key k%u does", one,
			    other, mine->key);
	if (is_same_session(mine, others))
		judge_blame(world, "session",
			    "request %u runs while %u of the same session s%u does", one, other,
			    mine->session);
}

static void judge_beside(struct world *world, const struct process *process,
			 const struct task *task)
{
	for (unsigned i = 0; i < ARRAY_SIZE(world->processes); i++) {
		const struct process *other = &world->processes[i];

		if (!is_honest(other))
			continue;
		for (unsigned n = 0; n < other->task_count; n++)
			if (other->tasks[n].running &&
			    (other != process || &other->tasks[n] != task))
				judge_both(world, task->record, other->tasks[n].record);
	}
}

void judge_ledger_run(struct world *world, const struct process *process, const struct task *task)
{
	const struct record *record = &world->records[task->record];
	const struct reported_key *key = &world->judge.keys[record->pool][record->key % KEYS];

	process->sendings[task->id].ran = true;
	if (!is_honest(process))
		return;
	judge_beside(world, process, task);
	if (record->key != NO_NAME && key->proven > 0 &&
	    world->now < usec_add(key->proven, world->settings.keys.ttl))
		judge_blame(world, "P3",
			    "request %u runs, but the daemon has heard that k%u succeeded",
			    task->record, record->key);
}

void judge_ledger_success(struct world *world, const struct process *process,
			  const struct sending *sending)
{
	const struct record *record = &world->records[sending->record];
	struct reported_key *key = &world->judge.keys[record->pool][record->key % KEYS];

	if (record->key != NO_NAME && is_honest(process))
		key->proven = world->now;
	world->judge.must_store = sending->holds;
}

void judge_ledger_after(struct world *world)
{
	struct judge *judge = &world->judge;

	if (judge->must_store != judge->stored)
		judge_blame(world, "key", "a late answer is %s", judge->stored ? "stored" : "lost");
	judge->must_store = judge->stored = false;
}

void judge_give_up(struct world *world, struct sending *sending)
{
	const struct record *record = &world->records[sending->record];

	if (sending->given_up)
		return;
	sending->given_up = true;
	if (sending->answered)
		return;
	sending->holds = record->key != NO_NAME || record->session != NO_NAME;
	if (record->key != NO_NAME)
		world->judge.keys[record->pool][record->key].runs++;
	if (record->session != NO_NAME)
		world->judge.sessions[record->session].runs++;
}

/* Nobody can doubt one that its process's page denies. */
static void key_run_over(struct world *world, struct reported_key *key, bool is_doubtful)
{
	key->runs--;
	key->failed_at = world->events;
	if (is_doubtful)
		judge_key_doubt(world, key);
}

void judge_run_over(struct world *world, struct sending *sending, bool is_known)
{
	const struct record *record;

	if (!sending->holds)
		return;
	sending->holds = false;
	record = &world->records[sending->record];
	if (record->key != NO_NAME)
		key_run_over(world, &world->judge.keys[record->pool][record->key],
			     !is_known && sending->ran && !record->unstored);
	if (record->session != NO_NAME) {
		world->judge.sessions[record->session].runs--;
		world->judge.sessions[record->session].used = world->now;
	}
}
