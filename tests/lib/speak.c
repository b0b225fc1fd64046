#include "tests/lib/speak.h"

#include "daemon/io/worker/dialects.h"
#include "protocol/skip.h"
#include "tests/lib/config_text.h"
#include "tests/lib/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define REPORTED_MAX ((size_t)16 << 20)

static void must(bool good)
{
	if (!good)
		abort();
}

/* --- the driver's side --- */

/* Returns the record of the handler's calls; asserts that the channel has not been broken. */
static struct buf *record_of(struct channel *channel)
{
	struct speak *speak = channel->owner;

	must(!speak->broken);
	return &speak->reported;
}

static void put_value(struct buf *record, struct bytes value)
{
	must(skip_value(value.data, value.len, value.len) == value.len && value.len > 0);
	wire_render(record, value.data, value.len);
}

static void on_ready(struct channel *channel, const struct channel_ready *ready)
{
	struct speak *speak = channel->owner;

	buf_printf(record_of(channel), "ready %u%s%s%s%s\n", ready->concurrency,
		   ready->announces ? " announces" : "", ready->batches ? " batches" : "",
		   ready->recalls ? " recalls" : "", ready->pages ? " pages" : "");
	speak->ready_count++;
}

static void on_began(struct channel *channel, uint32_t id)
{
	buf_printf(record_of(channel), "began %u\n", id);
}

static void on_part(struct channel *channel, uint32_t id, struct chunk *chunk, struct bytes value)
{
	struct buf *record = record_of(channel);

	(void)chunk;
	buf_printf(record, "part %u ", id);
	put_value(record, value);
}

static void on_state(struct channel *channel, uint32_t id, struct bytes state)
{
	buf_printf(record_of(channel), "state %u of %zu\n", id, state.len);
}

static void on_answer(struct channel *channel, uint32_t id, const struct channel_answer *answer)
{
	struct buf *record = record_of(channel);

	if (answer->is_recalled) {
		buf_printf(record, "recalled %u\n", id);
		return;
	}
	if (answer->has_failed) {
		buf_printf(record, "failed %u %s ", id, errcode_name(answer->error.code));
		buf_put(record, answer->error.type.data, answer->error.type.len);
		buf_put(record, "|", 1);
		buf_put(record, answer->error.message.data, answer->error.message.len);
		buf_put(record, "\n", 1);
		return;
	}
	buf_printf(record, "result %u ", id);
	put_value(record, answer->result);
}

static void on_lost(struct channel *channel, uint32_t id, bool is_part)
{
	buf_printf(record_of(channel), "lost %u%s\n", id, is_part ? " part" : "");
}

static void on_broken(struct channel *channel, enum errcode code)
{
	struct speak *speak = channel->owner;

	buf_printf(record_of(channel), "broken %s: %s\n", errcode_name(code), channel->last_why);
	speak->broken = true;
	channel_close(channel);
}

static void on_alive(struct channel *channel)
{
	buf_printf(record_of(channel), "alive\n");
}

static void on_step(struct channel *channel, struct bytes name)
{
	struct buf *record = record_of(channel);

	buf_printf(record, "step ");
	buf_put(record, name.data, name.len);
	buf_printf(record, "\n");
}

static const struct channel_handler handler = {
	.on_ready = on_ready,
	.on_began = on_began,
	.on_part = on_part,
	.on_state = on_state,
	.on_answer = on_answer,
	.on_lost = on_lost,
	.on_broken = on_broken,
	.on_alive = on_alive,
	.on_step = on_step,
};

/* --- the test's side --- */

void speak_open(struct speak *speak, const char *options, size_t response_max)
{
	static char text[16384];
	const struct config_pool *pool;
	struct buf errors;
	int ends[2];
	int len = snprintf(text, sizeof(text), "[pool p]\ncommand = x\n%s", options);

	must(len > 0 && (size_t)len < sizeof(text));
	*speak = (struct speak){0};
	buf_init(&errors, sizeof(text));
	must(config_parse_text("t", (struct bytes){(const uint8_t *)text, (size_t)len},
			       &speak->config, &errors) == 0);
	buf_free(&errors);
	pool = &speak->config->pools[0];
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
	must(loop_init(&speak->loop, (size_t)1 << 30) == 0);
	buf_init(&speak->reported, REPORTED_MAX);
	buf_init(&speak->heard, REPORTED_MAX);
	speak->peer = ends[0];
	channel_init(&speak->channel, &speak->loop, 65536, &handler, speak);
	must(channel_adopt(&speak->channel, stream_of_socket(ends[1]), pool,
			   dialect_get(pool->dialect), response_max) == 0);
	channel_open(&speak->channel);
}

void speak_close(struct speak *speak)
{
	channel_done(&speak->channel);
	link_free_closed(&speak->loop);
	loop_done(&speak->loop);
	close(speak->peer);
	buf_free(&speak->reported);
	buf_free(&speak->heard);
	config_unref(speak->config);
}

/* Has the daemon write its output, and reads it. */
static void hear(struct speak *speak)
{
	uint8_t bytes[16384];
	ssize_t n;

	link_flush_all(&speak->loop);
	while ((n = read(speak->peer, bytes, sizeof(bytes))) > 0)
		buf_put(&speak->heard, bytes, (size_t)n);
	link_free_closed(&speak->loop);
}

void speak_say(struct speak *speak, struct bytes bytes)
{
	while (bytes.len > 0 && speak->channel.link) {
		ssize_t n = write(speak->peer, bytes.data, bytes.len);

		must(n > 0);
		bytes.data += n;
		bytes.len -= (size_t)n;
		link_drain(speak->channel.link);
		hear(speak);
	}
}

static const char *ask(struct speak *speak, uint32_t id, const char *method, const char *args,
		       bool is_stream)
{
	struct buf value;
	struct channel_request request = {
		.id = id,
		.attempt = 1,
		.method = {(const uint8_t *)method, strlen(method)},
		.is_stream = is_stream,
	};
	const char *why;

	/* There is no chunk to refer to, so the value is copied. */
	buf_init(&value, REPORTED_MAX);
	wire_put(&value, args);
	must(buf_error(&value) == 0);
	request.args = (struct bytes){value.data, value.len};
	why = channel_send(&speak->channel, &request);
	buf_free(&value);
	return why;
}

const char *speak_send(struct speak *speak, uint32_t id, const char *method, const char *args)
{
	return ask(speak, id, method, args, false);
}

const char *speak_stream(struct speak *speak, uint32_t id, const char *method, const char *args)
{
	return ask(speak, id, method, args, true);
}

struct bytes speak_listen(struct speak *speak)
{
	struct bytes heard;

	hear(speak);
	heard = (struct bytes){speak->heard.data, speak->heard.len};
	buf_reset(&speak->heard);
	return heard;
}

const char *speak_reported(struct speak *speak)
{
	buf_put(&speak->reported, "", 1);
	must(buf_error(&speak->reported) == 0);
	buf_reset(&speak->reported);
	return (const char *)speak->reported.data;
}
