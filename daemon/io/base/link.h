/*
 * A link: one stream of messages, in and out, to a client or to a worker.
 *
 * In: bytes are read once per readiness, cut into whole messages (framing.h), and handed over where
 * they are; a handler that keeps them takes a reference to the chunk.  A link that is not to be read
 * any more, or whose messages take too long (turn.h), keeps the rest of what was read; it goes on
 * with that in a later turn, behind the others that wait, and is not read meanwhile.  A link
 * between two messages owns no buffer.  Out: what is put is written at the end of the loop's turn, all
 * of it in one system call; large pieces are written from the chunk that they were received in.
 */
#ifndef POOLD_IO_BASE_LINK_H
#define POOLD_IO_BASE_LINK_H

#include "daemon/io/base/framing.h"
#include "daemon/io/base/loop.h"
#include "daemon/io/base/outbox.h"
#include "daemon/io/base/stream.h"
#include "protocol/list.h"

struct link;

/* Why a link came to its end. */
enum link_end {
	LINK_END_OF_FILE = 0,
	LINK_END_ERROR,	    /* the system's error is given */
	LINK_END_MALFORMED, /* not MessagePack */
	LINK_END_TOO_LARGE, /* a message over the limit */
	LINK_END_NO_MEMORY, /* a buffer was refused */
	LINK_END_STALLED,   /* the peer read nothing for too long, though output was pending */
	LINK_END_UNREAD	    /* the peer is gone, and left more behind than is read of such a one */
};

/* Room for an envelope up to its id, however it is written, and for enough of a text that people
 * recognize it. */
#define LINK_BEGUN_MAX 64

struct link_handler {
	/* A whole message, without what frames it.  The link may be closed from here. */
	void (*on_message)(void *owner, struct chunk *chunk, struct bytes message);
	/*
	 * Nothing more will come in, and the handler closes the link, at once or when its last
	 * answers are out.  `begun`: the first bytes of the message that could not be taken, or
	 * that has no end, with what frames it; at most LINK_BEGUN_MAX, as far as they are there
	 * (its id may be among them).
	 */
	void (*on_end)(void *owner, enum link_end end, int error, struct bytes begun);
	/* The link is closed and no code of the turn refers to it any more: its memory may be
	 * freed. */
	void (*on_free)(struct link *link);
	/*
	 * There is no memory for the message that begins with `begun`, with what frames it: all
	 * that is there.  `by_system`: the system has none; else others have it, or it is over the
	 * share.  True: it is skipped, and the link goes on behind it.  False: the link is not read
	 * until there is memory for it.  NULL: the link ends (LINK_END_NO_MEMORY).
	 */
	bool (*on_no_memory)(void *owner, struct bytes begun, bool by_system);
	/* More of the message that is skipped, with what frames it; `is_end`: the last of it.  The
	 * link may be closed from here.  NULL: not interesting. */
	void (*on_skipped)(void *owner, struct bytes bytes, bool is_end);
	/* All output is written (NULL: not interesting). */
	void (*on_drained)(void *owner);
	/* The peer has taken more of the output: link->written (NULL: not interesting). */
	void (*on_written)(void *owner);
	/* Memory was given back since the link began to wait for that (link_await_memory). */
	void (*on_memory)(void *owner);
};

struct link {
	struct loop *loop;
	const struct link_handler *handler;
	void *owner;
	struct stream stream; /* `out` is below 0 once the output of two pipes has ended */
	struct event read_event;
	struct event write_event;
	struct list_node in_dirty;
	struct list_node in_deferred;
	struct list_node in_closed;
	struct list_node in_backlog;
	struct chunk *rest_chunk; /* what was read and not handed over: messages; NULL: nothing */
	struct bytes rest;	  /* in it */
	struct chunk *in;	  /* a message half read, at its beginning; NULL: none */
	size_t in_len;
	size_t in_scanned;
	size_t typical;	      /* size of the last message */
	struct bytes arrived; /* during on_message: the message with what frames it, and what was
				 read behind it */
	struct framing framing;
	struct outbox out;
	uint64_t received;    /* bytes of input that were read, in all */
	uint64_t written;     /* bytes of output that the peer's side has taken, in all */
	usec_t stall_timeout; /* how long the peer may read nothing while output is pending; 0: any
				 time */
	/* Of a client: bytes of its messages that its owner keeps.  NULL: a worker's link, whose
	 * messages may use the last of the memory. */
	const size_t *kept;
	bool is_reading;
	bool has_filled;  /* the last read filled memory of the link's own */
	bool is_heavy;	  /* used up its last slice, so it waits behind those that did not */
	bool is_draining; /* is read to its end, whether it is_reading or not */
	bool is_skipping; /* the message that comes is read and dropped */
	bool is_awaiting; /* on_memory is to be called */
	size_t wanted;	  /* the capacity that there was no memory for; 0: it is read */
	bool has_grown; /* more memory was asked for, or taken, or much of a message came, since the
			   owner set this to false */
	struct list_node in_starved;
	bool reads_last; /* see link_read_last */
	bool is_waiting; /* until the peer's side takes more */
	int unsent;	 /* bytes that the peer had not read when that wait began or was
			    prolonged; with a stall_timeout only */
	bool has_ended;	 /* on_end was called */
	bool is_closed;
	bool is_closing;  /* close when all is written */
	bool is_finished; /* nothing more is put, and the output is shut down when all is written */
	bool has_failed;  /* ends at the end of the turn, because of `fail_why` */
	enum link_end fail_why;
};

/* Takes over the stream, whose descriptors don't block, and begins to read.  Returns 0 or -errno;
 * then the stream is still the caller's. */
int link_open(struct link *link, struct loop *loop, struct stream stream, enum framing_kind framing,
	      uint64_t message_max, const struct link_handler *handler, void *owner);

/* The same in memory of its own, which the handler's on_free is to free.  *ret is left alone
 * where it fails. */
int link_new(struct loop *loop, struct stream stream, enum framing_kind framing,
	     uint64_t message_max, const struct link_handler *handler, void *owner,
	     struct link **ret);

/* Closes now.  The handler is not called again; the memory of `link` must stay until on_free. */
void link_close(struct link *link);

/* Stops reading, and closes once all output is written. */
void link_close_when_written(struct link *link);

/* Ends the output once all of it is written: the peer reads an end of file, and may still answer.
 * What is put from now on is dropped. */
void link_finish_output(struct link *link);

/* Starts or stops reading.  A link that is not read notices neither messages nor the end, not even
 * those that came in one piece with the message that is being handled. */
void link_set_reading(struct link *link, bool reading);

/* The memory that a client's link and its owner hold. */
static inline size_t link_held(const struct link *link)
{
	return outbox_held(&link->out) + (link->in ? link->in->capacity : 0) +
	       (link->rest_chunk ? chunk_cost(link->rest_chunk, link->rest.len) : 0) +
	       (link->kept ? *link->kept : 0);
}

/* Has on_memory called once when memory was given back: in a later turn, and not for every little. */
void link_await_memory(struct link *link);

/* Drops what has come of a message that is half read; the rest is read and dropped when it comes. */
COLD void link_skip_begun(struct link *link);

/* Gives back the memory that was taken for more of it. */
void link_trim_begun(struct link *link);

/* From now on the link is read at the end of a turn, when all else that became readable in that
 * turn has been read.  What the peer wrote elsewhere before its message is then known before it. */
void link_read_last(struct link *link);

/* Reads what is there until there is no more, as for a peer that is gone.  The link ends if that can't
 * be done: for lack of memory, or as it is more than DRAIN_UNITS (turn.h). */
void link_drain(struct link *link);

/*
 * Of these links, of sockets: reads those whose peer has hung up or writes no more, each for a slice, as if
 * it were their turn.  So whoever has left is known now, and not only when the turn comes to it; what it
 * has sent is handed over before.  One that is not to be read now is left alone, and so are the rest when
 * the turn has taken its time.
 */
void link_read_left(struct link *const links[], unsigned count);
#define LINK_LEFT_MAX 128 /* links at most */

/* Whether nobody can read any more what is written to one of two pipes.  Of a socket it is not
 * known: false. */
bool link_is_unheard(const struct link *link);

/* Whether nothing is on its way, in or out, as far as it was read: no message or a part of one, and no
 * output. */
bool link_is_idle(const struct link *link);

/* The message that is half read, with what frames it, as far as it has come; valid until the link
 * is read again or closed. */
struct bytes link_begun(const struct link *link);

/* Append to the output.  The bytes are copied; link_put_shared keeps a reference of the chunk
 * instead where there is one and that is cheaper.  link_put_message is for a value with what stands
 * before and behind it in its message. */
void link_put(struct link *link, const void *data, size_t len);
void link_put_shared(struct link *link, struct chunk *chunk, struct bytes bytes);
void link_put_message(struct link *link, struct bytes head, struct chunk *chunk, struct bytes value,
		      struct bytes tail);

/* Drops the output and ends the link at the end of the turn: where the handler can't be called at
 * once. */
COLD void link_fail(struct link *link, enum link_end why);

/* Whether messages wait for their turn, so that the loop must not sleep. */
bool link_has_backlog(const struct loop *loop);

/* At the turn's end: read the links that are read last; go on with those whose messages wait; write
 * what was put; free what was closed. */
void link_read_deferred(struct loop *loop);
void link_serve_backlog(struct loop *loop);
void link_flush_all(struct loop *loop);
void link_free_closed(struct loop *loop);
/* Reads those again that wait for memory and can have it now, if some was given back or
 * is_relief_due. */
void link_feed_starved(struct loop *loop);

#endif
