/*
 * The fork server of a pool with `prefork = yes`: a process that has loaded what the pool's workers
 * are to run, and forks a worker whenever it is asked to, within milliseconds (PROTOCOL.md, "The
 * fork server").
 *
 * It is started with the first worker that is wanted.  A worker that it forks ends up as a child of
 * the daemon's own (process_adopt) and needs the server no more.  The server's end is a failed
 * start of those workers alone that it was to fork: all of them where it never got ready, so that
 * code that can't be loaded does not go unnoticed; else only the one it was at, and another server
 * takes its place.
 */
#ifndef POOLD_IO_WORKER_FORKSERVER_H
#define POOLD_IO_WORKER_FORKSERVER_H

#include "daemon/core/list.h"
#include "daemon/io/base/link.h"
#include "daemon/io/worker/process_tag.h"
#include "daemon/io/worker/start.h"

/* What a worker's environment has beyond the server's. */
#define FORK_REQUEST_ADDITIONS	  2
#define FORK_REQUEST_ADDITION_MAX 128

/* Its channel; its standard output and error. */
#define FORK_REQUEST_FILES 3

/* A worker to be forked. */
struct fork_request {
	struct list_node in_server; /* linked: waiting */
	/* "NAME=value"; "": none.  Where the server's own environment has a value of that name that
	 * is at least as long, it is seen from outside as well (/proc/PID/environ). */
	char additions[FORK_REQUEST_ADDITIONS][FORK_REQUEST_ADDITION_MAX];
	/* The worker's ends, this module's from forkserver_fork on; -1 for both that are not the
	 * channel: the server's own. */
	int files[FORK_REQUEST_FILES];
	int signal; /* to be sent as soon as there is a process; 0: none */
	/* Called once, unless the birth is cancelled.  The process is there... */
	void (*on_forked)(void *owner, pid_t pid);
	/* ... or there will be none: the system refused it (`error`), or the server has ended
	 * (`end` not NULL). */
	void (*on_not_forked)(void *owner, int error, const struct process_end *end);
	void *owner;
};

struct forkserver {
	struct start start;
	char life[PROCESS_TAG_LIFE_SIZE]; /* its own mark */
	struct process process;
	struct output output;
	pid_t last_pid;
	struct link *link;  /* NULL: closed */
	struct event grace; /* for one that has closed its socket, to exit by itself */
	usec_t started;
	usec_t ready;		   /* when it said so; 0: it has not */
	struct list fork_requests; /* in the order in which they are done */
	bool asking;		   /* the first of them is being forked */
	bool renewing;		   /* it ends because it was told to */
	uint32_t last_id;
};

/* Closes its files. */
void fork_request_close(struct fork_request *fork_request);

/* Starts nothing yet.  What `start` points to must outlive it; `slot` is the worker in its mark, as
 * it is none itself. */
void forkserver_init(struct forkserver *server, const struct start *start, uint32_t slot);
/* Ends the server and forgets what waits for it: nobody is called any more. */
void forkserver_done(struct forkserver *server);

/* Has a worker forked; `birth` is the caller's and must stay until one of its functions is called,
 * or it is cancelled.  Returns 0, or -errno when no server could be started. */
int forkserver_fork(struct forkserver *server, struct fork_request *fork_request);

/* Whether the worker waits to be forked. */
bool fork_request_is_waiting(const struct fork_request *fork_request);
/* Takes it back.  False: too late, it is being forked. */
bool forkserver_cancel(struct forkserver *server, struct fork_request *fork_request);

/* A child of ours may be a worker whose number we have not been told yet. */
bool forkserver_is_forking(const struct forkserver *server);

/* It takes too long: ends it, which fails what waits for it. */
void forkserver_kill(struct forkserver *server);

/* Has the code loaded anew: workers that are forked from now on run it as it is on disk now. */
void forkserver_renew(struct forkserver *server);

#endif
