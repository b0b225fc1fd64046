#include "daemon/io/config/config_warn.h"

#include "daemon/io/config/config_program.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* "warning: [pool NAME] key: ", for printf. */
#define HEAD		   "warning: [pool %s] %s: "
#define WARN_POOL(id, ...) config_fault(&draft->warnings, draft->pools[i].options[id], __VA_ARGS__)

/* --- the words of a command that only a shell understands --- */

static bool has_any(const char *word, const char *const *words)
{
	for (; *words; words++)
		if (strcmp(word, *words) == 0)
			return true;
	return false;
}

/* $NAME, ${NAME} or $(command). */
static bool has_variable(const char *word)
{
	const char *dollar = strchr(word, '$');
	char next;

	if (!dollar)
		return false;
	next = dollar[1];
	return next == '{' || next == '(' || next == '_' || (next >= 'A' && next <= 'Z') ||
	       (next >= 'a' && next <= 'z');
}

/* A word with a space was quoted, and is most likely meant as it is. */
static bool is_for_shell(const char *word)
{
	static const char *const operators[] = {"|", "||", "&",	 "&&",	 ";", "<",
						">", ">>", "2>", "2>&1", NULL};
	size_t len = strlen(word);

	if (strpbrk(word, " \t"))
		return false;
	return has_any(word, operators) || has_variable(word) || strchr(word, '`') ||
	       word[0] == '~' || word[0] == '>' || word[0] == '<' || strncmp(word, "2>", 2) == 0 ||
	       (len > 1 && word[len - 1] == ';');
}

static bool is_shell(const char *program)
{
	static const char *const shells[] = {"sh",  "bash", "dash", "zsh",
					     "ksh", "ash",  "fish", NULL};
	const char *slash = strrchr(program, '/');

	return has_any(slash ? slash + 1 : program, shells);
}

static void warn_of_shell(struct config_draft *draft, size_t i)
{
	const struct config_pool *pool = &draft->config->pools[i];

	for (unsigned word = 0; word < pool->argc && !is_shell(pool->argv[0]); word++) {
		const char *text = pool->argv[word];

		if (!is_for_shell(text))
			continue;
		WARN_POOL(OPTION_POOL_command,
			  HEAD "found \"%.*s\", which is passed to the program as it is, as no "
			       "shell reads the command; write the value itself, set a variable "
			       "with env.NAME, or use /bin/sh -c '...'",
			  pool->name, "command", config_shown_len(text), text);
		return;
	}
}

/* --- what must be there --- */

/* NAME=VALUE in front of the program, as in a shell. */
static bool is_assignment(const char *word)
{
	const char *equals = strchr(word, '=');

	return equals && equals > word && !memchr(word, '/', (size_t)(equals - word));
}

static void warn_of_program(struct config_draft *draft, size_t i)
{
	const struct config_pool *pool = &draft->config->pools[i];
	char path[PATH_MAX];
	int shown;

	if (config_find_program(pool, path))
		return;
	shown = config_shown_len(path);
	if (is_assignment(pool->argv[0]))
		WARN_POOL(OPTION_POOL_command,
			  HEAD "\"%.*s\" is no program; a variable is set with the key env.%.*s",
			  pool->name, "command", shown, path, (int)strcspn(path, "="), path);
	else if (!strchr(path, '/'))
		WARN_POOL(OPTION_POOL_command,
			  HEAD
			  "there is no program \"%.*s\" in the PATH; install it, or name it by "
			  "its full path",
			  pool->name, "command", shown, path);
	else
		WARN_POOL(OPTION_POOL_command,
			  HEAD "%.*s is not a program that can be run%s; correct the path, or make "
			       "it executable",
			  pool->name, "command", shown, path,
			  access(path, F_OK) < 0 ? ": there is no such file" : "");
}

static void warn_of_directory(struct config_draft *draft, size_t i)
{
	const struct config_pool *pool = &draft->config->pools[i];
	int error = *pool->directory ? config_directory_fault(pool->directory) : 0;

	if (error != 0)
		WARN_POOL(OPTION_POOL_directory, HEAD "%.*s: %s; create it, or correct the path",
			  pool->name, "directory", config_shown_len(pool->directory),
			  pool->directory, strerror(error));
}

/* The name of a group that a key has; [daemon] where `title` is that. */
static void warn_of_group(struct config_draft *draft, struct config_origin origin,
			  const char *title, const char *key, const char *name)
{
	if (*name && !getgrnam(name))
		config_fault(
			&draft->warnings, origin,
			"warning: %s %s: there is no group \"%s\"; create it with groupadd, or "
			"correct the name",
			title, key, name);
}

static void warn_of_users(struct config_draft *draft, size_t i)
{
	const struct config_pool *pool = &draft->config->pools[i];
	const struct config_origin *origins = draft->pools[i].options;
	char title[CONFIG_NAME_MAX + 16];

	snprintf(title, sizeof(title), "[pool %s]", pool->name);
	if (*pool->user && !getpwnam(pool->user))
		WARN_POOL(OPTION_POOL_user,
			  HEAD "there is no user \"%s\"; create it with useradd, or correct the "
			       "name",
			  pool->name, "user", pool->user);
	warn_of_group(draft, origins[OPTION_POOL_group], title, "group", pool->group);
	warn_of_group(draft, origins[OPTION_POOL_call_group], title, "call_group",
		      pool->call_group);
	warn_of_group(draft, origins[OPTION_POOL_admin_group], title, "admin_group",
		      pool->admin_group);
}

static void warn_of_socket(struct config_draft *draft)
{
	const char *path = draft->config->daemon.socket, *last;
	char folder[PATH_MAX];
	const char *why = NULL;

	/* The unit makes that of the default. */
	if (!draft->daemon.options[OPTION_DAEMON_socket].file)
		return;
	last = strrchr(path, '/');
	snprintf(folder, sizeof(folder), "%.*s", last > path ? (int)(last - path) : 1, path);
	if (access(folder, F_OK) < 0 || faccessat(AT_FDCWD, folder, W_OK | X_OK, AT_EACCESS) < 0)
		why = strerror(errno);
	if (why)
		config_fault(&draft->warnings, draft->daemon.options[OPTION_DAEMON_socket],
			     "warning: [daemon] socket: no socket can be made in %s: %s; a unit "
			     "makes the folder with RuntimeDirectory=, or hands the socket in",
			     folder, why);
}

static void warn_of_state_directory(struct config_draft *draft)
{
	const char *path = draft->config->daemon.state_directory;
	int error = *path ? config_directory_fault(path) : 0;

	if (error == 0 && *path && faccessat(AT_FDCWD, path, W_OK | X_OK, AT_EACCESS) < 0)
		error = errno;
	if (error != 0)
		config_fault(
			&draft->warnings, draft->daemon.options[OPTION_DAEMON_state_directory],
			"warning: [daemon] state_directory: %.*s: %s; create it with mode 0700 "
			"for the daemon's user, or leave the key out and let a unit make one "
			"with StateDirectory=",
			config_shown_len(path), path, strerror(error));
}

/* --- times that do not fit together --- */

static void warn_of_times(struct config_draft *draft, size_t i)
{
	const struct config_pool *pool = &draft->config->pools[i];
	const struct config_daemon *daemon = &draft->config->daemon;

	if (pool->attempt_timeout > pool->timeout)
		WARN_POOL(OPTION_POOL_attempt_timeout,
			  HEAD
			  "it is above timeout, so that no request without a time limit of its "
			  "own reaches it; lower it, or raise timeout",
			  pool->name, "attempt_timeout");
	if (draft->pools[i].options[OPTION_POOL_init_timeout].file && pool->workers.min > 0 &&
	    pool->init_timeout > daemon->start_timeout)
		WARN_POOL(OPTION_POOL_init_timeout,
			  HEAD "it is above start_timeout of [daemon], so that the daemon may be "
			       "reported as started while a worker is not ready; raise "
			       "start_timeout",
			  pool->name, "init_timeout");
	if (pool->max_lifetime > 0 && pool->max_lifetime < pool->init_timeout)
		WARN_POOL(OPTION_POOL_max_lifetime,
			  HEAD
			  "it is below init_timeout, so that a worker may be replaced before it "
			  "is ready; raise it",
			  pool->name, "max_lifetime");
}

void config_warn(struct config_draft *draft)
{
	const struct config_daemon *daemon = &draft->config->daemon;
	const struct config_origin *origins = draft->daemon.options;

	warn_of_socket(draft);
	warn_of_state_directory(draft);
	warn_of_group(draft, origins[OPTION_DAEMON_admin_group], "[daemon]", "admin_group",
		      daemon->admin_group);
	warn_of_group(draft, origins[OPTION_DAEMON_call_group], "[daemon]", "call_group",
		      daemon->call_group);
	warn_of_group(draft, origins[OPTION_DAEMON_critical_group], "[daemon]", "critical_group",
		      daemon->critical_group);
	if (draft->config->pool_count == 0)
		config_fault(&draft->warnings, draft->daemon.sections[SECTION_DAEMON],
			     "warning: there is no pool, so that every call fails; add [pool NAME] "
			     "with a command");
	for (size_t i = 0; i < draft->config->pool_count; i++) {
		if (draft->config->pools[i].adapter == POOL_PROCESS) {
			warn_of_shell(draft, i);
			warn_of_program(draft, i);
			warn_of_directory(draft, i);
		}
		warn_of_users(draft, i);
		warn_of_times(draft, i);
	}
}
