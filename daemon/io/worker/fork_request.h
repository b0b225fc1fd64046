/*
 * A worker that a fork server is asked for, and the messages between the daemon and the server
 * (PROTOCOL.md, "The fork server").
 */
#ifndef POOLD_IO_WORKER_FORK_REQUEST_H
#define POOLD_IO_WORKER_FORK_REQUEST_H

#include "daemon/io/worker/process.h"
#include "protocol/envelope.h"
#include "protocol/list.h"

/* Bytes in a message, either way: a few numbers and names. */
#define FORK_MESSAGE_MAX ((size_t)4096)

/* What a worker's environment has beyond the server's. */
#define FORK_REQUEST_ADDITIONS	  2
#define FORK_REQUEST_ADDITION_MAX 128

/* Its channel; its standard output and error; its recall socket. */
#define FORK_REQUEST_FILES  4
#define FORK_REQUEST_RECALL 3

/* A worker to be forked. */
struct fork_request {
	struct list_node in_server; /* linked: waiting */
	/* Environment variables, "NAME=value"; "": none.  Where the server's own environment has a
	 * value of that name that is at least as long, the new value also shows in
	 * /proc/PID/environ. */
	char additions[FORK_REQUEST_ADDITIONS][FORK_REQUEST_ADDITION_MAX];
	/* The worker's ends, which forkserver_fork takes over; -1 for both standard files: those of
	 * the server; -1 for the recall socket: it has none, as where the server takes none. */
	int files[FORK_REQUEST_FILES];
	int signal; /* to be sent as soon as there is a process; 0: none */
	/* One of these is called, once, unless the request is cancelled.  The process was
	 * started, and is what the server was asked for (parentage.h)... */
	void (*on_forked)(void *owner, pid_t pid);
	/* ... or could not be: the system refused it (`error`), or the server has ended (`end` not
	 * NULL). */
	void (*on_not_forked)(void *owner, int error, const struct process_end *end);
	void *owner;
};

/* Closes its files. */
void fork_request_close(struct fork_request *fork_request);

/* Whether the worker waits to be forked. */
bool fork_request_is_waiting(const struct fork_request *fork_request);

/* The tag of the worker's life (process_tag.h); NULL: it has none, or `fork_request` is NULL. */
const char *fork_request_tag(const struct fork_request *fork_request);

/* Sends the request to the server at the socket `fd`, without blocking; `takes_recall`: with its
 * recall socket.  Returns 0, and its files are closed here; or -errno, -EMSGSIZE: only a part of it
 * was sent. */
int fork_request_send(struct fork_request *fork_request, uint32_t id, bool takes_recall, int fd);

/* Reads an answer: a pid, or the system's error in *ret_error, which is 0 otherwise.  Returns 0 or
 * -EPROTO. */
int fork_answer_read(const struct envelope *envelope, pid_t *ret_pid, int *ret_error);

/* Whether the params of `ready` say that the server hands a recall socket on. */
bool fork_ready_takes_recall(struct bytes params);

#endif
