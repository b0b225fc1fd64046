#include "daemon/io/service/daemon.h"

#include "daemon/io/admin/report.h"
#include "daemon/io/base/log.h"
#include "daemon/io/base/passing.h"
#include "daemon/io/driver/driver.h"
#include "daemon/io/driver/notify.h"
#include "daemon/io/driver/operator.h"
#include "daemon/io/frontend/frontend.h"
#include "daemon/io/frontend/http.h"
#include "daemon/io/frontend/listener.h"
#include "daemon/io/observe/alerting.h"
#include "daemon/io/service/kept_errors.h"
#include "daemon/io/service/signals.h"
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

/* How long requests are still answered, with shutting_down, after all else is done. */
#define GRACE (FRONTEND_GRACE_MS * USEC_PER_MSEC)

/* How long the last answers may take to leave after that. */
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
	struct alerting alerting;
	struct kept_errors kept_errors;
	struct frontend frontend;
	struct listener listener;
	struct http http;
	struct signals signals;
	struct event watchdog;
	struct event start_timer;
	struct event grace_timer;
	struct event linger_timer;
	struct event pending_timer;
	struct watch watch;
	bool ready_reported;
	bool is_closing;   /* all is done; who is connected has a little time to ask elsewhere */
	bool is_finishing; /* connections are closed once their output is written */
};

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
	if (systemd_has_pending(daemon->systemd))
		loop_set_event_timer(&daemon->pending_timer, PENDING_PAUSE);
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

static void log_given_up(const struct daemon *daemon)
{
	for (uint32_t i = 0; i < daemon->config->pool_count; i++) {
		const struct log_field pool = {"pool", daemon->config->pools[i].name};

		if (driver_has_given_up(&daemon->driver, i))
			log_event(LOG_LEVEL_WARNING, NULL, &pool, 1,
				  "the start of the daemon does not wait for the pool: its workers "
				  "do not start, which is tried again");
	}
}

static void notify_ready(struct daemon *daemon)
{
	char text[256];

	daemon->ready_reported = true;
	daemon->driver.has_started = true;
	event_del(&daemon->start_timer);
	systemd_ready(daemon->systemd);
	await_pending(daemon);
	log_given_up(daemon);
	snprintf(text, sizeof(text), "ready: listening on %s", daemon->config->daemon.socket);
	notify_daemon(&daemon->driver, "ready", true, text);
}

static void on_change(void *owner)
{
	struct daemon *daemon = owner;

	if (driver_is_stopping(&daemon->driver))
		return;
	if (!daemon->ready_reported && driver_is_settled(&daemon->driver))
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
	log_warning("start_timeout is over and not every pool has its workers, as poolctl status "
		    "shows; going on without");
	notify_ready(daemon);
	notify_status(daemon);
}

static void set_watchdog(struct daemon *daemon)
{
	if (systemd_watchdog_usec(daemon->systemd) > 0)
		loop_set_event_timer(&daemon->watchdog, systemd_watchdog_usec(daemon->systemd) / 2);
}

static void on_watchdog(evutil_socket_t fd, short what, void *argument)
{
	struct daemon *daemon = argument;

	(void)fd;
	(void)what;
	systemd_watchdog(daemon->systemd);
	set_watchdog(daemon);
}

/* --- the end --- */

static void leave(struct daemon *daemon)
{
	frontend_close(&daemon->frontend);
	http_close(&daemon->http);
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
	if (daemon->is_closing && list_empty(&daemon->frontend.connections))
		loop_leave(&daemon->loop);
}

/* Nothing is left to do but to let the last answers out. */
static void finish(struct daemon *daemon)
{
	if (daemon->is_finishing)
		return;
	daemon->is_finishing = true;
	event_del(&daemon->grace_timer);
	frontend_finish(&daemon->frontend);
	loop_set_event_timer(&daemon->linger_timer, LINGER);
}

static void on_grace_over(evutil_socket_t fd, short what, void *argument)
{
	(void)fd;
	(void)what;
	finish(argument);
}

/* No request and no worker is left.  What clients send before they know is refused, and so never
 * lost on the way. */
static void on_stopped(void *owner)
{
	struct daemon *daemon = owner;

	daemon->is_closing = true;
	listener_close(&daemon->listener);
	frontend_notify_closing(&daemon->frontend);
	http_notify_closing(&daemon->http);
	loop_set_event_timer(&daemon->grace_timer, GRACE);
	leave_if_all_is_written(daemon);
}

static void on_place(void *owner)
{
	struct daemon *daemon = owner;

	listener_resume(&daemon->listener);
	leave_if_all_is_written(daemon);
}

static void stop(struct daemon *daemon, int number, const char *sender)
{
	bool again = driver_is_stopping(&daemon->driver);
	char name[32], text[256];

	signals_name(number, name, sizeof(name));
	snprintf(text, sizeof(text), "%s: %s (%s)", name, again ? "stopping at once" : "draining",
		 sender);
	notify_daemon(&daemon->driver, "stopping", false, text);
	if (daemon->is_closing) {
		finish(daemon);
		return;
	}
	systemd_stopping(daemon->systemd);
	systemd_status(daemon->systemd, "draining: %u requests in hand",
		       driver_open_requests(&daemon->driver));
	systemd_extend_timeout(daemon->systemd, daemon->config->daemon.drain_timeout + GRACE +
							LINGER + 10 * USEC_PER_SEC);
	await_pending(daemon);
	driver_stop(&daemon->driver);
}

static void on_signal(void *owner, int number, const char *sender)
{
	struct daemon *daemon = owner;

	char text[256];

	if (number != SIGHUP || daemon->manner->in_terminal) {
		stop(daemon, number, sender);
		return;
	}
	snprintf(text, sizeof(text),
		 "SIGHUP: the configuration is read at start only; restart to change it (%s)",
		 sender);
	notify_config(&daemon->driver, LOG_LEVEL_WARNING, NO_SLOT, "not reloaded", text);
}

/* --- changed files --- */

static void on_files_changed(void *owner)
{
	struct daemon *daemon = owner;

	if (driver_is_stopping(&daemon->driver))
		return;
	notify_config(&daemon->driver, LOG_LEVEL_NOTICE, NO_SLOT, "files changed",
		      "Python files have changed: the workers are replaced one after the other");
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
		log_warning("files below %s are not watched, so that no change of them restarts "
			    "the workers: %s",
			    daemon->manner->reload_folder, strerror(-r));
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
		log_warning(
			"the limit of open files stays at %llu: it could not be raised to %llu: "
			"%s",
			(unsigned long long)ret_original->rlim_cur,
			(unsigned long long)wanted.rlim_cur, strerror(errno));
}

static void set_timers(struct daemon *daemon)
{
	struct event_base *base = daemon->loop.base;

	evtimer_assign(&daemon->watchdog, base, on_watchdog, daemon);
	evtimer_assign(&daemon->start_timer, base, on_start_timeout, daemon);
	evtimer_assign(&daemon->grace_timer, base, on_grace_over, daemon);
	evtimer_assign(&daemon->linger_timer, base, on_linger_over, daemon);
	evtimer_assign(&daemon->pending_timer, base, on_pending, daemon);
	loop_set_event_timer(&daemon->start_timer, daemon->config->daemon.start_timeout);
	set_watchdog(daemon);
}

static void unwatch(struct daemon *daemon)
{
	signals_close(&daemon->signals);
	event_del(&daemon->watchdog);
	event_del(&daemon->start_timer);
	event_del(&daemon->grace_timer);
	event_del(&daemon->linger_timer);
	event_del(&daemon->pending_timer);
	guard_unwatch(&daemon->guard);
}

static int open_listener(struct daemon *daemon)
{
	int fd = systemd_listen_fd(daemon->systemd, SOCKET_NAME);
	char why[SOCKET_FILE_WHY_SIZE];
	int r;

	if (fd < 0 && fd != -ENOENT) {
		log_error("the socket handed over as " SOCKET_NAME
			  " is not a listening Unix stream socket: see ListenStream= in "
			  "poold.socket");
		return fd;
	}
	r = listener_open(&daemon->listener, &daemon->frontend, fd, why);
	if (r < 0)
		log_error("socket %s: %s", daemon->config->daemon.socket, why);
	return r;
}

static int open_http(struct daemon *daemon)
{
	char why[SOCKET_FILE_WHY_SIZE];
	int r = http_open(&daemon->http, &daemon->driver, why);

	if (r < 0)
		log_error("HTTP at %s: %s", daemon->config->http.listen, why);
	return r;
}

static int open_signals(struct daemon *daemon)
{
	int r = signals_open(&daemon->signals, &daemon->loop, on_signal, daemon);

	if (r < 0)
		log_error("signals cannot be read: %s", strerror(-r));
	return r;
}

/* Where the service manager has a directory for the service, that is the default; but what a service
 * starts, as `poold run`, finds the same in its environment. */
static const char *state_directory(const struct daemon *daemon)
{
	const char *path = daemon->config->daemon.state_directory;

	return *path || daemon->manner->in_terminal ? path : daemon->systemd->state_directory;
}

static int serve(struct daemon *daemon)
{
	int r = open_signals(daemon);

	if (r < 0)
		return r;
	r = open_listener(daemon);
	if (r < 0) {
		signals_close(&daemon->signals);
		return r;
	}
	r = open_http(daemon);
	if (r < 0) {
		listener_close(&daemon->listener);
		signals_close(&daemon->signals);
		return r;
	}
	set_timers(daemon);
	watch_files(daemon);
	kept_errors_open(&daemon->kept_errors, &daemon->driver, state_directory(daemon));
	driver_start(&daemon->driver);
	alerting_start(&daemon->alerting);
	on_change(daemon);
	r = guard_watch(&daemon->guard, &daemon->loop,
			daemon->driver.confine.cgroups.base[0] != '\0', on_change, daemon);
	if (r == 0)
		loop_run(&daemon->loop);
	leave(daemon);
	link_free_closed(&daemon->loop);
	kept_errors_close(&daemon->kept_errors);
	unwatch(daemon);
	watch_close(&daemon->watch);
	listener_close(&daemon->listener);
	log_notice("stopped");
	return r;
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
		r = alerting_init(&daemon->alerting, &daemon->driver);
		if (r == 0)
			r = serve(daemon);
		alerting_done(&daemon->alerting);
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

	signals_block_all();
	signal(SIGPIPE, SIG_IGN);
	/* Its memory has the data of all clients: its workers, of the same user, may not look. */
	if (!config->daemon.core_dumps)
		prctl(PR_SET_DUMPABLE, 0);
	r = identity_check(config);
	if (r < 0)
		return is_passing(r) ? DAEMON_EXIT_FAILED : DAEMON_EXIT_CONFIG;
	r = guard_start(&daemon.guard);
	if (r < 0) {
		log_error("no name could be drawn for the daemon: %s", strerror(-r));
		return DAEMON_EXIT_FAILED;
	}
	r = run_loop(&daemon);
	guard_finish(&daemon.guard);
	if (r == -ENOMEM)
		log_error("not enough memory for the configured limits: lower requests_max, "
			  "workers_max, sessions_max, keys_max, errors_kept or events_kept");
	return r < 0 ? DAEMON_EXIT_FAILED : DAEMON_EXIT_OK;
}
