/*
 * The load client of the comparison with other programs: it speaks the protocol of each with the
 * same little cost.
 *
 *	ask --wire NAME --to PATH|PORT [--connections N] [--payload BYTES] [--seconds S]
 *	    [--warmup S] [--patience S]
 *
 * Each connection has one request in flight.  A request is made before the start; only the number
 * in its payload changes, and the answer must be that payload.  PATH is a Unix socket, PORT one of
 * 127.0.0.1.  Where nothing comes for `patience`, the program ends with an error.
 */
#include "tests/bench/bench.h"

#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/epoll.h>

#include "tests/bench/latency.h"
#include "tests/bench/peers/wire_fastcgi.h"
#include "tests/bench/peers/wire_gearman.h"
#include "tests/bench/peers/wire_http.h"
#include "tests/bench/peers/wire_nats.h"
#include "tests/bench/peers/wire_packet4.h"
#include "tests/bench/peers/wire_poold.h"
#include "tests/bench/peers/wire_redis.h"

#define EVENTS_MAX 256

/* Bits of a connection's number that are its own; the others are those of the process, so that
 * nobody gets the late answer to a client that has gone. */
#define NUMBER_BITS 10

#define REQUEST_MAX ((size_t)1 << 20)

static const struct wire *const wires[] = {
	&wire_poold, &wire_http,  &wire_uwsgi,	 &wire_fastcgi,
	&wire_nats,  &wire_redis, &wire_gearman, &wire_packet4,
};

struct options {
	const struct wire *wire;
	const char *to;
	uint32_t connections;
	size_t payload;
	double seconds;
	double warmup;
	double patience;
};

struct connection {
	uint32_t number;
	int fd;
	uint8_t *request;
	size_t request_len;
	size_t payload_at;
	uint64_t asked_nsec;
	struct backlog in;
};

static struct options options = {
	.connections = 1,
	.payload = 64,
	.seconds = 1,
	.warmup = 0.2,
	.patience = 10,
};
static int epoll_fd;
static uint64_t asked;
static uint64_t answered;
static bool is_ending;
static struct latency latency;

/* --- connections ------------------------------------------------------------------------------ */

static int connect_port(uint16_t port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int yes = 1;

	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		err(1, "port %d", port);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	return fd;
}

static int connect_path(const char *path)
{
	struct sockaddr_un address = unix_address(path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		err(1, "%s", path);
	return fd;
}

static void connection_open(struct connection *connection)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};

	connection->fd = *options.to == '/' ? connect_path(options.to)
					    : connect_port((uint16_t)parse_number(options.to));
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, connection->fd, &event) < 0)
		err(1, "epoll_ctl");
}

/* So little has room in any socket: what is not taken whole is a fault. */
static void write_whole(int fd, const uint8_t *data, size_t len)
{
	ssize_t written = send(fd, data, len, MSG_NOSIGNAL);

	if (written != (ssize_t)len)
		err(1, "write");
}

static void connection_ask(struct connection *connection)
{
	if (options.wire->is_once)
		connection_open(connection);
	asked++;
	memcpy(connection->request + connection->payload_at, &asked, sizeof(asked));
	connection->asked_nsec = clock_nsec();
	write_whole(connection->fd, connection->request, connection->request_len);
}

static void connection_init(struct connection *connection, uint32_t number)
{
	struct bytes payload;
	struct buf out;
	uint8_t *bytes = malloc(options.payload);

	if (!bytes)
		err(1, "memory");
	for (size_t i = 0; i < options.payload; i++)
		bytes[i] = (uint8_t)('a' + i % 26);
	payload = (struct bytes){bytes, options.payload};
	*connection = (struct connection){.number = number};
	if (!options.wire->is_once)
		connection_open(connection);
	buf_init(&out, REQUEST_MAX);
	if (options.wire->greet) {
		options.wire->greet(&out, number);
		write_whole(connection->fd, out.data, out.len);
		buf_reset(&out);
	}
	options.wire->ask(&out, number, payload);
	if (buf_error(&out) < 0)
		errx(1, "memory");
	/* The buffer stays: it is the request. */
	connection->request = out.data;
	connection->request_len = out.len;
	connection->payload_at =
		(size_t)((const uint8_t *)memmem(out.data, out.len, bytes, options.payload) -
			 out.data);
	free(bytes);
}

/* --- answers ---------------------------------------------------------------------------------- */

static void check(const struct connection *connection, struct bytes payload)
{
	if (payload.len != options.payload ||
	    memcmp(payload.data, connection->request + connection->payload_at, payload.len) != 0)
		errx(1, "an answer that differs from what was asked");
}

static void readable(struct connection *connection)
{
	struct bytes payload;
	ssize_t count = backlog_read(&connection->in, connection->fd, READ_ROOM / 64);
	size_t len = options.wire->answer(backlog_front(&connection->in),
					  backlog_len(&connection->in), &payload);

	if (len == 0 && count == 0)
		errx(1, "the connection was closed without an answer");
	if (len == 0)
		return;
	check(connection, payload);
	answered++;
	latency_add(&latency, clock_nsec() - connection->asked_nsec);
	backlog_take(&connection->in, len);
	if (options.wire->is_once) {
		close(connection->fd);
		backlog_take(&connection->in, backlog_len(&connection->in));
	}
	if (!is_ending)
		connection_ask(connection);
}

/* --- the run ---------------------------------------------------------------------------------- */

/* Deals with what comes in the next so many milliseconds.  Returns whether anything came. */
static bool turn(int milliseconds)
{
	struct epoll_event events[EVENTS_MAX];
	int count = epoll_wait(epoll_fd, events, EVENTS_MAX, milliseconds);

	for (int i = 0; i < count; i++)
		readable(events[i].data.ptr);
	return count > 0;
}

static void run_until(uint64_t end)
{
	uint64_t last = clock_nsec();

	for (uint64_t now = last; now < end; now = clock_nsec()) {
		if (turn(20))
			last = now;
		else if ((double)(now - last) > options.patience * (double)NSEC_PER_SEC)
			errx(1, "no answer");
	}
}

static uint64_t after(double seconds)
{
	return clock_nsec() + (uint64_t)(seconds * (double)NSEC_PER_SEC);
}

static void report(double seconds)
{
	printf("{\"rate\": %.1f, \"seconds\": %.6f, \"p50_us\": %.2f, \"p99_us\": %.2f, "
	       "\"max_us\": %.2f, \"succeeded\": %" PRIu64 ", \"asked\": %" PRIu64 "}\n",
	       (double)latency.count / seconds, seconds, latency_quantile_usec(&latency, 0.5),
	       latency_quantile_usec(&latency, 0.99), (double)latency.max_nsec / 1000,
	       latency.count, asked);
}

/* --- options ---------------------------------------------------------------------------------- */

static double parse_seconds(const char *text)
{
	return parse_decimal(text, 1e6);
}

static const struct wire *find_wire(const char *name)
{
	for (size_t i = 0; i < sizeof(wires) / sizeof(*wires); i++)
		if (strcmp(wires[i]->name, name) == 0)
			return wires[i];
	errx(2, "%s: no such protocol", name);
}

static void set_option(int option)
{
	switch (option) {
	case 'k':
		options.wire = find_wire(optarg);
		break;
	case 'o':
		options.to = optarg;
		break;
	case 'c':
		options.connections = (uint32_t)parse_number(optarg);
		break;
	case 'p':
		options.payload = parse_number(optarg);
		break;
	case 's':
		options.seconds = parse_seconds(optarg);
		break;
	case 'w':
		options.warmup = parse_seconds(optarg);
		break;
	case 'a':
		options.patience = parse_seconds(optarg);
		break;
	default:
		exit(2);
	}
}

static void parse_options(int argc, char **argv)
{
	static const struct option known[] = {
		{"wire", required_argument, NULL, 'k'},
		{"to", required_argument, NULL, 'o'},
		{"connections", required_argument, NULL, 'c'},
		{"payload", required_argument, NULL, 'p'},
		{"seconds", required_argument, NULL, 's'},
		{"warmup", required_argument, NULL, 'w'},
		{"patience", required_argument, NULL, 'a'},
		{0},
	};

	for (int option; (option = getopt_long(argc, argv, "", known, NULL)) >= 0;)
		set_option(option);
	if (!options.wire || !options.to || optind != argc)
		errx(2, "--wire NAME and --to PATH|PORT are needed, and nothing but options");
	if (options.connections == 0 || options.connections > 1 << NUMBER_BITS ||
	    options.payload < 26 || options.payload > REQUEST_MAX / 2)
		errx(2, "1 to 1024 connections, and a payload of 26 bytes to half a MiB");
}

int main(int argc, char **argv)
{
	struct connection *connections;
	uint64_t start;

	parse_options(argc, argv);
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	connections = calloc(options.connections, sizeof(*connections));
	if (epoll_fd < 0 || !connections)
		err(1, "start");
	for (uint32_t i = 0; i < options.connections; i++)
		connection_init(&connections[i], (uint32_t)getpid() << NUMBER_BITS | i);
	for (uint32_t i = 0; i < options.connections; i++)
		connection_ask(&connections[i]);
	run_until(after(options.warmup));
	latency = (struct latency){0};
	start = clock_nsec();
	run_until(after(options.seconds));
	report((double)(clock_nsec() - start) / (double)NSEC_PER_SEC);
	/* What was asked must be answered, so that nothing of it disturbs the next run. */
	is_ending = true;
	for (uint64_t end = after(options.patience); answered < asked && clock_nsec() < end;)
		turn(20);
	return answered < asked ? 3 : 0;
}
