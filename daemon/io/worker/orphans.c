#include "daemon/io/worker/orphans.h"

#include "daemon/io/base/log.h"
#include "daemon/io/base/passing.h"
#include "daemon/io/worker/process_stat.h"
#include "daemon/io/worker/process_tag.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* A sweep has so many steps at most, with a pause between them: a process that is being killed may
 * have started another, and it may take the kernel a moment to end it. */
#define STEPS_MAX 500
static const struct timeval sweep_pause = {.tv_usec = 10000};

/* Environments that are read in one step. */
#define READ_MAX 128

/* Children that are listed at once; more are found when these are gone. */
#define LISTED_MAX 65536

/* A growing list. */
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

/* --- the daemon's children --- */

/* The kernel's own list of this thread's children, where it is built to give it. */
static int list_by_kernel(struct pids *list)
{
	FILE *file = fopen("/proc/thread-self/children", "re");
	char *word = NULL;
	size_t size = 0;
	int r = 0;

	if (!file)
		return -errno;
	errno = 0;
	while (r == 0 && list->count < LISTED_MAX && getdelim(&word, &size, ' ', file) > 0) {
		pid_t pid = (pid_t)strtol(word, NULL, 10);

		if (pid > 0)
			r = add_pid(list, pid);
	}
	if (r == 0 && (ferror(file) || errno == ENOMEM))
		r = errno > 0 ? -errno : -EIO;
	free(word);
	fclose(file);
	return r;
}

/* The same from a search of all processes: slow, but it works with every kernel. */
static int list_by_search(struct pids *list)
{
	struct process_table all = {0};
	int r = process_table_read(&all);

	for (size_t i = 0; r == 0 && i < all.count && list->count < LISTED_MAX; i++)
		if (all.entries[i].parent == getpid())
			r = add_pid(list, all.entries[i].pid);
	process_table_free(&all);
	return r;
}

/* The children that are not tracked and have not ended; those that have ended are reaped.  Returns
 * 0, or -errno: some may be missing. */
static int list_orphans(const struct orphans *orphans, struct pids *ret)
{
	struct pids list = {0};
	size_t kept = 0;
	int r = list_by_kernel(&list);

	if (r == -ENOENT)
		r = list_by_search(&list);
	for (size_t i = 0; i < list.count; i++) {
		pid_t pid = list.pids[i];

		if (!has_pid(orphans->tracked, orphans->tracked_count, pid) &&
		    (orphans->pauses > 0 || waitpid(pid, NULL, WNOHANG) == 0))
			list.pids[kept++] = pid;
	}
	list.count = kept;
	*ret = list;
	return r;
}

/* --- the sweep --- */

enum verdict {
	VERDICT_LEAVE = 0,
	VERDICT_KILL,
	VERDICT_UNTAGGED,
	VERDICT_UNKNOWN /* it can't be looked at now */
};

static enum verdict judge(const struct orphans *orphans, pid_t pid)
{
	char name[PROCESS_TAG_LIFE_SIZE + 1];
	uint32_t worker, life;
	int r = process_tag_read(pid, PROCESS_TAG_LIFE, name, sizeof(name));

	if (is_passing(r))
		return VERDICT_UNKNOWN;
	if (r != 1 || process_tag_parse_life(orphans->instance, name, &worker, &life) < 0)
		return VERDICT_UNTAGGED;
	return orphans->is_living(orphans->owner, worker, life) ? VERDICT_LEAVE : VERDICT_KILL;
}

static void end_orphan(struct orphans *orphans, pid_t pid)
{
	if (kill(pid, SIGKILL) == 0)
		orphans->killed++;
}

/* A process has no environment for a moment while it executes a program: so it must be found
 * without a tag twice. */
static bool is_confirmed(struct orphans *orphans, pid_t pid)
{
	struct pids suspects = {orphans->suspects, orphans->suspect_count, orphans->suspect_room};
	int r;

	if (has_pid(suspects.pids, suspects.count, pid))
		return true;
	r = add_pid(&suspects, pid);
	if (r == 0)
		qsort(suspects.pids, suspects.count, sizeof(*suspects.pids), compare_pids);
	orphans->suspects = suspects.pids;
	orphans->suspect_count = suspects.count;
	orphans->suspect_room = suspects.room;
	return false;
}

static void treat(struct orphans *orphans, pid_t pid)
{
	enum verdict verdict = judge(orphans, pid);

	if (verdict == VERDICT_LEAVE || has_pid(orphans->inherited, orphans->inherited_count, pid))
		return;
	orphans->has_found = true;
	if (verdict == VERDICT_KILL || is_confirmed(orphans, pid))
		end_orphan(orphans, pid);
}

/* One step of a sweep; returns whether there is more to do. */
static bool sweep_step(struct orphans *orphans)
{
	struct pids found;
	int r = list_orphans(orphans, &found);
	size_t begin = orphans->next < found.count ? orphans->next : 0;
	size_t end = found.count - begin > READ_MAX ? begin + READ_MAX : found.count;
	bool more;

	orphans->has_found |= is_passing(r);
	for (size_t i = begin; i < end; i++)
		treat(orphans, found.pids[i]);
	more = end < found.count || orphans->has_found;
	orphans->next = end < found.count ? end : 0;
	if (orphans->next == 0)
		orphans->has_found = false;
	free(found.pids);
	return more;
}

static void advance(struct orphans *orphans)
{
	bool more = sweep_step(orphans);

	orphans->steps_left--;
	if (more && orphans->steps_left > 0) {
		loop_add_timer(&orphans->sweep_timer, &sweep_pause);
		return;
	}
	if (more)
		log_warning(
			"processes that a worker left behind do not end after SIGKILL, or "
			"can't be looked at; they are looked for again when another worker ends");
	orphans->steps_left = 0;
	orphans->suspect_count = 0;
}

static void on_sweep_timer(evutil_socket_t fd, short what, void *argument)
{
	(void)fd;
	(void)what;
	advance(argument);
}

static void on_child(evutil_socket_t number, short what, void *argument)
{
	struct pids found;

	(void)number;
	(void)what;
	if (is_passing(list_orphans(argument, &found)))
		orphans_sweep(argument); /* which tries again */
	free(found.pids);
}

void orphans_pause(struct orphans *orphans)
{
	orphans->pauses++;
}

void orphans_resume(struct orphans *orphans)
{
	orphans->pauses--;
	if (orphans->pauses == 0)
		on_child(SIGCHLD, 0, orphans);
}

void orphans_sweep(struct orphans *orphans)
{
	bool is_idle = orphans->steps_left == 0;

	orphans->steps_left = STEPS_MAX;
	if (is_idle)
		advance(orphans);
}

/* --- tracked and inherited children --- */

bool orphans_is_tracked(const struct orphans *orphans, pid_t pid)
{
	return has_pid(orphans->tracked, orphans->tracked_count, pid);
}

static size_t place_of(const struct orphans *orphans, pid_t pid)
{
	size_t place = orphans->tracked_count;

	/* Pids mostly grow, so the place is near the end. */
	while (place > 0 && orphans->tracked[place - 1] >= pid)
		place--;
	return place;
}

int orphans_track(struct orphans *orphans, pid_t pid)
{
	struct pids tracked = {orphans->tracked, orphans->tracked_count, orphans->tracked_room};
	size_t place = place_of(orphans, pid);
	int r = add_pid(&tracked, pid);

	if (r < 0)
		return r;
	memmove(tracked.pids + place + 1, tracked.pids + place,
		(tracked.count - 1 - place) * sizeof(*tracked.pids));
	tracked.pids[place] = pid;
	orphans->tracked = tracked.pids;
	orphans->tracked_count = tracked.count;
	orphans->tracked_room = tracked.room;
	return 0;
}

void orphans_untrack(struct orphans *orphans, pid_t pid)
{
	size_t place = place_of(orphans, pid);

	if (place == orphans->tracked_count || orphans->tracked[place] != pid)
		return;
	orphans->tracked_count--;
	memmove(orphans->tracked + place, orphans->tracked + place + 1,
		(orphans->tracked_count - place) * sizeof(*orphans->tracked));
}

static int note_inherited(struct orphans *orphans)
{
	struct pids inherited;
	int r = list_orphans(orphans, &inherited);

	if (inherited.count > 0)
		qsort(inherited.pids, inherited.count, sizeof(*inherited.pids), compare_pids);
	orphans->inherited = inherited.pids;
	orphans->inherited_count = inherited.count;
	return is_passing(r) ? r : 0;
}

int orphans_init(struct orphans *orphans, struct loop *loop, const char *instance,
		 bool (*is_living)(void *owner, uint32_t worker, uint32_t life), void *owner)
{
	*orphans = (struct orphans){
		.loop = loop, .instance = instance, .is_living = is_living, .owner = owner};
	int r;

	if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		return -errno;
	evsignal_assign(&orphans->child_event, loop->base, SIGCHLD, on_child, orphans);
	evtimer_assign(&orphans->sweep_timer, loop->base, on_sweep_timer, orphans);
	/* Without them what is not the daemon's would be killed. */
	r = note_inherited(orphans);
	if (r < 0)
		return r;
	return event_add(&orphans->child_event, NULL) < 0 ? -ENOMEM : 0;
}

void orphans_done(struct orphans *orphans)
{
	if (!orphans->loop)
		return;
	event_del(&orphans->child_event);
	event_del(&orphans->sweep_timer);
	free(orphans->tracked);
	free(orphans->suspects);
	free(orphans->inherited);
	*orphans = (struct orphans){0};
}
