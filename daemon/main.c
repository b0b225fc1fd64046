/* Options and the order of start; everything else is in io/ and core/. */
#include "daemon/io/base/log.h"
#include "daemon/io/base/passing.h"
#include "daemon/io/config/config.h"
#include "daemon/io/config/matrix.h"
#include "daemon/io/observe/metrics_table.h"
#include "daemon/io/service/daemon.h"
#include "daemon/io/service/run.h"
#include "daemon/io/service/signals.h"
#include "daemon/io/service/systemd.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TEXT_MAX ((size_t)1024 * 1024)

/* For printf, with the path of the configuration. */
static const char usage[] =
	"usage: poold [-c FILE] [-t] [-V]\n"
	"       poold run [OPTIONS] MODULE      serve a Python module without a file; see poold "
	"run -h\n"
	"\n"
	"  -c, --config FILE    read FILE and FILE.d/*.conf instead of %s\n"
	"  -t, --test           check the configuration, print it as it is understood, and exit\n"
	"      --help-config    print every option of the configuration\n"
	"      --help-errors    print what is done about each error, as a table in Markdown\n"
	"      --help-metrics   print every metric, as a table in Markdown\n"
	"  -V, --version        print the version\n"
	"  -h, --help           print this\n"
	"\n"
	"Runs in the foreground until SIGTERM (drains) or a second one (stops at once).\n"
	"Exit status: 0 stopped as asked, 1 failed, 64 wrong usage, 78 wrong configuration.\n";

struct options {
	const char *config_path;
	bool test;
	void (*describe)(struct buf *out); /* print that, and nothing else */
	bool version;
	bool help;
};

static int parse_options(int argc, char **argv, struct options *ret)
{
	static const struct option long_options[] = {
		{"config", required_argument, NULL, 'c'}, {"test", no_argument, NULL, 't'},
		{"help-config", no_argument, NULL, 'd'},  {"help-errors", no_argument, NULL, 'e'},
		{"help-metrics", no_argument, NULL, 'm'}, {"version", no_argument, NULL, 'V'},
		{"help", no_argument, NULL, 'h'},	  {NULL, 0, NULL, 0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "c:tVh", long_options, NULL)) >= 0) {
		switch (option) {
		case 'c':
			ret->config_path = optarg;
			break;
		case 't':
			ret->test = true;
			break;
		case 'd':
			ret->describe = config_describe;
			break;
		case 'e':
			ret->describe = matrix_describe;
			break;
		case 'm':
			ret->describe = metrics_describe;
			break;
		case 'V':
			ret->version = true;
			break;
		case 'h':
			ret->help = true;
			break;
		default:
			return -1;
		}
	}
	if (optind == argc)
		return 0;
	fprintf(stderr, "poold: there is no argument \"%s\"; a configuration is named by -c FILE\n",
		argv[optind]);
	return -1;
}

static void print(void (*write)(struct buf *out), FILE *file)
{
	struct buf text;

	buf_init(&text, TEXT_MAX);
	write(&text);
	fwrite(text.data, 1, text.len, file);
	buf_free(&text);
}

static void print_config(const struct config *config)
{
	struct buf text;

	buf_init(&text, TEXT_MAX);
	config_dump(config, &text);
	fwrite(text.data, 1, text.len, stdout);
	buf_free(&text);
}

static void print_errors(const struct buf *text)
{
	if (text->len > 0)
		fwrite(text->data, 1, text->len, stderr);
}

/* `is_test`: with warnings. */
static int load(const char *path, bool is_test, const struct config **ret_config)
{
	struct buf errors, warnings;
	int r;

	buf_init(&errors, TEXT_MAX);
	buf_init(&warnings, TEXT_MAX);
	r = config_load_checked(path, ret_config, &errors, is_test ? &warnings : NULL);
	print_errors(&errors);
	print_errors(&warnings);
	if (r < 0 && errors.len == 0)
		fprintf(stderr, "poold: the configuration could not be read: %s\n", strerror(-r));
	buf_free(&errors);
	buf_free(&warnings);
	return r;
}

static int run(const struct config *config, const struct daemon_manner *manner)
{
	struct systemd systemd;
	int status = DAEMON_EXIT_FAILED;
	int r;

	/* First of all, so that nothing that is started inherits what was meant for us. */
	r = systemd_init(&systemd);
	log_open(config->daemon.log_target, config->daemon.log_level);
	log_set_format(config->daemon.log_format);
	/* A daemon without the socket that it was to have would be found by nobody. */
	if (is_passing(r))
		log_error("what the service manager hands over can't be taken: %s", strerror(-r));
	else
		status = daemon_run(config, &systemd, manner);
	systemd_done(&systemd);
	log_close();
	return status;
}

/* poold run ... */
static int run_words(int argc, char **argv)
{
	const struct config *config = NULL;
	struct daemon_manner manner = {.in_terminal = true};
	struct run command;
	int status;

	if (run_parse(argc, argv, &command) < 0) {
		fputs(run_usage, stderr);
		return DAEMON_EXIT_USAGE;
	}
	if (command.help) {
		fputs(run_usage, stdout);
		return DAEMON_EXIT_OK;
	}
	manner.reload_folder = command.words.reload ? "." : NULL;
	status = run_configure(&command, &config);
	if (status == DAEMON_EXIT_OK && command.test)
		print_config(config);
	else if (status == DAEMON_EXIT_OK)
		status = run(config, &manner);
	config_unref(config);
	run_done(&command);
	return status;
}

/* Opens those standard files that whoever started this has closed: what is opened next would get their
 * numbers, which workers and the guard do not keep.  Returns 0 or -errno. */
static int open_standard_files(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		/* Those below are open, so that it gets this number. */
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) < 0)
			return -errno;
	return 0;
}

int main(int argc, char **argv)
{
	static const struct daemon_manner manner = {0};
	struct options options = {0};
	const struct config *config;
	int status = DAEMON_EXIT_OK;
	int r;

	signals_block_unused();
	r = open_standard_files();
	if (r < 0) {
		fprintf(stderr, "poold: /dev/null can't be opened: %s\n", strerror(-r));
		return DAEMON_EXIT_FAILED;
	}
	if (argc > 1 && strcmp(argv[1], "run") == 0)
		return run_words(argc - 1, argv + 1);
	if (parse_options(argc, argv, &options) < 0) {
		fprintf(stderr, usage, config_path_default());
		return DAEMON_EXIT_USAGE;
	}
	if (options.help) {
		printf(usage, config_path_default());
		return DAEMON_EXIT_OK;
	}
	if (options.version) {
		puts("poold " POOLD_VERSION);
		return DAEMON_EXIT_OK;
	}
	if (options.describe) {
		print(options.describe, stdout);
		return DAEMON_EXIT_OK;
	}
	r = load(options.config_path, options.test, &config);
	if (r < 0)
		return is_passing(r) ? DAEMON_EXIT_FAILED : DAEMON_EXIT_CONFIG;
	if (options.test)
		print_config(config);
	else
		status = run(config, &manner);
	config_unref(config);
	return status;
}
