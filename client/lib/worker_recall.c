#include "client/lib/worker_recall.h"

#include "client/lib/inbox.h"
#include "protocol/envelope.h"
#include "protocol/read.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#define MESSAGE_MAX ((size_t)4096)
#define STACK_SIZE  ((size_t)256 * 1024)

void worker_recall_init(struct worker_recall *recall, int fd)
{
	int type;
	socklen_t len = sizeof(type);

	*recall = (struct worker_recall){.fd = -1};
	pthread_mutex_init(&recall->lock, NULL);
	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
	    fcntl(fd, F_SETFD, FD_CLOEXEC) == 0)
		recall->fd = fd;
}

void worker_recall_done(struct worker_recall *recall)
{
	worker_recall_stop(recall);
	if (recall->fd >= 0)
		close(recall->fd);
	pthread_mutex_destroy(&recall->lock);
}

/* --- what is given back --- */

/* Whether `id` is above the other: ids rise, and begin anew after the highest. */
static bool is_above(uint32_t id, uint32_t other)
{
	return (int32_t)(id - other) > 0;
}

/* Removes what has come to its turn; returns whether `id` was among it. */
static bool pass(struct worker_recall *recall, uint32_t id)
{
	size_t kept = 0;
	bool was_given = false;

	for (size_t i = 0; i < recall->given_count; i++) {
		was_given |= recall->given[i] == id;
		if (is_above(recall->given[i], id))
			recall->given[kept++] = recall->given[i];
	}
	recall->given_count = kept;
	return was_given;
}

bool worker_recall_begin(struct worker_recall *recall, uint32_t id)
{
	bool may_begin;

	pthread_mutex_lock(&recall->lock);
	recall->begun = id;
	may_begin = recall->given_count == 0 || !pass(recall, id);
	pthread_mutex_unlock(&recall->lock);
	return may_begin;
}

static bool is_given(const struct worker_recall *recall, uint32_t id)
{
	for (size_t i = 0; i < recall->given_count; i++)
		if (recall->given[i] == id)
			return true;
	return false;
}

/* Returns whether the request is given back now. */
static bool give(struct worker_recall *recall, uint32_t id)
{
	bool may_give;

	pthread_mutex_lock(&recall->lock);
	may_give = is_above(id, recall->begun) && recall->given_count < RECALL_GIVEN_MAX &&
		   !is_given(recall, id);
	if (may_give)
		recall->given[recall->given_count++] = id;
	pthread_mutex_unlock(&recall->lock);
	return may_give;
}

/* --- the thread --- */

static void take_message(struct worker_recall *recall, const uint8_t *data, size_t len)
{
	struct envelope envelope;
	struct reader reader;
	uint32_t count;
	uint64_t id;

	if (envelope_read(data, len, &envelope) < 0 || envelope.type != ENVELOPE_NOTIFICATION ||
	    !bytes_equal(envelope.method, "recall"))
		return;
	reader_init(&reader, envelope.params.data, envelope.params.len);
	if (read_array(&reader, &count) == 0 && count > 0 && read_uint(&reader, &id) == 0 &&
	    id <= UINT32_MAX && give(recall, (uint32_t)id))
		recall->give_back(recall->owner, (uint32_t)id);
}

/* Reads once; returns false at the end of the socket. */
static bool listen_once(struct worker_recall *recall, struct inbox *inbox)
{
	uint64_t position;
	uint8_t *data;
	size_t room, value_len;
	ssize_t len;
	int r;

	if (inbox_space(inbox, &data, &room) < 0)
		return false;
	do
		len = recv(recall->fd, data, room, 0);
	while (len < 0 && errno == EINTR);
	if (len <= 0)
		return false;
	inbox_took(inbox, (size_t)len);
	while ((r = inbox_next(inbox, &position, &value_len)) > 0)
		take_message(recall, inbox_at(inbox, position), value_len);
	inbox_release(inbox, inbox->value);
	return r == 0;
}

static void *run(void *argument)
{
	struct worker_recall *recall = argument;
	struct inbox inbox;

	inbox_init(&inbox, MESSAGE_MAX);
	while (listen_once(recall, &inbox))
		;
	inbox_free(&inbox);
	return NULL;
}

bool worker_recall_listen(struct worker_recall *recall, void (*give_back)(void *owner, uint32_t id),
			  void *owner)
{
	pthread_attr_t attributes;
	sigset_t all, before;

	if (recall->fd < 0 || recall->is_listening || pthread_attr_init(&attributes) != 0)
		return false;
	recall->give_back = give_back;
	recall->owner = owner;
	/* Signals are for the program's own threads. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pthread_attr_setstacksize(&attributes, STACK_SIZE);
	recall->is_listening = pthread_create(&recall->thread, &attributes, run, recall) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	return recall->is_listening;
}

void worker_recall_stop(struct worker_recall *recall)
{
	if (!recall->is_listening)
		return;
	shutdown(recall->fd, SHUT_RDWR); /* wakes it */
	pthread_join(recall->thread, NULL);
	recall->is_listening = false;
}
