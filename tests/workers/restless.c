/*
 * A client for tests, in C: asks the method `work` of the pool `once` with each number of a range,
 * and prints a line for each call that failed, then how many did not.
 *
 * usage: restless SOCKET FIRST COUNT TIMEOUT_MS IN_FLIGHT
 *
 * With IN_FLIGHT 0 the calls block, one after the other; else so many are in flight, in an event
 * loop.
 */
#include <poold.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

struct run {
	struct poold_client *client;
	unsigned long next;
	unsigned long end;
	unsigned long in_flight;
	unsigned long done;
};

static void report(struct run *run, const struct poold_reply *reply)
{
	if (reply->error.code)
		printf("failed %s executed=%d %s\n", reply->error.code, (int)reply->error.executed,
		       reply->error.message);
	else
		run->done++;
}

/* The arguments of the next call: a list of its number. */
static struct poold_writer *next_args(struct run *run)
{
	struct poold_writer *args = poold_writer_new();

	if (!args)
		exit(3);
	poold_write_array(args, 1);
	poold_write_uint(args, run->next++);
	return args;
}

static void on_reply(void *userdata, const struct poold_reply *reply)
{
	struct run *run = userdata;

	run->in_flight--;
	report(run, reply);
}

static void start_one(struct run *run)
{
	struct poold_writer *args = next_args(run);
	int r = poold_call_start(run->client, "once", "work", poold_writer_bytes(args), NULL,
				 on_reply, run, NULL);

	if (r < 0)
		printf("failed to start: %d\n", r);
	else
		run->in_flight++;
	poold_writer_free(args);
}

static void run_loop(struct run *run, unsigned long in_flight)
{
	short revents = 0;

	for (;;) {
		struct pollfd ready;

		(void)poold_dispatch(run->client, revents);
		while (run->next < run->end && run->in_flight < in_flight)
			start_one(run);
		if (run->in_flight == 0)
			return;
		ready = (struct pollfd){.fd = poold_fd(run->client),
					.events = poold_events(run->client)};
		poll(&ready, 1, poold_timeout_ms(run->client));
		revents = ready.revents;
	}
}

static void run_blocking(struct run *run)
{
	while (run->next < run->end) {
		struct poold_writer *args = next_args(run);
		struct poold_reply reply;

		(void)poold_call(run->client, "once", "work", poold_writer_bytes(args), NULL,
				 &reply);
		report(run, &reply);
		poold_reply_free(&reply);
		poold_writer_free(args);
	}
}

int main(int argc, char **argv)
{
	struct poold_client_options options = {.size = sizeof(options), .name = "restless"};
	struct run run = {0};

	if (argc != 6)
		return 2;
	run.next = strtoul(argv[2], NULL, 10);
	run.end = run.next + strtoul(argv[3], NULL, 10);
	options.timeout_ms = strtoul(argv[4], NULL, 10);
	if (poold_client_new(argv[1], &options, &run.client) < 0)
		return 1;
	if (strtoul(argv[5], NULL, 10) > 0)
		run_loop(&run, strtoul(argv[5], NULL, 10));
	else
		run_blocking(&run);
	poold_client_free(run.client);
	printf("done %lu\n", run.done);
	return fflush(stdout) == 0 ? 0 : 1;
}
