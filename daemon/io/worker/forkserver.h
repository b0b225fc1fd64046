/*
 * The fork server of a pool with `prefork = yes`: a process that has loaded what the pool's workers
 * are to run, and forks a worker whenever it is asked to, within milliseconds (PROTOCOL.md, "The
 * fork server").
 *
 * It is started with the first worker that is wanted.  A worker that it forks becomes a child of
 * the daemon (process_adopt) and does not need the server any more.  If the server ends, the start
 * of the workers that it was to fork has failed: of all of them where the server never got ready,
 * so that code that can't be loaded is noticed; else only of the one that it was forking, and
 * another server is started for the rest.
 */
#ifndef POOLD_IO_WORKER_FORKSERVER_H
#define POOLD_IO_WORKER_FORKSERVER_H

#include "daemon/io/base/link.h"
#include "daemon/io/worker/fork_request.h"
#include "daemon/io/worker/process_tag.h"
#include "daemon/io/worker/start.h"
#include "protocol/list.h"

struct forkserver {
	struct start start;
	char life[PROCESS_TAG_LIFE_SIZE]; /* its own tag */
	struct process process;
	struct output output;
	pid_t last_pid;
	struct link *link;  /* NULL: closed */
	struct event grace; /* for one that has closed its socket, to exit by itself */
	usec_t started;
	usec_t ready;		   /* when it said so; 0: it has not */
	struct list fork_requests; /* in the order in which they are done */
	bool is_forking;	   /* the first of them was sent to the server */
	bool is_renewing;	   /* it ends because forkserver_renew was called */
	bool takes_recall;	   /* it hands a recall socket on to the worker */
	uint32_t last_id;
	uint64_t asked; /* when the last request was sent: process_stat_now */
};

/* Starts nothing yet.  It holds a reference to the configuration of the pool; all else that `start`
 * points to must outlive it.  `slot` stands for a worker's slot in its tag. */
void forkserver_init(struct forkserver *server, const struct start *start, uint32_t slot);
/* Kills the server and drops the requests: no callback is called any more. */
void forkserver_done(struct forkserver *server);

/* Asks for a worker.  `fork_request` must stay until one of its functions is called, or it is
 * cancelled.  Returns 0, or -errno when no server could be started. */
int forkserver_fork(struct forkserver *server, struct fork_request *fork_request);

/* Cancels the request.  False: too late, the worker is being forked. */
bool forkserver_cancel(struct forkserver *server, struct fork_request *fork_request);

/* Whether it has a process, which may be on its way to be ready. */
bool forkserver_is_running(const struct forkserver *server);

/* Whether a child of the daemon may be a worker whose pid the server has not reported yet. */
bool forkserver_is_forking(const struct forkserver *server);

/* Kills the server, for example because it takes too long; its requests fail then. */
void forkserver_kill(struct forkserver *server);

/* Replaces the server: workers that are forked from now on run the code as it is on disk now. */
void forkserver_renew(struct forkserver *server);

#endif
