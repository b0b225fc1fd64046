/*
 * A client for tests, in C: makes streamed calls, one after the other, and prints how each of them
 * ended and after how many milliseconds.
 *
 * usage: caller SOCKET CALLS TIMEOUT_MS GRACE_MS
 */
#include <poold.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void on_chunk(void *userdata, struct poold_bytes value)
{
	size_t *bytes = userdata;

	*bytes += value.len;
}

static void call(struct poold_client *client)
{
	size_t bytes = 0;
	struct poold_call_options options = {
		.size = sizeof(options), .on_chunk = on_chunk, .stream_userdata = &bytes};
	struct poold_reply reply;
	long begin = now_ms();
	int r = poold_call(client, "p", "m", (struct poold_bytes){0}, &options, &reply);

	printf("%s %ld\n", r == 0 ? "result" : reply.error.code, now_ms() - begin);
	poold_reply_free(&reply);
}

int main(int argc, char **argv)
{
	struct poold_client_options options = {.size = sizeof(options)};
	struct poold_client *client;

	if (argc != 5)
		return 2;
	options.timeout_ms = strtoul(argv[3], NULL, 10);
	options.grace_ms = strtoul(argv[4], NULL, 10);
	if (poold_client_new(argv[1], &options, &client) < 0)
		return 1;
	for (unsigned long left = strtoul(argv[2], NULL, 10); left > 0; left--)
		call(client);
	poold_client_free(client);
	return fflush(stdout) == 0 ? 0 : 1;
}
