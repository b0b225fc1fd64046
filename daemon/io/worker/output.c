#include "daemon/io/worker/output.h"

#include "daemon/io/base/log_text.h"
#include "protocol/utf8.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#define READ_SIZE ((size_t)16 * 1024)

/* Reads from one stream in a turn of the loop, and how long a stream that has more is not read
 * then: so the daemon reads at most 32 MB a second from it. */
#define READS_A_TURN 4
/* Lines of one stream that are handed over in a turn; those behind them wait for the pause. */
#define LINES_A_TURN 256
static const struct timeval flood_pause = {.tv_usec = 2000};

/* Reads from a stream after the worker's end: a process that it left behind may go on writing. */
#define READS_AT_END 64
/* Lines that are handed over then; further ones are dropped. */
#define LINES_AT_END 4096

#define LINE_CREDIT  USEC_PER_SEC
static const struct timeval notify_pause = {.tv_sec = 1};

/* --- the rate --- */

static void refill(struct output *output)
{
	usec_t now = loop_now(output->loop);
	uint64_t full = (uint64_t)(output->limits.burst + output->limits.rate) * LINE_CREDIT;
	uint64_t more;

	if (__builtin_mul_overflow(usec_sub(now, output->credited), output->limits.rate, &more) ||
	    __builtin_add_overflow(output->credit, more, &output->credit) || output->credit > full)
		output->credit = full;
	output->credited = now;
}

static bool may_pass(struct output *output)
{
	if (output->limits.rate == 0)
		return true;
	if (output->credit < LINE_CREDIT)
		refill(output);
	if (output->credit < LINE_CREDIT)
		return false;
	output->credit -= LINE_CREDIT;
	return true;
}

static void notify_dropped(struct output *output)
{
	uint64_t count = output->unreported;

	output->unreported = 0;
	if (count > 0)
		output->handler->on_dropped(output->owner, count);
}

static void on_notify(evutil_socket_t fd, short what, void *argument)
{
	(void)fd;
	(void)what;
	notify_dropped(argument);
}

static void drop(struct output *output)
{
	output->dropped++;
	if (output->unreported++ == 0)
		loop_add_timer(&output->notify, &notify_pause);
}

/* --- lines --- */

static enum output_stream stream_of(const struct output_source *source)
{
	return (enum output_stream)(source - source->output->sources);
}

static void hand_over(struct output_source *source, struct bytes line, bool ends)
{
	struct output *output = source->output;
	unsigned part = source->part;

	if (part > 0 || !ends)
		part = ++source->part;
	if (ends)
		source->part = 0;
	if (line.len == 0)
		return;
	if ((output->lines_left == 0 && output->is_ending) || !may_pass(output)) {
		drop(output);
		return;
	}
	output->lines++;
	output->lines_left -= output->lines_left > 0;
	output->handler->on_line(output->owner, stream_of(source), line, part);
}

static void drop_begun(struct output_source *source)
{
	chunk_unref(source->begun);
	source->begun = NULL;
	source->begun_len = 0;
}

/* `begun` has one byte more than a part may have, so that no character is cut in two. */
static void hand_over_part(struct output_source *source)
{
	struct bytes begun = {source->begun->data, source->begun_len};
	struct bytes part = utf8_cut(begun, source->output->limits.line_max);

	hand_over(source, part, false);
	source->begun_len -= part.len;
	memmove(source->begun->data, begun.data + part.len, source->begun_len);
}

/* Keeps the beginning of a line, and hands over parts of it while there is too much. */
static void keep(struct output_source *source, struct bytes text)
{
	size_t full = source->output->limits.line_max + 1;

	if (text.len > 0 && !source->begun)
		source->begun = chunk_new(&source->output->loop->store, full);
	if (!source->begun) {
		hand_over(source, text, false);
		return;
	}
	while (text.len > 0) {
		size_t room = full - source->begun_len;
		size_t len = text.len < room ? text.len : room;

		memcpy(source->begun->data + source->begun_len, text.data, len);
		source->begun_len += len;
		text = (struct bytes){text.data + len, text.len - len};
		if (source->begun_len == full)
			hand_over_part(source);
	}
}

static void end_line(struct output_source *source, struct bytes text)
{
	if (text.len > 0 && text.data[text.len - 1] == '\r')
		text.len--;
	if (!source->begun && text.len <= source->output->limits.line_max) {
		hand_over(source, text, true);
		return;
	}
	if (text.len > 0)
		keep(source, text);
	hand_over(source,
		  source->begun ? (struct bytes){source->begun->data, source->begun_len}
				: (struct bytes){0},
		  true);
	drop_begun(source);
}

static void remember(struct output *output, struct bytes text)
{
	output->tail_len += text.len;
	if (text.len > OUTPUT_TAIL_MAX) {
		text.data += text.len - OUTPUT_TAIL_MAX;
		text.len = OUTPUT_TAIL_MAX;
	}
	for (size_t i = 0; i < text.len; i++)
		output->tail[(output->tail_len - text.len + i) % OUTPUT_TAIL_MAX] = text.data[i];
}

/* Returns the text that has to wait. */
static struct bytes take_lines(struct output_source *source, struct bytes text)
{
	const struct output *output = source->output;

	while (text.len > 0 && (output->lines_left > 0 || output->is_ending)) {
		const uint8_t *end = memchr(text.data, '\n', text.len);
		struct bytes line = {text.data, end ? (size_t)(end - text.data) : text.len};

		if (!end) {
			keep(source, line);
			return (struct bytes){0};
		}
		end_line(source, line);
		text = (struct bytes){end + 1, text.len - line.len - 1};
	}
	return text;
}

/* Without memory nothing can wait. */
static void keep_waiting(struct output_source *source, struct bytes text)
{
	struct output *output = source->output;

	source->waiting = chunk_new(&output->loop->store, text.len);
	if (!source->waiting) {
		output->lines_left = UINT_MAX;
		take_lines(source, text);
		return;
	}
	memcpy(source->waiting->data, text.data, text.len);
	source->waiting_text = (struct bytes){source->waiting->data, text.len};
}

/* Returns whether nothing waits any more. */
static bool take_waiting(struct output_source *source)
{
	if (!source->waiting)
		return true;
	source->waiting_text = take_lines(source, source->waiting_text);
	if (source->waiting_text.len > 0)
		return false;
	chunk_unref(source->waiting);
	source->waiting = NULL;
	return true;
}

/* Returns whether all of it was taken. */
static bool take(struct output_source *source, struct bytes text)
{
	struct output *output = source->output;

	if (!output->has_written) {
		output->has_written = true;
		output->handler->on_first(output->owner);
	}
	if (stream_of(source) == OUTPUT_STDERR)
		remember(output, text);
	text = take_lines(source, text);
	if (text.len == 0)
		return true;
	keep_waiting(source, text);
	return false;
}

/* --- the pipes --- */

static void close_source(struct output_source *source)
{
	if (source->fd < 0)
		return;
	event_del(&source->readable);
	event_del(&source->resume);
	close(source->fd);
	source->fd = -1;
	chunk_unref(source->waiting);
	source->waiting = NULL;
}

static void end_source(struct output_source *source)
{
	if (source->begun || source->part > 0)
		end_line(source, (struct bytes){0});
	close_source(source);
}

/* Reads at most `reads` times.  Returns whether there may be more. */
static bool read_some(struct output_source *source, unsigned reads)
{
	uint8_t buffer[READ_SIZE];

	source->output->lines_left = source->output->is_ending ? LINES_AT_END : LINES_A_TURN;
	if (!take_waiting(source))
		return true;
	while (reads-- > 0) {
		ssize_t len = read(source->fd, buffer, sizeof(buffer));

		if (len < 0)
			return false;
		if (len == 0) {
			end_source(source);
			return false;
		}
		if (!take(source, (struct bytes){buffer, (size_t)len}))
			return true;
		if ((size_t)len < sizeof(buffer))
			return false;
	}
	return true;
}

static void on_readable(evutil_socket_t fd, short what, void *argument)
{
	struct output_source *source = argument;

	(void)fd;
	(void)what;
	if (read_some(source, READS_A_TURN)) {
		event_del(&source->readable);
		loop_add_timer(&source->resume, &flood_pause);
	}
}

/* What waits is taken whether there is more to read or not. */

static void on_resume(evutil_socket_t fd, short what, void *argument)
{
	struct output_source *source = argument;

	(void)fd;
	(void)what;
	if (read_some(source, READS_A_TURN) ||
	    (source->fd >= 0 && event_add(&source->readable, NULL) < 0))
		loop_add_timer(&source->resume, &flood_pause);
}

static int open_source(struct output_source *source, int *ret_end)
{
	struct event_base *base = source->output->loop->base;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	event_assign(&source->readable, base, ends[0], EV_READ | EV_PERSIST, on_readable, source);
	evtimer_assign(&source->resume, base, on_resume, source);
	if (fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0 || event_add(&source->readable, NULL) < 0) {
		close(ends[0]);
		close(ends[1]);
		return -ENOMEM;
	}
	source->fd = ends[0];
	*ret_end = ends[1];
	return 0;
}

void output_init(struct output *output, struct loop *loop, const struct output_handler *handler,
		 void *owner)
{
	*output = (struct output){.loop = loop, .handler = handler, .owner = owner};
	evtimer_assign(&output->notify, loop->base, on_notify, output);
	for (unsigned i = 0; i < OUTPUT_STREAM_COUNT_; i++)
		output->sources[i] = (struct output_source){.output = output, .fd = -1};
}

int output_open(struct output *output, const struct output_limits *limits, unsigned streams,
		int ret_ends[OUTPUT_STREAM_COUNT_])
{
	output_close(output);
	output->limits = *limits;
	output->credit = (uint64_t)(limits->burst + limits->rate) * LINE_CREDIT;
	output->credited = loop_now(output->loop);
	output->lines = output->dropped = output->tail_len = 0;
	output->has_written = false;
	for (unsigned i = 0; i < OUTPUT_STREAM_COUNT_; i++)
		ret_ends[i] = -1;
	for (unsigned i = 0; i < OUTPUT_STREAM_COUNT_; i++) {
		int r = streams & 1u << i ? open_source(&output->sources[i], &ret_ends[i]) : 0;

		if (r == 0)
			continue;
		while (i-- > 0)
			if (ret_ends[i] >= 0)
				close(ret_ends[i]);
		output_close(output);
		return r;
	}
	return 0;
}

void output_read(struct output *output)
{
	for (unsigned i = 0; i < OUTPUT_STREAM_COUNT_; i++)
		if (output->sources[i].fd >= 0)
			read_some(&output->sources[i], READS_A_TURN);
}

void output_finish(struct output *output)
{
	output->is_ending = true;
	for (unsigned i = 0; i < OUTPUT_STREAM_COUNT_; i++) {
		struct output_source *source = &output->sources[i];

		if (source->fd < 0)
			continue;
		read_some(source, READS_AT_END);
		if (source->fd >= 0)
			end_source(source);
	}
	output->is_ending = false;
	event_del(&output->notify);
	notify_dropped(output);
}

void output_close(struct output *output)
{
	for (unsigned i = 0; i < OUTPUT_STREAM_COUNT_; i++) {
		close_source(&output->sources[i]);
		drop_begun(&output->sources[i]);
		output->sources[i].part = 0;
	}
	event_del(&output->notify);
	output->unreported = 0;
}

/* --- the tail --- */

static void put_safe_line(struct buf *out, struct bytes line)
{
	char safe[OUTPUT_TAIL_MAX * 4 + 8];

	buf_put(out, safe, log_text_escape(line, safe, sizeof(safe)));
}

void output_tail(const struct output *output, struct buf *out)
{
	size_t len =
		output->tail_len < OUTPUT_TAIL_MAX ? (size_t)output->tail_len : OUTPUT_TAIL_MAX;
	uint8_t bytes[OUTPUT_TAIL_MAX] = {0};
	size_t begin = 0;

	for (size_t i = 0; i < len; i++)
		bytes[i] = output->tail[(output->tail_len - len + i) % OUTPUT_TAIL_MAX];
	/* Skips the rest of a character whose beginning is not in the tail. */
	while (output->tail_len > len && begin < 3 && (bytes[begin] & 0xc0) == 0x80)
		begin++;
	while (len > begin && bytes[len - 1] == '\n')
		len--;
	while (begin < len) {
		const uint8_t *end = memchr(bytes + begin, '\n', len - begin);
		size_t line = end ? (size_t)(end - bytes) - begin : len - begin;

		put_safe_line(out, (struct bytes){bytes + begin, line});
		begin += line + 1;
		if (begin < len)
			buf_put(out, "\n", 1);
	}
}
