/*
 * A worker of any dialect that sends any bytes, in pieces of any size.  The first byte chooses the
 * dialect, the second the size.
 *
 *  - the channel takes them or is broken, once, and nothing is reported after that
 *  - the worker is ready at most once
 *  - whatever result is handed over is one whole value (speak.c sees to that)
 *  - what is sent to the worker meanwhile are whole messages of the dialect
 */
#include "daemon/io/worker/dialect.h"
#include "tests/lib/speak.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define RESPONSE_MAX 1024

static const char *const options[] = {
	"dialect = poold\n",
	"dialect = msgpack-rpc\nready_call = m\n",
	"dialect = msgpack-rpc\nready_notification = r\n",
	"dialect = packet4-json\n",
	"dialect = packet4-msgpack\n",
	("dialect = jsonrpc\nready_call = m\nready_then = n\ncancel_notification = c\n"
	 "progress_notification = p\n"),
	"dialect = jsonrpc\nready_notification = r\n",
};

static void check_heard(struct speak *speak)
{
	struct bytes heard = speak_listen(speak);
	struct framing framing;

	framing_init(&framing, speak->channel.dialect->framing, UINT32_MAX);
	while (heard.len > 0) {
		size_t taken = 0;

		if (framing_feed(&framing, heard.data, heard.len, &taken) != SKIP_DONE)
			abort();
		framing_restart(&framing);
		heard.data += taken;
		heard.len -= taken;
	}
}

static void converse(struct speak *speak, const uint8_t *data, size_t len, size_t piece)
{
	for (size_t at = 0; at < len && speak->channel.link; at += piece) {
		size_t left = len - at < piece ? len - at : piece;

		speak_say(speak, (struct bytes){data + at, left});
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct speak speak;
	const char *chosen;

	if (len < 2)
		return 0;
	chosen = options[data[0] % ARRAY_SIZE(options)];
	speak_open(&speak, chosen, RESPONSE_MAX);
	(void)speak_send(&speak, 1, "m", "[1]");
	(void)speak_stream(&speak, 2, "m", "{'a': 'b', '_meta': {'progressToken': 'x'}}");
	check_heard(&speak);
	converse(&speak, data + 2, len - 2, (size_t)data[1] + 1);
	channel_cancel(&speak.channel, 1);
	channel_ping(&speak.channel, 3);
	check_heard(&speak);
	assert(!speak.channel.link == speak.broken);
	/* In the dialect poold it is the engine that refuses a second `ready`. */
	assert(speak.ready_count <= 1 || chosen == options[0]);
	speak_close(&speak);
	return 0;
}
