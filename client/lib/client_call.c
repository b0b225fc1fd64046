#include "client/lib/call_params.h"
#include "client/lib/client.h"
#include "client/lib/options.h"
#include "client/lib/reply.h"
#include "client/lib/value.h"

#include <errno.h>
#include <poll.h>

/* --- Requests --- */

static usec_t deadline_after(usec_t timeout)
{
	return timeout == 0 ? USEC_INFINITY : client_now() + timeout;
}

/* The daemon enforces the timeout of a call; the client gives up only if the daemon does not answer
 * in time either. */
static usec_t call_deadline(const struct poold_client *client, uint64_t timeout_ms)
{
	return timeout_ms == 0 ? USEC_INFINITY
			       : deadline_after(timeout_ms * USEC_PER_MSEC + client->grace);
}

/* Until when a call may be asked again. */
static usec_t call_until(uint64_t timeout_ms)
{
	return deadline_after(timeout_ms * USEC_PER_MSEC);
}

static int start(struct poold_client *client, const struct client_start *start, uint32_t *ret_id)
{
	uint32_t id;
	int r;

	/* In a callback, poold_dispatch will do it: it may be reading from that connection. */
	if (!client->is_dispatching)
		client_leave_if_dead(client);
	if (!client_session_wants_connection(&client->session))
		client_begin_to_connect(client);
	r = client_connect(client);
	if (r < 0)
		return r;
	r = client_session_start(&client->session, start, &id);
	if (r == 0 && ret_id)
		*ret_id = id;
	return r;
}

// NOLINTNEXTLINE(readability-function-size)
int poold_call_start(struct poold_client *client, const char *pool, const char *method,
		     struct poold_bytes args, const struct poold_call_options *given,
		     poold_callback callback, void *userdata, uint32_t *ret_id)
{
	static const uint8_t nil = 0xc0;
	struct poold_call_options options;
	struct bytes value = args.data ? bytes_from_public(args) : (struct bytes){&nil, 1};
	struct buf before, after;
	int r = options_take(given, offsetof(struct poold_call_options, tracestate),
			     sizeof(options), &options);

	if (r < 0)
		return r;
	if (options.timeout_ms == 0)
		options.timeout_ms = client->timeout / USEC_PER_MSEC;
	if (options.timeout_ms > TIMEOUT_MS_MAX || !call_is_valid(&options) ||
	    !bytes_are_value(value))
		return -EINVAL;
	buf_init(&before, SIZE_MAX);
	buf_init(&after, SIZE_MAX);
	r = call_pack(pool, method, &options, &before, &after);

	if (r == 0) {
		struct bytes parts[] = {{before.data, before.len}, value, {after.data, after.len}};

		r = start(client,
			  &(struct client_start){.method = "poold.call",
						 .parts = parts,
						 .part_count = ARRAY_SIZE(parts),
						 .deadline =
							 call_deadline(client, options.timeout_ms),
						 .until = call_until(options.timeout_ms),
						 .callback = callback,
						 .userdata = userdata,
						 .stream = {options.on_chunk, options.on_restart,
							    options.stream_userdata}},
			  ret_id);
	}
	buf_free(&before);
	buf_free(&after);
	return r;
}

int poold_request_start(struct poold_client *client, const char *method, struct poold_bytes params,
			uint64_t timeout_ms, poold_callback callback, void *userdata,
			uint32_t *ret_id)
{
	static const uint8_t empty_list = 0x90;
	struct bytes part =
		params.data ? bytes_from_public(params) : (struct bytes){&empty_list, 1};
	usec_t timeout = timeout_ms > 0 ? timeout_ms * USEC_PER_MSEC : client->timeout;

	if (timeout_ms > TIMEOUT_MS_MAX)
		return -EINVAL;
	return start(client,
		     &(struct client_start){.method = method,
					    .parts = &part,
					    .part_count = 1,
					    .deadline = deadline_after(timeout),
					    .until = deadline_after(timeout),
					    .callback = callback,
					    .userdata = userdata},
		     ret_id);
}

int poold_cancel(struct poold_client *client, uint32_t id)
{
	return client_session_cancel(&client->session, id);
}

void poold_set_event_callback(struct poold_client *client, poold_event_callback callback,
			      void *userdata)
{
	client->session.on_event = callback;
	client->session.event_userdata = userdata;
}

/* --- Blocking requests --- */

/* A blocking request, and where its reply goes. */
struct wait {
	bool is_done;
	struct poold_reply *reply;
};

static void on_reply(void *userdata, const struct poold_reply *reply)
{
	struct wait *wait = userdata;

	reply_copy(reply, wait->reply);
	wait->is_done = true;
}

static const char *refusal_message(const struct poold_client *client, int status)
{
	switch (status) {
	case -EINVAL:
		return "the arguments, a name or an option are not valid";
	case -EMSGSIZE:
		return "the request is larger than the daemon's message_max";
	case -EBUSY:
		return "too many requests are in flight on this client";
	case -EDEADLK:
		return "a callback may not call a blocking function of its own client";
	case -ENOMEM:
		return "no memory for the request";
	default:
		return client->message;
	}
}

/* Waits for the request that was just started; `started` below 0: fills in the error of the request
 * that could not be started. */
static int finish(struct poold_client *client, int started, struct wait *wait)
{
	short revents = 0;

	if (started < 0) {
		struct poold_reply refusal = reply_local_error(started, POOLD_EXECUTED_NO,
							       refusal_message(client, started));

		reply_copy(&refusal, wait->reply);
		return started;
	}
	for (;;) {
		struct pollfd ready;

		poold_dispatch(client, revents);
		if (wait->is_done)
			return wait->reply->status;
		ready = (struct pollfd){.fd = client->fd, .events = poold_events(client)};
		/* After a signal or a timeout revents is 0; the next dispatch handles deadlines. */
		poll(&ready, 1, poold_timeout_ms(client));
		revents = ready.revents;
	}
}

/* Reads answers to abandoned requests, which count as in flight until then; or gives up a connection
 * where none come. */
static void make_room(struct poold_client *client)
{
	poold_dispatch(client, POLLIN);
}

int poold_call(struct poold_client *client, const char *pool, const char *method,
	       struct poold_bytes args, const struct poold_call_options *options,
	       struct poold_reply *ret_reply)
{
	struct wait wait = {.reply = ret_reply};
	int r = -EDEADLK;

	*ret_reply = (struct poold_reply){0};
	if (!client->is_dispatching)
		r = poold_call_start(client, pool, method, args, options, on_reply, &wait, NULL);
	if (r == -EBUSY) {
		make_room(client);
		r = poold_call_start(client, pool, method, args, options, on_reply, &wait, NULL);
	}
	return finish(client, r, &wait);
}

int poold_request(struct poold_client *client, const char *method, struct poold_bytes params,
		  uint64_t timeout_ms, struct poold_reply *ret_reply)
{
	struct wait wait = {.reply = ret_reply};
	int r = -EDEADLK;

	*ret_reply = (struct poold_reply){0};
	if (!client->is_dispatching)
		r = poold_request_start(client, method, params, timeout_ms, on_reply, &wait, NULL);
	if (r == -EBUSY) {
		make_room(client);
		r = poold_request_start(client, method, params, timeout_ms, on_reply, &wait, NULL);
	}
	return finish(client, r, &wait);
}
