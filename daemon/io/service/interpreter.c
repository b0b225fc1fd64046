#include "daemon/io/service/interpreter.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* What python3 -m poold.probe says by its exit status. */
#define HAS_MODULE 0
#define NO_MODULE  78

/* The exit status of a program whose output nobody sees; -1: it did not run, or was killed. */
static int run_silently(char *const argv[])
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none;
	int status;
	pid_t pid;
	int r = posix_spawn_file_actions_init(&actions);

	if (r != 0)
		return -1;
	/* It starts without the signals that the daemon blocks. */
	sigemptyset(&none);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO && r == 0; fd++)
		r = posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0);
	if (r == 0)
		r = posix_spawnp(&pid, argv[0], &actions, &attributes, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	if (r != 0)
		return -1;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int probe(char *python, char *module)
{
	char dash_m[] = "-m", program[] = "poold.probe";

	return run_silently((char *const[]){python, dash_m, program, module, NULL});
}

/* The interpreters to try, in order; the caller frees them.  Returns how many, or -ENOMEM. */
static int list_candidates(const char *wanted, char *candidates[2])
{
	const char *environment = getenv("VIRTUAL_ENV");
	int r = 0;

	candidates[0] = candidates[1] = NULL;
	if (wanted) {
		candidates[0] = strdup(wanted);
	} else if (environment && environment[0] != '\0') {
		r = asprintf(&candidates[0], "%s/bin/python3", environment);
	} else {
		candidates[0] = strdup("python3");
		candidates[1] = strdup("/usr/bin/python3");
		r = candidates[1] ? 0 : -1;
	}
	return r < 0 || !candidates[0] ? -ENOMEM : 1 + (candidates[1] != NULL);
}

static void complain(char *const candidates[], int count, const char *module, bool has_packages)
{
	if (has_packages) {
		fprintf(stderr,
			"poold run: there is no module %s in this folder or on Python's path\n",
			module);
		return;
	}
	fprintf(stderr, "poold run: %s%s%s: without the packages poold and msgpack, or not there\n",
		candidates[0], count > 1 ? " and " : "", count > 1 ? candidates[1] : "");
	fprintf(stderr, "  Debian's Python has msgpack with:   apt install python3-msgpack\n"
			"  a virtual environment has both with: pip install SOURCES/client/python\n"
			"  another interpreter:                 poold run --python PATH ...\n"
			"  not installed, in the source tree:   . build/none/env\n");
}

int interpreter_find(const char *wanted, const char *module, char **ret_python)
{
	char *name = strndup(module, strcspn(module, ":"));
	char *candidates[2] = {NULL, NULL};
	bool has_packages = false;
	int count = name ? list_candidates(wanted, candidates) : -ENOMEM;
	int r = count < 0 ? count : -ENOENT;

	for (int i = 0; i < count && r < 0; i++) {
		int status = probe(candidates[i], name);

		has_packages = has_packages || status == NO_MODULE;
		if (status != HAS_MODULE)
			continue;
		*ret_python = candidates[i];
		candidates[i] = NULL;
		r = 0;
	}
	if (r == -ENOENT) {
		complain(candidates, count, name, has_packages);
		r = has_packages ? -ESRCH : -ENOENT;
	}
	free(candidates[0]);
	free(candidates[1]);
	free(name);
	return r;
}
