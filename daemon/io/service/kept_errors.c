#include "daemon/io/service/kept_errors.h"

#include "daemon/io/base/log.h"
#include "daemon/io/driver/error_saved.h"
#include "daemon/io/driver/state.h"

#include <errno.h>
#include <string.h>

#define FILE_NAME "errors"

/* How often it is looked whether there are new errors: what a killed daemon loses at most. */
#define WRITE_INTERVAL (10 * USEC_PER_SEC)

/* The same fault is logged once in this time. */
#define REPORT_INTERVAL (3600 * USEC_PER_SEC)

/* --- words --- */

static const char *open_fault(int error)
{
	return error == -EBUSY ? "another daemon uses it; give each one of its own"
			       : strerror(-error);
}

static const char *read_fault(int error)
{
	switch (error) {
	case -EFBIG:
		return "it is too large";
	case -EPERM:
		return "it belongs to another user, or others may write to it";
	case -EINVAL:
		return "it is no regular file";
	case -EPROTO:
		return "its content is damaged";
	case -EPROTONOSUPPORT:
		return "another version of poold wrote it";
	default:
		return strerror(-error);
	}
}

static void report_writing(struct kept_errors *kept, int error)
{
	usec_t now = loop_now(kept->driver->loop);

	if (error == kept->reported_code && usec_sub(now, kept->reported) < REPORT_INTERVAL)
		return;
	kept->reported = now;
	kept->reported_code = error;
	log_warning("poold.errors can't be written to %s/" FILE_NAME
		    ": %s; errors since the last time are lost with the daemon, and it is tried "
		    "again",
		    kept->path, strerror(-error));
}

/* --- the file --- */

/* Without fsync: it may wait for a slow disk, and only a crash of the machine makes a difference. */
static void save(struct kept_errors *kept)
{
	const struct error_log *errors = &kept->driver->errors;
	struct buf content;
	int r;

	if (errors->newest == kept->saved)
		return;
	buf_init(&content, ERROR_SAVED_MAX);
	error_saved_pack(errors, kept->driver->config, &content);
	r = buf_error(&content);
	if (r == 0)
		r = state_directory_write(&kept->directory, FILE_NAME,
					  (struct bytes){content.data, content.len});
	buf_free(&content);
	if (r == 0)
		kept->saved = errors->newest;
	else
		report_writing(kept, r);
}

static int load(struct kept_errors *kept)
{
	struct error_log *errors = &kept->driver->errors;
	struct buf content;
	int r;

	buf_init(&content, ERROR_SAVED_MAX);
	r = state_directory_read(&kept->directory, FILE_NAME, &content);
	if (r == 0)
		r = error_saved_read(errors, kept->driver->config,
				     (struct bytes){content.data, content.len});
	buf_free(&content);
	return r;
}

static void on_timer(evutil_socket_t fd, short what, void *argument)
{
	struct kept_errors *kept = argument;

	(void)fd;
	(void)what;
	save(kept);
	loop_set_event_timer(&kept->timer, WRITE_INTERVAL);
}

void kept_errors_open(struct kept_errors *kept, struct driver *driver, const char *path)
{
	int r;

	*kept = (struct kept_errors){.driver = driver, .path = path, .directory = {-1}};
	if (*path == '\0')
		return;
	r = state_directory_open(&kept->directory, path);
	if (r < 0) {
		log_warning("state_directory %s: %s; poold.errors does not outlive this daemon",
			    path, open_fault(r));
		return;
	}
	r = load(kept);
	if (r < 0 && r != -ENOENT)
		log_warning("the errors of the daemon before can't be read from %s/" FILE_NAME
			    ": %s; poold.errors begins now",
			    path, read_fault(r));
	evtimer_assign(&kept->timer, driver->loop->base, on_timer, kept);
	/* Even what was read, so that a directory that can't be written to is known from the start. */
	save(kept);
	loop_set_event_timer(&kept->timer, WRITE_INTERVAL);
}

void kept_errors_close(struct kept_errors *kept)
{
	if (!kept->driver || kept->directory.fd < 0)
		return;
	event_del(&kept->timer);
	save(kept);
	state_directory_close(&kept->directory);
}
