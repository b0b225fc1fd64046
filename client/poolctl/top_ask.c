#include "client/poolctl/top_ask.h"

#include "client/poolctl/json.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static double clock_ms(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (double)now.tv_sec * 1000 + (double)now.tv_nsec / 1e6;
}

void top_ask_init(struct top_ask *ask, struct poold_client *client, uint64_t wait_ms)
{
	*ask = (struct top_ask){.client = client, .wait_ms = wait_ms};
	for (size_t i = 0; i < TOP_ANSWER_COUNT_; i++)
		ask->slots[i].ask = ask;
}

void top_ask_done(struct top_ask *ask)
{
	top_sample_done(&ask->sample);
}

static void fail(struct top_ask *ask, int status, const char *code, const char *message)
{
	if (ask->status != 0)
		return;
	ask->status = status;
	snprintf(ask->fault, sizeof(ask->fault), "%s%s%s", code ? code : "", code ? ": " : "",
		 message);
}

static void on_reply(void *userdata, const struct poold_reply *reply)
{
	struct top_slot *slot = userdata;
	struct top_ask *ask = slot->ask;
	size_t which = (size_t)(slot - ask->slots);
	bool is_vital = (TOP_ASK_ALWAYS & 1u << which) != 0;
	int r = reply->status;

	ask->pending--;
	if (which == TOP_STATS)
		ask->sample.at_ms = clock_ms(CLOCK_MONOTONIC);
	if (r == 0) {
		r = json_from_value(reply->result, JSON_MARKED, &ask->sample.answers[which]);
		if (r < 0)
			fail(ask, r, NULL, "the daemon's answer cannot be read");
	} else if (r != -EREMOTEIO || is_vital) {
		fail(ask, r, reply->error.code, reply->error.message);
	} else {
		slot->is_unknown = strcmp(reply->error.code, "unknown_method") == 0;
	}
}

/* The params that keep an answer small. */
static void write_params(struct poold_writer *params, enum top_answer which, bool all_requests)
{
	switch (which) {
	case TOP_REQUESTS:
		poold_write_array(params, 1);
		poold_write_map(params, all_requests ? 1 : 2);
		poold_write_str(params, "max");
		poold_write_uint(params, TOP_REQUESTS_MAX);
		if (!all_requests) {
			poold_write_str(params, "only");
			poold_write_str(params, "running");
		}
		break;
	case TOP_CLIENTS:
	case TOP_ERRORS:
		poold_write_array(params, 1);
		poold_write_uint(params, which == TOP_CLIENTS ? TOP_CLIENTS_MAX : TOP_ERRORS_MAX);
		break;
	default:
		poold_write_array(params, 0);
		break;
	}
}

static int begin_one(struct top_ask *ask, enum top_answer which, bool all_requests)
{
	static const char *const methods[TOP_ANSWER_COUNT_] = {
		[TOP_STATUS] = "poold.status",	   [TOP_STATS] = "poold.stats",
		[TOP_BREAKERS] = "poold.breakers", [TOP_ERRORS] = "poold.errors",
		[TOP_WORKERS] = "poold.workers",   [TOP_REQUESTS] = "poold.requests",
		[TOP_CLIENTS] = "poold.clients",   [TOP_ALERTS] = "poold.alerts",
	};
	struct poold_writer *params = poold_writer_new();
	int r;

	if (!params)
		return -ENOMEM;
	write_params(params, which, all_requests);
	r = poold_request_start(ask->client, methods[which], poold_writer_bytes(params),
				ask->wait_ms, on_reply, &ask->slots[which], NULL);
	poold_writer_free(params);
	ask->pending += r == 0;
	return r;
}

void top_ask_begin(struct top_ask *ask, unsigned mask, bool all_requests)
{
	top_sample_done(&ask->sample);
	ask->status = 0;
	ask->sample.at_ms = clock_ms(CLOCK_MONOTONIC);
	ask->sample.clock_ms = clock_ms(CLOCK_REALTIME);
	for (unsigned which = 0; which < TOP_ANSWER_COUNT_ && ask->status == 0; which++) {
		int r = 0;

		if ((mask & 1u << which) != 0 && !ask->slots[which].is_unknown)
			r = begin_one(ask, (enum top_answer)which, all_requests);
		if (r < 0)
			fail(ask, r, NULL, strerror(-r));
	}
}
