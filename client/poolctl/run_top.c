/* `poolctl top`: its loop, and the two ways to print it once. */
#include "client/poolctl/failure.h"
#include "client/poolctl/json.h"
#include "client/poolctl/run.h"
#include "client/poolctl/top_ask.h"
#include "client/poolctl/top_layout.h"
#include "client/poolctl/top_screen.h"

#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#define WIDTH_DEFAULT 80

struct top {
	const struct options *options;
	struct poold_client *client;
	struct top_ask ask;
	struct top_model model;
	struct top_verdict verdict;
	struct top_tables tables;
	struct top_state state;
	double next_ms; /* when to ask again */
	int signals;	/* a signalfd */
	int ending;	/* the signal that ends it; 0: none */
	bool is_acting; /* an action is not answered yet: its call is in `acting` */
	char acting[TOP_LINE_MAX];
	bool is_changed; /* the screen is to be drawn */
	int status;	 /* 0, or the error that ends it */
};

static double now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1000 + (double)now.tv_nsec / 1e6;
}

/* Text is UTF-8 or else ASCII: other character sets are not written. */
static void choose_locale(const char *otherwise)
{
	const char *chosen = setlocale(LC_CTYPE, "");

	if (!chosen || strcmp(nl_langinfo(CODESET), "UTF-8") != 0)
		setlocale(LC_CTYPE, otherwise);
}

static int report_lost(const struct options *options, const struct poold_client *client,
		       const struct top_ask *ask)
{
	struct poold_reply reply = {.status = ask->status,
				    .error = {.code = "peer_closed",
					      .category = "connection_error",
					      .message = ask->fault,
					      .retryable = true}};

	return failure_report(options, client, &reply);
}

/* --- once --- */

/* Waits until the time, or until all answers are there, whichever is later. */
static void wait_for(struct top *top, double until_ms)
{
	while (top->ask.pending > 0 || now_ms() < until_ms) {
		struct pollfd ready = {.fd = poold_fd(top->client),
				       .events = poold_events(top->client)};
		double left = until_ms - now_ms();
		int limit = poold_timeout_ms(top->client);

		if (top->ask.pending == 0)
			limit = left > 0 ? (int)left + 1 : 0;
		poll(&ready, 1, limit);
		poold_dispatch(top->client, ready.revents);
	}
}

/* Two samples, so that there are rates. */
static int sample_twice(struct top *top)
{
	double begin = now_ms();
	int r = 0;

	for (int i = 0; i < 2 && r == 0; i++) {
		wait_for(top, begin + i * (double)top->options->interval_ms);
		top_ask_begin(&top->ask, i == 0 ? TOP_ASK_ALWAYS : TOP_ASK_ALL, false);
		wait_for(top, 0);
		if (top->ask.status < 0)
			return report_lost(top->options, top->client, &top->ask);
		r = top_model_add(&top->model, &top->ask.sample);
	}
	return r < 0 ? failure_exit_status(r) : 0;
}

static int print_json(const struct top *top)
{
	json_t *json = top_json(&top->model);

	if (!json)
		return EX_OSERR;
	json_print(json, true, stdout);
	json_decref(json);
	return 0;
}

static int print_screen(struct top *top)
{
	struct winsize size = {0};
	unsigned width = WIDTH_DEFAULT, last = 0;
	struct canvas canvas;
	char *line;
	int r;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
		width = size.ws_col;
	top_verdict_make(&top->verdict, &top->model);
	if (canvas_init(&canvas, width, top_layout_height(&top->model, &top->verdict)) < 0)
		return EX_OSERR;
	r = top_layout_all(&canvas, &top->model, &top->verdict);
	line = malloc(canvas_line_size(&canvas));
	for (unsigned y = 0; line && r == 0 && y < canvas.height; y++)
		if (canvas_line(&canvas, y, line, canvas_line_size(&canvas))[0])
			last = y + 1;
	for (unsigned y = 0; line && y < last; y++)
		puts(canvas_line(&canvas, y, line, canvas_line_size(&canvas)));
	canvas_done(&canvas);
	free(line);
	return line && r == 0 ? 0 : EX_OSERR;
}

static int run_once(struct top *top)
{
	int r;

	choose_locale("C.UTF-8");
	r = sample_twice(top);
	if (r == 0)
		r = top->options->json ? print_json(top) : print_screen(top);
	return r;
}

/* --- the screen --- */

/* Makes the tables of the last sample; their rows point into it. */
static void make_tables(struct top *top)
{
	int r = top_tables_make(&top->tables, &top->model, &top->state);

	if (r < 0)
		top->status = r;
}

static void draw(struct top *top)
{
	unsigned width, height;
	struct canvas canvas;

	top_screen_measure(&width, &height);
	if (canvas_init(&canvas, width, height) < 0) {
		top->status = -ENOMEM;
		return;
	}
	top_verdict_make(&top->verdict, &top->model);
	top_layout(&canvas, &top->model, &top->verdict, &top->tables, &top->state);
	top_screen_draw(&canvas);
	canvas_done(&canvas);
	top->is_changed = false;
}

/* --- asking --- */

static unsigned wanted_answers(const struct top *top)
{
	return TOP_ASK_ALWAYS | 1u << top_pane_answer(top->state.lower);
}

static void take_sample(struct top *top)
{
	/* A frozen screen does not show what was asked for before; only that the daemon is back. */
	bool is_unwanted = top->state.is_frozen && !top->state.lost;

	top->state.lost = top->ask.status < 0 ? top->ask.fault : NULL;
	top->state.is_silent = top->ask.status == -ETIMEDOUT;
	top->is_changed = true;
	if (top->ask.status < 0 || is_unwanted) {
		top_sample_done(&top->ask.sample);
		return;
	}
	if (top_model_add(&top->model, &top->ask.sample) == -ENOMEM)
		top->status = -ENOMEM;
	make_tables(top);
}

static void ask_again(struct top *top)
{
	double now = now_ms();

	if (top->ask.pending > 0 || (!top->state.is_asked && now < top->next_ms) ||
	    (top->state.is_frozen && !top->state.lost))
		return;
	top->state.is_asked = false;
	top->next_ms = now + (double)(top->state.lost ? 1000 : top->options->interval_ms);
	top_ask_begin(&top->ask, wanted_answers(top), top->state.all_requests);
	if (top->ask.pending == 0)
		take_sample(top);
}

/* --- actions --- */

static void on_acted(void *userdata, const struct poold_reply *reply)
{
	struct top *top = userdata;
	json_t *json = NULL;
	char *text;

	top->is_acting = false;
	top->is_changed = true;
	top->state.is_asked = true;
	if (reply->status < 0) {
		top_state_say(&top->state, LOOK_BAD, "%s: %s: %s",
			      strcmp(reply->error.code, "permission_denied") == 0
				      ? "you may not do that"
				      : "failed",
			      reply->error.code, reply->error.message);
		return;
	}
	json_from_value(reply->result, JSON_MARKED, &json);
	text = json ? json_dumps(json, JSON_ENCODE_ANY) : NULL;
	top_state_say(&top->state, LOOK_GOOD, "done: %s: %s", top->acting, text ? text : "");
	free(text);
	json_decref(json);
}

static void begin_action(struct top *top)
{
	struct poold_writer *params;
	int r;

	top->state.is_confirmed = false;
	if (top->is_acting) {
		top_state_say(&top->state, LOOK_WARNING, "wait for the answer to %s", top->acting);
		return;
	}
	params = poold_writer_new();
	r = params ? 0 : -ENOMEM;
	top_action_call(&top->state.action, top->acting);
	if (r == 0) {
		top_action_write(&top->state.action, params);
		r = poold_request_start(top->client, top_action_method(&top->state.action),
					poold_writer_bytes(params), top->options->wait_ms, on_acted,
					top, NULL);
	}
	poold_writer_free(params);
	top->is_acting = r == 0;
	if (r < 0)
		top_state_say(&top->state, LOOK_BAD, "failed: %s", strerror(-r));
}

/* --- signals and keys --- */

/* Stops as the shell expects it, and goes on when the shell says so. */
static void stop(struct top *top)
{
	sigset_t set;

	top_screen_pause();
	sigemptyset(&set);
	sigaddset(&set, SIGTSTP);
	raise(SIGTSTP);
	sigprocmask(SIG_UNBLOCK, &set, NULL); /* here it stops */
	sigprocmask(SIG_BLOCK, &set, NULL);
	top_screen_go_on();
	top->is_changed = true;
}

static void read_signals(struct top *top)
{
	struct signalfd_siginfo info;

	while (read(top->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGTSTP)
			stop(top);
		else if (info.ssi_signo == SIGWINCH)
			top->is_changed = true;
		else
			top->ending = (int)info.ssi_signo;
	}
}

static void read_keys(struct top *top)
{
	unsigned key;

	while (!top->state.is_over && (key = top_screen_key()) != 0) {
		top_state_key(&top->state, key, &top->tables);
		make_tables(top);
		if (top->state.is_confirmed)
			begin_action(top);
		top->is_changed = true;
	}
}

/* --- the loop --- */

static int poll_limit(const struct top *top)
{
	int limit = poold_timeout_ms(top->client);
	double left = top->next_ms - now_ms();

	if (top->ask.pending > 0 || (top->state.is_frozen && !top->state.lost))
		return limit;
	left = left > 0 ? left + 1 : 0;
	return limit < 0 || left < limit ? (int)left : limit;
}

static void turn(struct top *top)
{
	struct pollfd fds[] = {
		{.fd = STDIN_FILENO, .events = POLLIN},
		{.fd = top->signals, .events = POLLIN},
		{.fd = poold_fd(top->client), .events = poold_events(top->client)},
	};
	bool was_pending = top->ask.pending > 0;

	poll(fds, 3, poll_limit(top));
	poold_dispatch(top->client, fds[2].revents);
	if (was_pending && top->ask.pending == 0)
		take_sample(top);
	if (fds[1].revents)
		read_signals(top);
	if (fds[0].revents & (POLLHUP | POLLERR | POLLNVAL)) /* the terminal is gone */
		top->ending = SIGHUP;
	else if (fds[0].revents)
		read_keys(top);
	ask_again(top);
	if (top->is_changed && top->ending == 0 && top->status == 0)
		draw(top);
}

/* The signals that are taken in turn().  Returns the signalfd, or a negative errno. */
static int take_signals(sigset_t *ret_old)
{
	static const int taken[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGWINCH};
	sigset_t set;
	int fd;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
		sigaddset(&set, taken[i]);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd >= 0)
		sigprocmask(SIG_BLOCK, &set, ret_old);
	return fd < 0 ? -errno : fd;
}

static int refuse_screen(const struct command *command, int r)
{
	const char *type = getenv("TERM");

	if (r == -ENOTSUP)
		return failure_usage(
			command,
			"this type of terminal is unknown, or has no screen (TERM=%.100s); "
			"poolctl top --once needs none",
			type ? type : "");
	return failure_usage(command, "this is not a terminal; poolctl top --once needs none");
}

/* Ends as the signal would have ended it. */
static void end_by(int number)
{
	sigset_t set;

	signal(number, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, number);
	raise(number);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static int run_screen(const struct command *command, struct top *top)
{
	sigset_t old;
	int r;

	choose_locale("C");
	top->signals = take_signals(&old);
	if (top->signals < 0)
		return failure_exit_status(top->signals);
	r = top_screen_open();
	if (r < 0) {
		close(top->signals);
		sigprocmask(SIG_SETMASK, &old, NULL);
		return refuse_screen(command, r);
	}
	while (!top->state.is_over && top->ending == 0 && top->status == 0)
		turn(top);
	top_screen_close();
	close(top->signals);
	if (top->ending != 0)
		end_by(top->ending);
	sigprocmask(SIG_SETMASK, &old, NULL);
	if (top->status < 0)
		fprintf(stderr, "poolctl: %s\n", strerror(-top->status));
	return failure_exit_status(top->status);
}

/* --- the command --- */

/* Whether there is a daemon; returns 0, or the exit status after it was said why not. */
static int greet(struct poold_client *client, const struct options *options)
{
	struct poold_reply reply;
	int r = poold_request(client, "poold.version", (struct poold_bytes){0}, options->wait_ms,
			      &reply);

	if (r < 0)
		r = failure_report(options, client, &reply);
	poold_reply_free(&reply);
	return r;
}

int run_top(const struct command *command, const struct options *options,
	    struct poold_client *client, char **args, int arg_count)
{
	struct top top = {.options = options, .client = client};
	int r = greet(client, options);

	(void)args;
	(void)arg_count;
	if (r != 0)
		return r;
	top_ask_init(&top.ask, client, options->wait_ms);
	top_state_init(&top.state);
	if (options->once || options->json)
		r = run_once(&top);
	else
		r = run_screen(command, &top);
	top_tables_done(&top.tables);
	top_model_done(&top.model);
	top_ask_done(&top.ask);
	return r;
}
