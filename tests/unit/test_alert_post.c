/* What is to be sent to alert_url, when there is more of it than fits.  Nothing is sent here: the request
 * before has failed, so that the timer decides. */
#include "daemon/io/observe/alert_post.h"

#include "daemon/io/driver/state.h"
#include "protocol/base.h"
#include "tests/lib/unit.h"

static struct driver driver;
static struct alert_post post;
static struct alert_rule rule;

static void send_one(uint64_t firing, bool is_raised)
{
	const struct alert_notice notice = {
		.rule = &rule, .is_raised = is_raised, .firing = firing};

	alert_post_send(&post, &notice);
}

/* Alerts 1 to ALERT_POST_MAX fire. */
static void fill(void)
{
	driver.stats.alerts_undelivered = 0;
	post = (struct alert_post){.driver = &driver, .is_on = true, .fd = -1, .failures = 1};
	for (uint64_t firing = 1; firing <= ALERT_POST_MAX; firing++)
		send_one(firing, true);
	ck_assert_uint_eq(post.count, ALERT_POST_MAX);
	ck_assert_uint_eq(driver.stats.alerts_undelivered, 0);
}

START_TEST(one_more_that_fires_is_left_out_and_counted)
{
	fill();
	send_one(ALERT_POST_MAX + 1, true);
	ck_assert_uint_eq(post.count, ALERT_POST_MAX);
	ck_assert_uint_eq(driver.stats.alerts_undelivered, 1);
	for (unsigned i = 0; i < ALERT_POST_MAX; i++)
		ck_assert_uint_eq(post.entries[i].notice.firing, i + 1);
}
END_TEST

START_TEST(the_oldest_that_is_over_makes_place)
{
	fill();
	send_one(9, false);
	send_one(5, false);
	send_one(ALERT_POST_MAX + 1, true);
	ck_assert_uint_eq(post.count, ALERT_POST_MAX);
	ck_assert_uint_eq(driver.stats.alerts_undelivered, 0);
	ck_assert_uint_eq(post.entries[3].notice.firing, 4);
	ck_assert_uint_eq(post.entries[4].notice.firing, 6);
	ck_assert_uint_eq(post.entries[7].notice.firing, 9);
	ck_assert_uint_eq(post.entries[ALERT_POST_MAX - 1].notice.firing, ALERT_POST_MAX + 1);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		one_more_that_fires_is_left_out_and_counted,
		the_oldest_that_is_over_makes_place,
	};

	return unit_main("alert_post", tests, ARRAY_SIZE(tests));
}
