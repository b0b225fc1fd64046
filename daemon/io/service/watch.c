#include "daemon/io/service/watch.h"

#include "daemon/io/base/log.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

/* An editor or a checkout writes several files: the workers are replaced once. */
static const struct timeval settle_time = {.tv_usec = 200000};

/* A file was written, moved, removed; a folder came. */
#define CHANGES                                                                                    \
	(IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CREATE | IN_ONLYDIR |       \
	 IN_DONT_FOLLOW | IN_EXCL_UNLINK)

#define EVENTS_SIZE 8192
#define DEPTH_MAX   32

static bool is_python(const char *name)
{
	size_t len = strlen(name);

	return len > 3 && strcmp(name + len - 3, ".py") == 0;
}

static bool is_skipped(const char *name)
{
	return name[0] == '.' || strcmp(name, "__pycache__") == 0 ||
	       strcmp(name, "node_modules") == 0;
}

/* Keeps the path of a watch descriptor, the last one of a folder that has several.  Returns 0 or
 * -ENOMEM. */
static int remember(struct watch *watch, int descriptor, const char *path)
{
	size_t index = (size_t)descriptor;
	char *copy = strdup(path);

	if (copy && index >= watch->room) {
		size_t room = 2 * index + 16;
		char **folders = reallocarray(watch->folders, room, sizeof(*folders));

		if (folders) {
			memset(folders + watch->room, 0, (room - watch->room) * sizeof(*folders));
			watch->folders = folders;
			watch->room = room;
		}
	}
	if (!copy || index >= watch->room) {
		free(copy);
		return -ENOMEM;
	}
	watch->count += watch->folders[index] == NULL;
	free(watch->folders[index]);
	watch->folders[index] = copy;
	return 0;
}

static bool is_environment(const char *path)
{
	char *mark;
	bool found;

	if (asprintf(&mark, "%s/pyvenv.cfg", path) < 0)
		return false;
	found = access(mark, F_OK) == 0;
	free(mark);
	return found;
}

static int add_tree(struct watch *watch, const char *path, unsigned depth);

static int add_below(struct watch *watch, const char *path, unsigned depth)
{
	DIR *folder = opendir(path);
	struct dirent *entry;
	int r = 0;

	if (!folder)
		return errno == ENOMEM ? -ENOMEM : 0;
	while (r == 0 && (entry = readdir(folder))) {
		char *below;

		watch->has_found = watch->has_found || is_python(entry->d_name);
		if (is_skipped(entry->d_name) ||
		    (entry->d_type != DT_DIR && entry->d_type != DT_UNKNOWN))
			continue;
		if (asprintf(&below, "%s/%s", path, entry->d_name) < 0) {
			r = -ENOMEM;
			continue;
		}
		r = add_tree(watch, below, depth + 1);
		free(below);
	}
	closedir(folder);
	return r;
}

/* Watches a folder and those below it.  One that has gone, or that is none, is no error.  Returns 0
 * or -errno. */
static int add_tree(struct watch *watch, const char *path, unsigned depth)
{
	int descriptor, r;

	if (watch->count >= WATCH_FOLDERS_MAX || depth > DEPTH_MAX)
		return -E2BIG;
	if (depth > 0 && is_environment(path))
		return 0;
	descriptor = inotify_add_watch(watch->fd, path, CHANGES);
	if (descriptor < 0)
		return depth > 0 && errno != ENOSPC && errno != ENOMEM ? 0 : -errno;
	r = remember(watch, descriptor, path);
	return r < 0 ? r : add_below(watch, path, depth);
}

static void add_or_warn(struct watch *watch, const char *path, unsigned depth)
{
	int r = path ? add_tree(watch, path, depth) : -ENOMEM;

	if (r < 0)
		log_warning("not all folders below %s are watched for changes: %s",
			    path ? path : "one that was made",
			    r == -E2BIG ? "there are too many"
			    : r == -ENOSPC
				    ? "there are as many as fs.inotify.max_user_watches allows"
				    : strerror(-r));
}

/* Returns whether the event is a reason to replace the workers. */
static bool handle(struct watch *watch, const struct inotify_event *event)
{
	size_t index = (size_t)event->wd;
	char *path;

	if (event->mask & IN_Q_OVERFLOW)
		return true;
	if (event->wd < 0 || index >= watch->room || !watch->folders[index])
		return false;
	if (event->mask & IN_IGNORED) {
		free(watch->folders[index]);
		watch->folders[index] = NULL;
		watch->count--;
		return false;
	}
	if (event->len == 0)
		return false;
	if (!(event->mask & IN_ISDIR))
		return is_python(event->name) && !(event->mask & IN_CREATE);
	if (is_skipped(event->name) || !(event->mask & (IN_CREATE | IN_MOVED_TO)))
		return false;
	/* Files may have come into it before it was watched. */
	watch->has_found = false;
	if (asprintf(&path, "%s/%s", watch->folders[index], event->name) < 0)
		path = NULL;
	add_or_warn(watch, path, 1);
	free(path);
	return watch->has_found;
}

static void on_readable(evutil_socket_t fd, short what, void *argument)
{
	char buffer[EVENTS_SIZE] __attribute__((aligned(__alignof__(struct inotify_event))));
	struct watch *watch = argument;
	bool changed = false;
	ssize_t len = read(fd, buffer, sizeof(buffer));

	(void)what;
	for (ssize_t at = 0; at < len;) {
		const struct inotify_event *event = (const void *)(buffer + at);

		changed = handle(watch, event) || changed;
		at += (ssize_t)(sizeof(*event) + event->len);
	}
	if (changed)
		loop_add_timer(&watch->settle_timer, &settle_time);
}

static void on_settled(evutil_socket_t fd, short what, void *argument)
{
	struct watch *watch = argument;

	(void)fd;
	(void)what;
	watch->on_change(watch->owner);
}

int watch_open(struct watch *watch, struct loop *loop, const char *folder,
	       void (*on_change)(void *owner), void *owner)
{
	*watch = (struct watch){.on_change = on_change, .owner = owner};
	watch->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (watch->fd < 0)
		return -errno;
	add_or_warn(watch, folder, 0);
	event_assign(&watch->event, loop->base, watch->fd, EV_READ | EV_PERSIST, on_readable,
		     watch);
	evtimer_assign(&watch->settle_timer, loop->base, on_settled, watch);
	if (event_add(&watch->event, NULL) == 0)
		return 0;
	watch_close(watch);
	return -ENOMEM;
}

void watch_close(struct watch *watch)
{
	if (watch->fd < 0)
		return;
	event_del(&watch->event);
	event_del(&watch->settle_timer);
	close(watch->fd);
	for (size_t i = 0; i < watch->room; i++)
		free(watch->folders[i]);
	free(watch->folders);
	watch->fd = -1;
}
