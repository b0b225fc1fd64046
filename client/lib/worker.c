#include "client/lib/options.h"
#include "client/lib/poold.h"
#include "client/lib/worker_page.h"
#include "client/lib/worker_recall.h"
#include "client/lib/worker_session.h"
#include "protocol/envelope.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Limit of a message from the daemon, well above the daemon's own default of 16 MiB. */
#define MESSAGE_MAX_DEFAULT ((size_t)(64 * 1024 + 64) * 1024)
/* A batch of answers is written before its end when it is larger than this. */
#define BATCH_BYTES_MAX ((size_t)256 * 1024)
/* The answer to a request that is given back. */
#define GIVEN_BACK_MAX 64

struct poold_worker {
	struct worker_session session;
	int fd;
	bool batch;
	bool silent;
	bool is_gone; /* the daemon closed the socket */
	bool has_run;
	int error; /* of a read or write within a handler, a negative errno */
	char *version;
	struct worker_recall recall;
	struct worker_page page; /* not where `silent` */
	pthread_mutex_t writing; /* one message is written at a time */
	bool is_torn; /* for who holds that: a part of a message was written, and no more */
};

static int parse_fd(const char *text, int *ret_fd)
{
	char *end;
	long fd;

	errno = 0;
	fd = strtol(text, &end, 10);
	if (errno != 0 || *end != '\0' || fd < 0 || fd > INT_MAX)
		return -EINVAL;
	*ret_fd = (int)fd;
	return 0;
}

/* The descriptor that $POOLD_FD names. */
static int inherited_fd(int *ret_fd)
{
	const char *text = getenv("POOLD_FD");

	if (!text || text[0] == '\0')
		return -ENOTCONN;
	return parse_fd(text, ret_fd);
}

/* The descriptor that $POOLD_RECALL_FD names; -1: none. */
static int inherited_recall(void)
{
	const char *text = getenv("POOLD_RECALL_FD");
	int fd;

	if (!text || text[0] < '0' || text[0] > '9' || parse_fd(text, &fd) < 0)
		return -1;
	return fd;
}

/* The limit of a message to the daemon; `most` where the daemon has told none. */
static size_t told_response_max(size_t most)
{
	const char *text = getenv("POOLD_RESPONSE_MAX");
	char *end;
	unsigned long long number;

	if (!text || text[0] < '0' || text[0] > '9')
		return most;
	number = strtoull(text, &end, 10);
	return *end == '\0' && number < most ? (size_t)number : most;
}

int poold_worker_new(const struct poold_worker_options *given, struct poold_worker **ret_worker)
{
	struct poold_worker_options options;
	struct poold_worker *worker;
	char *version;
	int r = options_take(given, sizeof(options), sizeof(options), &options);

	if (r == 0 && options.fd <= 0)
		r = inherited_fd(&options.fd);
	if (r < 0)
		return r;
	/* Processes that the worker starts must not keep the socket to the daemon open. */
	if (fcntl(options.fd, F_SETFD, FD_CLOEXEC) < 0)
		return -ENOTCONN;
	worker = calloc(1, sizeof(*worker));
	version = strdup(options.version ? options.version : "");
	if (!worker || !version) {
		free(worker);
		free(version);
		return -ENOMEM;
	}
	worker_session_init(&worker->session,
			    options.message_max ? options.message_max : MESSAGE_MAX_DEFAULT);
	worker->session.response_max = told_response_max(worker->session.response_max);
	worker->session.on_session_end = options.on_session_end;
	worker->session.session_userdata = options.session_userdata;
	worker->fd = options.fd;
	worker->batch = options.batch;
	worker->silent = options.silent || options.batch;
	worker->version = version;
	pthread_mutex_init(&worker->writing, NULL);
	worker_recall_init(&worker->recall, inherited_recall());
	*ret_worker = worker;
	return 0;
}

void poold_worker_free(struct poold_worker *worker)
{
	if (!worker)
		return;
	assert(!worker->session.is_running);
	worker_recall_done(&worker->recall);
	worker_page_done(&worker->page);
	pthread_mutex_destroy(&worker->writing);
	worker_session_done(&worker->session);
	close(worker->fd);
	free(worker->version);
	free(worker);
}

int poold_worker_add(struct poold_worker *worker, const char *method, poold_handler handler,
		     void *userdata)
{
	if (worker->has_run)
		return -EINVAL;
	return worker_session_add(&worker->session, method, handler, userdata);
}

static bool means_gone(int error)
{
	return error == ECONNRESET || error == EPIPE;
}

static void wait_for(const struct poold_worker *worker, short events)
{
	struct pollfd ready = {.fd = worker->fd, .events = events};

	poll(&ready, 1, -1);
}

/* Writes whole messages; blocks while the socket is full.  The calling thread holds `writing`. */
static int write_all(struct poold_worker *worker, struct bytes out)
{
	while (out.len > 0) {
		ssize_t len = send(worker->fd, out.data, out.len, MSG_NOSIGNAL);

		if (len >= 0) {
			out.data += len;
			out.len -= (size_t)len;
		} else if (errno == EAGAIN) {
			wait_for(worker, POLLOUT);
		} else if (errno != EINTR) {
			worker->is_torn = true;
			return -errno;
		}
	}
	return 0;
}

static int send_all(struct poold_worker *worker, struct bytes out)
{
	int r;

	if (out.len == 0 || worker->is_gone)
		return 0;
	pthread_mutex_lock(&worker->writing);
	r = write_all(worker, out);
	pthread_mutex_unlock(&worker->writing);
	if (!means_gone(-r))
		return r;
	worker->is_gone = true;
	return 0;
}

/* In the thread that listens for recalls: answers a request that never begins now. */
static void give_back(void *owner, uint32_t id)
{
	struct poold_worker *worker = owner;
	uint8_t head[ENVELOPE_HEAD_MAX];
	struct buf answer;

	buf_init(&answer, GIVEN_BACK_MAX);
	buf_put(&answer, head, envelope_put_error(head, id));
	pack_map(&answer, 1);
	pack_str(&answer, "code");
	pack_str(&answer, "recalled");
	pack_nil(&answer);
	pthread_mutex_lock(&worker->writing);
	/* Without memory for the answer the worker is of no use: the request would stay here. */
	if (buf_error(&answer) < 0)
		shutdown(worker->fd, SHUT_RDWR);
	else if (!worker->is_torn)
		(void)write_all(worker, (struct bytes){answer.data, answer.len});
	pthread_mutex_unlock(&worker->writing);
	buf_free(&answer);
}

/* Writes all answers. */
static int flush(struct poold_worker *worker)
{
	int r = send_all(worker, worker_session_output(&worker->session));

	if (r == 0)
		worker_session_wrote(&worker->session);
	return r;
}

/* Reads once; `flags` is 0 to block, or MSG_DONTWAIT. */
static int read_once(struct poold_worker *worker, int flags)
{
	uint8_t *data;
	size_t room;
	int r = worker_session_space(&worker->session, &data, &room);
	ssize_t len;

	if (r < 0)
		return r;
	len = recv(worker->fd, data, room, flags);
	if (len > 0)
		return worker_session_took(&worker->session, (size_t)len);
	if (len == 0 || means_gone(errno))
		worker->is_gone = true;
	else if (errno == EAGAIN && (flags & MSG_DONTWAIT) == 0)
		wait_for(worker, POLLIN);
	else if (errno != EAGAIN && errno != EINTR)
		return -errno;
	return 0;
}

bool poold_attempt_cancelled(struct poold_attempt *attempt)
{
	struct poold_worker *worker = container_of(attempt, struct poold_worker, session.attempt);

	if (worker->error == 0 && !worker->is_gone && worker_session_has_room(&worker->session))
		worker->error = read_once(worker, MSG_DONTWAIT);
	return worker->error < 0 || worker->is_gone || worker->session.is_cancelled;
}

/* Reads until the caller has taken enough of the chunks before. */
static int wait_for_credit(struct poold_worker *worker)
{
	struct worker_session *session = &worker->session;

	while (worker->error == 0 && !worker->is_gone && !session->is_cancelled &&
	       !worker_session_may_send(session))
		worker->error = read_once(worker, 0);
	if (worker->error < 0 || worker->is_gone)
		return worker->error < 0 ? worker->error : -ECONNRESET;
	return worker_session_may_send(session) ? 0 : -ECANCELED;
}

int poold_attempt_chunk(struct poold_attempt *attempt, struct poold_bytes value)
{
	struct poold_worker *worker = container_of(attempt, struct poold_worker, session.attempt);
	struct worker_session *session = &worker->session;
	int r = worker_session_chunk(session, value);

	if (r == 0)
		r = wait_for_credit(worker);
	if (r < 0)
		return r;
	r = send_all(worker, worker_session_settled(session));
	if (r == 0) {
		worker_session_wrote_settled(session);
		r = send_all(worker, (struct bytes){session->chunk.data, session->chunk.len});
	}
	/* A part of a message may have been written: the connection cannot be used any more. */
	if (r < 0)
		worker->error = r;
	worker_session_sent(session, value.len);
	return r == 0 && worker->is_gone ? -ECONNRESET : r;
}

int poold_attempt_set_state(struct poold_attempt *attempt, struct poold_bytes state)
{
	return worker_session_set_state(container_of(attempt, struct worker_session, attempt),
					state);
}

/* Answers one request, after all earlier answers were written; skips one that was given back. */
static int answer_next(struct poold_worker *worker)
{
	struct worker_session *session = &worker->session;
	uint32_t id;
	bool begins;
	int r;

	if (worker_session_next(session, &id) && !worker_recall_begin(&worker->recall, id)) {
		worker_session_skip(session);
		return 0;
	}
	begins = !worker->silent && worker_session_begins(session, &id);
	if (begins && !worker->page.begun)
		worker_session_announce(session, id);
	r = flush(worker);
	if (r < 0 || worker->is_gone)
		return r;
	if (begins && worker->page.begun)
		worker_page_store(&worker->page, id);
	return worker_session_answer(session);
}

/* Answers all requests that have been received. */
static int answer_batch(struct poold_worker *worker)
{
	int r = 0;

	while (r == 0 && !worker->session.is_broken &&
	       worker_session_has_request(&worker->session)) {
		r = worker_session_answer(&worker->session);
		if (r == 0 && worker_session_output(&worker->session).len > BATCH_BYTES_MAX)
			r = flush(worker);
	}
	return r < 0 ? r : flush(worker);
}

/* Reads what the daemon has sent: blocks only if no request waits; otherwise this is to see a
 * cancel before the next request begins. */
static int read_more(struct poold_worker *worker)
{
	int r;

	if (worker->error < 0)
		return worker->error;
	if (worker_session_has_request(&worker->session))
		return worker_session_has_room(&worker->session) ? read_once(worker, MSG_DONTWAIT)
								 : 0;
	r = flush(worker);
	return r < 0 || worker->is_gone ? r : read_once(worker, 0);
}

/* After a shutdown, a batch that was read is still answered; without `batch` no request is. */
static int answer(struct poold_worker *worker)
{
	if (!worker_session_has_request(&worker->session))
		return 0;
	if (worker->batch)
		return answer_batch(worker);
	return worker->session.is_shutdown ? 0 : answer_next(worker);
}

/* Says `ready`.  Only a worker that says which request begins, or stores it, gives others back. */
static int announce(struct poold_worker *worker)
{
	bool recalls;

	if (!worker->silent)
		worker_page_take(&worker->page, worker->recall.fd);
	recalls = !worker->silent && worker_recall_listen(&worker->recall, give_back, worker);
	worker_session_ready(
		&worker->session,
		&(struct worker_ready){.pid = getpid(),
				       .version = worker->version,
				       .has_started = !worker->silent && !worker->page.begun,
				       .page = worker->page.begun != NULL,
				       .batch = worker->batch,
				       .recall = recalls});
	return flush(worker);
}

int poold_worker_run(struct poold_worker *worker)
{
	struct worker_session *session = &worker->session;
	int r;

	worker->has_run = true;
	r = announce(worker);
	while (r == 0 && !worker->is_gone && !session->is_broken && !session->is_shutdown) {
		r = read_more(worker);
		if (r == 0 && !worker->is_gone)
			r = answer(worker);
	}
	if (r == 0)
		r = flush(worker);
	worker_recall_stop(&worker->recall);
	return r == 0 && session->is_broken ? -ENOTRECOVERABLE : r;
}
