#include "daemon/io/worker/process_stat.h"

#include "daemon/io/base/passing.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* The number and the name, up to 64 bytes, and 50 numbers. */
#define STAT_MAX	 1200

#define ENTRIES_AT_FIRST 256

/* Reads the begin of a file of /proc/PID.  Returns 0 or -errno. */
static int read_file(pid_t pid, const char *name, char *text, size_t size)
{
	char path[64];
	ssize_t len;
	int fd, r = 0;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	len = read(fd, text, size - 1);
	if (len < 0)
		r = -errno;
	else
		text[len] = '\0';
	close(fd);
	return r;
}

/* Fields of the file by their numbers in proc_pid_stat(5); the numbers begin with the fourth. */
enum field {
	FIELD_PARENT = 4,
	FIELD_GROUP = 5,
	FIELD_SESSION = 6,
	FIELD_THREADS = 20,
	FIELD_START = 22,
	FIELD_ARG_START = 48,
	FIELD_ARG_END = 49,
	FIELD_COUNT_
};

/* Reads the state, and the fields up to `last`.  Returns 0 or -errno. */
static int read_fields(pid_t pid, unsigned last, char *ret_state,
		       unsigned long long fields[FIELD_COUNT_])
{
	char text[STAT_MAX];
	char *rest, *end;
	int r = read_file(pid, "stat", text, sizeof(text));

	if (r < 0)
		return r;
	/* The name may have any bytes: "4711 (a) b) S 1 ...". */
	rest = strrchr(text, ')');
	if (!rest || strlen(rest) < 4)
		return -EPROTO;
	*ret_state = rest[2];
	rest += 3;
	for (unsigned i = FIELD_PARENT; i <= last; i++) {
		fields[i] = strtoull(rest, &end, 10);
		if (end == rest)
			return -EPROTO;
		rest = end;
	}
	return 0;
}

int process_stat_read(pid_t pid, struct process_stat *ret)
{
	unsigned long long fields[FIELD_COUNT_];
	char state;
	int r = read_fields(pid, FIELD_START, &state, fields);

	if (r < 0)
		return r;
	ret->pid = pid;
	ret->parent = (pid_t)fields[FIELD_PARENT];
	ret->group = (pid_t)fields[FIELD_GROUP];
	ret->session = (pid_t)fields[FIELD_SESSION];
	ret->start = fields[FIELD_START];
	/* The first thread may have ended before the others. */
	ret->has_ended = (state == 'Z' || state == 'X') && fields[FIELD_THREADS] <= 1;
	return 0;
}

int process_stat_command_line(uintptr_t *ret_begin, uintptr_t *ret_end)
{
	unsigned long long fields[FIELD_COUNT_];
	char state;
	int r = read_fields(getpid(), FIELD_ARG_END, &state, fields);

	if (r < 0)
		return r;
	*ret_begin = (uintptr_t)fields[FIELD_ARG_START];
	*ret_end = (uintptr_t)fields[FIELD_ARG_END];
	return 0;
}

uint64_t process_stat_now(void)
{
	uint64_t ticks = (uint64_t)sysconf(_SC_CLK_TCK);
	struct timespec now = {0};

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * ticks + (uint64_t)now.tv_nsec / (1000000000 / ticks);
}

int process_stat_user(pid_t pid, uid_t *ret)
{
	char text[2048];
	const char *line;
	int r = read_file(pid, "status", text, sizeof(text));

	if (r < 0)
		return r;
	line = strstr(text, "\nUid:");
	if (!line)
		return -EPROTO;
	*ret = (uid_t)strtoul(line + strlen("\nUid:"), NULL, 10);
	return 0;
}

int process_stat_signal(const struct process_stat *process, int signal)
{
	struct process_stat now;
	int pidfd = (int)syscall(SYS_pidfd_open, process->pid, 0);
	int r;

	if (pidfd < 0)
		return -errno;
	/* What holds the number now is what the descriptor holds. */
	r = process_stat_read(process->pid, &now);
	if (r == 0 && now.start != process->start)
		r = -ESRCH;
	if (r == 0 && syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0) < 0)
		r = -errno;
	close(pidfd);
	return r;
}

/* --- tables --- */

static int compare(const void *a, const void *b)
{
	pid_t left = ((const struct process_stat *)a)->pid;
	pid_t right = ((const struct process_stat *)b)->pid;

	return (left > right) - (left < right);
}

int process_table_add(struct process_table *table, const struct process_stat *process)
{
	if (table->count == table->room) {
		size_t room = table->room > 0 ? table->room * 2 : ENTRIES_AT_FIRST;
		struct process_stat *entries = reallocarray(table->entries, room, sizeof(*entries));

		if (!entries)
			return -ENOMEM;
		table->entries = entries;
		table->room = room;
	}
	table->entries[table->count++] = *process;
	return 0;
}

void process_table_sort(struct process_table *table)
{
	if (table->count > 1)
		qsort(table->entries, table->count, sizeof(*table->entries), compare);
}

int process_table_read(struct process_table *table)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	int r = 0;

	if (!proc)
		return -errno;
	table->count = 0;
	while (r == 0 && (entry = readdir(proc))) {
		struct process_stat process;

		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		r = process_stat_read((pid_t)strtol(entry->d_name, NULL, 10), &process);
		if (r == 0)
			r = process_table_add(table, &process);
		else if (!is_passing(r))
			r = 0; /* it has ended meanwhile */
	}
	closedir(proc);
	process_table_sort(table);
	return r;
}

const struct process_stat *process_table_find(const struct process_table *table, pid_t pid)
{
	struct process_stat key = {.pid = pid};

	if (table->count == 0)
		return NULL;
	return bsearch(&key, table->entries, table->count, sizeof(key), compare);
}

bool process_table_has(const struct process_table *table, const struct process_stat *process)
{
	const struct process_stat *found = process_table_find(table, process->pid);

	return found && found->start == process->start;
}

void process_table_free(struct process_table *table)
{
	free(table->entries);
	*table = (struct process_table){0};
}
