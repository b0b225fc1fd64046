/*
 * A client for tests, in C: makes streamed calls and prints how each of them ended and after how
 * many milliseconds.
 *
 * usage: caller SOCKET CALLS TIMEOUT_MS GRACE_MS [THREADS]
 *
 * Each thread makes so many calls, one after the other.  Where there are several, every second call
 * is made on a client that all share and use in turns, the others on a client of the thread's own.
 */
#include <poold.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define THREADS_MAX 16

struct plan {
	const char *path;
	struct poold_client_options options;
	unsigned long calls;
	struct poold_client *shared; /* NULL: there is one thread */
	pthread_mutex_t turn;	     /* held by who uses `shared` */
};

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

static void *make_calls(void *userdata)
{
	struct plan *plan = userdata;
	struct poold_client *own;

	if (poold_client_new(plan->path, &plan->options, &own) < 0)
		return NULL;
	for (unsigned long i = 0; i < plan->calls; i++) {
		if (plan->shared == NULL || i % 2 == 0) {
			call(own);
			continue;
		}
		pthread_mutex_lock(&plan->turn);
		call(plan->shared);
		pthread_mutex_unlock(&plan->turn);
	}
	poold_client_free(own);
	return NULL;
}

static int run(struct plan *plan, unsigned long threads)
{
	pthread_t ids[THREADS_MAX];
	unsigned long started = 0;

	if (threads > 1 && poold_client_new(plan->path, &plan->options, &plan->shared) < 0)
		return 1;
	while (started < threads && pthread_create(&ids[started], NULL, make_calls, plan) == 0)
		started++;
	for (unsigned long i = 0; i < started; i++)
		pthread_join(ids[i], NULL);
	poold_client_free(plan->shared);
	return started == threads && fflush(stdout) == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
	struct plan plan = {.options = {.size = sizeof(plan.options)},
			    .turn = PTHREAD_MUTEX_INITIALIZER};
	unsigned long threads = argc > 5 ? strtoul(argv[5], NULL, 10) : 1;

	if (argc < 5 || argc > 6 || threads == 0 || threads > THREADS_MAX)
		return 2;
	plan.path = argv[1];
	plan.calls = strtoul(argv[2], NULL, 10);
	plan.options.timeout_ms = strtoul(argv[3], NULL, 10);
	plan.options.grace_ms = strtoul(argv[4], NULL, 10);
	return run(&plan, threads);
}
