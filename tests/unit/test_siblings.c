#include "daemon/core/siblings.h"

#include "tests/lib/prop.h"
#include "tests/lib/unit.h"

#define METHOD	1
#define WORKERS 8

struct fixture {
	struct siblings siblings;
	struct siblings_share shares[WORKERS][SIBLINGS_METHODS];
	usec_t now;
};

static struct fixture f;

static void begin(void)
{
	f = (struct fixture){.now = USEC_PER_SEC};
}

static void ends(unsigned worker, unsigned method, bool failed)
{
	siblings_count(&f.siblings, f.shares[worker], method, worker, failed, ++f.now);
}

static bool stands_out(unsigned worker, unsigned method)
{
	return siblings_stands_out(&f.siblings, f.shares[worker], method, worker, SIBLINGS_SURE,
				   USEC_INFINITY);
}

/* Each worker has one call; those of `bad` (a mask) fail. */
static void round_of(unsigned workers, unsigned bad)
{
	for (unsigned i = 0; i < workers; i++)
		ends(i, METHOD, bad & 1u << i);
}

START_TEST(one_that_always_fails_stands_out_soon)
{
	static const unsigned limits[] = {[2] = 14, [3] = 10, [8] = 8};

	for (unsigned workers = 2; workers <= 8; workers += workers == 2 ? 1 : 5) {
		unsigned rounds = 0;

		begin();
		while (!stands_out(0, METHOD)) {
			ck_assert_uint_lt(rounds++, limits[workers]);
			round_of(workers, 1);
		}
		ck_assert_uint_ge(rounds, 5);
		for (unsigned i = 1; i < workers; i++)
			ck_assert(!stands_out(i, METHOD));
	}
}
END_TEST

START_TEST(without_a_sibling_that_succeeds_nobody_does)
{
	begin();
	for (unsigned i = 0; i < 500; i++) {
		round_of(WORKERS, 0xff);
		for (unsigned n = 0; n < WORKERS; n++)
			ck_assert(!stands_out(n, METHOD));
	}
	begin();
	for (unsigned i = 0; i < 100; i++) {
		round_of(1, 0);
		ck_assert(!stands_out(0, METHOD));
	}
	round_of(1, 1);
	ck_assert_msg(!stands_out(0, METHOD), "it is alone");
}
END_TEST

START_TEST(success_before_the_evidence_does_not_count)
{
	begin();
	for (unsigned i = 0; i < 20; i++)
		round_of(WORKERS, 0);
	/* One has a run of bad luck at the beginning of an outage that hits all. */
	for (unsigned i = 0; i < 20; i++)
		ends(0, METHOD, true);
	ck_assert(!stands_out(0, METHOD));
	ck_assert_msg(siblings_stands_out(&f.siblings, f.shares[0], METHOD, 0, SIBLINGS_SURE, 1),
		      "it does where a success since a certain time is enough");
	ends(1, METHOD, false);
	ck_assert(stands_out(0, METHOD));
}
END_TEST

START_TEST(success_counts_while_the_calls_that_began_with_it_run)
{
	begin();
	siblings_set_run(&f.siblings, METHOD, 50);
	for (unsigned i = 0; i < 20; i++)
		round_of(WORKERS, 0);
	f.now += 40;
	for (unsigned i = 0; i < 20; i++)
		ends(0, METHOD, true);
	ck_assert_msg(stands_out(0, METHOD), "no sibling can have answered since");
	/* But not where a sibling has failed as well: it may hit all. */
	ends(1, METHOD, true);
	ck_assert(!stands_out(0, METHOD));
	ends(2, METHOD, false);
	ck_assert(stands_out(0, METHOD));
	begin();
	siblings_set_run(&f.siblings, METHOD, 50);
	for (unsigned i = 0; i < 20; i++)
		round_of(WORKERS, 0);
	f.now += 60;
	for (unsigned i = 0; i < 20; i++)
		ends(0, METHOD, true);
	ck_assert_msg(!stands_out(0, METHOD), "that was long ago");
}
END_TEST

START_TEST(success_makes_up_for_failures)
{
	begin();
	round_of(WORKERS, 1);
	for (unsigned i = 0; i < 100; i++)
		round_of(WORKERS, 0);
	for (unsigned i = 0; i < 6; i++)
		round_of(WORKERS, 1);
	ck_assert_msg(stands_out(0, METHOD), "the evidence has begun anew");
	/* One in twenty, where the others never fail, is not far above theirs. */
	begin();
	for (unsigned i = 0; i < 2000; i++) {
		round_of(WORKERS, i % 20 == 0);
		ck_assert(!stands_out(0, METHOD));
	}
}
END_TEST

START_TEST(methods_are_apart)
{
	begin();
	for (unsigned i = 0; i < 20; i++) {
		ends(0, METHOD, true);
		ends(1, METHOD + 1, false);
		ends(0, SIBLINGS_NOT, true);
		ends(1, SIBLINGS_NOT, false);
	}
	ck_assert(!stands_out(0, METHOD));
	ck_assert(!stands_out(0, METHOD + 1));
	ck_assert(!stands_out(0, SIBLINGS_NOT));
}
END_TEST

START_TEST(what_the_expelled_did_is_forgotten)
{
	begin();
	for (unsigned i = 0; i < 10; i++)
		round_of(WORKERS, 1);
	ck_assert(stands_out(0, METHOD));
	ck_assert_uint_gt(f.siblings.methods[METHOD].failures, 0);
	siblings_expel(&f.siblings, f.shares[0]);
	ck_assert(!stands_out(0, METHOD));
	ck_assert_uint_eq(f.siblings.methods[METHOD].failures, 0);
}
END_TEST

/* The parts of the workers never exceed the whole, whatever the order. */
START_TEST(the_parts_stay_within_the_whole)
{
	struct prop_rounds rounds = prop_rounds(200);
	struct prop prop;

	while (prop_round(&rounds, &prop)) {
		unsigned share = (unsigned)prop_below(&prop, 101);

		begin();
		for (unsigned i = 0; i < 500; i++) {
			unsigned worker = (unsigned)prop_below(&prop, WORKERS);

			ends(worker, METHOD, prop_chance(&prop, share));
			stands_out(worker, METHOD);
			if (prop_chance(&prop, 1))
				siblings_expel(&f.siblings, f.shares[worker]);
			prop_check(&prop,
				   f.siblings.methods[METHOD].calls < 128 &&
					   f.siblings.methods[METHOD].failures <=
						   f.siblings.methods[METHOD].calls,
				   "%u calls, %u failures", f.siblings.methods[METHOD].calls,
				   f.siblings.methods[METHOD].failures);
		}
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		one_that_always_fails_stands_out_soon,
		without_a_sibling_that_succeeds_nobody_does,
		success_before_the_evidence_does_not_count,
		success_counts_while_the_calls_that_began_with_it_run,
		success_makes_up_for_failures,
		methods_are_apart,
		what_the_expelled_did_is_forgotten,
		the_parts_stay_within_the_whole,
	};

	return unit_main("siblings", tests, ARRAY_SIZE(tests));
}
