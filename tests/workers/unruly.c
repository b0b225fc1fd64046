/*
 * A worker on raw bytes, without the library, that breaks the rules as it is asked to: the method
 * says how.
 *
 *   echo     answers with its arguments, byte for byte
 *   work     first writes its arguments to the journal, then takes a millisecond and answers
 *   late     answers UNRULY_LATE_MSEC milliseconds (40) after the deadline
 *   twice    answers, and answers again in the same write
 *   again    answers the request before this one once more, then this one
 *   unknown  answers an id that was never asked, then this one
 *
 * From a request's second attempt on, the last three behave: so each ends well in the end.
 *
 * Usage: unruly [JOURNAL].  JOURNAL is a file that gets the arguments of each `work` appended.
 * Which method comes next is drawn by the test, so that the right outcome of each question is known
 * there.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define UNKNOWN_ID 1000000u

struct slice {
	const uint8_t *at;
	const uint8_t *end;
};

struct request {
	uint32_t id;
	struct slice method;
	struct slice args;
	uint64_t attempt;
	uint64_t deadline_msec;
};

struct worker {
	int channel;
	int journal; /* -1: none */
	uint64_t late_msec;
	uint32_t previous;
	uint8_t *data;
	size_t len;
	size_t room;
};

static void die(const char *what)
{
	fprintf(stderr, "unruly: %s: %s\n", what, strerror(errno));
	_exit(1);
}

static uint64_t big_endian(const uint8_t *at, size_t width)
{
	uint64_t value = 0;

	for (size_t i = 0; i < width; i++)
		value = value << 8 | at[i];
	return value;
}

/* How a value begins: bytes of its head, bytes of its body, and how many values follow as its
 * items. */
struct head {
	size_t len;
	uint64_t body;
	uint64_t items;
};

/* The first bytes from 0xc0 on: width of the length, bytes of the body beyond it, items per unit of
 * the length. */
static const struct {
	uint8_t length_width;
	uint8_t fixed_body;
	uint8_t items;
} shapes[32] = {
	[0x04] = {1, 0, 0}, [0x05] = {2, 0, 0},	 [0x06] = {4, 0, 0}, /* bin */
	[0x07] = {1, 1, 0}, [0x08] = {2, 1, 0},	 [0x09] = {4, 1, 0}, /* ext */
	[0x0a] = {0, 4, 0}, [0x0b] = {0, 8, 0},			     /* float */
	[0x0c] = {0, 1, 0}, [0x0d] = {0, 2, 0},	 [0x0e] = {0, 4, 0}, [0x0f] = {0, 8, 0},
	[0x10] = {0, 1, 0}, [0x11] = {0, 2, 0},	 [0x12] = {0, 4, 0}, [0x13] = {0, 8, 0},
	[0x14] = {0, 2, 0}, [0x15] = {0, 3, 0},	 [0x16] = {0, 5, 0}, /* fixext */
	[0x17] = {0, 9, 0}, [0x18] = {0, 17, 0}, [0x19] = {1, 0, 0}, [0x1a] = {2, 0, 0},
	[0x1b] = {4, 0, 0},			/* str */
	[0x1c] = {2, 0, 1}, [0x1d] = {4, 0, 1}, /* array */
	[0x1e] = {2, 0, 2}, [0x1f] = {4, 0, 2}, /* map */
};

/* Returns false when the head is not all there. */
static bool read_head(struct slice left, struct head *ret)
{
	uint8_t first;

	if (left.at == left.end)
		return false;
	first = *left.at;
	*ret = (struct head){.len = 1};
	if (first < 0x80 || first >= 0xe0)
		return true;
	if (first < 0xa0)
		ret->items = (uint64_t)(first & 0x0f) * (first < 0x90 ? 2 : 1);
	else if (first < 0xc0)
		ret->body = first & 0x1f;
	if (first < 0xc0)
		return true;

	size_t width = shapes[first - 0xc0].length_width;
	uint64_t length;

	if ((size_t)(left.end - left.at) < 1 + width)
		return false;
	length = big_endian(left.at + 1, width);
	ret->len += width;
	ret->items = length * shapes[first - 0xc0].items;
	ret->body = shapes[first - 0xc0].fixed_body + (shapes[first - 0xc0].items > 0 ? 0 : length);
	return true;
}

/* Takes one whole value off `left`.  Returns false when it is not all there. */
static bool take(struct slice *left, struct slice *ret)
{
	struct slice rest = *left;
	uint64_t pending = 1;

	while (pending > 0) {
		struct head head;

		if (!read_head(rest, &head) ||
		    (uint64_t)(rest.end - rest.at) < head.len + head.body)
			return false;
		rest.at += head.len + head.body;
		pending += head.items;
		pending--;
	}
	*ret = (struct slice){left->at, rest.at};
	left->at = rest.at;
	return true;
}

/* Steps into the array or map that `left` begins with; returns its number of items. */
static uint64_t enter(struct slice *left)
{
	struct head head;

	if (!read_head(*left, &head))
		return 0;
	left->at += head.len;
	return head.items;
}

static uint64_t uint_of(struct slice value)
{
	if (*value.at < 0x80)
		return *value.at;
	return big_endian(value.at + 1, (size_t)(value.end - value.at) - 1);
}

/* The bytes of a string without its head. */
static struct slice text_of(struct slice value)
{
	struct head head;

	if (read_head(value, &head))
		value.at += head.len;
	return value;
}

static bool is(struct slice text, const char *word)
{
	return (size_t)(text.end - text.at) == strlen(word) &&
	       memcmp(text.at, word, strlen(word)) == 0;
}

static void read_context(struct slice context, struct request *ret)
{
	uint64_t items = enter(&context);

	for (uint64_t i = 0; i + 1 < items; i += 2) {
		struct slice key, value;

		if (!take(&context, &key) || !take(&context, &value))
			return;
		if (is(text_of(key), "attempt"))
			ret->attempt = uint_of(value);
		else if (is(text_of(key), "deadline_ms"))
			ret->deadline_msec = uint_of(value);
	}
}

/* Reads [0, id, method, [args, context]]; returns false for everything else. */
static bool read_request(struct slice message, struct request *ret)
{
	struct slice type, id, method, params, context;

	*ret = (struct request){0};
	if (enter(&message) != 4 || !take(&message, &type) || uint_of(type) != 0 ||
	    !take(&message, &id) || !take(&message, &method) || !take(&message, &params))
		return false;
	ret->id = (uint32_t)uint_of(id);
	ret->method = text_of(method);
	if (enter(&params) == 2 && take(&params, &ret->args) && take(&params, &context))
		read_context(context, ret);
	return true;
}

static void write_all(int fd, const uint8_t *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			_exit(0); /* the daemon has closed the channel: nobody wants this worker any
				     more */
		data += n;
		len -= (size_t)n;
	}
}

/* Appends [1, id, nil, result] at `out`; returns its length. */
static size_t put_answer(uint8_t *out, uint32_t id, struct slice result)
{
	const uint8_t head[] = {0x94,
				0x01,
				0xce,
				(uint8_t)(id >> 24),
				(uint8_t)(id >> 16),
				(uint8_t)(id >> 8),
				(uint8_t)id,
				0xc0};
	size_t len = (size_t)(result.end - result.at);

	memcpy(out, head, sizeof(head));
	memcpy(out + sizeof(head), result.at, len);
	return sizeof(head) + len;
}

/* One write with `count` answers. */
static void answer(const struct worker *worker, const uint32_t *ids, size_t count,
		   struct slice result)
{
	size_t each = 8 + (size_t)(result.end - result.at);
	uint8_t *out = malloc(count * each);
	size_t len = 0;

	if (!out)
		die("memory");
	for (size_t i = 0; i < count; i++)
		len += put_answer(out + len, ids[i], result);
	write_all(worker->channel, out, len);
	free(out);
}

static void pass_msec(uint64_t msec)
{
	struct timespec left = {(time_t)(msec / 1000), (long)(msec % 1000) * 1000000};

	while (nanosleep(&left, &left) < 0 && errno == EINTR)
		continue;
}

static void serve(struct worker *worker, const struct request *request)
{
	uint32_t ids[2] = {request->id, request->id};
	size_t count = 1;

	bool first = request->attempt <= 1;

	if (first && is(request->method, "twice")) {
		count = 2;
	} else if (first && is(request->method, "again") && worker->previous != 0) {
		ids[0] = worker->previous;
		count = 2;
	} else if (first && is(request->method, "unknown")) {
		ids[0] = request->id + UNKNOWN_ID;
		count = 2;
	} else if (is(request->method, "late")) {
		pass_msec(request->deadline_msec + worker->late_msec);
	} else if (is(request->method, "work")) {
		if (worker->journal >= 0)
			write_all(worker->journal, request->args.at,
				  (size_t)(request->args.end - request->args.at));
		pass_msec(1);
	}
	answer(worker, ids, count, request->args.at ? request->args : request->method);
	worker->previous = request->id;
}

static void serve_ping(const struct worker *worker, uint32_t id)
{
	static const uint8_t pong[] = {0xa4, 'p', 'o', 'n', 'g'};

	answer(worker, &id, 1, (struct slice){pong, pong + sizeof(pong)});
}

static bool is_shutdown(struct slice message)
{
	struct slice type, method;

	return enter(&message) == 3 && take(&message, &type) && take(&message, &method) &&
	       is(text_of(method), "shutdown");
}

/* Serves what is whole and keeps the rest.  Returns false when the daemon says that it is over. */
static bool serve_data(struct worker *worker)
{
	struct slice left = {worker->data, worker->data + worker->len};
	struct slice message;

	while (take(&left, &message)) {
		struct request request;

		if (is_shutdown(message))
			return false;
		if (!read_request(message, &request))
			continue; /* a cancel: everything is answered in any case */
		if (is(request.method, "ping") && !request.args.at)
			serve_ping(worker, request.id);
		else
			serve(worker, &request);
	}
	worker->len = (size_t)(left.end - left.at);
	memmove(worker->data, left.at, worker->len);
	return true;
}

static bool read_data(struct worker *worker)
{
	ssize_t n;

	if (worker->len == worker->room) {
		worker->room = worker->room > 0 ? 2 * worker->room : 65536;
		worker->data = realloc(worker->data, worker->room);
		if (!worker->data)
			die("memory");
	}
	do
		n = read(worker->channel, worker->data + worker->len, worker->room - worker->len);
	while (n < 0 && errno == EINTR);
	if (n > 0)
		worker->len += (size_t)n;
	return n > 0;
}

static void say_ready(const struct worker *worker)
{
	/* [2, "ready", [{"pid": 0, "version": "0"}]]: the pid is only for people */
	static const uint8_t ready[] = "\x93\x02\xa5ready\x91\x82\xa3pid\x00\xa7version\xa1"
				       "0";

	write_all(worker->channel, ready, sizeof(ready) - 1);
}

int main(int argc, char **argv)
{
	const char *channel = getenv("POOLD_FD");
	const char *late = getenv("UNRULY_LATE_MSEC");
	struct worker worker = {.journal = -1};

	if (!channel) {
		fprintf(stderr,
			"unruly: POOLD_FD is not set: it is poold that starts this program\n");
		return 64;
	}
	signal(SIGTERM, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	worker.channel = atoi(channel);
	worker.late_msec = late ? strtoull(late, NULL, 10) : 40;
	if (argc > 1) {
		worker.journal = open(argv[1], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
		if (worker.journal < 0)
			die(argv[1]);
	}
	say_ready(&worker);
	while (read_data(&worker) && serve_data(&worker))
		continue;
	free(worker.data);
	return 0;
}
