/* poold-mcp: an MCP server on standard input and output that is a pool of poold. */
#include "client/mcp/bridge.h"
#include "client/mcp/input.h"
#include "client/mcp/output.h"
#include "client/poolctl/argument.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <poold.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#define LINGER_MS 1000

/* How long a client that is to read the last answers may stand still. */
#define REST_MS 500

static const char help[] =
	"poold-mcp: serve a pool of poold to an MCP client.\n"
	"\n"
	"Usage: poold-mcp [OPTIONS] POOL\n"
	"\n"
	"An MCP client starts it as a server on standard input and output.  Its requests\n"
	"become calls of POOL, whose workers are tool servers (dialect = jsonrpc).\n"
	"\n"
	"Options:\n"
	"  -s, --socket PATH       the daemon's socket ($POOLD_SOCKET, " POOLD_SOCKET_DEFAULT ")\n"
	"  -t, --timeout DURATION  time limit of each request (as configured for the pool)\n"
	"      --no-session        requests may run at once, and on any worker; else they are\n"
	"                          one session: one at a time, if possible on one worker\n"
	"      --linger DURATION   how long unanswered requests may take after the end of the\n"
	"                          input (1s)\n"
	"  -h, --help              print this text\n"
	"  -V, --version           print the version\n"
	"\n"
	"A DURATION is 250ms, 5s, 2min, 1h, or a number of seconds.\n"
	"\n"
	"Exit status:\n"
	"  0   the input has ended            71  out of memory\n"
	"  64  wrong usage                    74  input or output failed\n"
	"  65  a line of the input is too long\n";

struct options {
	const char *socket;
	struct bridge_options bridge;
	uint64_t linger_ms;
	bool help;
	bool version;
};

/* --- options --- */

enum {
	OPTION_NO_SESSION = 256,
	OPTION_LINGER
};

static const struct option long_options[] = {
	{"socket", required_argument, NULL, 's'},
	{"timeout", required_argument, NULL, 't'},
	{"no-session", no_argument, NULL, OPTION_NO_SESSION},
	{"linger", required_argument, NULL, OPTION_LINGER},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
	{NULL, 0, NULL, 0},
};

static int usage(const char *what, const char *which)
{
	fprintf(stderr, "poold-mcp: %s%s%s; see poold-mcp --help\n", what, which ? ": " : "",
		which ? which : "");
	return EX_USAGE;
}

static int set_option(struct options *options, int option, const char *text)
{
	switch (option) {
	case 's':
		options->socket = text;
		return 0;
	case 't':
	case OPTION_LINGER:
		if (argument_duration(text, option == 't' ? &options->bridge.timeout_ms
							  : &options->linger_ms))
			return 0;
		return usage("not a duration", text);
	case OPTION_NO_SESSION:
		options->bridge.has_session = false;
		return 0;
	case 'h':
		options->help = true;
		return 0;
	case 'V':
		options->version = true;
		return 0;
	default:
		return usage("unknown option", NULL);
	}
}

/* Returns 0 or an exit status. */
static int read_options(int argc, char **argv, struct options *options)
{
	int option;

	while ((option = getopt_long(argc, argv, "s:t:hV", long_options, NULL)) != -1) {
		int r = set_option(options, option, optarg);

		if (r != 0)
			return r;
	}
	if (options->help || options->version)
		return 0;
	if (argc - optind != 1)
		return usage("the name of one pool is needed", NULL);
	options->bridge.pool = argv[optind];
	if (*options->bridge.pool == '\0' || strlen(options->bridge.pool) > 255)
		return usage("not the name of a pool", options->bridge.pool);
	return 0;
}

/* --- the loop --- */

static volatile sig_atomic_t is_stopped;

static void on_signal(int number)
{
	(void)number;
	is_stopped = 1;
}

/* The signals that end the program come only while it waits; `ret_waiting` is the mask for that. */
static void prepare_signals(sigset_t *ret_waiting)
{
	static const int ends[] = {SIGTERM, SIGINT, SIGHUP};
	struct sigaction action = {.sa_handler = on_signal};
	sigset_t blocked;

	sigemptyset(&action.sa_mask);
	sigemptyset(&blocked);
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		sigaddset(&blocked, ends[i]);
		sigaction(ends[i], &action, NULL);
	}
	sigprocmask(SIG_BLOCK, &blocked, ret_waiting);
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		sigdelset(ret_waiting, ends[i]);
	action.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &action, NULL);
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

struct loop {
	struct input input;
	struct output output;
	struct bridge bridge;
	struct poold_client *client;
	sigset_t waiting; /* the mask of signals while it waits */
	uint64_t linger_ms;
	uint64_t end_at; /* when it no longer waits for answers; 0: the input has not ended */
};

enum {
	FD_INPUT,
	FD_CLIENT,
	FD_OUTPUT,
	FD_COUNT
};

/* How long to wait, in milliseconds; -1: without limit. */
static int longest_wait(const struct loop *loop)
{
	/* While the output is full, the time limits of calls wait as well. */
	int wait = output_is_full(&loop->output) ? -1 : poold_timeout_ms(loop->client);
	uint64_t now = now_ms(), left;

	if (loop->end_at == 0)
		return wait;
	left = loop->end_at > now ? loop->end_at - now : 0;
	return wait < 0 || left < (uint64_t)wait ? (int)left : wait;
}

static int wait_for_events(struct loop *loop, struct pollfd fds[static FD_COUNT])
{
	bool is_full = output_is_full(&loop->output);
	int wait = longest_wait(loop);
	struct timespec time = {.tv_sec = wait / 1000, .tv_nsec = (long)(wait % 1000) * 1000000};

	/* Who does not read gets no more to read. */
	fds[FD_INPUT] = (struct pollfd){
		.fd = is_full || loop->input.has_ended ? -1 : loop->input.fd, .events = POLLIN};
	fds[FD_CLIENT] = (struct pollfd){.fd = is_full ? -1 : poold_fd(loop->client),
					 .events = poold_events(loop->client)};
	fds[FD_OUTPUT] = (struct pollfd){.fd = loop->output.fd,
					 .events = output_is_empty(&loop->output) ? 0 : POLLOUT};
	if (ppoll(fds, FD_COUNT, wait < 0 ? NULL : &time, &loop->waiting) >= 0)
		return 0;
	for (int i = 0; i < FD_COUNT; i++)
		fds[i].revents = 0;
	return errno == EINTR ? 0 : -errno;
}

static int take_input(struct loop *loop)
{
	const char *line;
	size_t len;
	int r = input_read(&loop->input);

	if (r < 0)
		return r;
	while (input_next(&loop->input, &line, &len))
		bridge_take(&loop->bridge, line, len);
	if (loop->input.has_ended)
		loop->end_at = now_ms() + loop->linger_ms;
	return 0;
}

/* Whether there is nothing more to do. */
static bool is_over(const struct loop *loop)
{
	if (is_stopped)
		return true;
	if (loop->end_at == 0)
		return false;
	return now_ms() >= loop->end_at ||
	       (bridge_is_idle(&loop->bridge) && output_is_empty(&loop->output));
}

/* Returns 0 when the input has ended or a signal came, or the error of the input or output. */
static int run(struct loop *loop)
{
	struct pollfd fds[FD_COUNT];

	while (!is_over(loop)) {
		int r = wait_for_events(loop, fds);

		if (r == 0 && fds[FD_OUTPUT].revents & POLLOUT)
			r = output_write(&loop->output);
		if (r < 0)
			return r;
		/* Nobody reads any more. */
		if (fds[FD_OUTPUT].revents & (POLLERR | POLLNVAL))
			return -EPIPE;
		/* What ends the connection answers the calls on it; the next one connects again. */
		if (!output_is_full(&loop->output))
			(void)poold_dispatch(loop->client, fds[FD_CLIENT].revents);
		if (fds[FD_INPUT].revents != 0)
			r = take_input(loop);
		if (r < 0 || loop->output.error < 0)
			return r < 0 ? r : loop->output.error;
	}
	return 0;
}

/* Writes what is left, unless nobody reads it. */
static int write_rest(struct output *output)
{
	struct pollfd fd = {.fd = output->fd, .events = POLLOUT};
	int r = output->error;

	while (r == 0 && !output_is_empty(output) && poll(&fd, 1, REST_MS) > 0)
		r = fd.revents & POLLOUT ? output_write(output) : -EPIPE;
	return r;
}

static int exit_status(int error)
{
	switch (error) {
	case 0:
	case -EPIPE: /* the client has left */
		return 0;
	case -ENOMEM:
		return EX_OSERR;
	case -EMSGSIZE:
		return EX_DATAERR;
	default:
		return EX_IOERR;
	}
}

static int serve(const struct options *options, struct poold_client *client)
{
	struct loop loop = {.client = client, .linger_ms = options->linger_ms};
	int r;

	prepare_signals(&loop.waiting);
	input_init(&loop.input, STDIN_FILENO);
	output_init(&loop.output, STDOUT_FILENO);
	bridge_init(&loop.bridge, &options->bridge, client, &loop.output);
	r = run(&loop);
	bridge_end(&loop.bridge);
	if (r == 0)
		r = write_rest(&loop.output);
	if (exit_status(r) != 0)
		fprintf(stderr, "poold-mcp: %s\n",
			r == -EMSGSIZE ? "a line of the input is too long" : strerror(-r));
	bridge_done(&loop.bridge);
	input_done(&loop.input);
	output_done(&loop.output);
	return exit_status(r);
}

int main(int argc, char **argv)
{
	struct options options = {.bridge.has_session = true, .linger_ms = LINGER_MS};
	const struct poold_client_options client_options = {.name = "poold-mcp"};
	struct poold_client *client;
	int r = read_options(argc, argv, &options);

	if (r != 0)
		return r;
	if (options.help) {
		fputs(help, stdout);
		return 0;
	}
	if (options.version) {
		printf("poold-mcp %s\n", poold_version());
		return 0;
	}
	r = poold_client_new(options.socket, &client_options, &client);
	if (r == -EINVAL)
		return usage("the path of a socket must have 1 to 107 bytes", options.socket);
	if (r < 0) {
		fprintf(stderr, "poold-mcp: %s\n", strerror(-r));
		return EX_OSERR;
	}
	r = serve(&options, client);
	poold_client_free(client);
	return r;
}
