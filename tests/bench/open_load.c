/*
 * The open-loop load client: calls become due by a clock, whether earlier ones are answered or
 * not, as those of many independent clients do.
 *
 *	open_load --socket PATH --class NAME:KEY=VALUE,... [--class ...] [--connections N]
 *	          [--seed N] [--bucket-ms N] [--drain SECONDS] [--obey] [--histograms]
 *
 * offer.h has the keys of a class.  Several classes make a mix of calls, or the phases of a load.
 * A call counts from the moment it was due: nothing that is slow here or there hides behind what it
 * held up.  An answer is late when it comes more than 10 ms after its deadline, as counted from
 * when it was handed to the socket.  --obey: a call that was refused with retry_after_ms is offered
 * once more after that time; what became of those is counted apart.  --histograms: print all
 * latencies too, not only quantiles.  The figures are printed as
 * JSON; `lag_max_ms` is the latest that a call was handed out after it was due, and should be small.
 */
#include "tests/bench/offer.h"
#include "tests/bench/repeats.h"

#include <poold.h>

#include <fcntl.h>
#include <getopt.h>
#include <math.h>
#include <sys/epoll.h>

#include "protocol/envelope.h"
#include "protocol/skip.h"

#define EVENTS_MAX 64
#define HELLO_ID   UINT32_MAX

enum call_state {
	CALL_OUT = 0,
	CALL_ANSWERED
};

/* A call that was sent.  Its id is its place in `calls`. */
struct call {
	uint64_t due_nsec;
	uint64_t asked_nsec;
	uint8_t class;
	uint8_t state;
	bool is_again;
	bool is_after_end;
};

struct connection {
	int fd;
	bool is_stalled;
	struct backlog in;
	struct backlog out;
};

static const char *socket_path;
static uint32_t connection_count = 8;
static uint64_t bucket_nsec = NSEC_PER_SEC;
static uint64_t drain_nsec = 40 * NSEC_PER_SEC;
static bool is_obeying;
static bool has_histograms;
static struct offer_class classes[CLASSES_MAX];
static uint32_t class_count;

static int epoll_fd;
static struct connection *connections;
static struct call *calls;
static size_t call_count;
static size_t call_room;
static size_t in_flight;
static uint64_t in_flight_of[CLASSES_MAX];
static struct repeats repeats;
static uint64_t start_nsec;
static uint64_t lag_max_nsec;

/* --- answers ---------------------------------------------------------------------------------- */

static bool find(struct bytes map, const char *key, struct poold_reader *ret)
{
	return poold_map_find((struct poold_bytes){map.data, map.len}, key, ret) == 0;
}

/* Returns how many attempts the answer speaks of; 0 when it does not. */
static uint64_t count_attempts(struct offer_class *class, struct bytes map, const char *key)
{
	struct poold_reader reader;
	uint64_t attempts;

	if (!find(map, key, &reader) || poold_read_uint(&reader, &attempts) < 0)
		return 0;
	class->attempts += attempts;
	return attempts;
}

/* Returns whether the call met no fault. */
static bool read_result(struct offer_class *class, struct bytes result)
{
	struct poold_reader reader;
	struct poold_bytes meta;
	struct poold_bytes text;

	if (!find(result, "meta", &reader) || poold_read_value(&reader, &meta) < 0)
		errx(1, "a result without meta");

	struct bytes map = {meta.data, meta.len};

	uint64_t attempts = count_attempts(class, map, "attempts");
	bool value = true;

	if (find(map, "served_by", &reader) && poold_read_str(&reader, &text) == 0)
		names_count(&class->served_by, text.data, text.len);
	if (find(result, "result", &reader) && poold_read_bool(&reader, &value) < 0)
		value = true;
	return attempts == 1 && value;
}

static void count_good(struct offer_class *class, const struct call *call, uint64_t now,
		       bool is_spared)
{
	uint64_t limit = class->timeout_msec * (NSEC_PER_SEC / 1000) + TICK_NSEC;

	latency_add(&class->latency, now - call->due_nsec);
	if (is_spared)
		latency_add(&class->spared, now - call->due_nsec);
	if (has_histograms)
		latencies_add(&class->latency_at, (call->due_nsec - start_nsec) / bucket_nsec,
			      now - call->due_nsec);
	if (class->timeout_msec && now - call->due_nsec > limit)
		return;
	class->good++;
	series_count(&class->good_of_sent, (call->due_nsec - start_nsec) / bucket_nsec);
	series_count(&class->good_at, (now - start_nsec) / bucket_nsec);
}

static void count_late(struct offer_class *class, const struct call *call, uint64_t now)
{
	uint64_t limit = class->timeout_msec * (NSEC_PER_SEC / 1000) + TICK_NSEC;
	uint64_t took = now - call->asked_nsec;

	if (!class->timeout_msec || took <= limit)
		return;
	class->late++;
	if (took - (limit - TICK_NSEC) > class->late_max_nsec)
		class->late_max_nsec = took - (limit - TICK_NSEC);
}

static bool is_refusal(struct poold_bytes code)
{
	static const char *const refusals[] = {"queue_full", "shed", "queue_timeout"};

	for (size_t i = 0; i < sizeof(refusals) / sizeof(*refusals); i++)
		if (code.len == strlen(refusals[i]) &&
		    memcmp(code.data, refusals[i], code.len) == 0)
			return true;
	return false;
}

static void count_error(struct offer_class *class, const struct call *call, struct bytes error,
			uint64_t now)
{
	struct poold_reader reader;
	struct poold_bytes code;
	uint64_t after_msec;

	if (!find(error, "code", &reader) || poold_read_str(&reader, &code) < 0)
		errx(1, "an error without a code");
	if (call->is_again) {
		class->again_refused += is_refusal(code);
		class->again_after_end_refused += call->is_after_end && is_refusal(code);
		return;
	}
	names_count(&class->codes, code.data, code.len);
	count_attempts(class, error, "attempt");
	count_late(class, call, now);
	if (is_obeying && find(error, "retry_after_ms", &reader) &&
	    poold_read_uint(&reader, &after_msec) == 0 && is_refusal(code))
		repeats_add(&repeats, now + after_msec * (NSEC_PER_SEC / 1000),
			    (uint8_t)(class - classes));
}

static void count_answer(const struct envelope *envelope, uint64_t now)
{
	struct call *call = envelope->id < call_count ? &calls[envelope->id] : NULL;

	if (!call)
		errx(1, "an answer to nothing that was asked (id %u)", envelope->id);
	if (call->state == CALL_ANSWERED)
		errx(1, "a second answer to the call of id %u", envelope->id);

	struct offer_class *class = &classes[call->class];

	call->state = CALL_ANSWERED;
	in_flight--;
	in_flight_of[call->class]--;
	if (envelope->result.len == 1 && envelope->result.data[0] == 0xc0) {
		count_error(class, call, envelope->error, now);
	} else if (!call->is_again) {
		class->succeeded++;
		count_late(class, call, now);
		count_good(class, call, now, read_result(class, envelope->result));
	}
}

/* --- connections ------------------------------------------------------------------------------ */

static void watch(struct connection *connection, int operation, bool is_stalled)
{
	struct epoll_event event = {
		.events = is_stalled ? EPOLLIN | EPOLLOUT : EPOLLIN,
		.data.ptr = connection,
	};

	connection->is_stalled = is_stalled;
	if (epoll_ctl(epoll_fd, operation, connection->fd, &event) < 0)
		err(1, "epoll_ctl");
}

/* Writes what the socket takes; the rest waits here, so that nothing ever blocks. */
static void flush(struct connection *connection)
{
	ssize_t written = 1;

	while (backlog_len(&connection->out) > 0 && written > 0) {
		written = send(connection->fd, backlog_front(&connection->out),
			       backlog_len(&connection->out), MSG_DONTWAIT | MSG_NOSIGNAL);
		if (written < 0 && errno != EAGAIN)
			err(1, "send");
		if (written > 0)
			backlog_take(&connection->out, (size_t)written);
	}

	bool is_stalled = backlog_len(&connection->out) > 0;

	if (is_stalled != connection->is_stalled)
		watch(connection, EPOLL_CTL_MOD, is_stalled);
}

static void readable(struct connection *connection)
{
	ssize_t count = backlog_read(&connection->in, connection->fd, READ_ROOM / 4);
	uint64_t now = clock_nsec();
	struct envelope envelope;
	size_t len;

	if (count == 0)
		errx(1, "the connection was closed");
	while ((len = skip_value(backlog_front(&connection->in), backlog_len(&connection->in),
				 UINT32_MAX)) > 0) {
		if (envelope_read(backlog_front(&connection->in), len, &envelope) < 0 ||
		    envelope.type != ENVELOPE_RESPONSE)
			errx(1, "an answer that is no response");
		if (envelope.id != HELLO_ID)
			count_answer(&envelope, now);
		backlog_take(&connection->in, len);
	}
}

static void connection_open(struct connection *connection)
{
	/* [0, 4294967295, "poold.hello", [{"errors": "map"}]] */
	static const uint8_t hello[] = "\x94\x00\xce\xff\xff\xff\xff\xabpoold.hello"
				       "\x91\x81\xa6"
				       "errors"
				       "\xa3map";
	struct sockaddr_un address = unix_address(socket_path);

	connection->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connection->fd < 0 ||
	    connect(connection->fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		err(1, "%s", socket_path);
	if (fcntl(connection->fd, F_SETFL, O_NONBLOCK) < 0)
		err(1, "fcntl");
	watch(connection, EPOLL_CTL_ADD, false);
	backlog_put(&connection->out, hello, sizeof(hello) - 1);
	flush(connection);
}

/* --- asking ----------------------------------------------------------------------------------- */

static void ask(struct offer_class *class, uint64_t due, bool is_again)
{
	struct connection *connection = &connections[call_count % connection_count];
	uint32_t id = (uint32_t)call_count;
	uint64_t now = clock_nsec();
	uint8_t number[] = {(uint8_t)(id >> 24), (uint8_t)(id >> 16), (uint8_t)(id >> 8),
			    (uint8_t)id};

	if (call_count == call_room) {
		call_room = call_room ? call_room * 2 : 65536;
		calls = realloc(calls, call_room * sizeof(*calls));
		if (!calls)
			err(1, "memory");
	}
	calls[call_count++] = (struct call){
		.due_nsec = due,
		.asked_nsec = now,
		.class = (uint8_t)(class - classes),
		.is_again = is_again,
		.is_after_end = due >= start_nsec + class->end_nsec,
	};
	in_flight++;
	in_flight_of[class - classes]++;
	if (now - due > lag_max_nsec)
		lag_max_nsec = now - due;
	memcpy(class->frame.data + FRAME_ID_AT, number, sizeof(number));
	backlog_put(&connection->out, class->frame.data, class->frame.len);
	flush(connection);
}

static void ask_first(struct offer_class *class, uint64_t due)
{
	class->sent++;
	series_count(&class->sent_at, (due - start_nsec) / bucket_nsec);
	ask(class, due, false);
}

static bool has_ended(const struct offer_class *class, uint64_t now)
{
	return now >= start_nsec + class->end_nsec ||
	       (class->count_max && class->sent >= class->count_max);
}

/* Time until the next call of a class with a rate. */
static uint64_t next_distance(const struct offer_class *class)
{
	double mean = (double)NSEC_PER_SEC / class->rate;

	return (uint64_t)(class->is_uniform ? mean : -log(1 - drand48()) * mean);
}

/* Asks what is due of a class.  Returns when more will be; UINT64_MAX: when an answer comes, or
 * never. */
static uint64_t ask_due(struct offer_class *class, uint64_t now)
{
	uint64_t begin = start_nsec + class->begin_nsec;

	if (class->depth) {
		if (now < begin)
			return begin;
		while (!has_ended(class, now) && in_flight_of[class - classes] < class->depth)
			ask_first(class, now);
		return UINT64_MAX;
	}
	for (;;) {
		uint64_t due = start_nsec + class->next_nsec;

		if (has_ended(class, due))
			return UINT64_MAX;
		if (due > now)
			return due;
		class->next_nsec += next_distance(class);
		ask_first(class, due);
	}
}

/* Asks everything that is due.  Returns when more will be. */
static uint64_t ask_all_due(uint64_t now)
{
	uint64_t next = UINT64_MAX;

	for (uint32_t i = 0; i < class_count; i++) {
		uint64_t due = ask_due(&classes[i], now);

		next = due < next ? due : next;
	}
	while (repeats.count > 0 && repeats.heap[0].when_nsec <= now) {
		struct repeat repeat = repeats_take(&repeats);
		struct offer_class *class = &classes[repeat.class];

		class->again++;
		class->again_after_end += repeat.when_nsec >= start_nsec + class->end_nsec;
		ask(class, repeat.when_nsec, true);
	}
	if (repeats.count > 0 && repeats.heap[0].when_nsec < next)
		next = repeats.heap[0].when_nsec;
	return next;
}

/* --- the run ---------------------------------------------------------------------------------- */

/* Waits for answers until `until`, and deals with what has come. */
static void turn(uint64_t until)
{
	struct epoll_event events[EVENTS_MAX];
	int count = wait_for_events(epoll_fd, events, EVENTS_MAX, until);

	for (int i = 0; i < count; i++) {
		struct connection *connection = events[i].data.ptr;

		if (events[i].events & EPOLLOUT)
			flush(connection);
		if (events[i].events & ~(uint32_t)EPOLLOUT)
			readable(connection);
	}
}

static void run(void)
{
	uint64_t end = 0;

	start_nsec = clock_nsec();
	for (uint32_t i = 0; i < class_count; i++)
		end = classes[i].end_nsec > end ? classes[i].end_nsec : end;
	end += start_nsec;
	for (;;) {
		uint64_t now = clock_nsec();
		uint64_t next = ask_all_due(now);

		if (next == UINT64_MAX && in_flight == 0 && repeats.count == 0)
			return;
		if (now >= end + drain_nsec)
			return;
		turn(next < end + drain_nsec ? next : end + drain_nsec);
	}
}

static void report(void)
{
	printf("{\"start\": %.6f, \"bucket_ms\": %.0f, \"lag_max_ms\": %.3f, \"classes\": {",
	       (double)start_nsec / 1e9, (double)bucket_nsec / 1e6, (double)lag_max_nsec / 1e6);
	for (uint32_t i = 0; i < class_count; i++) {
		printf("%s", i ? ", " : "");
		offer_print(&classes[i], in_flight_of[i], has_histograms);
	}
	printf("}}\n");
}

static void set_option(int option)
{
	switch (option) {
	case 's':
		socket_path = optarg;
		break;
	case 'k':
		if (class_count == CLASSES_MAX)
			errx(2, "more than %d classes", CLASSES_MAX);
		offer_parse(&classes[class_count++], optarg);
		break;
	case 'c':
		connection_count = (uint32_t)parse_number(optarg);
		break;
	case 'e':
		srand48((long)parse_number(optarg));
		break;
	case 'b':
		bucket_nsec = parse_number(optarg) * (NSEC_PER_SEC / 1000);
		break;
	case 'd':
		drain_nsec = parse_nsec(optarg);
		break;
	case 'o':
		is_obeying = true;
		break;
	case 'h':
		has_histograms = true;
		break;
	default:
		exit(2);
	}
}

int main(int argc, char **argv)
{
	static const struct option known[] = {
		{"socket", required_argument, NULL, 's'},
		{"class", required_argument, NULL, 'k'},
		{"connections", required_argument, NULL, 'c'},
		{"seed", required_argument, NULL, 'e'},
		{"bucket-ms", required_argument, NULL, 'b'},
		{"drain", required_argument, NULL, 'd'},
		{"obey", no_argument, NULL, 'o'},
		{"histograms", no_argument, NULL, 'h'},
		{0},
	};

	for (int option; (option = getopt_long(argc, argv, "", known, NULL)) >= 0;)
		set_option(option);
	if (!socket_path || class_count == 0 || connection_count == 0 || bucket_nsec == 0)
		errx(2, "--socket PATH and a --class are needed");
	for (uint32_t i = 0; i < class_count; i++)
		offer_make_frame(&classes[i]);
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	connections = calloc(connection_count, sizeof(*connections));
	if (epoll_fd < 0 || !connections)
		err(1, "start");
	for (uint32_t i = 0; i < connection_count; i++)
		connection_open(&connections[i]);
	run();
	report();
	return 0;
}
