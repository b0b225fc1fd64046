/*
 * A worker that answers what it was asked, with as little work as possible, so that a figure shows
 * what stands in front of it.
 *
 *	echo_worker [--length] [--batch] [--delay-us N] [--trap FILE] [--log FILE]
 *	            [--born FILE]
 *
 * It speaks the poold dialect on the socket POOLD_FD, or with --length the framing of `forward`.
 * Everything that one read brought is answered in one write, and no byte of an argument is copied
 * that need not be.
 *
 *	--batch     says so in `ready`
 *	--delay-us  sleeps so long over each request, and writes each answer by itself
 *	--trap      writes its process id into FILE, if that is there and empty, and hangs
 *	--log       appends the first 8 bytes of each argument (a bin) to FILE, then answers
 *	--born      appends "PID NANOSECONDS" to FILE as it starts, on the monotonic clock
 */
#include "tests/bench/bench.h"

#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "protocol/buf.h"
#include "protocol/envelope.h"
#include "protocol/read.h"
#include "tests/bench/heads.h"

/* An answer shorter than this is moved next to the one before it; a longer one stays where it is.
 */
#define MOVE_MAX ((size_t)4096)

#define RUNS_MAX 64

/* [1, id, nil, ...: what stands before the argument in an answer, at its longest. */
#define ANSWER_HEAD_MAX ENVELOPE_HEAD_MAX

struct options {
	bool length;
	bool batch;
	uint64_t delay_usec;
	const char *trap;
	int log_fd;
};

struct worker {
	struct options options;
	int fd;
	bool is_stopping;
	struct backlog in;
	struct iovec runs[RUNS_MAX]; /* answers to be written, inside `in` */
	int run_count;
};

static void write_runs(struct worker *worker)
{
	struct iovec *run = worker->runs;
	int count = worker->run_count;

	while (count > 0) {
		ssize_t written = writev(worker->fd, run, count);

		if (written < 0 && errno != EINTR)
			exit(0); /* the peer has gone, and so does its worker */
		for (size_t left = written > 0 ? (size_t)written : 0; count > 0;) {
			if (left < run->iov_len) {
				run->iov_base = (uint8_t *)run->iov_base + left;
				run->iov_len -= left;
				break;
			}
			left -= run->iov_len;
			run++;
			count--;
		}
	}
	worker->run_count = 0;
}

/* `data` lies in worker->in, behind every run: an answer is never longer than its request. */
static void answer(struct worker *worker, uint8_t *data, size_t len)
{
	if (worker->run_count > 0 && len < MOVE_MAX) {
		struct iovec *last = &worker->runs[worker->run_count - 1];

		memmove((uint8_t *)last->iov_base + last->iov_len, data, len);
		last->iov_len += len;
		return;
	}
	if (worker->run_count == RUNS_MAX)
		write_runs(worker);
	worker->runs[worker->run_count++] = (struct iovec){.iov_base = data, .iov_len = len};
}

/* Whether the bench has set its trap: the file is there and no worker is in it yet. */
static bool is_trapped(const char *path)
{
	struct stat status;
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	if (fstat(fd, &status) == 0 && status.st_size == 0 && dprintf(fd, "%d\n", getpid()) > 0)
		return true;
	close(fd);
	return false;
}

/* What a test wants to happen over a request. */
static void perform(const struct options *options, struct bytes argument)
{
	struct reader reader;
	struct bytes payload;

	reader_init(&reader, argument.data, argument.len);
	if (options->log_fd >= 0 && read_bin(&reader, &payload) == 0 && payload.len >= 8 &&
	    write(options->log_fd, payload.data, 8) != 8)
		err(1, "log");
	if (options->trap && is_trapped(options->trap))
		pause();
	if (options->delay_usec > 0) {
		struct timespec delay = {
			.tv_sec = (time_t)(options->delay_usec / USEC_PER_SEC),
			.tv_nsec = (long)(options->delay_usec % USEC_PER_SEC) * 1000,
		};

		nanosleep(&delay, NULL);
	}
}

/* The answer is written over the end of the request's head, so that the argument stays in place. */
static void answer_request(struct worker *worker, uint32_t id, struct bytes argument)
{
	uint8_t head[ANSWER_HEAD_MAX];
	size_t head_len = envelope_put_result(head, id);
	uint8_t *start = worker->in.data + (argument.data - worker->in.data) - head_len;

	perform(&worker->options, argument);
	memcpy(start, head, head_len);
	answer(worker, start, head_len + argument.len);
	if (worker->options.delay_usec > 0)
		write_runs(worker);
}

static void answer_ping(struct worker *worker, uint32_t id)
{
	static const uint8_t pong[] = {0xa4, 'p', 'o', 'n', 'g'};
	uint8_t message[ANSWER_HEAD_MAX + sizeof(pong)];
	size_t head_len = envelope_put_result(message, id);

	memcpy(message + head_len, pong, sizeof(pong));
	write_runs(worker);
	if (write(worker->fd, message, head_len + sizeof(pong)) < 0)
		exit(0);
}

/* Reads the head of [0, id, method, [argument, context]], for which `-EPROTO` may only mean that it
 * is not whole. */
static int read_request(struct reader *reader, uint32_t *ret_id, struct bytes *ret_argument)
{
	uint32_t count;
	uint64_t id;
	struct bytes method;
	struct bytes context;

	if (read_request_head(reader, &id, &method, &count) || count != 2 ||
	    read_value(reader, ret_argument) || read_value(reader, &context))
		return -EPROTO;
	*ret_id = (uint32_t)id;
	return 0;
}

/* Anything else that the daemon says. */
static void read_control(struct worker *worker, struct bytes message)
{
	struct envelope envelope;

	if (envelope_read(message.data, message.len, &envelope) < 0)
		errx(1, "not an envelope");
	if (envelope.type == ENVELOPE_REQUEST && bytes_equal(envelope.method, "ping"))
		answer_ping(worker, envelope.id);
	else if (envelope.type == ENVELOPE_NOTIFICATION && bytes_equal(envelope.method, "shutdown"))
		worker->is_stopping = true;
}

/* Answers every whole message.  Returns how many bytes those were. */
static size_t serve_poold(struct worker *worker)
{
	struct reader reader;

	reader_init(&reader, backlog_front(&worker->in), backlog_len(&worker->in));
	for (;;) {
		struct reader message = reader;
		struct bytes argument;
		struct bytes whole;
		uint32_t id;

		if (read_request(&message, &id, &argument) == 0) {
			answer_request(worker, id, argument);
			reader = message;
		} else if (read_value(&reader, &whole) == 0) {
			read_control(worker, whole);
		} else {
			return (size_t)(reader.at - backlog_front(&worker->in));
		}
	}
}

/* With this framing, the answer is the request. */
static size_t serve_length(struct worker *worker)
{
	uint8_t *begin = worker->in.data + worker->in.begin;
	size_t len = length_whole(begin, backlog_len(&worker->in), SIZE_MAX);

	if (len > 0)
		answer(worker, begin, len);
	return len;
}

static void send_ready(const struct worker *worker)
{
	static const char method[] = "ready";
	uint8_t head[ENVELOPE_HEAD_MAX + sizeof(method)];
	struct buf message;

	buf_init(&message, 1024);
	buf_put(&message, head,
		envelope_put_notification(
			head, (struct bytes){(const uint8_t *)method, sizeof(method) - 1}));
	pack_array(&message, 1);
	pack_map(&message, 3);
	pack_str(&message, "pid");
	pack_uint(&message, (uint64_t)getpid());
	pack_str(&message, "version");
	pack_str(&message, POOLD_VERSION);
	pack_str(&message, "batch");
	pack_bool(&message, worker->options.batch);
	if (buf_error(&message) || write(worker->fd, message.data, message.len) < 0)
		errx(1, "ready");
	buf_free(&message);
}

static void note_forked(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	if (fd < 0 || dprintf(fd, "%d %" PRIu64 "\n", getpid(), clock_nsec()) < 0)
		err(1, "%s", path);
	close(fd);
}

static struct options parse_options(int argc, char **argv)
{
	static const struct option known[] = {
		{"length", no_argument, NULL, 'l'},
		{"batch", no_argument, NULL, 'b'},
		{"delay-us", required_argument, NULL, 'd'},
		{"trap", required_argument, NULL, 't'},
		{"log", required_argument, NULL, 'g'},
		{"born", required_argument, NULL, 'n'},
		{0},
	};
	struct options options = {.log_fd = -1};

	for (int option; (option = getopt_long(argc, argv, "", known, NULL)) >= 0;) {
		if (option == 'l')
			options.length = true;
		else if (option == 'b')
			options.batch = true;
		else if (option == 'd')
			options.delay_usec = parse_number(optarg);
		else if (option == 't')
			options.trap = optarg;
		else if (option == 'g')
			options.log_fd =
				open(optarg, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
		else if (option == 'n')
			note_forked(optarg);
		else
			exit(2);
	}
	return options;
}

int main(int argc, char **argv)
{
	struct worker worker = {.options = parse_options(argc, argv)};
	const char *number = getenv("POOLD_FD");

	if (!number)
		errx(2, "POOLD_FD is not set");
	worker.fd = (int)parse_number(number);
	if (!worker.options.length)
		send_ready(&worker);
	while (!worker.is_stopping && backlog_read(&worker.in, worker.fd, READ_ROOM / 4) > 0) {
		size_t served =
			worker.options.length ? serve_length(&worker) : serve_poold(&worker);

		write_runs(&worker);
		backlog_take(&worker.in, served);
	}
	return 0;
}
