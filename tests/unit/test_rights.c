/* The groups that a configuration names.  They are played: no machine has as many as it takes. */
#include "daemon/io/driver/rights.h"

#include "daemon/io/config/config.h"
#include "protocol/base.h"
#include "tests/lib/unit.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>

#define FIRST_GID 1000

/* In the place of libc's: the group "gN" exists and has the number FIRST_GID + N. */
struct group *getgrnam(const char *name)
{
	static struct group group;

	if (name[0] != 'g')
		return NULL;
	group.gr_gid = FIRST_GID + (gid_t)strtoul(name + 1, NULL, 10);
	return &group;
}

static char nobody[] = "";

/* What rights_init says of as many pools, of which pool i has the call group i % groups. */
static int init(struct rights *rights, size_t pools, size_t groups)
{
	static char names[2 * RIGHTS_GROUPS_MAX][16];
	static struct config_pool all[2 * RIGHTS_GROUPS_MAX];
	struct config config = {.pools = all, .pool_count = pools};

	ck_assert_uint_le(pools, ARRAY_SIZE(all));
	config.daemon.admin_group = nobody;
	config.daemon.critical_group = nobody;
	config.daemon.call_group = nobody;
	for (size_t i = 0; i < pools; i++) {
		snprintf(names[i], sizeof(names[i]), "g%zu", i % groups);
		all[i] = (struct config_pool){
			.name = names[i], .admin_group = nobody, .call_group = names[i]};
	}
	return rights_init(rights, &config);
}

START_TEST(as_many_groups_as_there_may_be)
{
	struct rights rights;

	ck_assert_int_eq(init(&rights, RIGHTS_GROUPS_MAX, RIGHTS_GROUPS_MAX), 0);
	ck_assert_uint_eq(rights.group_count, RIGHTS_GROUPS_MAX);
	for (unsigned i = 0; i < RIGHTS_GROUPS_MAX; i++) {
		ck_assert_uint_eq(rights.groups[i], FIRST_GID + i);
		ck_assert_uint_eq(rights.pools[i].call.group, UINT64_C(1) << i);
	}
	rights_done(&rights);
}
END_TEST

START_TEST(each_counts_once)
{
	struct rights rights;

	ck_assert_int_eq(init(&rights, 2 * (size_t)RIGHTS_GROUPS_MAX, RIGHTS_GROUPS_MAX), 0);
	ck_assert_uint_eq(rights.group_count, RIGHTS_GROUPS_MAX);
	for (unsigned i = 0; i < RIGHTS_GROUPS_MAX; i++)
		ck_assert_uint_eq(rights.pools[RIGHTS_GROUPS_MAX + i].call.group,
				  rights.pools[i].call.group);
	rights_done(&rights);
}
END_TEST

START_TEST(one_more_is_refused)
{
	struct rights rights;

	ck_assert_int_eq(init(&rights, RIGHTS_GROUPS_MAX + 1, RIGHTS_GROUPS_MAX + 1), -E2BIG);
	ck_assert_uint_eq(rights.group_count, RIGHTS_GROUPS_MAX);
	rights_done(&rights);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		as_many_groups_as_there_may_be,
		each_counts_once,
		one_more_is_refused,
	};

	return unit_main("rights", tests, ARRAY_SIZE(tests));
}
