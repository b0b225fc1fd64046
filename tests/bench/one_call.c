/*
 * What a call costs the program that makes it, with libpoold: one blocking call after the other.
 *
 *	one_call SOCKET PAYLOAD_BYTES SECONDS
 *
 * Writes microseconds, as JSON: the median time of a call, and the processor time of this process.
 */
#include "tests/bench/bench.h"

#include <poold.h>

#include "tests/bench/latency.h"

static struct latency latency;

static uint64_t processor_nsec(void)
{
	struct timespec used;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
	return (uint64_t)used.tv_sec * NSEC_PER_SEC + (uint64_t)used.tv_nsec;
}

/* All that a program does for a call: it writes the arguments, calls, reads, and frees. */
static void call(struct poold_client *client, const uint8_t *payload, size_t len)
{
	struct poold_writer *args = poold_writer_new();
	struct poold_reply reply;
	struct poold_reader reader;
	struct poold_bytes answer;
	uint32_t count;

	poold_write_array(args, 1);
	poold_write_bin(args, payload, len);
	if (poold_call(client, "echo", "echo", poold_writer_bytes(args), NULL, &reply) < 0)
		errx(1, "%s: %s", reply.error.code, reply.error.message);
	/* A worker in C answers with all arguments, one in Python with the only one. */
	reader = poold_reader_init(reply.result);
	if (poold_peek(&reader) == POOLD_ARRAY)
		poold_read_array(&reader, &count);
	if (poold_read_bin(&reader, &answer) < 0 || answer.len != len)
		errx(1, "an answer that differs from what was asked");
	poold_reply_free(&reply);
	poold_writer_free(args);
}

static uint64_t call_until(struct poold_client *client, const uint8_t *payload, size_t len,
			   uint64_t end)
{
	uint64_t now = clock_nsec();

	while (now < end) {
		uint64_t begin = now;

		call(client, payload, len);
		now = clock_nsec();
		latency_add(&latency, now - begin);
	}
	return now;
}

int main(int argc, char **argv)
{
	struct poold_client *client;
	uint8_t *payload;
	uint64_t used;

	if (argc != 4)
		errx(2, "usage: one_call SOCKET PAYLOAD_BYTES SECONDS");

	size_t len = parse_number(argv[2]);
	uint64_t run_nsec = (uint64_t)(atof(argv[3]) * (double)NSEC_PER_SEC);

	payload = calloc(1, len);
	if (!payload || poold_client_new(argv[1], NULL, &client) < 0)
		errx(1, "start");
	call_until(client, payload, len, clock_nsec() + run_nsec / 10);
	latency = (struct latency){0};
	used = processor_nsec();
	call_until(client, payload, len, clock_nsec() + run_nsec);
	printf("{\"p50_us\": %.2f, \"cpu_us\": %.2f}\n", latency_quantile_usec(&latency, 0.5),
	       (double)(processor_nsec() - used) / (double)latency.count / 1000);
	poold_client_free(client);
	free(payload);
	return 0;
}
