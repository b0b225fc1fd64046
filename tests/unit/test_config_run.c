#include "daemon/io/config/config_run.h"

#include "daemon/io/config/config_fault.h"
#include "daemon/io/config/config_program.h"
#include "tests/unit/test_config.h"

#include <stdio.h>
#include <stdlib.h>

/* Words that are right. */
static struct config_run words(void)
{
	return (struct config_run){
		.module = "texts", .python = "/usr/bin/python3", .socket = "/run/user/1/s"};
}

static const struct config *must_run(const struct config_run *run)
{
	const struct config *config = NULL;
	struct buf errors;
	int r;

	buf_init(&errors, TEXT_MAX);
	r = config_run(run, &config, &errors);
	ck_assert_msg(r == 0, "%s", text_of(&errors));
	buf_free(&errors);
	return config;
}

static void must_refuse(const struct config_run *run, const char *expected)
{
	const struct config *config = NULL;
	struct buf errors;

	buf_init(&errors, TEXT_MAX);
	ck_assert_int_eq(config_run(run, &config, &errors), -EINVAL);
	ck_assert_str_eq(text_of(&errors), expected);
	ck_assert_ptr_null(config);
	buf_free(&errors);
}

START_TEST(a_module_is_a_pool)
{
	struct config_run run = words();
	const struct config *config = must_run(&run);
	const struct config_pool *pool = config_find_pool(config, "python");

	ck_assert_uint_eq(config->pool_count, 1);
	ck_assert_str_eq(config->daemon.socket, "/run/user/1/s");
	ck_assert_uint_eq(config->daemon.socket_mode, 0600);
	ck_assert_int_eq(config->daemon.log_target, LOG_TARGET_STDERR);
	ck_assert_ptr_nonnull(pool);
	ck_assert_str_eq(pool->command, "/usr/bin/python3 -m poold.worker texts");
	ck_assert_uint_eq(pool->workers.min, 2);
	ck_assert_uint_eq(pool->workers.max, 2);
	ck_assert_ptr_null(pool->env[0]);
	config_unref(config);
}
END_TEST

START_TEST(every_word_counts)
{
	struct config_run run = {.module = "a.b:c.d",
				 .python = "/my \"own\"/python\\3",
				 .socket = "/s",
				 .pool = "shop",
				 .workers = "1..5",
				 .reload = true};
	const struct config *config = must_run(&run);
	const struct config_pool *pool = config_find_pool(config, "shop");

	ck_assert_ptr_nonnull(pool);
	ck_assert_uint_eq(pool->argc, 4);
	ck_assert_str_eq(pool->argv[0], run.python);
	ck_assert_str_eq(pool->argv[3], "a.b:c.d");
	ck_assert_uint_eq(pool->workers.max, 5);
	ck_assert_str_eq(pool->env[0], "PYTHONDONTWRITEBYTECODE=1");
	config_unref(config);
}
END_TEST

START_TEST(wrong_modules)
{
	static const char *const wrong[] = {"",	    "texts.py", "a b", "a;b", "-m",   "1a",   ".a",
					    "a\nb", "a/b",	"a'b", "a\"", "$(a)", "\xff", "a\\",
					    "a#b",  "a=b",	"[a]", ":a",  "\x7f"};
	char expected[256];

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct config_run run = words();

		run.module = wrong[i];
		snprintf(expected, sizeof(expected),
			 "poold run: the module: found \"%.*s\", allowed is a name as in `import`, "
			 "and :OBJECT after it; texts, not texts.py\n",
			 config_shown_len(wrong[i]), wrong[i]);
		must_refuse(&run, expected);
	}
}
END_TEST

#define POOL_NAMES                                                                                 \
	", allowed is a name of a-z, 0-9, _ and -, beginning with a letter, but not \"poold\"\n"

START_TEST(other_wrong_words)
{
	struct config_run run = words();

	run.pool = "a]\n[pool b";
	must_refuse(&run, "poold run: the pool's name: found \"a]\n[pool b\"" POOL_NAMES);
	run.pool = "nobody-has-a-name-as-long-as-this-one";
	must_refuse(&run, "poold run: the pool's name: found "
			  "\"nobody-has-a-name-as-long-as-this-one\"" POOL_NAMES);
	run.pool = "poold";
	must_refuse(&run, "poold run: the pool's name: found \"poold\"" POOL_NAMES);
	run = words();
	run.workers = "2\nuser = root";
	must_refuse(&run,
		    "poold run: [pool python] workers: found \"2\nuser = root\", allowed is a "
		    "number or a range such as 2..8 or 0..4, from 1 to 4096\n");
	run = words();
	run.python = "/it's";
	must_refuse(&run, "poold run: the interpreter: found \"/it's\", allowed is a path without "
			  "quotes\n");
	run = words();
	run.socket = "/a\tb";
	must_refuse(&run,
		    "poold run: the socket: found \"/a\tb\", allowed is a path without control "
		    "characters\n");
}
END_TEST

/* As it is where the daemon is process 1 and nobody has set anything. */
START_TEST(programs_are_found_without_a_path)
{
	const struct config *config = must_parse("[pool a]\ncommand = sh\n[pool b]\ncommand = x\n");
	char out[PATH_MAX];

	ck_assert_int_eq(unsetenv("PATH"), 0);
	ck_assert(config_find_program(config_find_pool(config, "a"), out));
	ck_assert_str_eq(out, "/bin/sh");
	ck_assert(!config_find_program(config_find_pool(config, "b"), out));
	config_unref(config);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_module_is_a_pool,
		every_word_counts,
		wrong_modules,
		other_wrong_words,
		programs_are_found_without_a_path,
	};

	return unit_main("config_run", tests, ARRAY_SIZE(tests));
}
