/*
 * A worker for tests of sessions and streams, in C:
 *
 *   count             adds one to the session's counter, which is its state (8 bytes, big endian),
 *                     and answers [counter, how often this process has served the session]
 *   count_then_fail   counts, then fails, so that the state does not count; `count_then_crash` dies
 *   forget            clears the state           whose  [session, process]
 *   stream N          sends the chunks 0 to N-1, then answers N
 *   tell_large N SIZE     sends N chunks of SIZE bytes, then answers N; `echo` answers its arguments
 *   stream_then_crash N   sends them, then dies of SIGSEGV
 *   fail_critical     fails with the severity critical
 *   ended             the sessions that were ended here: [[session, reason], ...]
 *
 * The number of times that the process has served a session is kept here alone, until the session
 * ends.
 */
#include <poold.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SESSIONS_MAX 256
#define NAME_MAX_LEN 128

struct session {
	char name[NAME_MAX_LEN];
	size_t name_len; /* 0: nobody's place */
	uint64_t served;
};

static struct session sessions[SESSIONS_MAX];
static struct poold_writer *ended;
static uint32_t ended_count;

/* The place of that session, or a free one; NULL: there is none. */
static struct session *find(struct poold_bytes name)
{
	struct session *found = NULL;

	if (name.len == 0 || name.len > NAME_MAX_LEN)
		return NULL;
	for (size_t i = 0; i < SESSIONS_MAX; i++) {
		struct session *session = &sessions[i];

		if (session->name_len == name.len &&
		    memcmp(session->name, name.data, name.len) == 0)
			return session;
		if (session->name_len == 0 && !found)
			found = session;
	}
	return found;
}

static uint64_t serve(struct poold_bytes name)
{
	struct session *session = find(name);

	if (!session)
		return 0;
	if (session->name_len == 0) {
		memcpy(session->name, name.data, name.len);
		session->name_len = name.len;
		session->served = 0;
	}
	return ++session->served;
}

static void on_session_end(void *userdata, struct poold_bytes name, struct poold_bytes reason)
{
	struct session *session = find(name);

	(void)userdata;
	if (session)
		session->name_len = 0;
	poold_write_array(ended, 2);
	poold_write_str_len(ended, name.data, name.len);
	poold_write_str_len(ended, reason.data, reason.len);
	ended_count++;
}

static uint64_t read_counter(struct poold_bytes state)
{
	const uint8_t *bytes = state.data;
	uint64_t counter = 0;

	for (size_t i = 0; i < state.len; i++)
		counter = counter << 8 | bytes[i];
	return counter;
}

static int crash(void)
{
	signal(SIGSEGV, SIG_DFL);
	raise(SIGSEGV);
	return -1;
}

/* What `userdata` says happens after the state was handed over. */
static int count(struct poold_attempt *attempt, struct poold_writer *result, void *userdata)
{
	const char *then = userdata;
	uint64_t counter = read_counter(attempt->state) + 1;
	uint8_t state[8];

	for (unsigned i = 0; i < sizeof(state); i++)
		state[i] = (uint8_t)(counter >> (56 - 8 * i));
	if (poold_attempt_set_state(attempt, (struct poold_bytes){state, sizeof(state)}) < 0)
		return poold_fail(attempt, POOLD_REJECTED, "ValueError", "only within a session");
	if (strcmp(then, "fail") == 0)
		return poold_fail(attempt, POOLD_EXCEPTION, "ValueError", "counted in vain");
	if (strcmp(then, "crash") == 0)
		return crash();
	poold_write_array(result, 2);
	poold_write_uint(result, counter);
	poold_write_uint(result, serve(attempt->session));
	return 0;
}

static int forget(struct poold_attempt *attempt, struct poold_writer *result, void *userdata)
{
	(void)userdata;
	poold_write_bool(result, poold_attempt_set_state(attempt, (struct poold_bytes){0}) == 0);
	return 0;
}

static int whose(struct poold_attempt *attempt, struct poold_writer *result, void *userdata)
{
	(void)userdata;
	poold_write_array(result, 2);
	if (attempt->session.len > 0)
		poold_write_str_len(result, attempt->session.data, attempt->session.len);
	else
		poold_write_nil(result);
	poold_write_int(result, getpid());
	return 0;
}

static int echo(struct poold_attempt *attempt, struct poold_writer *result, void *userdata)
{
	(void)userdata;
	poold_write_raw(result, attempt->args);
	return 0;
}

static int tell_large(struct poold_attempt *attempt, struct poold_writer *result, void *userdata)
{
	struct poold_reader reader = poold_reader_init(attempt->args);
	uint32_t given;
	int64_t wanted, size;
	uint8_t *data;

	(void)userdata;
	if (poold_read_array(&reader, &given) < 0 || poold_read_int(&reader, &wanted) < 0 ||
	    poold_read_int(&reader, &size) < 0 || !(data = malloc((size_t)size)))
		return poold_fail(attempt, POOLD_REJECTED, "TypeError", "it takes two numbers");
	for (int64_t i = 0; i < wanted; i++) {
		memset(data, (int)(i % 256), (size_t)size);
		poold_writer_reset(result);
		poold_write_bin(result, data, (size_t)size);

		int r = poold_attempt_chunk(attempt, poold_writer_bytes(result));

		if (r < 0) {
			free(data);
			return poold_fail(attempt, POOLD_EXCEPTION, "Chunk", "%s", strerror(-r));
		}
	}
	free(data);
	poold_writer_reset(result);
	poold_write_int(result, wanted);
	return 0;
}

static int stream(struct poold_attempt *attempt, struct poold_writer *result, void *userdata)
{
	struct poold_reader reader = poold_reader_init(attempt->args);
	uint32_t given;
	int64_t wanted;

	if (poold_read_array(&reader, &given) < 0 || poold_read_int(&reader, &wanted) < 0)
		return poold_fail(attempt, POOLD_REJECTED, "TypeError", "%s takes a number",
				  attempt->method);
	for (int64_t i = 0; i < wanted; i++) {
		poold_writer_reset(result);
		poold_write_int(result, i);

		int r = poold_attempt_chunk(attempt, poold_writer_bytes(result));

		if (r < 0)
			return poold_fail(attempt, POOLD_REJECTED, "ValueError", "no chunk: %s",
					  strerror(-r));
		if (poold_attempt_cancelled(attempt))
			return poold_fail(attempt, POOLD_EXCEPTION, "Cancelled", "at chunk %lld",
					  (long long)i);
	}
	if (userdata)
		return crash();
	poold_writer_reset(result);
	poold_write_int(result, wanted);
	return 0;
}

static int fail_critical(struct poold_attempt *attempt, struct poold_writer *result, void *userdata)
{
	(void)result;
	(void)userdata;
	poold_attempt_set_severity(attempt, POOLD_SEVERITY_CRITICAL);
	return poold_fail(attempt, POOLD_EXCEPTION, "RuntimeError", "this is grave");
}

static int list_ended(struct poold_attempt *attempt, struct poold_writer *result, void *userdata)
{
	(void)attempt;
	(void)userdata;
	poold_write_array(result, ended_count);
	if (ended_count > 0)
		poold_write_raw(result, poold_writer_bytes(ended));
	return 0;
}

int main(void)
{
	static char nothing[] = "", fail[] = "fail", dies[] = "crash";
	struct poold_worker_options options = {.version = "session 1",
					       .on_session_end = on_session_end};
	struct poold_worker *worker;

	ended = poold_writer_new();
	if (!ended || poold_worker_new(&options, &worker) < 0) {
		fprintf(stderr, "session: to be started by poold, as the command of a pool\n");
		return 64;
	}
	poold_worker_add(worker, "count", count, nothing);
	poold_worker_add(worker, "count_then_fail", count, fail);
	poold_worker_add(worker, "count_then_crash", count, dies);
	poold_worker_add(worker, "forget", forget, NULL);
	poold_worker_add(worker, "whose", whose, NULL);
	poold_worker_add(worker, "stream", stream, NULL);
	poold_worker_add(worker, "stream_then_crash", stream, dies);
	poold_worker_add(worker, "tell_large", tell_large, NULL);
	poold_worker_add(worker, "echo", echo, NULL);
	poold_worker_add(worker, "fail_critical", fail_critical, NULL);
	poold_worker_add(worker, "ended", list_ended, NULL);
	int r = poold_worker_run(worker);
	poold_worker_free(worker);
	poold_writer_free(ended);
	return r < 0 ? 1 : 0;
}
