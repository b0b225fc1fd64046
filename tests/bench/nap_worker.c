/*
 * A worker for the runs under overload, in C on libpoold.  Its methods, with their arguments:
 *
 *	nap MS            sleeps, and returns its process id; `quick` and `slow` are the same
 *	flaky MS PERCENT  the same, but so many of its calls fail with a retryable error
 *	mortal MS PERCENT the same, but in so many of its calls the worker kills itself
 *	hung MS PERCENT   the same, but so many of its calls never end
 *	lame MS PERCENT   the same, but so many of its calls take 200 ms longer, and return false
 *	corrupt MS PERCENT the same, but in so many of its calls the worker sends garbage first
 *	blob BYTES        returns so many bytes
 *	parts COUNT BYTES streams so many parts of that size, each of which begins with its number
 *
 * A sleep is a sleep: no cancel ends it.  From the environment:
 *
 *	NAP_BAD=FILE:KIND  the worker whose number FILE holds is bad at nap while FILE is there, in
 *	                   every life; 0: all are.  KIND is raise, hang, exit or fatal
 *	NAP_SLOW=FILE:MS   while FILE is there, a worker takes so long before it is ready
 */
#include <poold.h>

#include <err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* How much longer a lame call takes. */
#define LAME_MSEC 200

/* Splits "PATH:WORD" of the environment.  Returns the word, or NULL when it is not set. */
static const char *split_variable(const char *name, char *path, size_t size)
{
	const char *text = getenv(name);
	const char *colon = text ? strrchr(text, ':') : NULL;

	if (!colon || (size_t)(colon - text) >= size)
		return NULL;
	memcpy(path, text, (size_t)(colon - text));
	path[colon - text] = '\0';
	return colon + 1;
}

/* What is wrong with this worker; NULL: nothing. */
static const char *badness(void)
{
	char path[4096];
	const char *kind = split_variable("NAP_BAD", path, sizeof(path));
	const char *own = getenv("POOLD_WORKER");
	FILE *file = kind && own ? fopen(path, "re") : NULL;
	unsigned long number = 0;

	if (!file)
		return NULL;

	bool is_bad = fscanf(file, "%lu", &number) == 1 &&
		      (number == 0 || number == strtoul(own, NULL, 10));

	fclose(file);
	return is_bad ? kind : NULL;
}

static void sleep_msec(uint64_t msec)
{
	struct timespec left = {
		.tv_sec = (time_t)(msec / 1000),
		.tv_nsec = (long)(msec % 1000) * 1000000,
	};

	while (nanosleep(&left, &left) < 0)
		;
}

static int read_numbers(struct poold_attempt *attempt, uint64_t *values, uint32_t count)
{
	struct poold_reader reader = poold_reader_init(attempt->args);
	uint32_t given;

	if (poold_read_array(&reader, &given) < 0 || given != count)
		return poold_fail(attempt, POOLD_REJECTED, "TypeError", "%s takes %u numbers",
				  attempt->method, count);
	for (uint32_t i = 0; i < count; i++)
		if (poold_read_uint(&reader, &values[i]) < 0)
			return poold_fail(attempt, POOLD_REJECTED, "TypeError",
					  "%s takes numbers only", attempt->method);
	return 0;
}

static int behave_badly(struct poold_attempt *attempt, const char *kind)
{
	if (strcmp(kind, "fatal") == 0)
		return poold_fail(attempt, POOLD_FATAL, "Bad", "this worker cannot go on");
	if (strcmp(kind, "exit") == 0)
		_exit(3);
	while (strcmp(kind, "hang") == 0)
		pause();
	return poold_fail(attempt, POOLD_EXCEPTION, "Bad", "this worker is bad");
}

static int nap(struct poold_attempt *attempt, struct poold_writer *result, void *userdata)
{
	uint64_t msec;
	const char *kind = badness();
	int r = read_numbers(attempt, &msec, 1);

	(void)userdata;
	if (r < 0)
		return r;
	if (kind)
		return behave_badly(attempt, kind);
	sleep_msec(msec);
	poold_write_int(result, getpid());
	return 0;
}

/* Reads milliseconds and percent, and sleeps.  Sets whether this call has no luck. */
static int nap_by_luck(struct poold_attempt *attempt, bool *ret_unlucky)
{
	uint64_t numbers[2];
	int r = read_numbers(attempt, numbers, 2);

	if (r < 0)
		return r;
	sleep_msec(numbers[0]);
	*ret_unlucky = drand48() * 100 < (double)numbers[1];
	return 0;
}

static int flaky(struct poold_attempt *attempt, struct poold_writer *result, void *userdata)
{
	bool is_unlucky;
	int r = nap_by_luck(attempt, &is_unlucky);

	(void)userdata;
	if (r < 0)
		return r;
	if (is_unlucky)
		return poold_fail(attempt, POOLD_RETRYABLE, "Busy", "not this time");
	poold_write_int(result, getpid());
	return 0;
}

static int mortal(struct poold_attempt *attempt, struct poold_writer *result, void *userdata)
{
	bool is_unlucky;
	int r = nap_by_luck(attempt, &is_unlucky);

	(void)userdata;
	if (r < 0)
		return r;
	if (is_unlucky)
		kill(getpid(), SIGKILL);
	poold_write_int(result, getpid());
	return 0;
}

static int hung(struct poold_attempt *attempt, struct poold_writer *result, void *userdata)
{
	bool is_unlucky;
	int r = nap_by_luck(attempt, &is_unlucky);

	(void)userdata;
	if (r < 0)
		return r;
	while (is_unlucky)
		pause();
	poold_write_int(result, getpid());
	return 0;
}

static int lame(struct poold_attempt *attempt, struct poold_writer *result, void *userdata)
{
	bool is_unlucky;
	int r = nap_by_luck(attempt, &is_unlucky);

	(void)userdata;
	if (r < 0)
		return r;
	if (is_unlucky) {
		sleep_msec(LAME_MSEC);
		poold_write_bool(result, false);
	} else {
		poold_write_int(result, getpid());
	}
	return 0;
}

/* Sends a byte that begins no value of MessagePack, past the library. */
static int corrupt(struct poold_attempt *attempt, struct poold_writer *result, void *userdata)
{
	bool is_unlucky;
	const char *channel = getenv("POOLD_FD");
	int r = nap_by_luck(attempt, &is_unlucky);

	(void)userdata;
	if (r < 0)
		return r;
	if (is_unlucky && channel)
		(void)!write((int)strtol(channel, NULL, 10), "\xc1", 1);
	poold_write_int(result, getpid());
	return 0;
}

static void *zeros(size_t len)
{
	void *bytes = calloc(1, len);

	if (!bytes)
		err(1, "memory");
	return bytes;
}

static int blob(struct poold_attempt *attempt, struct poold_writer *result, void *userdata)
{
	uint64_t len;
	int r = read_numbers(attempt, &len, 1);

	(void)userdata;
	if (r < 0)
		return r;

	void *bytes = zeros(len);

	poold_write_bin(result, bytes, len);
	free(bytes);
	return 0;
}

static int parts(struct poold_attempt *attempt, struct poold_writer *result, void *userdata)
{
	uint64_t numbers[2];
	int r = read_numbers(attempt, numbers, 2);

	(void)userdata;
	if (r < 0)
		return r;
	if (numbers[1] < sizeof(uint32_t))
		return poold_fail(attempt, POOLD_REJECTED, "ValueError", "a part has 4 bytes");

	struct poold_writer *writer = poold_writer_new();
	uint8_t *bytes = zeros(numbers[1]);

	if (!writer)
		err(1, "memory");
	for (uint32_t number = 0; r == 0 && number < numbers[0]; number++) {
		memcpy(bytes, &number, sizeof(number));
		poold_writer_reset(writer);
		poold_write_bin(writer, bytes, numbers[1]);
		r = poold_attempt_chunk(attempt, poold_writer_bytes(writer));
	}
	free(bytes);
	poold_writer_free(writer);
	if (r < 0)
		return poold_fail(attempt, POOLD_EXCEPTION, "Stream", "no part was taken: %d", r);
	poold_write_uint(result, numbers[0]);
	return 0;
}

static void start_slowly(void)
{
	char path[4096];
	const char *msec = split_variable("NAP_SLOW", path, sizeof(path));

	if (msec && access(path, F_OK) == 0)
		sleep_msec(strtoul(msec, NULL, 10));
}

int main(void)
{
	struct poold_worker_options options = {.version = "nap 1"};
	struct poold_worker *worker;

	start_slowly();
	srand48(getpid());
	if (poold_worker_new(&options, &worker) < 0)
		errx(2, "to be started by poold, as the command of a pool");
	poold_worker_add(worker, "nap", nap, NULL);
	poold_worker_add(worker, "quick", nap, NULL);
	poold_worker_add(worker, "slow", nap, NULL);
	poold_worker_add(worker, "flaky", flaky, NULL);
	poold_worker_add(worker, "mortal", mortal, NULL);
	poold_worker_add(worker, "hung", hung, NULL);
	poold_worker_add(worker, "lame", lame, NULL);
	poold_worker_add(worker, "corrupt", corrupt, NULL);
	poold_worker_add(worker, "blob", blob, NULL);
	poold_worker_add(worker, "parts", parts, NULL);
	return poold_worker_run(worker) < 0 ? 1 : 0;
}
