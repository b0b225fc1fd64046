/*
 * What a worker writes to its standard output and standard error: pipes that are read without
 * blocking, cut into lines, and limited to a rate of lines.
 *
 * A turn of the loop reads a bounded amount.  A stream that has more is not read for a moment, so a
 * worker that floods its output has to wait, and no other.  Between two lines a stream owns
 * no buffer.  The beginning of a line that is not complete is kept in a chunk of the loop's store;
 * where there is no memory for one, the line is handed over in two parts.
 */
#ifndef POOLD_IO_WORKER_OUTPUT_H
#define POOLD_IO_WORKER_OUTPUT_H

#include "daemon/io/base/loop.h"
#include "protocol/buf.h"

/* Bytes of the end of standard error that are kept after the worker's end. */
#define OUTPUT_TAIL_MAX 2048

enum output_stream {
	OUTPUT_STDOUT = 0,
	OUTPUT_STDERR,
	OUTPUT_STREAM_COUNT_
};

struct output_limits {
	size_t line_max; /* bytes of a line; a longer one comes in parts; at most CHUNK_SIZE */
	unsigned rate;	 /* lines a second; 0: no limit */
	unsigned burst;	 /* lines beyond that at once */
};

struct output_handler {
	/* The worker wrote for the first time. */
	void (*on_first)(void *owner);
	/* A line without its newline, as it came: any bytes.  `part` counts the parts of a line
	 * that is longer than line_max, from 1; 0: the line is whole. */
	void (*on_line)(void *owner, enum output_stream stream, struct bytes line, unsigned part);
	/* So many lines were over the rate and not handed over.  Called at most once a second. */
	void (*on_dropped)(void *owner, uint64_t count);
};

struct output_source {
	struct output *output;
	int fd; /* -1: closed */
	struct event readable;
	struct event resume; /* when a stream that had too much is read again */
	struct chunk *begun; /* a line that is not complete; NULL: none */
	size_t begun_len;
	unsigned part;		   /* parts of this line that were handed over */
	struct chunk *waiting;	   /* what was read and has to wait; NULL: nothing */
	struct bytes waiting_text; /* in it */
};

struct output {
	struct loop *loop;
	const struct output_handler *handler;
	void *owner;
	struct output_limits limits;
	struct output_source sources[OUTPUT_STREAM_COUNT_];
	struct event notify;	       /* when dropped lines are reported */
	uint64_t credit;	       /* lines that may pass, in millionths */
	usec_t credited;	       /* when that was computed */
	uint64_t lines;		       /* handed over, in this life */
	uint64_t dropped;	       /* in this life */
	uint64_t unreported;	       /* of those */
	bool has_written;	       /* in this life */
	bool is_ending;		       /* output_finish runs: nothing can wait */
	unsigned lines_left;	       /* to be handed over in this turn */
	uint8_t tail[OUTPUT_TAIL_MAX]; /* a ring */
	uint64_t tail_len;	       /* bytes that went into it, in this life */
};

void output_init(struct output *output, struct loop *loop, const struct output_handler *handler,
		 void *owner);

/*
 * Begins a life: a pipe for each stream of the mask `streams` (1u << enum output_stream).  The
 * worker's ends are in ret_ends, -1 for the others, and are the caller's.  Returns 0 or -errno, and
 * then nothing is open.
 */
int output_open(struct output *output, const struct output_limits *limits, unsigned streams,
		int ret_ends[OUTPUT_STREAM_COUNT_]);

/* Hands over the lines that are there now, as far as one turn of the loop reads. */
void output_read(struct output *output);

/* The worker has ended: hands over what it had written, as far as that is no flood, with a last line
 * that has no newline, and closes.  The tail stays until the next life. */
void output_finish(struct output *output);

/* Closes without handing anything over. */
void output_close(struct output *output);

/* Writes the last bytes of standard error.  Newlines stay, all else that is not text is escaped. */
void output_tail(const struct output *output, struct buf *out);

#endif
