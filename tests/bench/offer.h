/* What the open-loop load client offers: classes of calls, each with its own rate, and what became
 * of them. */
#ifndef POOLD_TESTS_BENCH_OFFER_H
#define POOLD_TESTS_BENCH_OFFER_H

#include <inttypes.h>
#include <stdio.h>

#include "protocol/buf.h"
#include "tests/bench/bench.h"
#include "tests/bench/latency.h"

#define CLASSES_MAX 16
#define NAMES_MAX   48
#define NAME_LEN    40

/* An answer may be this much later than its deadline (protocol/PROTOCOL.md, part 2). */
#define TICK_NSEC (10 * (NSEC_PER_SEC / 1000))

/* How often each of some texts came: error codes, names of pools. */
struct names {
	uint32_t used;
	char texts[NAMES_MAX][NAME_LEN];
	uint64_t counts[NAMES_MAX];
};

static inline void names_count(struct names *names, const void *text, size_t len)
{
	uint32_t at = 0;

	len = len < NAME_LEN - 1 ? len : NAME_LEN - 1;
	while (at < names->used &&
	       (strlen(names->texts[at]) != len || memcmp(names->texts[at], text, len) != 0))
		at++;
	if (at == NAMES_MAX)
		errx(1, "more than %d different codes or pools", NAMES_MAX);
	if (at == names->used) {
		memcpy(names->texts[at], text, len);
		names->used++;
	}
	names->counts[at]++;
}

/* Numbers by the time since the start, one for each bucket. */
struct series {
	uint64_t *counts;
	size_t len;
};

static inline void series_count(struct series *series, size_t at)
{
	if (at >= series->len) {
		size_t len = (at + 1) * 2;

		series->counts = realloc(series->counts, len * sizeof(uint64_t));
		if (!series->counts)
			err(1, "memory");
		memset(series->counts + series->len, 0, (len - series->len) * sizeof(uint64_t));
		series->len = len;
	}
	series->counts[at]++;
}

/* Latencies by the time since the start, one histogram for each bucket; NULL: none yet. */
struct latencies {
	struct latency **at;
	size_t len;
};

static inline void latencies_add(struct latencies *latencies, size_t at, uint64_t nsec)
{
	if (at >= latencies->len) {
		size_t len = (at + 1) * 2;

		latencies->at = realloc(latencies->at, len * sizeof(*latencies->at));
		if (!latencies->at)
			err(1, "memory");
		memset(latencies->at + latencies->len, 0,
		       (len - latencies->len) * sizeof(*latencies->at));
		latencies->len = len;
	}
	if (!latencies->at[at])
		latencies->at[at] = calloc(1, sizeof(**latencies->at));
	if (!latencies->at[at])
		err(1, "memory");
	latency_add(latencies->at[at], nsec);
}

/*
 * Calls that are all alike.  With `rate` they become due whether earlier ones were answered or not;
 * with `depth` so many are always out, and the next one is asked when one is answered.
 */
struct offer_class {
	const char *name;
	const char *pool;
	const char *method;
	const char *priority;	/* NULL: not said */
	const char *idempotent; /* "yes", "no"; NULL: not said */
	uint64_t msec;		/* first argument */
	uint64_t percent;	/* second argument; 0: there is none */
	uint64_t timeout_msec;	/* 0: not said */
	double rate;		/* calls per second */
	uint64_t depth;
	bool is_uniform;     /* equal distances between calls; else as by chance (Poisson) */
	uint64_t begin_nsec; /* when its first call is due, after the start of the run */
	uint64_t end_nsec;   /* when it ends, after the start of the run */
	uint64_t count_max;  /* 0: no limit */

	struct buf frame; /* one call; its id stands at FRAME_ID_AT */
	uint64_t next_nsec;

	uint64_t sent;
	uint64_t succeeded; /* with a result, late or not */
	uint64_t good;	    /* with a result, and in time as counted from when it was due */
	uint64_t late;	    /* answered with anything later than its deadline and a tick */
	uint64_t late_max_nsec;
	uint64_t attempts; /* of all answered calls, where the answer says how many */
	struct names codes;
	struct names served_by;
	struct latency latency;	     /* of the results, from when they were due */
	struct latency spared;	     /* the same of those that met no fault: one attempt, and a
				     * result that is not false (see `lame` of nap_worker.c) */
	struct latencies latency_at; /* of the results, by when they were due */
	struct series sent_at;	     /* by when they were due */
	struct series good_of_sent;  /* of these, the good ones */
	struct series good_at;	     /* good ones, by when they were answered */

	/* Refused calls that were offered again after retry_after_ms. */
	uint64_t again;
	uint64_t again_refused;
	uint64_t again_after_end; /* those whose time came after the end of the class */
	uint64_t again_after_end_refused;
};

#define FRAME_ID_AT 3

static inline void offer_set_number(struct offer_class *class, const char *key, const char *value)
{
	if (strcmp(key, "ms") == 0)
		class->msec = parse_number(value);
	else if (strcmp(key, "percent") == 0)
		class->percent = parse_number(value);
	else if (strcmp(key, "timeout") == 0)
		class->timeout_msec = parse_number(value);
	else if (strcmp(key, "rate") == 0)
		class->rate = parse_decimal(value, 1e9);
	else if (strcmp(key, "depth") == 0)
		class->depth = parse_number(value);
	else if (strcmp(key, "count") == 0)
		class->count_max = parse_number(value);
	else if (strcmp(key, "begin") == 0)
		class->begin_nsec = parse_nsec(value);
	else if (strcmp(key, "end") == 0)
		class->end_nsec = parse_nsec(value);
	else
		errx(2, "%s: no key of a class", key);
}

static inline void offer_set(struct offer_class *class, const char *key, const char *value)
{
	if (strcmp(key, "pool") == 0)
		class->pool = value;
	else if (strcmp(key, "method") == 0)
		class->method = value;
	else if (strcmp(key, "priority") == 0)
		class->priority = value;
	else if (strcmp(key, "idempotent") == 0)
		class->idempotent = value;
	else if (strcmp(key, "arrivals") == 0)
		class->is_uniform = strcmp(value, "uniform") == 0;
	else
		offer_set_number(class, key, value);
}

/* Reads "NAME:KEY=VALUE,..." in place; the class keeps pointing into `text`.  Ends the program
 * when it is wrong. */
static inline void offer_parse(struct offer_class *class, char *text)
{
	char *keys = strchr(text, ':');

	if (!keys)
		errx(2, "%s: a class is NAME:KEY=VALUE,...", text);
	*keys++ = '\0';
	*class = (struct offer_class){.name = text, .pool = "work", .method = "nap"};
	for (char *key; (key = strsep(&keys, ","));) {
		char *value = strchr(key, '=');

		if (!value)
			errx(2, "%s: not KEY=VALUE", key);
		*value++ = '\0';
		offer_set(class, key, value);
	}
	if ((class->rate > 0) == (class->depth > 0) || class->end_nsec <= class->begin_nsec)
		errx(2, "%s: a class has a rate or a depth, and an end after its begin", text);
	class->next_nsec = class->begin_nsec;
}

/* Makes the class's frame, with an id that is written in full. */
static inline void offer_make_frame(struct offer_class *class)
{
	static const uint8_t head[] = {0x94, 0x00, 0xce, 0, 0, 0, 0};
	struct buf *frame = &class->frame;

	buf_init(frame, 4096);
	buf_put(frame, head, sizeof(head));
	pack_str(frame, "poold.call");
	pack_array(frame, 4);
	pack_str(frame, class->pool);
	pack_str(frame, class->method);
	pack_array(frame, class->percent ? 2 : 1);
	pack_uint(frame, class->msec);
	if (class->percent)
		pack_uint(frame, class->percent);
	pack_map(frame, 1u + !!class->timeout_msec + !!class->priority + !!class->idempotent);
	pack_str(frame, "meta");
	pack_bool(frame, true);
	if (class->timeout_msec) {
		pack_str(frame, "timeout_ms");
		pack_uint(frame, class->timeout_msec);
	}
	if (class->priority) {
		pack_str(frame, "priority");
		pack_str(frame, class->priority);
	}
	if (class->idempotent) {
		pack_str(frame, "idempotent");
		pack_bool(frame, strcmp(class->idempotent, "yes") == 0);
	}
	if (buf_error(frame))
		errx(1, "%s: no frame", class->name);
}

static inline void offer_print_names(const char *title, const struct names *names)
{
	printf(", \"%s\": {", title);
	for (uint32_t i = 0; i < names->used; i++)
		printf("%s\"%s\": %" PRIu64, i ? ", " : "", names->texts[i], names->counts[i]);
	printf("}");
}

static inline void offer_print_series(const char *title, const struct series *series)
{
	size_t len = series->len;

	while (len > 0 && series->counts[len - 1] == 0)
		len--;
	printf(", \"%s\": [", title);
	for (size_t i = 0; i < len; i++)
		printf("%s%" PRIu64, i ? ", " : "", series->counts[i]);
	printf("]");
}

static inline void offer_print_histograms(const struct offer_class *class)
{
	size_t len = class->latency_at.len;

	while (len > 0 && !class->latency_at.at[len - 1])
		len--;
	printf(", \"spared\": ");
	latency_print(&class->spared);
	printf(", \"latency_at\": [");
	for (size_t i = 0; i < len; i++) {
		printf("%s", i ? ", " : "");
		if (class->latency_at.at[i])
			latency_print(class->latency_at.at[i]);
		else
			printf("[]");
	}
	printf("]");
}

/* Writes one class as JSON. */
static inline void offer_print(const struct offer_class *class, uint64_t in_flight,
			       bool has_histograms)
{
	printf("\"%s\": {\"sent\": %" PRIu64 ", \"succeeded\": %" PRIu64 ", \"good\": %" PRIu64
	       ", \"late\": %" PRIu64 ", \"late_max_ms\": %.1f, \"unanswered\": %" PRIu64
	       ", \"attempts\": %" PRIu64,
	       class->name, class->sent, class->succeeded, class->good, class->late,
	       (double)class->late_max_nsec / 1e6, in_flight, class->attempts);
	printf(", \"p50_ms\": %.3f, \"p99_ms\": %.3f, \"max_ms\": %.3f",
	       latency_quantile_usec(&class->latency, 0.5) / 1000,
	       latency_quantile_usec(&class->latency, 0.99) / 1000,
	       (double)class->latency.max_nsec / 1e6);
	printf(", \"again\": %" PRIu64 ", \"again_refused\": %" PRIu64
	       ", \"again_after_end\": %" PRIu64 ", \"again_after_end_refused\": %" PRIu64,
	       class->again, class->again_refused, class->again_after_end,
	       class->again_after_end_refused);
	offer_print_names("codes", &class->codes);
	offer_print_names("served_by", &class->served_by);
	offer_print_series("sent_at", &class->sent_at);
	offer_print_series("good_of_sent", &class->good_of_sent);
	offer_print_series("good_at", &class->good_at);
	if (has_histograms)
		offer_print_histograms(class);
	printf("}");
}

#endif
