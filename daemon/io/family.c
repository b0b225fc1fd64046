#include "daemon/io/family.h"

#include "daemon/io/log.h"
#include "daemon/io/mark.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* A sweep is repeated until there is nothing left to kill, at most so often: a process that is
 * being killed may have started another, and dies when the kernel gets to it. */
#define SWEEPS_MAX 500
static const struct timeval sweep_pause = {.tv_usec = 10000};

/* Environments that are looked at in one step. */
#define JUDGED_MAX 128

/* Children that are listed at once; more are found when these are gone. */
#define LISTED_MAX 65536

/* Numbers of processes, growing. */
struct pids {
	pid_t *pids;
	size_t count;
	size_t room;
};

static int add_pid(struct pids *list, pid_t pid)
{
	if (list->count == list->room) {
		size_t room = list->room > 0 ? list->room * 2 : 64;
		pid_t *pids = reallocarray(list->pids, room, sizeof(*pids));

		if (!pids)
			return -ENOMEM;
		list->pids = pids;
		list->room = room;
	}
	list->pids[list->count++] = pid;
	return 0;
}

static int compare_pids(const void *a, const void *b)
{
	pid_t left = *(const pid_t *)a, right = *(const pid_t *)b;

	return (left > right) - (left < right);
}

static bool has_pid(const pid_t *pids, size_t count, pid_t pid)
{
	return count > 0 && bsearch(&pid, pids, count, sizeof(*pids), compare_pids);
}

/* --- who they are --- */

/* The kernel's own list of this thread's children, where it is built to give it. */
static int list_by_kernel(struct pids *list)
{
	FILE *file = fopen("/proc/thread-self/children", "re");
	char *word = NULL;
	size_t size = 0;
	int r = 0;

	if (!file)
		return -errno;
	while (r == 0 && list->count < LISTED_MAX && getdelim(&word, &size, ' ', file) > 0) {
		pid_t pid = (pid_t)strtol(word, NULL, 10);

		if (pid > 0)
			r = add_pid(list, pid);
	}
	free(word);
	fclose(file);
	return r;
}

static pid_t parent_of(const char *pid)
{
	char path[64], text[512];
	const char *behind_name = NULL;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%.16s/stat", pid);
	file = fopen(path, "re");
	if (!file)
		return 0;
	if (fgets(text, sizeof(text), file))
		behind_name = strrchr(text, ')');
	fclose(file);
	/* ") S 4711 ..." */
	return behind_name && strlen(behind_name) > 4 ? (pid_t)strtol(behind_name + 4, NULL, 10)
						      : 0;
}

/* The same from everything that runs: slow, and always there. */
static int list_by_search(struct pids *list)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	pid_t self = getpid();
	int r = 0;

	if (!proc)
		return -errno;
	while (r == 0 && list->count < LISTED_MAX && (entry = readdir(proc)))
		if (isdigit((unsigned char)entry->d_name[0]) && parent_of(entry->d_name) == self)
			r = add_pid(list, (pid_t)strtol(entry->d_name, NULL, 10));
	closedir(proc);
	return r;
}

/* The children that nobody waits for and that have not ended; those that have are reaped. */
static struct pids list_orphans(const struct family *family)
{
	struct pids list = {0};
	size_t kept = 0;

	if (list_by_kernel(&list) == -ENOENT)
		list_by_search(&list);
	for (size_t i = 0; i < list.count; i++) {
		pid_t pid = list.pids[i];

		if (!has_pid(family->known, family->known_count, pid) &&
		    (family->holds > 0 || waitpid(pid, NULL, WNOHANG) == 0))
			list.pids[kept++] = pid;
	}
	list.count = kept;
	return list;
}

/* --- what becomes of them --- */

enum verdict {
	VERDICT_LEAVE = 0,
	VERDICT_KILL,
	VERDICT_UNMARKED
};

static enum verdict judge(const struct family *family, pid_t pid)
{
	char name[MARK_LIFE_SIZE + 1];
	uint32_t worker, life;

	if (mark_read(pid, MARK_LIFE, name, sizeof(name)) != 1 ||
	    mark_parse_life(family->instance, name, &worker, &life) < 0)
		return VERDICT_UNMARKED;
	return family->is_living(family->owner, worker, life) ? VERDICT_LEAVE : VERDICT_KILL;
}

static void end_orphan(struct family *family, pid_t pid)
{
	if (kill(pid, SIGKILL) == 0)
		family->killed++;
}

/* A process that begins another program has no environment for a moment: without a mark is who is
 * so twice. */
static bool is_confirmed(struct family *family, pid_t pid)
{
	struct pids suspects = {family->suspects, family->suspect_count, family->suspect_room};
	int r;

	if (has_pid(suspects.pids, suspects.count, pid))
		return true;
	r = add_pid(&suspects, pid);
	if (r == 0)
		qsort(suspects.pids, suspects.count, sizeof(*suspects.pids), compare_pids);
	family->suspects = suspects.pids;
	family->suspect_count = suspects.count;
	family->suspect_room = suspects.room;
	return r < 0;
}

static void treat(struct family *family, pid_t pid)
{
	enum verdict verdict = judge(family, pid);

	if (verdict == VERDICT_LEAVE || has_pid(family->elders, family->elder_count, pid))
		return;
	family->found = true;
	if (verdict == VERDICT_KILL || is_confirmed(family, pid))
		end_orphan(family, pid);
}

/* One step over the orphans; returns whether there is more to do. */
static bool sweep_step(struct family *family)
{
	struct pids orphans = list_orphans(family);
	size_t begin = family->next < orphans.count ? family->next : 0;
	size_t end = orphans.count - begin > JUDGED_MAX ? begin + JUDGED_MAX : orphans.count;
	bool more;

	for (size_t i = begin; i < end; i++)
		treat(family, orphans.pids[i]);
	more = end < orphans.count || family->found;
	family->next = end < orphans.count ? end : 0;
	if (family->next == 0)
		family->found = false;
	free(orphans.pids);
	return more;
}

static void advance(struct family *family)
{
	bool more = sweep_step(family);

	family->sweeps_left--;
	if (more && family->sweeps_left > 0) {
		event_add(&family->sweep_timer, &sweep_pause);
		return;
	}
	if (more)
		log_warning("what a worker left behind does not end, though it was killed");
	family->sweeps_left = 0;
	family->suspect_count = 0;
}

static void on_sweep_timer(evutil_socket_t fd, short what, void *argument)
{
	(void)fd;
	(void)what;
	advance(argument);
}

static void on_child(evutil_socket_t number, short what, void *argument)
{
	struct pids orphans = list_orphans(argument);

	(void)number;
	(void)what;
	free(orphans.pids);
}

void family_hold(struct family *family, bool begins)
{
	if (begins)
		family->holds++;
	else if (--family->holds == 0)
		on_child(SIGCHLD, 0, family);
}

void family_sweep(struct family *family)
{
	bool begins = family->sweeps_left == 0;

	family->sweeps_left = SWEEPS_MAX;
	if (begins)
		advance(family);
}

/* --- who is known --- */

static size_t place_of(const struct family *family, pid_t pid)
{
	size_t place = family->known_count;

	/* Numbers mostly grow, so the end is near. */
	while (place > 0 && family->known[place - 1] >= pid)
		place--;
	return place;
}

int family_know(struct family *family, pid_t pid)
{
	struct pids known = {family->known, family->known_count, family->known_room};
	size_t place = place_of(family, pid);
	int r = add_pid(&known, pid);

	if (r < 0)
		return r;
	memmove(known.pids + place + 1, known.pids + place,
		(known.count - 1 - place) * sizeof(*known.pids));
	known.pids[place] = pid;
	family->known = known.pids;
	family->known_count = known.count;
	family->known_room = known.room;
	return 0;
}

void family_forget(struct family *family, pid_t pid)
{
	size_t place = place_of(family, pid);

	if (place == family->known_count || family->known[place] != pid)
		return;
	family->known_count--;
	memmove(family->known + place, family->known + place + 1,
		(family->known_count - place) * sizeof(*family->known));
}

static void note_elders(struct family *family)
{
	struct pids elders = list_orphans(family);

	if (elders.count > 0)
		qsort(elders.pids, elders.count, sizeof(*elders.pids), compare_pids);
	family->elders = elders.pids;
	family->elder_count = elders.count;
}

int family_init(struct family *family, struct loop *loop, const char *instance,
		bool (*is_living)(void *owner, uint32_t worker, uint32_t life), void *owner)
{
	*family = (struct family){
		.loop = loop, .instance = instance, .is_living = is_living, .owner = owner};
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		return -errno;
	note_elders(family);
	evsignal_assign(&family->child_event, loop->base, SIGCHLD, on_child, family);
	evtimer_assign(&family->sweep_timer, loop->base, on_sweep_timer, family);
	return event_add(&family->child_event, NULL) < 0 ? -ENOMEM : 0;
}

void family_done(struct family *family)
{
	if (!family->loop)
		return;
	event_del(&family->child_event);
	event_del(&family->sweep_timer);
	free(family->known);
	free(family->suspects);
	free(family->elders);
	*family = (struct family){0};
}
