#include "daemon/io/service/daemon.h"

#include "daemon/io/admin/report.h"
#include "daemon/io/base/log.h"
#include "daemon/io/driver/driver.h"
#include "daemon/io/driver/operator.h"
#include "daemon/io/frontend/frontend.h"
#include "daemon/io/frontend/listener.h"
#include "daemon/io/service/watch.h"
#include "daemon/io/worker/guard.h"
#include "daemon/io/worker/identity.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

/* The name of the socket that a service manager hands over. */
#define SOCKET_NAME "poold.socket"

/* How long the last answers may take to leave after everything else is done. */
#define LINGER (2 * USEC_PER_SEC)

/* When a message is sent again that the service manager's socket had no room for. */
#define PENDING_PAUSE (50 * USEC_PER_MSEC)

#define STATUS_MAX    4096

struct daemon {
	const struct config *config;
	struct systemd *systemd;
	const struct daemon_manner *manner;
	struct guard guard;
	struct loop loop;
	struct driver driver;
	struct frontend frontend;
	struct listener listener;
	struct event signals[3];
	struct event watchdog;
	struct event start_timer;
	struct event linger_timer;
	struct event pending_timer;
	struct event guard_event;
	struct watch watch;
	bool ready_reported;
	bool finishing;
};

static struct timeval to_timeval(usec_t span)
{
	return (struct timeval){.tv_sec = (time_t)(span / USEC_PER_SEC),
				.tv_usec = (suseconds_t)(span % USEC_PER_SEC)};
}

/* --- messages to the service manager --- */

static void notify_status(struct daemon *daemon)
{
	struct buf text;

	buf_init(&text, STATUS_MAX);
	report_progress(&daemon->driver, &text);
	if (buf_error(&text) == 0)
		systemd_status(daemon->systemd, "%s: %.*s",
			       pool_health_name(report_overall(&daemon->driver)), (int)text.len,
			       (const char *)text.data);
	buf_free(&text);
}

/* Without a timer the message would wait for the next one, and systemd for the end of a start or
 * stop. */
static void await_pending(struct daemon *daemon)
{
	struct timeval pause = to_timeval(PENDING_PAUSE);

	if (systemd_has_pending(daemon->systemd))
		event_add(&daemon->pending_timer, &pause);
}

static void on_pending(evutil_socket_t fd, short what, void *argument)
{
	struct daemon *daemon = argument;

	(void)fd;
	(void)what;
	if (systemd_send_pending(daemon->systemd) == 0 && !driver_is_stopping(&daemon->driver))
		notify_status(daemon);
	await_pending(daemon);
}

static void notify_ready(struct daemon *daemon)
{
	daemon->ready_reported = true;
	event_del(&daemon->start_timer);
	systemd_ready(daemon->systemd);
	await_pending(daemon);
	log_notice("ready: listening on %s", daemon->config->daemon.socket);
}

static void on_change(void *owner)
{
	struct daemon *daemon = owner;

	if (driver_is_stopping(&daemon->driver))
		return;
	if (!daemon->ready_reported && driver_is_ready(&daemon->driver))
		notify_ready(daemon);
	notify_status(daemon);
}

static void on_start_timeout(evutil_socket_t fd, short what, void *argument)
{
	struct daemon *daemon = argument;

	(void)fd;
	(void)what;
	if (daemon->ready_reported)
		return;
	log_warning("start_timeout is over and not every pool has its workers; going on without");
	notify_ready(daemon);
	notify_status(daemon);
}

static void on_watchdog(evutil_socket_t fd, short what, void *argument)
{
	struct daemon *daemon = argument;

	(void)fd;
	(void)what;
	systemd_watchdog(daemon->systemd);
}

/* --- the guard --- */

static void watch_guard(struct daemon *daemon);

static void on_guard_gone(evutil_socket_t fd, short what, void *argument)
{
	struct daemon *daemon = argument;
	int r;

	(void)fd;
	(void)what;
	log_warning("the guard is gone; starting another");
	orphans_untrack(&daemon->driver.confine.orphans, daemon->guard.pid);
	r = guard_restart(&daemon->guard);
	if (r == 0)
		r = orphans_track(&daemon->driver.confine.orphans, daemon->guard.pid);
	if (r < 0)
		log_error("the guard could not be started: %s", strerror(-r));
	else
		watch_guard(daemon);
}

static void watch_guard(struct daemon *daemon)
{
	event_assign(&daemon->guard_event, daemon->loop.base, daemon->guard.pidfd, EV_READ,
		     on_guard_gone, daemon);
	event_add(&daemon->guard_event, NULL);
}

/* --- the end --- */

static void leave(struct daemon *daemon)
{
	frontend_close(&daemon->frontend);
	loop_leave(&daemon->loop);
}

static void on_linger_over(evutil_socket_t fd, short what, void *argument)
{
	(void)fd;
	(void)what;
	loop_leave(&((struct daemon *)argument)->loop);
}

static void leave_if_all_is_written(struct daemon *daemon)
{
	if (daemon->finishing && list_empty(&daemon->frontend.connections))
		loop_leave(&daemon->loop);
}

/* Nothing is left to do but to let the last answers out. */
static void on_stopped(void *owner)
{
	struct daemon *daemon = owner;
	struct timeval linger = to_timeval(LINGER);

	daemon->finishing = true;
	listener_close(&daemon->listener);
	frontend_finish(&daemon->frontend);
	event_add(&daemon->linger_timer, &linger);
	leave_if_all_is_written(daemon);
}

static void on_place(void *owner)
{
	struct daemon *daemon = owner;

	listener_resume(&daemon->listener);
	leave_if_all_is_written(daemon);
}

static const char *stop_signal_name(evutil_socket_t number)
{
	if (number == SIGHUP)
		return "SIGHUP";
	return number == SIGTERM ? "SIGTERM" : "SIGINT";
}

static void on_stop_signal(evutil_socket_t number, short what, void *argument)
{
	struct daemon *daemon = argument;
	bool again = driver_is_stopping(&daemon->driver);

	(void)what;
	log_notice("%s: %s", stop_signal_name(number), again ? "stopping at once" : "draining");
	systemd_stopping(daemon->systemd);
	systemd_status(daemon->systemd, "draining: %u requests in hand",
		       driver_open_requests(&daemon->driver));
	systemd_extend_timeout(daemon->systemd,
			       daemon->config->daemon.drain_timeout + LINGER + 10 * USEC_PER_SEC);
	await_pending(daemon);
	driver_stop(&daemon->driver);
}

static void on_hangup(evutil_socket_t number, short what, void *argument)
{
	struct daemon *daemon = argument;

	if (daemon->manner->in_terminal)
		on_stop_signal(number, what, argument);
	else
		log_warning(
			"SIGHUP: the configuration is read at start only; restart to change it");
}

/* --- changed files --- */

static void on_files_changed(void *owner)
{
	struct daemon *daemon = owner;

	if (driver_is_stopping(&daemon->driver))
		return;
	log_notice("Python files have changed: the workers are replaced one after the other");
	for (uint32_t i = 0; i < daemon->config->pool_count; i++)
		operator_restart(&daemon->driver, i);
}

static void watch_files(struct daemon *daemon)
{
	int r;

	if (!daemon->manner->reload_folder)
		return;
	r = watch_open(&daemon->watch, &daemon->loop, daemon->manner->reload_folder,
		       on_files_changed, daemon);
	if (r < 0)
		log_warning("files are not watched for changes: %s", strerror(-r));
}

/* --- the start --- */

/* More descriptors for the daemon; workers get back what it was given. */
static void raise_open_files(struct rlimit *ret_original)
{
	struct rlimit wanted;

	if (getrlimit(RLIMIT_NOFILE, ret_original) < 0) {
		*ret_original = (struct rlimit){.rlim_cur = 1024, .rlim_max = 1024};
		return;
	}
	wanted = *ret_original;
	wanted.rlim_cur = wanted.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &wanted) < 0)
		log_warning("the limit of open files could not be raised: %s", strerror(errno));
}

static void watch_signals(struct daemon *daemon)
{
	struct event_base *base = daemon->loop.base;

	evsignal_assign(&daemon->signals[0], base, SIGTERM, on_stop_signal, daemon);
	evsignal_assign(&daemon->signals[1], base, SIGINT, on_stop_signal, daemon);
	evsignal_assign(&daemon->signals[2], base, SIGHUP, on_hangup, daemon);
	for (size_t i = 0; i < ARRAY_SIZE(daemon->signals); i++)
		event_add(&daemon->signals[i], NULL);
}

static void set_timers(struct daemon *daemon)
{
	struct event_base *base = daemon->loop.base;
	struct timeval start = to_timeval(daemon->config->daemon.start_timeout);
	struct timeval beat = to_timeval(systemd_watchdog_usec(daemon->systemd) / 2);

	event_assign(&daemon->watchdog, base, -1, EV_PERSIST, on_watchdog, daemon);
	evtimer_assign(&daemon->start_timer, base, on_start_timeout, daemon);
	evtimer_assign(&daemon->linger_timer, base, on_linger_over, daemon);
	evtimer_assign(&daemon->pending_timer, base, on_pending, daemon);
	event_add(&daemon->start_timer, &start);
	if (systemd_watchdog_usec(daemon->systemd) > 0)
		event_add(&daemon->watchdog, &beat);
}

static void unwatch(struct daemon *daemon)
{
	for (size_t i = 0; i < ARRAY_SIZE(daemon->signals); i++)
		event_del(&daemon->signals[i]);
	event_del(&daemon->watchdog);
	event_del(&daemon->start_timer);
	event_del(&daemon->linger_timer);
	event_del(&daemon->pending_timer);
	event_del(&daemon->guard_event);
}

static int open_listener(struct daemon *daemon)
{
	int fd = systemd_listen_fd(daemon->systemd, SOCKET_NAME);
	int r;

	if (fd < 0 && fd != -ENOENT) {
		log_error("the socket handed over as " SOCKET_NAME
			  " is not a listening Unix socket");
		return fd;
	}
	r = listener_open(&daemon->listener, &daemon->frontend, fd);
	if (r < 0)
		log_error("socket %s: %s", daemon->config->daemon.socket,
			  r == -EADDRINUSE ? "another daemon listens there" : strerror(-r));
	return r;
}

static int serve(struct daemon *daemon)
{
	int r = open_listener(daemon);

	if (r < 0)
		return r;
	watch_signals(daemon);
	set_timers(daemon);
	watch_guard(daemon);
	watch_files(daemon);
	driver_start(&daemon->driver);
	on_change(daemon);
	loop_run(&daemon->loop);
	leave(daemon);
	link_free_closed(&daemon->loop);
	unwatch(daemon);
	watch_close(&daemon->watch);
	listener_close(&daemon->listener);
	log_notice("stopped");
	return 0;
}

static int run_loop(struct daemon *daemon)
{
	struct rlimit open_files;
	int r = loop_init(&daemon->loop, daemon->config->daemon.memory_max);

	if (r < 0)
		return r;
	raise_open_files(&open_files);
	r = driver_init(&daemon->driver, &daemon->loop, daemon->config, &daemon->guard,
			&open_files);
	if (r == 0) {
		daemon->driver.on_change = on_change;
		daemon->driver.on_stopped = on_stopped;
		daemon->driver.owner = daemon;
		frontend_init(&daemon->frontend, &daemon->driver, on_place, daemon);
		r = serve(daemon);
		driver_done(&daemon->driver);
	}
	loop_done(&daemon->loop);
	return r;
}

int daemon_run(const struct config *config, struct systemd *systemd,
	       const struct daemon_manner *manner)
{
	struct daemon daemon = {
		.config = config, .systemd = systemd, .manner = manner, .watch.fd = -1};
	int r;

	signal(SIGPIPE, SIG_IGN);
	/* Its memory has the data of all clients: its workers, of the same user, may not look. */
	if (!config->daemon.core_dumps)
		prctl(PR_SET_DUMPABLE, 0);
	r = identity_check(config);
	if (r < 0)
		return r == -ENOMEM ? DAEMON_EXIT_FAILED : DAEMON_EXIT_CONFIG;
	r = guard_start(&daemon.guard);
	if (r < 0) {
		log_error("the guard could not be started: %s", strerror(-r));
		return DAEMON_EXIT_FAILED;
	}
	r = run_loop(&daemon);
	guard_finish(&daemon.guard);
	if (r == -ENOMEM)
		log_error("not enough memory for the configured limits");
	return r < 0 ? DAEMON_EXIT_FAILED : DAEMON_EXIT_OK;
}
