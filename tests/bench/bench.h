/*
 * What the programs of the bench share: the clock, a backlog of bytes, the length framing, and
 * failing loudly.
 *
 * A program of the bench has no error path: whatever goes wrong ends it with a message, since a
 * figure from a run with a fault in it is worth nothing.
 */
#ifndef POOLD_TESTS_BENCH_H
#define POOLD_TESTS_BENCH_H

#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "protocol/base.h"

#define NSEC_PER_SEC UINT64_C(1000000000)

/* Least room that is offered to a read. */
#define READ_ROOM ((size_t)256 * 1024)

/* The length framing: the payload's length in the machine's byte order, then the payload. */
#define LENGTH_HEAD sizeof(uint32_t)

/* Nanoseconds on the monotonic clock. */
static inline uint64_t clock_nsec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NSEC_PER_SEC + (uint64_t)now.tv_nsec;
}

/* Waits until the time on that clock, or for the first events; returns their number, as
 * epoll_pwait2(2) does. */
static inline int wait_for_events(int epoll_fd, struct epoll_event *events, int max, uint64_t until)
{
	uint64_t now = clock_nsec();
	uint64_t wait = until > now ? until - now : 0;
	struct timespec timeout = {
		.tv_sec = (time_t)(wait / NSEC_PER_SEC),
		.tv_nsec = (long)(wait % NSEC_PER_SEC),
	};

	return epoll_pwait2(epoll_fd, events, max, &timeout, NULL);
}

/* Bytes that came and are not dealt with yet: data[begin..end). */
struct backlog {
	uint8_t *data;
	size_t begin;
	size_t end;
	size_t capacity;
};

static inline size_t backlog_len(const struct backlog *backlog)
{
	return backlog->end - backlog->begin;
}

static inline const uint8_t *backlog_front(const struct backlog *backlog)
{
	return backlog->data + backlog->begin;
}

/* Makes room for `len` bytes behind the last, moving what is there to the front or growing. */
static inline void backlog_reserve(struct backlog *backlog, size_t len)
{
	if (len <= backlog->capacity - backlog->end)
		return;

	size_t held = backlog_len(backlog);

	if (backlog->begin > 0) {
		memmove(backlog->data, backlog_front(backlog), held);
		backlog->begin = 0;
		backlog->end = held;
	}
	if (len <= backlog->capacity - held)
		return;
	while (backlog->capacity < held + len)
		backlog->capacity = backlog->capacity ? backlog->capacity * 2 : READ_ROOM;
	backlog->data = realloc(backlog->data, backlog->capacity);
	if (!backlog->data)
		err(1, "memory");
}

static inline void backlog_put(struct backlog *backlog, const uint8_t *data, size_t len)
{
	backlog_reserve(backlog, len);
	memcpy(backlog->data + backlog->end, data, len);
	backlog->end += len;
}

/* Drops the first `len` bytes. */
static inline void backlog_take(struct backlog *backlog, size_t len)
{
	backlog->begin += len;
	if (backlog->begin == backlog->end)
		backlog->begin = backlog->end = 0;
}

static inline void backlog_free(struct backlog *backlog)
{
	free(backlog->data);
	*backlog = (struct backlog){0};
}

/*
 * One read from `fd` behind what is held, of at least `wanted` bytes of room.  Returns the bytes
 * that came, 0 when the peer has closed, or -EAGAIN.
 */
static inline ssize_t backlog_read(struct backlog *backlog, int fd, size_t wanted)
{
	backlog_reserve(backlog, wanted);

	ssize_t count = read(fd, backlog->data + backlog->end, backlog->capacity - backlog->end);

	if (count > 0)
		backlog->end += (size_t)count;
	else if (count < 0 && (errno == EAGAIN || errno == EINTR))
		return -EAGAIN;
	else if (count < 0 && errno != ECONNRESET)
		err(1, "read");
	return count > 0 ? count : 0;
}

/* The length of the frame that begins at `data`, header included, or 0 while that is not known. */
static inline size_t length_frame(const uint8_t *data, size_t len)
{
	uint32_t payload_len;

	if (len < LENGTH_HEAD)
		return 0;
	memcpy(&payload_len, data, LENGTH_HEAD);
	return LENGTH_HEAD + payload_len;
}

/* How many of the `len` bytes are whole frames, at most `max_frames` of them. */
static inline size_t length_whole(const uint8_t *data, size_t len, size_t max_frames)
{
	size_t at = 0;

	for (size_t frames = 0; frames < max_frames; frames++) {
		size_t frame = length_frame(data + at, len - at);

		if (frame == 0 || frame > len - at)
			break;
		at += frame;
	}
	return at;
}

static inline struct sockaddr_un unix_address(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (strlen(path) >= sizeof(address.sun_path))
		errx(2, "%s: path of the socket is too long", path);
	strcpy(address.sun_path, path);
	return address;
}

/* A number from the command line, or the end of the program. */
static inline uint64_t parse_number(const char *text)
{
	char *end;

	errno = 0;

	unsigned long long value = strtoull(text, &end, 10);

	if (errno || *end || end == text || *text == '-')
		errx(2, "%s: not a number", text);
	return value;
}

/* The same, from 0 to less than `below`, with a fraction. */
static inline double parse_decimal(const char *text, double below)
{
	char *end;
	double value = strtod(text, &end);

	if (*end || end == text || !(value >= 0 && value < below))
		errx(2, "%s: not a number", text);
	return value;
}

/* Nanoseconds from seconds with a fraction. */
static inline uint64_t parse_nsec(const char *text)
{
	return (uint64_t)(parse_decimal(text, 1e9) * (double)NSEC_PER_SEC);
}

#endif
