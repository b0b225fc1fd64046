/*
 * The load client: asks as fast as it is answered (or at a given rate), checks every answer, and
 * says how fast that went.
 *
 *	load --socket PATH [--framing length|rpc|packed] [--connections N] [--depth N] [--payload BYTES]
 *	     [--seconds S] [--warmup S] [--pool NAME] [--method NAME] [--idempotent yes|no]
 *	     [--timeout-ms N] [--rate PER_SECOND] [--json]
 *
 * Every frame is made before the start; a request only changes its first 8 payload bytes, a number
 * of its own.  An answer must carry an id that is in flight and a payload of the right length; one
 * in 64 is compared whole.  With --rate, a latency counts from the moment the request was due, so
 * that a stall shows in every request that it held up.
 */
#include "tests/bench/bench.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

#include "tests/bench/frames.h"
#include "tests/bench/latency.h"

#define EVENTS_MAX   256
#define PIECES_MAX   64
#define COMPARE_EACH 64

/* So long without any answer, while answers are awaited, somebody did not run. */
#define GAP_NSEC (NSEC_PER_SEC / 1000)

/* How long the answers still out at the end are waited for. */
#define DRAIN_NSEC (10 * NSEC_PER_SEC)

struct options {
	const char *socket;
	struct call call;
	uint32_t connections;
	uint32_t depth;
	uint64_t warmup_nsec;
	uint64_t run_nsec;
	double rate; /* 0: as fast as answers come */
	bool json;
};

/* The requests of a connection that may be in flight at one time, one slot each. */
struct connection {
	int fd;
	bool is_stalled;
	struct backlog in;
	uint8_t *frames;      /* depth frames, next to each other */
	uint64_t *asked_nsec; /* per slot: when it was asked; 0: it is free */
	uint32_t *to_send;    /* ring of slots */
	uint32_t to_send_first;
	uint32_t to_send_count;
	size_t sent_of_first; /* bytes of the first one that are out already */
	uint32_t *free_slots; /* a stack, used with a rate only */
	uint32_t free_count;
};

struct counts {
	uint64_t sent;
	uint64_t succeeded;
	uint64_t failed;
	uint64_t skipped; /* due, but every slot was in flight */
};

static struct options options = {
	.connections = 1,
	.depth = 1,
	.call = {.payload = 64, .pool = "echo", .method = "echo"},
	.warmup_nsec = NSEC_PER_SEC / 5,
	.run_nsec = 2 * NSEC_PER_SEC,
};
static int epoll_fd;
static struct connection *connections;
static size_t frame_len;
static size_t payload_at; /* where a frame's payload begins */
static uint64_t in_flight;
static bool is_ending;
static struct counts total;
static struct counts measured; /* since the warm-up */
static struct latency latency;
static uint64_t answered_nsec; /* when the last answers were read */
static uint64_t gaps_nsec;     /* how long in all no answer came for GAP_NSEC or more */
static char first_error[256];

/* --- frames ----------------------------------------------------------------------------------- */

static void fill_payload(uint8_t *payload, uint32_t slot, uint32_t connection)
{
	for (size_t i = 0; i < options.call.payload; i++)
		payload[i] = (uint8_t)(i * 7 + i / 256 + slot * 31 + connection);
	memcpy(payload + 8, &slot, sizeof(slot));
}

static uint8_t *frames_new(uint32_t connection)
{
	uint8_t *payload = malloc(options.call.payload);
	uint8_t *frames = NULL;
	struct buf frame;

	if (!payload)
		err(1, "memory");
	buf_init(&frame, options.call.payload + 1024);
	for (uint32_t slot = 0; slot < options.depth; slot++) {
		fill_payload(payload, slot, connection);
		buf_reset(&frame);
		payload_at = put_frame(&frame, &options.call, slot, payload);
		frame_len = frame.len;
		if (!frames)
			frames = malloc(options.depth * frame_len);
		if (!frames || buf_error(&frame) < 0)
			err(1, "memory");
		memcpy(frames + slot * frame_len, frame.data, frame_len);
	}
	buf_free(&frame);
	free(payload);
	return frames;
}

/* --- answers ---------------------------------------------------------------------------------- */

/* [number, text], as a client is answered that has not asked for more. */
static void note_error(struct bytes error)
{
	struct reader reader;
	uint32_t count;
	int64_t number;
	struct bytes text;

	if (first_error[0])
		return;
	reader_init(&reader, error.data, error.len);
	if (read_array(&reader, &count) || read_int(&reader, &number) || read_str(&reader, &text))
		text = (struct bytes){(const uint8_t *)"(no text)", 9};
	snprintf(first_error, sizeof(first_error), "%.*s", (int)text.len, (const char *)text.data);
}

static void check_payload(const struct connection *connection, const struct answer *answer)
{
	const uint8_t *asked = connection->frames + answer->slot * frame_len + payload_at;

	if (answer->payload.len != options.call.payload)
		errx(1, "an answer of %zu bytes to %zu", answer->payload.len, options.call.payload);
	if (total.succeeded % COMPARE_EACH == 0 &&
	    memcmp(answer->payload.data, asked, options.call.payload) != 0)
		errx(1, "an answer that differs from what was asked");
}

static void count_answer(struct connection *connection, const struct answer *answer, uint64_t now)
{
	if (answer->slot >= options.depth || connection->asked_nsec[answer->slot] == 0)
		errx(1, "an answer to nothing that was asked (id %" PRIu64 ")", answer->slot);
	if (answer->is_error) {
		total.failed++;
		measured.failed++;
		note_error(answer->payload);
	} else {
		check_payload(connection, answer);
		total.succeeded++;
		measured.succeeded++;
		latency_add(&latency, now - connection->asked_nsec[answer->slot]);
	}
	connection->asked_nsec[answer->slot] = 0;
	in_flight--;
}

/* --- asking ----------------------------------------------------------------------------------- */

static void ask(struct connection *connection, uint32_t slot, uint64_t now)
{
	uint32_t at = connection->to_send_first + connection->to_send_count;
	uint64_t number = total.sent++;

	measured.sent++;
	in_flight++;
	memcpy(connection->frames + slot * frame_len + payload_at, &number, sizeof(number));
	connection->asked_nsec[slot] = now;
	connection->to_send[at < options.depth ? at : at - options.depth] = slot;
	connection->to_send_count++;
}

/* Gathers what is to be sent; slots that follow each other in memory make one piece. */
static int gather(const struct connection *connection, struct iovec *pieces)
{
	size_t skipped = connection->sent_of_first;
	int count = 0;

	for (uint32_t i = 0; i < connection->to_send_count; i++) {
		uint32_t at = (connection->to_send_first + i) % options.depth;
		uint8_t *frame = connection->frames + connection->to_send[at] * frame_len;
		struct iovec *last = count > 0 ? &pieces[count - 1] : NULL;

		if (last && (uint8_t *)last->iov_base + last->iov_len == frame) {
			last->iov_len += frame_len;
		} else {
			if (count == PIECES_MAX)
				break;
			pieces[count++] = (struct iovec){frame + skipped, frame_len - skipped};
		}
		skipped = 0;
	}
	return count;
}

static void watch(struct connection *connection, int operation, bool is_stalled)
{
	struct epoll_event event = {
		.events = is_stalled ? EPOLLIN | EPOLLOUT : EPOLLIN,
		.data.ptr = connection,
	};

	connection->is_stalled = is_stalled;
	if (epoll_ctl(epoll_fd, operation, connection->fd, &event) < 0)
		err(1, "epoll_ctl");
}

static void flush(struct connection *connection)
{
	struct iovec pieces[PIECES_MAX];
	ssize_t written = 1;

	while (connection->to_send_count > 0 && written > 0) {
		written = writev(connection->fd, pieces, gather(connection, pieces));
		if (written < 0 && errno != EAGAIN)
			err(1, "write");
		if (written > 0)
			connection->sent_of_first += (size_t)written;
		while (connection->sent_of_first >= frame_len) {
			connection->sent_of_first -= frame_len;
			connection->to_send_first = (connection->to_send_first + 1) % options.depth;
			connection->to_send_count--;
		}
	}

	bool is_stalled = connection->to_send_count > 0;

	if (is_stalled != connection->is_stalled)
		watch(connection, EPOLL_CTL_MOD, is_stalled);
}

static void readable(struct connection *connection)
{
	size_t held = backlog_len(&connection->in);
	size_t rest = held > 0 && held < frame_len ? frame_len - held : 0;
	ssize_t count = backlog_read(&connection->in, connection->fd,
				     rest > READ_ROOM / 4 ? rest : READ_ROOM / 4);
	uint64_t now = clock_nsec();
	struct answer answer;

	if (count == 0)
		errx(1, "the connection was closed");
	if (now - answered_nsec >= GAP_NSEC)
		gaps_nsec += now - answered_nsec;
	answered_nsec = now;
	while (read_answer(&options.call, backlog_front(&connection->in),
			   backlog_len(&connection->in), &answer)) {
		count_answer(connection, &answer, now);
		backlog_take(&connection->in, answer.frame_len);
		if (options.rate > 0)
			connection->free_slots[connection->free_count++] = (uint32_t)answer.slot;
		else if (!is_ending)
			ask(connection, (uint32_t)answer.slot, now);
	}
	if (!connection->is_stalled)
		flush(connection);
}

/* --- the run ---------------------------------------------------------------------------------- */

static void connection_open(struct connection *connection, uint32_t number)
{
	struct sockaddr_un address = unix_address(options.socket);
	uint32_t depth = options.depth;

	*connection = (struct connection){
		.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0),
		.frames = frames_new(number),
		.asked_nsec = calloc(depth, sizeof(uint64_t)),
		.to_send = calloc(depth, sizeof(uint32_t)),
		.free_slots = calloc(depth, sizeof(uint32_t)),
	};
	if (!connection->asked_nsec || !connection->to_send || !connection->free_slots)
		err(1, "memory");
	for (uint32_t slot = 0; slot < depth; slot++)
		connection->free_slots[connection->free_count++] = depth - 1 - slot;
	if (connect(connection->fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		err(1, "%s", options.socket);
	watch(connection, EPOLL_CTL_ADD, false);
	/* Reads are made after epoll, and never wait; writes must not either. */
	int yes = 1;

	if (ioctl(connection->fd, FIONBIO, &yes) < 0)
		err(1, "ioctl");
}

static void ask_all(void)
{
	uint64_t now = clock_nsec();

	for (uint32_t i = 0; i < options.connections; i++) {
		for (uint32_t slot = 0; slot < options.depth; slot++)
			ask(&connections[i], slot, now);
		flush(&connections[i]);
	}
}

/* With a rate: asks what is due.  Returns when the next one is. */
static uint64_t ask_due(uint64_t start, uint64_t now)
{
	static uint64_t asked;
	double interval = (double)NSEC_PER_SEC / options.rate;

	for (;;) {
		uint64_t due = start + (uint64_t)((double)asked * interval);
		struct connection *connection = &connections[asked % options.connections];

		if (due > now || is_ending)
			return due;
		asked++;
		if (connection->free_count == 0) {
			total.skipped++;
			measured.skipped++;
			continue;
		}
		ask(connection, connection->free_slots[--connection->free_count], due);
		if (!connection->is_stalled)
			flush(connection);
	}
}

/* Waits for answers until `until`, and deals with what has come. */
static void turn(uint64_t until)
{
	struct epoll_event events[EVENTS_MAX];
	int count = wait_for_events(epoll_fd, events, EVENTS_MAX, until);

	for (int i = 0; i < count; i++) {
		struct connection *connection = events[i].data.ptr;

		if (events[i].events & EPOLLOUT)
			flush(connection);
		if (events[i].events & ~(uint32_t)EPOLLOUT)
			readable(connection);
	}
}

/* Returns how long the measured part took. */
static uint64_t run(void)
{
	uint64_t start = clock_nsec();
	uint64_t measured_from = start;
	uint64_t end = start + options.warmup_nsec + options.run_nsec;
	bool is_warm = false;
	uint64_t now = start;

	if (options.rate <= 0)
		ask_all();
	for (; now < end; now = clock_nsec()) {
		uint64_t until = end;

		if (!is_warm && now >= start + options.warmup_nsec) {
			is_warm = true;
			measured_from = now;
			measured = (struct counts){0};
			latency = (struct latency){0};
			answered_nsec = now;
			gaps_nsec = 0;
		}
		if (!is_warm)
			until = start + options.warmup_nsec;
		if (options.rate > 0) {
			uint64_t due = ask_due(start, now);

			until = due < until ? due : until;
		}
		turn(until);
	}
	is_ending = true;
	return now - measured_from;
}

static void drain(void)
{
	uint64_t end = clock_nsec() + DRAIN_NSEC;

	while (in_flight > 0 && clock_nsec() < end)
		turn(end);
}

static void report(uint64_t took_nsec, uint64_t succeeded, uint64_t gaps)
{
	double rate = (double)succeeded * (double)NSEC_PER_SEC / (double)took_nsec;
	double mean = latency.count ? (double)latency.sum_nsec / (double)latency.count / 1000 : 0;
	double p50 = latency_quantile_usec(&latency, 0.5);
	double p99 = latency_quantile_usec(&latency, 0.99);
	double p999 = latency_quantile_usec(&latency, 0.999);
	double max = (double)latency.max_nsec / 1000;

	if (!options.json) {
		printf("%.0f requests/s; latency in us: p50 %.1f, p99 %.1f, p99.9 %.1f, max %.1f; "
		       "failed %" PRIu64 ", unanswered %" PRIu64 ", skipped %" PRIu64 " %s\n",
		       rate, p50, p99, p999, max, total.failed, in_flight, total.skipped,
		       first_error);
		return;
	}
	for (char *at = first_error; *at; at++)
		if (*at == '"' || *at == '\\' || (unsigned char)*at < ' ')
			*at = '\'';
	printf("{\"rate\": %.1f, \"seconds\": %.6f, \"mean_us\": %.2f, \"p50_us\": %.2f, "
	       "\"p99_us\": %.2f, \"p999_us\": %.2f, \"max_us\": %.2f, \"gaps_us\": %" PRIu64
	       ", \"sent\": %" PRIu64 ", \"succeeded\": %" PRIu64 ", \"failed\": %" PRIu64
	       ", \"unanswered\": %" PRIu64 ", \"skipped\": %" PRIu64
	       ", \"first_error\": \"%s\"}\n",
	       rate, (double)took_nsec / (double)NSEC_PER_SEC, mean, p50, p99, p999, max,
	       gaps / 1000, total.sent, total.succeeded, total.failed, in_flight, total.skipped,
	       first_error);
}

/* --- options ---------------------------------------------------------------------------------- */

static void set_option(int option)
{
	switch (option) {
	case 's':
		options.socket = optarg;
		break;
	case 'f':
		options.call.has_length = strcmp(optarg, "packed") == 0;
		options.call.rpc = options.call.has_length || strcmp(optarg, "rpc") == 0;
		break;
	case 'c':
		options.connections = (uint32_t)parse_number(optarg);
		break;
	case 'd':
		options.depth = (uint32_t)parse_number(optarg);
		break;
	case 'p':
		options.call.payload = parse_number(optarg);
		break;
	case 't':
		options.run_nsec = parse_nsec(optarg);
		break;
	case 'w':
		options.warmup_nsec = parse_nsec(optarg);
		break;
	case 'n':
		options.call.pool = optarg;
		break;
	case 'm':
		options.call.method = optarg;
		break;
	case 'i':
		options.call.idempotent = optarg;
		break;
	case 'o':
		options.call.timeout_msec = parse_number(optarg);
		break;
	case 'r':
		options.rate = parse_decimal(optarg, 1e9);
		break;
	case 'j':
		options.json = true;
		break;
	default:
		exit(2);
	}
}

static void parse_options(int argc, char **argv)
{
	static const struct option known[] = {
		{"socket", required_argument, NULL, 's'},
		{"framing", required_argument, NULL, 'f'},
		{"connections", required_argument, NULL, 'c'},
		{"depth", required_argument, NULL, 'd'},
		{"payload", required_argument, NULL, 'p'},
		{"seconds", required_argument, NULL, 't'},
		{"warmup", required_argument, NULL, 'w'},
		{"pool", required_argument, NULL, 'n'},
		{"method", required_argument, NULL, 'm'},
		{"idempotent", required_argument, NULL, 'i'},
		{"timeout-ms", required_argument, NULL, 'o'},
		{"rate", required_argument, NULL, 'r'},
		{"json", no_argument, NULL, 'j'},
		{0},
	};

	for (int option; (option = getopt_long(argc, argv, "", known, NULL)) >= 0;)
		set_option(option);
	if (!options.socket || optind != argc)
		errx(2, "--socket PATH is needed, and nothing but options");
	if (options.connections == 0 || options.depth == 0 || options.call.payload < PAYLOAD_MIN ||
	    options.call.payload > UINT32_MAX / 2)
		errx(2, "connections and depth are at least 1, the payload at least %d bytes",
		     PAYLOAD_MIN);
}

int main(int argc, char **argv)
{
	parse_options(argc, argv);
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	connections = calloc(options.connections, sizeof(*connections));
	if (epoll_fd < 0 || !connections)
		err(1, "start");
	for (uint32_t i = 0; i < options.connections; i++)
		connection_open(&connections[i], i);

	uint64_t took = run();
	uint64_t succeeded = measured.succeeded;
	uint64_t gaps = gaps_nsec;

	drain();
	report(took, succeeded, gaps);
	return total.failed > 0 || in_flight > 0 ? 3 : 0;
}
