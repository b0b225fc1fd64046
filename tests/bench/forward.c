/*
 * The limit that poold is measured against: the least that can stand between clients and workers.
 *
 *	forward [--rpc] SOCKET LIMIT WORKERS COMMAND [ARGUMENT]...
 *
 * It starts WORKERS times COMMAND, each with a socketpair whose number is in POOLD_FD, listens on
 * SOCKET, and passes length-framed requests on to the worker with the fewest in flight, and each
 * answer back to its client.  LIMIT is the most requests in flight per worker: `one`, `many` (no
 * limit), or a number.  It keeps no time, knows no request by name, and survives nothing.
 *
 * With --rpc it passes messages of MessagePack-RPC on instead, as poold must: where one ends only its
 * bytes say, and each has an id of its client's own.  Its workers answer in the order in which they
 * were asked.
 */
#include "tests/bench/bench.h"

#include <stdio.h>
#include <sys/epoll.h>

#include "tests/bench/forward_rpc.h"

/* Output of this size is written at once instead of being copied to the end of the turn. */
#define DIRECT_MIN  ((size_t)16 * 1024)

#define EVENTS_MAX  256
#define WORKERS_MAX 64

/* Who asked for what a worker has to answer. */
struct asked {
	struct link *client;
	uint32_t id; /* with --rpc: the client's own */
};

/* A client or a worker. */
struct link {
	int fd; /* -1: closed, and kept only until its last answer has come */
	bool is_worker;
	bool is_dirty;	 /* on the list of links with output from this turn */
	bool is_stalled; /* its socket was full: epoll watches for room */
	bool is_waiting; /* a client with a whole request that no worker has room for */
	size_t in_flight;
	struct backlog in;
	struct backlog out;
	struct asked *asked;   /* a worker's requests in flight: a ring */
	size_t asked_capacity; /* a power of two */
	size_t asked_first;
	uint32_t next_id;  /* with --rpc: of the next request to a worker */
	struct link *next; /* in the list of waiting clients */
};

static int epoll_fd;
static bool speaks_rpc;
static size_t limit;
static struct link workers[WORKERS_MAX];
static size_t worker_count;
static struct link listener = {.fd = -1};

static struct link **dirty;
static size_t dirty_count;
static size_t dirty_capacity;

static struct link *waiting_first;
static struct link **waiting_end = &waiting_first;

static void watch(struct link *link, int operation, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = link};

	if (epoll_ctl(epoll_fd, operation, link->fd, &event) < 0)
		err(1, "epoll_ctl");
}

static void link_stall(struct link *link, bool is_stalled)
{
	if (link->is_stalled == is_stalled)
		return;
	link->is_stalled = is_stalled;
	watch(link, EPOLL_CTL_MOD, is_stalled ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

/* Writes as much as the socket takes.  A client that has gone takes everything. */
static size_t link_write(struct link *link, const uint8_t *data, size_t len)
{
	ssize_t count = send(link->fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (count >= 0)
		return (size_t)count;
	if (errno == EAGAIN)
		return 0;
	if (link->is_worker)
		err(1, "worker");
	return len;
}

static void link_flush(struct link *link)
{
	backlog_take(&link->out,
		     link_write(link, backlog_front(&link->out), backlog_len(&link->out)));
	link_stall(link, backlog_len(&link->out) > 0);
}

static void mark_dirty(struct link *link)
{
	if (link->is_dirty)
		return;
	if (dirty_count == dirty_capacity) {
		dirty_capacity = dirty_capacity ? dirty_capacity * 2 : EVENTS_MAX;
		dirty = realloc(dirty, dirty_capacity * sizeof(struct link *));
		if (!dirty)
			err(1, "memory");
	}
	dirty[dirty_count++] = link;
	link->is_dirty = true;
}

static void link_send(struct link *link, const uint8_t *data, size_t len)
{
	if (len >= DIRECT_MIN && backlog_len(&link->out) == 0) {
		size_t written = link_write(link, data, len);

		data += written;
		len -= written;
	}
	if (len == 0)
		return;
	backlog_put(&link->out, data, len);
	mark_dirty(link);
}

static void client_free_if_done(struct link *client)
{
	if (client->fd < 0 && client->in_flight == 0 && !client->is_dirty && !client->is_waiting)
		free(client);
}

static void client_close(struct link *client)
{
	close(client->fd);
	client->fd = -1;
	backlog_free(&client->in);
	backlog_free(&client->out);
	client_free_if_done(client);
}

/* All that this turn has for one peer goes in one write. */
static void flush_dirty(void)
{
	for (size_t i = 0; i < dirty_count; i++) {
		struct link *link = dirty[i];

		link->is_dirty = false;
		if (link->fd < 0)
			client_free_if_done(link);
		else if (!link->is_stalled)
			link_flush(link);
	}
	dirty_count = 0;
}

static struct asked *asked_at(const struct link *worker, size_t index)
{
	return &worker->asked[(worker->asked_first + index) & (worker->asked_capacity - 1)];
}

static void asked_push(struct link *worker, struct link *client, uint32_t id)
{
	if (worker->in_flight == worker->asked_capacity) {
		size_t capacity = worker->asked_capacity ? worker->asked_capacity * 2 : 64;
		struct asked *ring = calloc(capacity, sizeof(struct asked));

		if (!ring)
			err(1, "memory");
		for (size_t i = 0; i < worker->in_flight; i++)
			ring[i] = *asked_at(worker, i);
		free(worker->asked);
		worker->asked = ring;
		worker->asked_capacity = capacity;
		worker->asked_first = 0;
	}
	*asked_at(worker, worker->in_flight) = (struct asked){client, id};
	worker->in_flight++;
	client->in_flight++;
}

static struct asked asked_pop(struct link *worker)
{
	if (worker->in_flight == 0)
		errx(1, "a worker answered what nobody asked");

	struct asked asked = *asked_at(worker, 0);

	worker->asked_first = (worker->asked_first + 1) & (worker->asked_capacity - 1);
	worker->in_flight--;
	asked.client->in_flight--;
	return asked;
}

static struct link *least_busy(void)
{
	struct link *best = &workers[0];

	for (size_t i = 1; i < worker_count; i++)
		if (workers[i].in_flight < best->in_flight)
			best = &workers[i];
	return best;
}

static void client_wait(struct link *client)
{
	if (client->is_waiting)
		return;
	client->is_waiting = true;
	client->next = NULL;
	*waiting_end = client;
	waiting_end = &client->next;
}

/* Passes on as many whole frames as the worker has room for.  Returns their bytes. */
static size_t pass_frames(struct link *client, struct link *worker)
{
	const uint8_t *frames = backlog_front(&client->in);
	size_t len = length_whole(frames, backlog_len(&client->in), limit - worker->in_flight);

	for (size_t at = 0; at < len; at += length_frame(frames + at, len - at))
		asked_push(worker, client, 0);
	link_send(worker, frames, len);
	return len;
}

/* The same for requests of MessagePack-RPC. */
static size_t pass_requests(struct link *client, struct link *worker)
{
	const uint8_t *messages = backlog_front(&client->in);
	size_t len = backlog_len(&client->in);
	struct rpc_request request;
	size_t at = 0;

	while (worker->in_flight < limit && rpc_read_request(messages + at, len - at, &request)) {
		rpc_put_request(&worker->out, worker->next_id++, &request);
		asked_push(worker, client, request.id);
		at += request.len;
	}
	if (at > 0)
		mark_dirty(worker);
	return at;
}

static bool has_whole_request(const struct link *client)
{
	struct rpc_request request;
	const uint8_t *data = backlog_front(&client->in);
	size_t len = backlog_len(&client->in);

	return speaks_rpc ? rpc_read_request(data, len, &request) : length_whole(data, len, 1) > 0;
}

/* Gives the client's whole requests to workers, until there is none left or no worker has room. */
static void dispatch(struct link *client)
{
	for (;;) {
		struct link *worker = least_busy();
		size_t passed;

		if (worker->in_flight >= limit) {
			if (has_whole_request(client))
				client_wait(client);
			return;
		}
		passed = speaks_rpc ? pass_requests(client, worker) : pass_frames(client, worker);
		if (passed == 0)
			return;
		backlog_take(&client->in, passed);
	}
}

static void dispatch_waiting(void)
{
	while (waiting_first && least_busy()->in_flight < limit) {
		struct link *client = waiting_first;

		waiting_first = client->next;
		if (!waiting_first)
			waiting_end = &waiting_first;
		client->is_waiting = false;
		dispatch(client);
		client_free_if_done(client);
	}
}

static void answer(struct link *client, const uint8_t *frames, size_t len)
{
	if (client->fd >= 0)
		link_send(client, frames, len);
	else
		client_free_if_done(client);
}

/* Passes whole answers back; neighbours for one client go together. */
static void pass_answer_frames(struct link *worker)
{
	const uint8_t *frames = backlog_front(&worker->in);
	size_t len = length_whole(frames, backlog_len(&worker->in), SIZE_MAX);
	struct link *client = NULL;
	size_t begin = 0;

	for (size_t at = 0; at < len; at += length_frame(frames + at, len - at)) {
		struct link *next = asked_pop(worker).client;

		if (client && next != client) {
			answer(client, frames + begin, at - begin);
			begin = at;
		}
		client = next;
	}
	if (client)
		answer(client, frames + begin, len - begin);
	backlog_take(&worker->in, len);
}

/* The same for answers of MessagePack-RPC. */
static void pass_answers(struct link *worker)
{
	struct rpc_answer message;

	while (rpc_read_answer(backlog_front(&worker->in), backlog_len(&worker->in), &message)) {
		if (message.result.len > 0) {
			uint32_t expected = worker->next_id - (uint32_t)worker->in_flight;
			struct asked asked = asked_pop(worker);

			if (message.id != expected)
				errx(1, "a worker did not answer in order");
			if (asked.client->fd >= 0) {
				rpc_put_answer(&asked.client->out, asked.id, message.result);
				mark_dirty(asked.client);
			} else {
				client_free_if_done(asked.client);
			}
		}
		backlog_take(&worker->in, message.len);
	}
}

static void worker_answered(struct link *worker)
{
	if (speaks_rpc)
		pass_answers(worker);
	else
		pass_answer_frames(worker);
	dispatch_waiting();
}

/* Room for the rest of the frame that has begun to come, so that a large one is read in one go. */
static size_t room_wanted(const struct backlog *in)
{
	size_t held = backlog_len(in);
	size_t frame = speaks_rpc ? 0 : length_frame(backlog_front(in), held);

	return frame > held && frame - held > READ_ROOM ? frame - held : READ_ROOM / 4;
}

static void link_readable(struct link *link)
{
	ssize_t count = backlog_read(&link->in, link->fd, room_wanted(&link->in));

	if (count == -EAGAIN)
		return;
	if (count == 0 && link->is_worker)
		errx(1, "a worker ended");
	if (count == 0)
		client_close(link);
	else if (link->is_worker)
		worker_answered(link);
	else
		dispatch(link);
}

static void client_accept(void)
{
	struct link *client = calloc(1, sizeof(*client));

	if (!client)
		err(1, "memory");
	client->fd = accept4(listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (client->fd < 0)
		err(1, "accept4");
	watch(client, EPOLL_CTL_ADD, EPOLLIN);
}

static void worker_start(struct link *worker, char **command)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		err(1, "socketpair");

	pid_t pid = fork();

	if (pid < 0)
		err(1, "fork");
	if (pid == 0) {
		int fd = dup(pair[1]); /* the copy is not closed on exec */
		char number[16];

		snprintf(number, sizeof(number), "%d", fd);
		setenv("POOLD_FD", number, 1);
		execvp(command[0], command);
		err(127, "%s", command[0]);
	}
	close(pair[1]);
	worker->fd = pair[0];
	worker->is_worker = true;
	watch(worker, EPOLL_CTL_ADD, EPOLLIN);
}

static void listen_at(const char *path)
{
	struct sockaddr_un address = unix_address(path);

	unlink(path);
	listener.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(listener.fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(listener.fd, 4096) < 0)
		err(1, "%s", path);
	watch(&listener, EPOLL_CTL_ADD, EPOLLIN);
}

static void handle(const struct epoll_event *event)
{
	struct link *link = event->data.ptr;

	if (link == &listener) {
		client_accept();
		return;
	}
	if (event->events & EPOLLOUT)
		link_flush(link);
	if (event->events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		link_readable(link);
}

static size_t parse_limit(const char *text)
{
	if (strcmp(text, "one") == 0)
		return 1;
	if (strcmp(text, "many") == 0)
		return SIZE_MAX;
	return parse_number(text);
}

int main(int argc, char **argv)
{
	struct epoll_event events[EVENTS_MAX];

	speaks_rpc = argc > 1 && strcmp(argv[1], "--rpc") == 0;
	if (speaks_rpc) {
		argc--;
		argv++;
	}
	if (argc < 5)
		errx(2,
		     "usage: forward [--rpc] SOCKET one|many|LIMIT WORKERS COMMAND [ARGUMENT]...");
	limit = parse_limit(argv[2]);
	worker_count = parse_number(argv[3]);
	if (limit == 0 || worker_count == 0 || worker_count > WORKERS_MAX)
		errx(2, "LIMIT is at least 1, WORKERS 1 to %d", WORKERS_MAX);
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	for (size_t i = 0; i < worker_count; i++)
		worker_start(&workers[i], argv + 4);
	listen_at(argv[1]);

	for (;;) {
		int count = epoll_wait(epoll_fd, events, EVENTS_MAX, -1);

		for (int i = 0; i < count; i++)
			handle(&events[i]);
		flush_dirty();
	}
}
