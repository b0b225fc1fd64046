/*
 * The driver: turns what happens into events of the engine, and has its effects carried out
 * (effects.h). The one place where core and io meet.
 */
#ifndef POOLD_IO_DRIVER_DRIVER_H
#define POOLD_IO_DRIVER_DRIVER_H

#include "daemon/core/engine.h"
#include "daemon/io/base/log.h"
#include "daemon/io/base/loop.h"
#include "daemon/io/base/slot_store.h"
#include "daemon/io/config/config.h"
#include "daemon/io/driver/call.h"
#include "daemon/io/driver/error_log.h"
#include "daemon/io/driver/events.h"
#include "daemon/io/driver/starts.h"
#include "daemon/io/worker/channel.h"
#include "daemon/io/worker/confine.h"
#include "daemon/io/worker/forkserver.h"
#include "daemon/io/worker/guard.h"

/* COUNTER(name, help): what the daemon counts beyond its pools. */
#define DAEMON_COUNTERS(COUNTER)                                                                   \
	COUNTER(connections_accepted, "connections taken")                                         \
	COUNTER(connections_refused, "connections closed at once as all places were taken")        \
	COUNTER(connections_stalled, "connections closed as they did not read their answers")      \
	COUNTER(messages_malformed, "messages that were not what the protocol says")               \
	COUNTER(duplicate_ids, "connections closed for using a message id twice at a time")        \
	COUNTER(requests_refused, "requests refused before they reached a pool")                   \
	COUNTER(output_lines, "lines that workers wrote to standard output and error, logged")     \
	COUNTER(output_dropped, "lines of workers that were over their output_rate, not logged")

/* A part of an answer: a whole value in `chunk`. */
struct channel_part {
	struct chunk *chunk;
	struct bytes value;
};

struct daemon_stats {
#define COUNTER(name, help) uint64_t name;
	DAEMON_COUNTERS(COUNTER)
#undef COUNTER
	unsigned connections_open; /* now: kept by the frontend */
};

struct driver {
	struct loop *loop;
	const struct config *config;
	struct engine *engine;
	struct call_table calls;
	struct channel *channels; /* one for each worker slot of the engine */
	uint32_t channel_count;
	struct forkserver *forkservers; /* one for each pool; of use where `prefork` is on */
	const struct guard *guard;
	struct starts starts;	  /* workers that wait for their process */
	struct confine confine;	  /* what holds workers in */
	struct rlimit open_files; /* what workers get */
	struct daemon_stats stats;
	usec_t started;
	const struct channel_answer
		*answer;		 /* of the event in the engine's hands: to the request in */
	uint32_t answered;		 /* this slot, or NO_SLOT */
	const struct channel_part *part; /* the same: a part of an answer */
	enum errcode verdict;		 /* on the last event that somebody caused by hand */
	struct slot_store states;	 /* of sessions */
	struct slot_store kept;		 /* answers of keys */
	struct error_log errors;
	struct events events;
	struct log_limit error_lines;
	struct log_limit
		*refusal_lines; /* of each pool, which refuses by the thousand if it does */
	uint64_t refused_seen;	/* of the chunk store, when memory was last looked at */
	usec_t relieved;	/* when that was done something about */
	bool memory_short;	/* a process could not be started for want of it */
	bool has_admin_group;
	gid_t admin_gid;
	struct buf scratch;
	usec_t memory_check_at;	    /* when the next workers are weighed; USEC_INFINITY: none are */
	uint32_t memory_check_from; /* the slot that is next then */
	bool has_notes;		    /* channels have notes for the engine */
	bool stopped;		    /* not yet told to the owner */
	/* Told when something changed that the service manager may want to know. */
	void (*on_change)(void *owner);
	/* Told once after driver_stop, when no request and no worker is left. */
	void (*on_stopped)(void *owner);
	void *owner;
};

/* Makes ready to run the pools of `config`, which must outlive the driver.  Returns 0 or -errno.
 */
int driver_init(struct driver *driver, struct loop *loop, const struct config *config,
		const struct guard *guard, const struct rlimit *open_files);
void driver_done(struct driver *driver);

/* Starts the workers; the owner's on_... must be set. */
void driver_start(struct driver *driver);

/* The number of the pool of that name, or -ENOENT. */
int driver_find_pool(const struct driver *driver, struct bytes name, uint32_t *ret_pool);

/* What a client may say of a call. */
struct call_options {
	usec_t timeout; /* 0: the pool's */
	bool has_idempotent;
	bool idempotent;
	enum priority priority;
	uint32_t max_attempts; /* 0: as the matrix says */
	bool no_fallback;      /* no other pool of the chain may answer */
	bool stream;
	bool restartable;
	bool session_exists; /* its session is not to be opened for it */
};

/* Hands an event to the engine, with the time of this turn, and has its effects carried out. */
void driver_step(struct driver *driver, struct engine_event *event);

/* Hands an open call over; its caller will be answered. */
void driver_submit(struct driver *driver, struct call *call, const struct call_options *options);

/* The caller gives its call up, and is answered that it did so. */
void driver_cancel(struct driver *driver, struct call *call);

/* The caller goes: its open calls are given up without an answer, and it gets no more events. */
void driver_leave(struct driver *driver, struct caller *caller);

/* Whether a static pool has an answer for the method. */
bool driver_has_answer(const struct driver *driver, uint32_t pool, struct bytes method);

/* Drain and end; again: don't wait. */
void driver_stop(struct driver *driver);

/* Whether every pool has the workers it starts with. */
bool driver_is_ready(const struct driver *driver);

/* The pool's name and settings by its number. */
const struct config_pool *driver_pool_config(const struct driver *driver, uint32_t pool);

/* How a process of the pool is started. */
struct start driver_start_of(const struct driver *driver, uint32_t pool);

/* The number of a worker within its pool, from 1: what people are told. */
unsigned driver_worker_number(const struct driver *driver, uint32_t worker);

#endif
