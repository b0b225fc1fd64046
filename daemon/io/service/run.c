#include "daemon/io/service/run.h"

#include "daemon/io/base/passing.h"
#include "daemon/io/service/daemon.h"
#include "daemon/io/service/interpreter.h"
#include "protocol/run_path.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ERRORS_MAX ((size_t)64 * 1024)

/* What clients without POOLD_SOCKET use if it is there. */
#define SYSTEM_SOCKET "/run/poold/poold.sock"

const char run_usage[] =
	"usage: poold run [OPTIONS] MODULE[:OBJECT]\n"
	"\n"
	"Serves a Python module to this user, without a configuration file.\n"
	"\n"
	"  -w, --workers N|N..M  number of workers, or the least and the most (" CONFIG_RUN_WORKERS
	")\n"
	"  -r, --reload          replace the workers when Python files in this folder change\n"
	"  -p, --pool NAME       name of the pool (" CONFIG_RUN_POOL ")\n"
	"  -s, --socket PATH     where to listen ($POOLD_SOCKET, or poold/poold.sock in\n"
	"                        $XDG_RUNTIME_DIR, where clients look too)\n"
	"      --python PATH     interpreter of the workers (the active virtual environment's, or\n"
	"                        the first python3 that has the packages poold and msgpack)\n"
	"  -t, --test            print this as a configuration file, and exit\n"
	"  -h, --help            print this\n"
	"\n"
	"Ends with Ctrl-C (drains), or a second one (stops at once).\n";

int run_parse(int argc, char **argv, struct run *ret)
{
	static const struct option long_options[] = {
		{"workers", required_argument, NULL, 'w'}, {"reload", no_argument, NULL, 'r'},
		{"pool", required_argument, NULL, 'p'},	   {"socket", required_argument, NULL, 's'},
		{"python", required_argument, NULL, 'y'},  {"test", no_argument, NULL, 't'},
		{"help", no_argument, NULL, 'h'},	   {NULL, 0, NULL, 0},
	};
	int option;

	*ret = (struct run){0};
	while ((option = getopt_long(argc, argv, "w:rp:s:th", long_options, NULL)) >= 0) {
		switch (option) {
		case 'w':
			ret->words.workers = optarg;
			break;
		case 'r':
			ret->words.reload = true;
			break;
		case 'p':
			ret->words.pool = optarg;
			break;
		case 's':
			ret->words.socket = optarg;
			break;
		case 'y':
			ret->python = optarg;
			break;
		case 't':
			ret->test = true;
			break;
		case 'h':
			ret->help = true;
			break;
		default:
			return -EINVAL;
		}
	}
	if (ret->help)
		return 0;
	ret->words.module = argv[optind];
	return optind + 1 == argc ? 0 : -EINVAL;
}

static const char *folder_fault(int r)
{
	switch (r) {
	case -EPERM:
		return "it belongs to another user, or others may enter it";
	case -ENOTDIR:
		return "it is no folder";
	default:
		return strerror(-r);
	}
}

/* Makes the folder that only this user may enter; one that is there must be such a folder. */
static int make_folder(struct run *run)
{
	char folder[PATH_MAX];
	int len, r;

	r = run_path_folder(folder, sizeof(folder));
	if (r == 0 && mkdir(folder, 0700) < 0 && errno != EEXIST)
		r = -errno;
	if (r == 0)
		r = run_path_check(folder);
	if (r < 0) {
		fprintf(stderr, "poold run: folder %s: %s; use --socket PATH\n", folder,
			folder_fault(r));
		return r;
	}
	len = snprintf(run->socket, sizeof(run->socket), "%s/" RUN_PATH_SOCKET, folder);
	if (len < 0 || (size_t)len >= sizeof(run->socket)) {
		fprintf(stderr, "poold run: folder %s: too long a path; use --socket PATH\n",
			folder);
		return -ENAMETOOLONG;
	}
	run->words.socket = run->socket;
	return 0;
}

/* A relative path is one from this folder. */
static int complete_socket(struct run *run)
{
	char folder[PATH_MAX];
	int len;

	if (run->words.socket[0] == '/')
		return 0;
	if (!getcwd(folder, sizeof(folder)))
		return -errno;
	len = snprintf(run->socket, sizeof(run->socket), "%s/%s", folder, run->words.socket);
	if (len < 0 || (size_t)len >= sizeof(run->socket)) {
		fprintf(stderr, "poold run: socket %s: too long a path\n", run->words.socket);
		return -ENAMETOOLONG;
	}
	run->words.socket = run->socket;
	return 0;
}

static int choose_socket(struct run *run)
{
	const char *asked = getenv("POOLD_SOCKET");
	int r;

	if (!run->words.socket && asked && asked[0] != '\0')
		run->words.socket = asked;
	else if (!run->words.socket) {
		r = make_folder(run);
		if (r == 0 && access(SYSTEM_SOCKET, F_OK) == 0)
			fprintf(stderr,
				"poold run: clients use the daemon at " SYSTEM_SOCKET
				" unless told: export POOLD_SOCKET=%s\n",
				run->socket);
		return r;
	}
	return complete_socket(run);
}

static int configure(const struct config_run *words, const struct config **ret_config)
{
	struct buf errors;
	int r;

	buf_init(&errors, ERRORS_MAX);
	r = config_run(words, ret_config, &errors);
	if (errors.len > 0)
		fwrite(errors.data, 1, errors.len, stderr);
	else if (r < 0)
		fprintf(stderr, "poold run: %s\n", strerror(-r));
	buf_free(&errors);
	return r;
}

int run_configure(struct run *run, const struct config **ret_config)
{
	const struct config *checked;
	int r = choose_socket(run);

	if (r < 0)
		return DAEMON_EXIT_FAILED;
	/* First the words themselves: a wrong module name is no reason to look for an interpreter. */
	run->words.python = "python3";
	r = configure(&run->words, &checked);
	if (r < 0)
		return is_passing(r) ? DAEMON_EXIT_FAILED : DAEMON_EXIT_CONFIG;
	config_unref(checked);
	r = interpreter_find(run->python, run->words.module, &run->found_python);
	if (r < 0)
		return is_passing(r) ? DAEMON_EXIT_FAILED : DAEMON_EXIT_CONFIG;
	run->words.python = run->found_python;
	r = configure(&run->words, ret_config);
	if (r < 0)
		return is_passing(r) ? DAEMON_EXIT_FAILED : DAEMON_EXIT_CONFIG;
	return DAEMON_EXIT_OK;
}

void run_done(struct run *run)
{
	free(run->found_python);
}
