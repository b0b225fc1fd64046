/*
 * A worker that writes what really runs into a ledger, and that hears no cancel: see
 * tests/e2e/workers/ledger.py, whose functions it has.
 */
#include <poold.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define TEXT_MAX 512

struct order {
	char ledger[TEXT_MAX];
	char note[TEXT_MAX];
	char gate[TEXT_MAX];
	char then[TEXT_MAX];
};

static int read_text(struct poold_reader *reader, char text[TEXT_MAX])
{
	struct poold_bytes bytes;

	if (poold_read_str(reader, &bytes) < 0 || bytes.len >= TEXT_MAX)
		return -1;
	memcpy(text, bytes.data, bytes.len);
	text[bytes.len] = '\0';
	return 0;
}

static int read_order(struct poold_attempt *attempt, struct order *order)
{
	struct poold_reader reader = poold_reader_init(attempt->args);
	uint32_t given;

	*order = (struct order){.then = ""};
	if (poold_read_array(&reader, &given) < 0 || given < 3 || given > 4 ||
	    read_text(&reader, order->ledger) < 0 || read_text(&reader, order->note) < 0 ||
	    read_text(&reader, order->gate) < 0)
		return -1;
	return given == 4 ? read_text(&reader, order->then) : 0;
}

static void say(const struct order *order, const char *word)
{
	int file = open(order->ledger, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);

	if (file < 0 || dprintf(file, "%s %s\n", word, order->note) < 0)
		abort();
	close(file);
}

static int take_lock(const struct order *order)
{
	char name[TEXT_MAX + 8];
	int lock;

	snprintf(name, sizeof(name), "%s.lock", order->ledger);
	lock = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (lock < 0)
		abort();
	if (flock(lock, LOCK_EX | LOCK_NB) < 0)
		say(order, "overlap");
	return lock;
}

/* Adds the note to the session's state, which is the answer. */
static int answer(struct poold_attempt *attempt, const struct order *order,
		  struct poold_writer *result)
{
	char text[8 * TEXT_MAX];
	int len;

	if (attempt->session.len == 0) {
		poold_write_str(result, order->note);
		return 0;
	}
	len = snprintf(text, sizeof(text), "%.*s%s,", (int)attempt->state.len,
		       attempt->state.len > 0 ? (const char *)attempt->state.data : "",
		       order->note);
	if (len < 0 || (size_t)len >= sizeof(text) ||
	    poold_attempt_set_state(attempt, (struct poold_bytes){text, (size_t)len}) < 0)
		return poold_fail(attempt, POOLD_EXCEPTION, "State", "it can't be kept");
	poold_write_str(result, text);
	return 0;
}

static int run(struct poold_attempt *attempt, struct poold_writer *result, void *userdata)
{
	struct order order;
	int lock;

	(void)userdata;
	if (read_order(attempt, &order) < 0)
		return poold_fail(attempt, POOLD_REJECTED, "TypeError", "it takes three texts");
	lock = take_lock(&order);
	say(&order, "begin");
	while (access(order.gate, F_OK) < 0)
		usleep(1000);
	if (strcmp(order.then, "die") == 0)
		_exit(3);
	say(&order, strcmp(order.then, "raise") == 0 ? "failure" : "end");
	close(lock);
	if (strcmp(order.then, "raise") == 0)
		return poold_fail(attempt, POOLD_EXCEPTION, "ValueError", "%s", order.note);
	return answer(attempt, &order, result);
}

static int warm(struct poold_attempt *attempt, struct poold_writer *result, void *userdata)
{
	(void)attempt;
	(void)userdata;
	poold_write_nil(result);
	return 0;
}

int main(void)
{
	struct poold_worker_options options = {.version = "ledger 1"};
	struct poold_worker *worker;
	int r;

	if (poold_worker_new(&options, &worker) < 0) {
		fprintf(stderr, "ledger: to be started by poold, as the command of a pool\n");
		return 64;
	}
	poold_worker_add(worker, "run", run, NULL);
	poold_worker_add(worker, "warm", warm, NULL);
	r = poold_worker_run(worker);
	poold_worker_free(worker);
	return r < 0 ? 1 : 0;
}
