#include "client/poolctl/failure.h"
#include "client/poolctl/json.h"
#include "client/poolctl/run.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

/* The daemon's methods whose answers are in the report, in this order. */
static const char *const methods[] = {"version", "status",   "health",	 "doctor", "config",
				      "pools",	 "workers",  "breakers", "errors", "recoveries",
				      "clients", "requests", "stats",	 "metrics"};

/* Lines of the journal, and bytes of them, in the report. */
#define LOG_LINES "--lines=200"
#define LOG_MAX	  ((size_t)256 * 1024)

/* --- the daemon --- */

/* Why a method was not answered. */
static json_t *failure(int status, const struct poold_reply *reply)
{
	return json_pack("{s:{s:s, s:s}}", "error", "code",
			 reply->error.code ? reply->error.code : "no_answer", "message",
			 reply->error.message ? reply->error.message : strerror(-status));
}

/* The names of sessions are their users': often they let in whoever knows them. */
static void hide_sessions(json_t *value)
{
	const char *key;
	json_t *inner;
	size_t i;

	if (json_is_string(json_object_get(value, "session")))
		json_object_set_new(value, "session", json_string("(not shown)"));
	json_object_foreach (value, key, inner) {
		hide_sessions(inner);
	}
	json_array_foreach (value, i, inner) {
		hide_sessions(inner);
	}
}

static json_t *ask(struct poold_client *client, const struct options *options, const char *name)
{
	struct poold_reply reply;
	char method[64];
	json_t *json = NULL;
	int r;

	snprintf(method, sizeof(method), "poold.%s", name);
	r = poold_request(client, method, (struct poold_bytes){0}, options->wait_ms, &reply);
	if (r < 0)
		json = failure(r, &reply);
	else if (json_from_value(reply.result, JSON_MARKED, &json) < 0)
		json = json_null();
	poold_reply_free(&reply);
	hide_sessions(json);
	return json;
}

/* --- the journal --- */

/* Starts journalctl with its output to the pipe.  Returns 0 or an errno. */
static int start_journalctl(const char *match, int out, pid_t *ret_pid)
{
	const char *const words[] = {"journalctl",	   match, "--no-pager", LOG_LINES,
				     "--output=short-iso", NULL};
	posix_spawn_file_actions_t actions;
	int r = posix_spawn_file_actions_init(&actions);

	if (r != 0)
		return r;
	r = posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	if (r == 0)
		r = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY,
						     0);
	if (r == 0)
		r = posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY,
						     0);
	if (r == 0)
		r = posix_spawnp(ret_pid, words[0], &actions, NULL, (char *const *)(uintptr_t)words,
				 environ);
	posix_spawn_file_actions_destroy(&actions);
	return r;
}

/* Reads what fits, and drops the rest.  Returns how much was kept. */
static size_t read_all(int in, char *text, size_t max)
{
	char rest[4096] = {0};
	size_t len = 0;
	ssize_t n;

	do {
		bool is_full = len == max;

		n = read(in, is_full ? rest : text + len, is_full ? sizeof(rest) : max - len);
		if (n > 0 && !is_full)
			len += (size_t)n;
	} while (n > 0 || (n < 0 && errno == EINTR));
	return len;
}

/* The lines of that text; bytes that are not UTF-8 are left out with their line. */
static json_t *lines_of(char *text)
{
	json_t *lines = json_array();
	char *save, *line;

	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		json_t *string = json_string(line);

		if (string)
			json_array_append_new(lines, string);
	}
	return lines;
}

static json_t *read_journal(const char *match)
{
	char *text = malloc(LOG_MAX + 1);
	json_t *lines = NULL;
	int ends[2];
	pid_t pid;

	if (text && pipe2(ends, O_CLOEXEC) == 0) {
		int r = start_journalctl(match, ends[1], &pid);

		close(ends[1]);
		if (r == 0) {
			text[read_all(ends[0], text, LOG_MAX)] = '\0';
			waitpid(pid, NULL, 0);
			lines = lines_of(text);
		}
		close(ends[0]);
	}
	free(text);
	return lines ? lines : json_pack("{s:s}", "missing", "journalctl cannot be run here");
}

/* The last lines that the daemon of that process wrote. */
static json_t *journal_of(const json_t *version)
{
	char match[64];

	snprintf(match, sizeof(match), "_PID=%lld",
		 (long long)json_integer_value(json_object_get(version, "pid")));
	return read_journal(match);
}

/* --- the report --- */

/* Whether there is a daemon at all; if not, says why and sets *ret_status. */
static bool is_answering(struct poold_client *client, const struct options *options,
			 int *ret_status)
{
	struct poold_reply reply;
	int r = poold_request(client, "poold.version", (struct poold_bytes){0}, options->wait_ms,
			      &reply);

	if (r < 0)
		*ret_status = failure_report(options, client, &reply);
	poold_reply_free(&reply);
	return r == 0;
}

static json_t *make_report(struct poold_client *client, const struct options *options)
{
	json_t *report = json_object();
	char now[64];
	time_t seconds = time(NULL);
	struct tm utc;

	strftime(now, sizeof(now), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&seconds, &utc));
	json_object_set_new(report, "poolctl", json_string(poold_version()));
	json_object_set_new(report, "made_at", json_string(now));
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		json_object_set_new(report, methods[i], ask(client, options, methods[i]));
	json_object_set_new(report, "journal", journal_of(json_object_get(report, "version")));
	return report;
}

/* Only its owner can read the file; one that is there already is left alone. */
static int write_file(const json_t *report, const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int r = fd < 0 ? -errno : 0;

	if (r == 0 && json_dumpfd(report, fd, JSON_INDENT(2)) < 0)
		r = -EIO;
	if (fd >= 0 && close(fd) < 0 && r == 0)
		r = -errno;
	if (r == 0) {
		printf("the report is in %s: read it before you pass it on\n", path);
		return 0;
	}
	fprintf(stderr, "poolctl: %s cannot be written: %s\n", path, strerror(-r));
	return r == -EEXIST ? EX_CANTCREAT : EX_IOERR;
}

int run_bundle(const struct command *command, const struct options *options,
	       struct poold_client *client, char **args, int arg_count)
{
	json_t *report;
	int r = 0;

	(void)command;
	if (!is_answering(client, options, &r))
		return r;
	report = make_report(client, options);
	if (!report)
		return EX_OSERR;
	if (arg_count > 0)
		r = write_file(report, args[0]);
	else
		json_print(report, options->json, stdout);
	json_decref(report);
	return r;
}
