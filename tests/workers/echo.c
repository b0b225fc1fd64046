/*
 * A worker for tests, in C:
 *
 *   echo ...      its arguments, unchanged        sleep_ms N  answers true after that time
 *   add A B       the sum of two integers         exception TEXT  fails with it
 *   day DATE      a date as text
 *   exit N        ends with that status           crash       dies of SIGSEGV
 *
 * Options: --batch, --silent (see struct poold_worker_options).
 */
#include <poold.h>

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Reads a list of exactly `count` integers. */
static bool read_ints(const struct poold_attempt *attempt, int64_t *values, uint32_t count)
{
	struct poold_reader reader = poold_reader_init(attempt->args);
	uint32_t given;

	if (poold_read_array(&reader, &given) < 0 || given != count)
		return false;
	for (uint32_t i = 0; i < count; i++) {
		if (poold_read_int(&reader, &values[i]) < 0)
			return false;
	}
	return true;
}

static int bad_args(struct poold_attempt *attempt, const char *wanted)
{
	return poold_fail(attempt, POOLD_REJECTED, "TypeError", "%s takes %s", attempt->method,
			  wanted);
}

static int echo(struct poold_attempt *attempt, struct poold_writer *result, void *userdata)
{
	(void)userdata;
	poold_write_raw(result, attempt->args);
	return 0;
}

/* A date in ISO 8601, from the extension value that PROTOCOL.md describes. */
static int day(struct poold_attempt *attempt, struct poold_writer *result, void *userdata)
{
	struct poold_reader reader = poold_reader_init(attempt->args);
	struct poold_bytes data;
	const unsigned char *bytes;
	uint32_t count;
	char text[24];
	int kind;

	(void)userdata;
	if (poold_read_array(&reader, &count) < 0 || count != 1 ||
	    poold_read_ext(&reader, &kind, &data) < 0 || kind != 112 || data.len != 5)
		return bad_args(attempt, "a date");
	bytes = data.data;
	if (bytes[0] != 0xa1)
		return bad_args(attempt, "a date");
	snprintf(text, sizeof(text), "%04d-%02d-%02d", bytes[1] << 8 | bytes[2], bytes[3],
		 bytes[4]);
	poold_write_str(result, text);
	return 0;
}

static int add(struct poold_attempt *attempt, struct poold_writer *result, void *userdata)
{
	int64_t terms[2], sum;

	(void)userdata;
	if (!read_ints(attempt, terms, 2))
		return bad_args(attempt, "two integers");
	if (__builtin_add_overflow(terms[0], terms[1], &sum))
		return poold_fail(attempt, POOLD_EXCEPTION, "OverflowError",
				  "the sum is too large");
	poold_write_int(result, sum);
	return 0;
}

/* Sleeps in short naps, so that a cancel ends it. */
static int sleep_ms(struct poold_attempt *attempt, struct poold_writer *result, void *userdata)
{
	int64_t left;

	(void)userdata;
	if (!read_ints(attempt, &left, 1))
		return bad_args(attempt, "a number of milliseconds");
	for (; left > 0; left -= 10) {
		poll(NULL, 0, left < 10 ? (int)left : 10);
		if (poold_attempt_cancelled(attempt))
			return poold_fail(attempt, POOLD_EXCEPTION, "Cancelled", "woken early");
	}
	poold_write_bool(result, true);
	return 0;
}

static int exception(struct poold_attempt *attempt, struct poold_writer *result, void *userdata)
{
	struct poold_reader reader = poold_reader_init(attempt->args);
	struct poold_bytes text;
	uint32_t count;

	(void)result;
	(void)userdata;
	if (poold_read_array(&reader, &count) < 0 || poold_read_str(&reader, &text) < 0)
		return bad_args(attempt, "a text");
	return poold_fail(attempt, POOLD_EXCEPTION, "ValueError", "%.*s", (int)text.len,
			  (const char *)text.data);
}

static int exit_with(struct poold_attempt *attempt, struct poold_writer *result, void *userdata)
{
	int64_t status;

	(void)result;
	(void)userdata;
	if (!read_ints(attempt, &status, 1))
		return bad_args(attempt, "a status");
	_exit((int)status);
}

static int crash(struct poold_attempt *attempt, struct poold_writer *result, void *userdata)
{
	(void)attempt;
	(void)result;
	(void)userdata;
	signal(SIGSEGV, SIG_DFL);
	raise(SIGSEGV);
	return 0;
}

int main(int argc, char **argv)
{
	struct poold_worker_options options = {.version = "echo 1"};
	struct poold_worker *worker;

	for (int i = 1; i < argc; i++) {
		options.batch |= strcmp(argv[i], "--batch") == 0;
		options.silent |= strcmp(argv[i], "--silent") == 0;
	}
	if (poold_worker_new(&options, &worker) < 0) {
		fprintf(stderr, "echo: to be started by poold, as the command of a pool\n");
		return 64;
	}
	poold_worker_add(worker, "echo", echo, NULL);
	poold_worker_add(worker, "add", add, NULL);
	poold_worker_add(worker, "day", day, NULL);
	poold_worker_add(worker, "sleep_ms", sleep_ms, NULL);
	poold_worker_add(worker, "exception", exception, NULL);
	poold_worker_add(worker, "exit", exit_with, NULL);
	poold_worker_add(worker, "crash", crash, NULL);
	int r = poold_worker_run(worker);
	poold_worker_free(worker);
	return r < 0 ? 1 : 0;
}
