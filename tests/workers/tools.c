/*
 * Functions of tests/e2e/workers/toolbox.py, in C, for tests to which all workers are alike: this
 * one starts with a tenth of the work that an interpreter takes.
 */
#include <poold.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define TEXT_MAX 4096

/* --- arguments and files --- */

/* Finds an argument by its place or, where they have names, by its name.  False: it is missing, or
 * nil. */
static bool find(const struct poold_attempt *attempt, uint32_t place, const char *name,
		 struct poold_reader *ret)
{
	struct poold_bytes other;
	uint32_t count;

	*ret = poold_reader_init(attempt->args);
	if (poold_peek(ret) == POOLD_MAP)
		return poold_map_find(attempt->args, name, ret) == 0 &&
		       poold_peek(ret) != POOLD_NIL;
	if (poold_read_array(ret, &count) < 0 || place >= count)
		return false;
	while (place-- > 0)
		poold_read_value(ret, &other);
	return poold_peek(ret) != POOLD_NIL;
}

static void text_of(const struct poold_attempt *attempt, uint32_t place, const char *name,
		    char text[TEXT_MAX])
{
	struct poold_reader reader;
	struct poold_bytes bytes;

	text[0] = '\0';
	if (find(attempt, place, name, &reader) && poold_read_str(&reader, &bytes) == 0)
		snprintf(text, TEXT_MAX, "%.*s", (int)bytes.len, (const char *)bytes.data);
}

static double number_of(const struct poold_attempt *attempt, uint32_t place, const char *name,
			double otherwise)
{
	struct poold_reader reader;
	int64_t whole;
	double number = otherwise;

	if (!find(attempt, place, name, &reader))
		return otherwise;
	if (poold_read_int(&reader, &whole) == 0)
		return (double)whole;
	poold_read_double(&reader, &number);
	return number;
}

/* Answers with that argument, or nil. */
static void give_back(const struct poold_attempt *attempt, uint32_t place, const char *name,
		      struct poold_writer *result)
{
	struct poold_reader reader;
	struct poold_bytes value;

	if (find(attempt, place, name, &reader) && poold_read_value(&reader, &value) == 0)
		poold_write_raw(result, value);
}

static bool is_there(const char *path)
{
	return access(path, F_OK) == 0;
}

static void nap(double seconds)
{
	struct timespec left = {.tv_sec = (time_t)seconds};

	left.tv_nsec = (long)((seconds - (double)left.tv_sec) * 1e9);
	while (nanosleep(&left, &left) < 0)
		;
}

/* Appends a line; a test sees by it how often this ran. */
static void note_line(const char *path, const char *line)
{
	int file = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);

	if (file < 0 || dprintf(file, "%s", line) < 0)
		abort();
	close(file);
}

/* --- what returns --- */

static int echo(struct poold_attempt *attempt, struct poold_writer *result, void *userdata)
{
	(void)userdata;
	give_back(attempt, 0, "value", result);
	return 0;
}

static int echo_all(struct poold_attempt *attempt, struct poold_writer *result, void *userdata)
{
	(void)userdata;
	poold_write_raw(result, attempt->args);
	return 0;
}

static int pid(struct poold_attempt *attempt, struct poold_writer *result, void *userdata)
{
	(void)attempt;
	(void)userdata;
	poold_write_int(result, getpid());
	return 0;
}

static int add(struct poold_attempt *attempt, struct poold_writer *result, void *userdata)
{
	(void)userdata;
	poold_write_int(result, (int64_t)(number_of(attempt, 0, "left", 0) +
					  number_of(attempt, 1, "right", 0)));
	return 0;
}

static int slow(struct poold_attempt *attempt, struct poold_writer *result, void *userdata)
{
	(void)userdata;
	nap(number_of(attempt, 0, "seconds", 0));
	give_back(attempt, 1, "value", result);
	return 0;
}

/* Makes a file to show that it has begun, and returns when somebody has removed it. */
static int occupy(struct poold_attempt *attempt, struct poold_writer *result, void *userdata)
{
	char path[TEXT_MAX];
	int file;

	(void)result;
	(void)userdata;
	text_of(attempt, 0, "path", path);
	file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (file < 0)
		return poold_fail(attempt, POOLD_EXCEPTION, "OSError", "%s can't be made", path);
	close(file);
	while (is_there(path))
		nap(0.002);
	return 0;
}

static int note(struct poold_attempt *attempt, struct poold_writer *result, void *userdata)
{
	char path[TEXT_MAX], text[TEXT_MAX], line[TEXT_MAX + 1];

	(void)result;
	(void)userdata;
	text_of(attempt, 0, "path", path);
	text_of(attempt, 1, "text", text);
	snprintf(line, sizeof(line), "%s\n", text);
	note_line(path, line);
	return 0;
}

static int big(struct poold_attempt *attempt, struct poold_writer *result, void *userdata)
{
	size_t size = (size_t)number_of(attempt, 0, "size", 0);
	char *bytes = malloc(size + 1);

	(void)userdata;
	if (!bytes)
		return poold_fail(attempt, POOLD_EXCEPTION, "MemoryError", "%s", "");
	memset(bytes, 0x5a, size);
	poold_write_bin(result, bytes, size);
	free(bytes);
	return 0;
}

/* How many bytes came. */
static int length(struct poold_attempt *attempt, struct poold_writer *result, void *userdata)
{
	struct poold_reader reader;
	struct poold_bytes data;

	(void)userdata;
	if (!find(attempt, 0, "data", &reader) || poold_read_bin(&reader, &data) < 0)
		return poold_fail(attempt, POOLD_REJECTED, "TypeError", "length takes bytes");
	poold_write_uint(result, data.len);
	return 0;
}

/* Writes a line to standard error. */
static int say(struct poold_attempt *attempt, struct poold_writer *result, void *userdata)
{
	char text[TEXT_MAX];

	(void)result;
	(void)userdata;
	text_of(attempt, 0, "text", text);
	dprintf(STDERR_FILENO, "%s\n", text);
	return 0;
}

/* --- what fails, or never returns --- */

_Noreturn static void wait_for_signals(void)
{
	for (;;)
		pause();
}

static int hang(struct poold_attempt *attempt, struct poold_writer *result, void *userdata)
{
	(void)attempt;
	(void)result;
	(void)userdata;
	wait_for_signals();
}

/* Hears no signal but KILL. */
static int busy_hang(struct poold_attempt *attempt, struct poold_writer *result, void *userdata)
{
	static volatile bool forever = true;

	(void)attempt;
	(void)result;
	(void)userdata;
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	while (forever)
		;
	return 0;
}

static int stop(struct poold_attempt *attempt, struct poold_writer *result, void *userdata)
{
	(void)attempt;
	(void)result;
	(void)userdata;
	raise(SIGSTOP);
	return 0;
}

static int leave(struct poold_attempt *attempt, struct poold_writer *result, void *userdata)
{
	(void)result;
	(void)userdata;
	_exit((int)number_of(attempt, 0, "status", 0));
}

static int die(struct poold_attempt *attempt, struct poold_writer *result, void *userdata)
{
	(void)result;
	(void)userdata;
	kill(getpid(), (int)number_of(attempt, 0, "number", 0));
	return 0;
}

/* Ends the process the first time, which it notes in a file; then the number of times. */
static int leave_once(struct poold_attempt *attempt, struct poold_writer *result, void *userdata)
{
	char path[TEXT_MAX];
	struct stat is;

	(void)userdata;
	text_of(attempt, 0, "path", path);
	note_line(path, "x");
	if (stat(path, &is) < 0)
		abort();
	if (is.st_size == 1)
		_exit(3);
	poold_write_int(result, is.st_size);
	return 0;
}

static int divide(struct poold_attempt *attempt, struct poold_writer *result, void *userdata)
{
	double dividend = number_of(attempt, 0, "dividend", 0);
	double divisor = number_of(attempt, 1, "divisor", 0);

	(void)userdata;
	if (divisor >= 0 && divisor <= 0)
		return poold_fail(attempt, POOLD_EXCEPTION, "ZeroDivisionError",
				  "division by zero");
	poold_write_double(result, dividend / divisor);
	return 0;
}

/* One of the errors that say whose fault it is; after so many seconds, if it is 0 or more. */
static int fail_as(struct poold_attempt *attempt, const char *kind, const char *message,
		   double after)
{
	static const struct {
		const char *name;
		enum poold_failure failure;
	} kinds[] = {{"ValueError", POOLD_EXCEPTION},
		     {"Retryable", POOLD_RETRYABLE},
		     {"Rejected", POOLD_REJECTED},
		     {"Fatal", POOLD_FATAL}};

	if (after >= 0)
		return poold_retry_later(attempt, (uint64_t)(after * 1000), kind, "%s", message);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kind, kinds[i].name) == 0)
			return poold_fail(attempt, kinds[i].failure, kind, "%s", message);
	return poold_fail(attempt, POOLD_EXCEPTION, "KeyError", "'%s'", kind);
}

static void set_severity(struct poold_attempt *attempt, const char *name)
{
	static const char *const names[] = {"", "warning", "minor", "major", "critical"};

	for (size_t i = 1; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(name, names[i]) == 0)
			poold_attempt_set_severity(attempt, (enum poold_severity)i);
}

static int fail(struct poold_attempt *attempt, struct poold_writer *result, void *userdata)
{
	char kind[TEXT_MAX], message[TEXT_MAX], severity[TEXT_MAX];

	(void)result;
	(void)userdata;
	text_of(attempt, 0, "kind", kind);
	text_of(attempt, 1, "message", message);
	text_of(attempt, 3, "severity", severity);
	set_severity(attempt, severity);
	return fail_as(attempt, kind, message, number_of(attempt, 2, "after", -1));
}

/* --- what fails so many times --- */

/* Takes this run down, and reads when each began; returns how many there were. */
static unsigned note_run(const char *path, double times[], unsigned room)
{
	struct timespec now;
	char line[64];
	unsigned count = 0;
	FILE *file;

	clock_gettime(CLOCK_MONOTONIC, &now);
	snprintf(line, sizeof(line), "%.9f\n", (double)now.tv_sec + (double)now.tv_nsec / 1e9);
	note_line(path, line);
	file = fopen(path, "re");
	if (!file)
		abort();
	while (count < room && fgets(line, sizeof(line), file))
		times[count++] = strtod(line, NULL);
	fclose(file);
	return count;
}

static int trial(struct poold_attempt *attempt, struct poold_writer *result, void *userdata)
{
	char path[TEXT_MAX], how[TEXT_MAX], gate[TEXT_MAX];
	double times[256];
	unsigned failures, count;

	(void)userdata;
	text_of(attempt, 0, "path", path);
	failures = (unsigned)number_of(attempt, 1, "failures", 0);
	text_of(attempt, 2, "how", how);
	text_of(attempt, 4, "gate", gate);
	count = note_run(path, times, sizeof(times) / sizeof(times[0]));
	while (gate[0] && !is_there(gate))
		nap(0.001);
	if (count > failures) {
		poold_write_array(result, count);
		for (unsigned i = 0; i < count; i++)
			poold_write_double(result, times[i]);
		return 0;
	}
	if (strcmp(how, "exit") == 0)
		_exit(3);
	if (strcmp(how, "kill") == 0)
		kill(getpid(), SIGKILL);
	if (strcmp(how, "hang") == 0)
		wait_for_signals();
	return fail_as(attempt, how, "on trial", number_of(attempt, 3, "after", -1));
}

/* --- pools that break --- */

/* The name of this pool; but while the directory has a file broken-POOL, it ends the process. */
static const char *survive_in(const char *directory)
{
	const char *pool = getenv("POOLD_POOL");
	char path[2 * TEXT_MAX];

	snprintf(path, sizeof(path), "%s/broken-%s", directory, pool);
	if (is_there(path))
		kill(getpid(), SIGKILL);
	return pool;
}

static int survive(struct poold_attempt *attempt, struct poold_writer *result, void *userdata)
{
	char directory[TEXT_MAX];

	(void)userdata;
	text_of(attempt, 0, "directory", directory);
	poold_write_str(result, survive_in(directory));
	return 0;
}

/* The same, and takes the number down among those that ran in this pool. */
static const char *serve_in(const struct poold_attempt *attempt)
{
	char directory[TEXT_MAX], path[2 * TEXT_MAX], line[32];
	const char *pool;

	text_of(attempt, 0, "directory", directory);
	pool = survive_in(directory);
	snprintf(path, sizeof(path), "%s/ran-%s", directory, pool);
	snprintf(line, sizeof(line), "%lld\n", (long long)number_of(attempt, 1, "number", 0));
	note_line(path, line);
	return pool;
}

static int serve(struct poold_attempt *attempt, struct poold_writer *result, void *userdata)
{
	(void)userdata;
	poold_write_str(result, serve_in(attempt));
	return 0;
}

/* The same, and adds one to the session's counter, which is its state, and gives that. */
static int serve_session(struct poold_attempt *attempt, struct poold_writer *result, void *userdata)
{
	char text[32];
	long counter;
	int len;

	(void)userdata;
	snprintf(text, sizeof(text), "%.*s", (int)attempt->state.len,
		 attempt->state.len > 0 ? (const char *)attempt->state.data : "");
	counter = strtol(text, NULL, 10) + 1;
	serve_in(attempt);
	len = snprintf(text, sizeof(text), "%ld", counter);
	if (poold_attempt_set_state(attempt, (struct poold_bytes){text, (size_t)len}) < 0)
		return poold_fail(attempt, POOLD_REJECTED, "ValueError", "only within a session");
	poold_write_int(result, counter);
	return 0;
}

static const struct {
	const char *name;
	poold_handler handler;
} functions[] = {
	{"echo", echo},	  {"echo_all", echo_all}, {"add", add},
	{"pid", pid},	  {"slow", slow},	  {"occupy", occupy},
	{"note", note},	  {"hang", hang},	  {"busy_hang", busy_hang},
	{"leave", leave}, {"die", die},		  {"divide", divide},
	{"fail", fail},	  {"trial", trial},	  {"leave_once", leave_once},
	{"serve", serve}, {"survive", survive},	  {"serve_session", serve_session},
	{"stop", stop},	  {"big", big},		  {"length", length},
	{"say", say},
};

int main(void)
{
	struct poold_worker_options options = {.version = "tools 1"};
	struct poold_worker *worker;
	int r;

	if (poold_worker_new(&options, &worker) < 0) {
		fprintf(stderr, "tools: to be started by poold, as the command of a pool\n");
		return 64;
	}
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++)
		poold_worker_add(worker, functions[i].name, functions[i].handler, NULL);
	r = poold_worker_run(worker);
	poold_worker_free(worker);
	return r < 0 ? 1 : 0;
}
