#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/test_config.h"

static char folder[64];

static void make_folder(void)
{
	strcpy(folder, "/tmp/poold-config-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void remove_folder(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -r %s", folder);
	ck_assert_int_eq(system(command), 0);
}

static const char *path_of(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static void write_file(const char *name, const char *text)
{
	FILE *file = fopen(path_of(name), "w");

	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	fclose(file);
}

/* The errors of a load with the folder's name taken out. */
static int load(const char *name, const struct config **ret_config, char *ret_errors)
{
	struct buf errors;
	char *found;
	int r;

	buf_init(&errors, TEXT_MAX);
	r = config_load(path_of(name), ret_config, &errors);
	strcpy(ret_errors, text_of(&errors));
	buf_free(&errors);
	while ((found = strstr(ret_errors, folder)) != NULL)
		memmove(found, found + strlen(folder) + 1, strlen(found + strlen(folder) + 1) + 1);
	return r;
}

START_TEST(later_files_win)
{
	const struct config *config;
	char errors[TEXT_MAX];

	make_folder();
	write_file("a.conf", "[daemon]\nsocket = /a\n[pool p]\ncommand = x\nenv.A = 1\n");
	ck_assert_int_eq(mkdir(path_of("a.conf.d"), 0755), 0);
	write_file("a.conf.d/20-b.conf", "[pool p]\ncommand = z\nenv.B = 3\n");
	write_file("a.conf.d/10-a.conf",
		   "[pool p]\ncommand = y\nenv.A = 2\n[pool q]\ncommand = q\n");
	write_file("a.conf.d/.hidden.conf", "junk\n");
	write_file("a.conf.d/a.conf.dpkg-old", "junk\n");
	ck_assert_int_eq(load("a.conf", &config, errors), 0);
	ck_assert_uint_eq(config->pool_count, 2);
	ck_assert_str_eq(config->daemon.socket, "/a");
	ck_assert_str_eq(config->pools[0].command, "z");
	ck_assert_str_eq(config->pools[0].argv[0], "z");
	ck_assert_str_eq(config->pools[0].env[0], "A=2");
	ck_assert_str_eq(config->pools[0].env[1], "B=3");
	config_unref(config);

	write_file("a.conf.d/30-c.conf", "[pool p]\ntimeout = 2h\n");
	ck_assert_int_eq(load("a.conf", &config, errors), -EINVAL);
	ck_assert_str_eq(errors, "a.conf.d/30-c.conf:2: [pool p] timeout = 2h is above [pool p] "
				 "timeout_max = 1h (the default): no request may wait so long\n");
	remove_folder();
}
END_TEST

START_TEST(a_later_file_can_change_an_adapter)
{
	const struct config *config;
	char errors[TEXT_MAX];

	make_folder();
	write_file("a.conf", "[pool p]\ncommand = x\n[error shed]\nretries = 3\n");
	ck_assert_int_eq(mkdir(path_of("a.conf.d"), 0755), 0);
	write_file("a.conf.d/1.conf", "[pool p]\nadapter = static\ncommand =\nanswer = 1\n"
				      "[breaker p]\nmode = off\n"
				      "[error resource_error]\nretries = 5\n");
	write_file("a.conf.d/2.conf", "[pool p]\nanswer = 2\nanswer.m = 3\n"
				      "[breaker p]\nopen_timeout = 5s\n");
	ck_assert_int_eq(load("a.conf", &config, errors), 0);
	ck_assert_int_eq(config->pools[0].adapter, POOL_STATIC);
	ck_assert_str_eq(config->pools[0].command, "");
	ck_assert_uint_eq(config->pools[0].answer_count, 2);
	ck_assert_str_eq(config->pools[0].answers[0].text, "2");
	ck_assert_uint_eq(config->pools[0].answers[0].value.data[0], 2);
	ck_assert_int_eq(config->pools[0].breaker.mode, BREAKER_MODE_OFF);
	ck_assert_uint_eq(config->pools[0].breaker.open_timeout, 5 * USEC_PER_SEC);
	ck_assert_uint_eq(policy_row(&config->policy, ERR_shed)->retries, 3);
	ck_assert_uint_eq(policy_row(&config->policy, ERR_queue_full)->retries, 5);
	config_unref(config);

	write_file("a.conf.d/3.conf", "\n[pool p]\ncommand = y\n");
	ck_assert_int_eq(load("a.conf", &config, errors), -EINVAL);
	ck_assert_str_eq(errors, "a.conf.d/3.conf:3: [pool p] command: found \"y\", allowed is "
				 "none where adapter = static\n");
	remove_folder();
}
END_TEST

START_TEST(files_that_can_not_be_read)
{
	const struct config *config;
	char errors[TEXT_MAX];
	FILE *file;

	make_folder();
	ck_assert_int_eq(load("a.conf", &config, errors), -EINVAL);
	ck_assert_str_eq(errors, "a.conf: can't be read: No such file or directory\n");

	ck_assert_int_eq(mkfifo(path_of("a.conf"), 0600), 0);
	ck_assert_int_eq(load("a.conf", &config, errors), -EINVAL);
	ck_assert_str_eq(errors, "a.conf: is not a file but a pipe or a socket\n");
	unlink(path_of("a.conf"));

	ck_assert_int_eq(mkdir(path_of("a.conf"), 0700), 0);
	ck_assert_int_eq(load("a.conf", &config, errors), -EINVAL);
	ck_assert_str_eq(errors, "a.conf: can't be read: Is a directory\n");
	rmdir(path_of("a.conf"));

	write_file("a.conf.d", "");
	write_file("a.conf", "");
	ck_assert_int_eq(load("a.conf", &config, errors), -EINVAL);
	ck_assert_str_eq(errors, "a.conf.d: can't be read: Not a directory\n");
	unlink(path_of("a.conf.d"));

	file = fopen(path_of("a.conf"), "w");
	for (size_t i = 0; i < CONFIG_FILE_MAX; i++)
		putc('\n', file);
	fflush(file);
	ck_assert_int_eq(load("a.conf", &config, errors), 0);
	config_unref(config);
	putc('\n', file);
	fclose(file);
	ck_assert_int_eq(load("a.conf", &config, errors), -EINVAL);
	ck_assert_str_eq(errors, "a.conf: is larger than 1048576 bytes\n");
	remove_folder();
}
END_TEST

START_TEST(a_folder_has_a_limited_number_of_files)
{
	const struct config *config;
	char errors[TEXT_MAX], name[64];

	make_folder();
	write_file("a.conf", "");
	ck_assert_int_eq(mkdir(path_of("a.conf.d"), 0700), 0);
	for (unsigned i = 0; i <= CONFIG_FILES_MAX; i++) {
		if (i == CONFIG_FILES_MAX) {
			ck_assert_int_eq(load("a.conf", &config, errors), 0);
			config_unref(config);
		}
		sprintf(name, "a.conf.d/%u.conf", i);
		write_file(name, "");
	}
	ck_assert_int_eq(load("a.conf", &config, errors), -EINVAL);
	ck_assert_str_eq(errors, "a.conf.d: has 257 files, allowed are 256\n");
	remove_folder();
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		later_files_win,
		a_later_file_can_change_an_adapter,
		files_that_can_not_be_read,
		a_folder_has_a_limited_number_of_files,
	};

	return unit_main("config_load", tests, ARRAY_SIZE(tests));
}
