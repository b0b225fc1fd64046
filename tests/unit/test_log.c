#include "daemon/io/base/log.h"

#include "daemon/io/base/log_sink.h"
#include "daemon/io/base/log_text.h"
#include "tests/lib/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* --- text made safe --- */

START_TEST(text_is_one_safe_line)
{
	static const struct {
		const char *text, *safe;
	} cases[] = {
		{"", ""},
		{"plain text, \"quoted\" \\ and all", "plain text, \"quoted\" \\ and all"},
		{"a\nb\tc\rd", "a\\nb\\tc\\x0dd"},
		{"\x1b[31mred\x7f", "\\x1b[31mred\\x7f"},
		{"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80",
		 "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"},
		{"\xc2\x9b"
		 "1m",
		 "\\xc2\\x9b1m"}, /* a control character of two bytes */
		{"a\xe2\x80\xae"
		 "b",
		 "a\\xe2\\x80\\xaeb"},		     /* from right to left */
		{"\xc2\xa0", "\xc2\xa0"},	     /* the first that is none */
		{"\xc0\xaf", "\\xc0\\xaf"},	     /* overlong */
		{"\xed\xa0\x80", "\\xed\\xa0\\x80"}, /* a surrogate */
		{"\xe2\x82", "\\xe2\\x82"},	     /* cut in two */
		{"a\xff"
		 "b",
		 "a\\xffb"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char safe[128];
		size_t len = log_text_escape(
			(struct bytes){(const uint8_t *)cases[i].text, strlen(cases[i].text)}, safe,
			sizeof(safe));

		ck_assert_str_eq(safe, cases[i].safe);
		ck_assert_uint_eq(len, strlen(cases[i].safe));
	}
}
END_TEST

START_TEST(long_text_ends_with_dots)
{
	static const struct {
		const char *text, *safe;
	} cases[] = {
		{"123456789", "123456789"},
		{"1234567890", "123456..."},
		{"12345\xc3\xa9"
		 "890",
		 "12345..."},
		{"12345\xc3\xa9"
		 "89",
		 "12345\xc3\xa9"
		 "89"},
		{"123456\n8\n", "123456..."},
		{"1234567\n", "1234567\\n"},
		{"\x01\x02\x03", "\\x01..."},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char safe[10];

		log_text_escape(
			(struct bytes){(const uint8_t *)cases[i].text, strlen(cases[i].text)}, safe,
			sizeof(safe));
		ck_assert_str_eq(safe, cases[i].safe);
	}
}
END_TEST

/* --- standard error --- */

/* Standard error led into a pipe or socket for the time of a test. */
struct capture {
	int kept;
	int read_fd;
};

static void capture_fds(struct capture *capture, int write_fd, int read_fd)
{
	capture->kept = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
	capture->read_fd = read_fd;
	ck_assert_int_ge(dup2(write_fd, STDERR_FILENO), 0);
	close(write_fd);
	fcntl(read_fd, F_SETFL, O_NONBLOCK);
	signal(SIGPIPE, SIG_IGN);
	unsetenv("JOURNAL_STREAM");
}

static void capture_pipe(struct capture *capture)
{
	int fds[2];

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	capture_fds(capture, fds[1], fds[0]);
}

static void capture_end(struct capture *capture)
{
	log_close();
	dup2(capture->kept, STDERR_FILENO);
	close(capture->kept);
	close(capture->read_fd);
}

/* What has come so far; writes happened before the call, so nothing is waited for. */
static const char *captured(struct capture *capture)
{
	static char text[1 << 17];
	size_t len = 0;
	ssize_t n;

	while ((n = read(capture->read_fd, text + len, sizeof(text) - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	return text;
}

/* A line without its time, whose form is checked. */
static const char *behind_time(const char *line)
{
	static const char form[] = "dddd-dd-ddTdd:dd:dd.dddZ ";

	for (size_t i = 0; form[i]; i++)
		if (form[i] == 'd')
			ck_assert_msg(line[i] >= '0' && line[i] <= '9', "%s", line);
		else
			ck_assert_int_eq(line[i], form[i]);
	return line + strlen(form);
}

START_TEST(lines_on_standard_error)
{
	static const struct log_field fields[] = {
		{"pool", "python"},   {"worker", NULL}, {"detail", "two words"},
		{"quoted", "a\"b=c"}, {"empty", ""},	{"injected", "x\nMESSAGE=y"},
	};
	struct capture capture;

	capture_pipe(&capture);
	ck_assert_int_eq(log_open(LOG_TARGET_STDERR, LOG_LEVEL_INFO), 0);
	errno = 7;
	log_event(LOG_LEVEL_WARNING, "0123456789abcdef0123456789abcdef", fields, ARRAY_SIZE(fields),
		  "worker %d ended\n<3>forged", 3);
	ck_assert_int_eq(errno, 7);
	ck_assert_str_eq(behind_time(captured(&capture)),
			 "warning worker 3 ended\\n<3>forged pool=python detail=\"two words\" "
			 "quoted=\"a'b=c\" empty=\"\" injected=\"x\\nMESSAGE=y\"\n");
	capture_end(&capture);
}
END_TEST

/* The journal reads standard error and takes the level from there; its stream has a number, as each file has. */
START_TEST(lines_for_a_journal_begin_with_their_level)
{
	struct capture capture;
	struct stat status;
	char stream[64];

	capture_pipe(&capture);
	ck_assert_int_eq(fstat(STDERR_FILENO, &status), 0);
	snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)status.st_dev,
		 (uintmax_t)status.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	ck_assert_int_eq(log_open(LOG_TARGET_STDERR, LOG_LEVEL_INFO), 0);
	log_event(LOG_LEVEL_WARNING, NULL, NULL, 0, "a text");
	ck_assert_str_eq(captured(&capture), "<4>a text\n");
	log_set_format(LOG_FORMAT_JSON);
	log_event(LOG_LEVEL_ERROR, "0123456789abcdef0123456789abcdef", NULL, 0, "an object");
	ck_assert_ptr_nonnull(
		strstr(captured(&capture), "\"message_id\":\"0123456789abcdef0123456789abcdef\""));
	log_event(LOG_LEVEL_ERROR, NULL, NULL, 0, "an object");
	ck_assert_int_eq(strncmp(captured(&capture), "<3>{\"time\":\"", 12), 0);
	capture_end(&capture);
	unsetenv("JOURNAL_STREAM");
}
END_TEST

START_TEST(levels_are_held)
{
	struct capture capture;

	capture_pipe(&capture);
	ck_assert_int_eq(log_open(LOG_TARGET_AUTO, LOG_LEVEL_WARNING), 0);
	log_info("not this");
	log_debug("not this");
	ck_assert_str_eq(captured(&capture), "");
	log_warning("this");
	ck_assert_str_eq(behind_time(captured(&capture)), "warning this\n");
	ck_assert(!log_is_enabled(LOG_LEVEL_NOTICE));
	ck_assert_int_eq(log_open(LOG_TARGET_STDERR, LOG_LEVEL_DEBUG), 0);
	log_debug("now");
	ck_assert_str_eq(behind_time(captured(&capture)), "debug now\n");
	capture_end(&capture);
}
END_TEST

START_TEST(lines_before_open_go_to_standard_error)
{
	struct capture capture;

	capture_pipe(&capture);
	log_error("early");
	log_debug("not this");
	ck_assert_str_eq(behind_time(captured(&capture)), "error early\n");
	capture_end(&capture);
}
END_TEST

START_TEST(long_lines_are_cut_with_an_end)
{
	static char long_text[3 * LOG_TEXT_MAX];
	struct log_field fields[4];
	struct capture capture;
	const char *line;

	memset(long_text, 'x', sizeof(long_text) - 1);
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		fields[i] = (struct log_field){"f", long_text};
	capture_pipe(&capture);
	ck_assert_int_eq(log_open(LOG_TARGET_STDERR, LOG_LEVEL_INFO), 0);
	log_event(LOG_LEVEL_INFO, NULL, fields, ARRAY_SIZE(fields), "%s", long_text);
	line = captured(&capture);
	ck_assert_uint_eq(strlen(line), 4096);
	ck_assert_ptr_eq(strchr(line, '\n'), line + 4095);
	ck_assert_ptr_nonnull(strstr(line, "x... f=x"));
	capture_end(&capture);
}
END_TEST

/* Logs until a line is dropped; ends, as no pipe is endless. */
static unsigned fill(void)
{
	uint64_t before = log_dropped();
	unsigned lines = 0;

	for (; log_dropped() == before; lines++)
		log_info("line %u", lines);
	return lines - 1;
}

static unsigned count_lines(const char *text)
{
	unsigned lines = 0;

	for (; *text; text++)
		lines += *text == '\n';
	return lines;
}

/* A reader that stands still must cost lines, not time: were a write to block, this test would time
 * out. */
static void check_drops(struct capture *capture)
{
	unsigned passed;
	const char *text;

	ck_assert_int_eq(log_open(LOG_TARGET_STDERR, LOG_LEVEL_INFO), 0);
	/* Whoever shares standard error must not find it changed. */
	ck_assert_int_eq(fcntl(STDERR_FILENO, F_GETFL) & O_NONBLOCK, 0);
	passed = fill();
	log_info("lost too");
	log_info("and this");
	ck_assert_uint_ge(passed, 10);
	ck_assert_uint_eq(count_lines(captured(capture)), passed);
	log_info("again");
	text = captured(capture);
	ck_assert_uint_eq(count_lines(text), 2);
	ck_assert_str_eq(strchr(behind_time(text), '\n') - strlen("3 lines of this log were lost"),
			 strstr(text, "3 lines of this log were lost"));
	ck_assert_ptr_nonnull(strstr(text, "info again\n"));
	log_info("told once");
	ck_assert_uint_eq(count_lines(captured(capture)), 1);
	capture_end(capture);
}

START_TEST(full_pipe_drops_lines)
{
	struct capture capture;

	capture_pipe(&capture);
	check_drops(&capture);
}
END_TEST

START_TEST(full_stream_socket_drops_lines)
{
	struct capture capture;
	int fds[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	capture_fds(&capture, fds[1], fds[0]);
	check_drops(&capture);
}
END_TEST

/* Has the lost lines told, so that no later test meets the line about them. */
static void settle(void)
{
	struct capture capture;

	capture_pipe(&capture);
	log_info("settled");
	ck_assert_uint_eq(count_lines(captured(&capture)), 2);
	capture_end(&capture);
}

START_TEST(full_pipe_before_open_drops_lines)
{
	struct capture capture;
	unsigned passed;

	capture_pipe(&capture);
	passed = fill();
	ck_assert_uint_eq(count_lines(captured(&capture)), passed);
	capture_end(&capture);
	settle();
}
END_TEST

START_TEST(closed_pipe_drops_lines)
{
	struct capture capture;
	uint64_t before = log_dropped();

	capture_pipe(&capture);
	ck_assert_int_eq(log_open(LOG_TARGET_STDERR, LOG_LEVEL_INFO), 0);
	close(capture.read_fd);
	log_info("nobody");
	ck_assert_uint_eq(log_dropped(), before + 1);
	capture_end(&capture);
	settle();
}
END_TEST

/* --- the journal --- */

struct journal {
	int fd;
	char path[64];
};

static void journal_start(struct journal *journal)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	snprintf(journal->path, sizeof(journal->path), "/tmp/poold-log-%d", (int)getpid());
	strcpy(address.sun_path, journal->path);
	journal->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(journal->fd, (struct sockaddr *)&address, sizeof(address)), 0);
	log_sink_set_journal_path(journal->path);
}

static void journal_stop(struct journal *journal)
{
	close(journal->fd);
	unlink(journal->path);
	log_close();
}

static const char *journal_read(struct journal *journal)
{
	static char record[1 << 17];
	ssize_t n = recv(journal->fd, record, sizeof(record) - 1, 0);

	record[n > 0 ? n : 0] = '\0';
	return record;
}

START_TEST(records_in_the_journal)
{
	static const struct log_field fields[] = {
		{"pool", "python"},
		{"worker", NULL},
		{"detail", "x\nPRIORITY=0"},
	};
	static const struct log_field of_worker[] = {{"worker", "3"}, {"pool", "python"}};
	struct journal journal;

	journal_start(&journal);
	ck_assert_int_eq(log_open(LOG_TARGET_JOURNAL, LOG_LEVEL_INFO), 0);
	log_event(LOG_LEVEL_WARNING, "0123456789abcdef0123456789abcdef", fields, ARRAY_SIZE(fields),
		  "worker %d ended\nMESSAGE=forged", 3);
	ck_assert_str_eq(journal_read(&journal), "PRIORITY=4\n"
						 "SYSLOG_IDENTIFIER=poold\n"
						 "MESSAGE=python: worker 3 ended\\nMESSAGE=forged\n"
						 "MESSAGE_ID=0123456789abcdef0123456789abcdef\n"
						 "POOLD_POOL=python\n"
						 "POOLD_DETAIL=x\\nPRIORITY=0\n");
	log_info("plain");
	ck_assert_str_eq(journal_read(&journal), "PRIORITY=6\nSYSLOG_IDENTIFIER=poold\n"
						 "MESSAGE=plain\n");
	log_event(LOG_LEVEL_INFO, NULL, of_worker, ARRAY_SIZE(of_worker), "worker ready");
	ck_assert_str_eq(journal_read(&journal), "PRIORITY=6\nSYSLOG_IDENTIFIER=poold\n"
						 "MESSAGE=python/3: worker ready\n"
						 "POOLD_WORKER=3\nPOOLD_POOL=python\n");
	journal_stop(&journal);
}
END_TEST

START_TEST(largest_record_passes_whole)
{
	static char long_text[3 * LOG_TEXT_MAX];
	struct log_field fields[LOG_FIELDS_MAX + 1];
	struct journal journal;
	const char *record;

	memset(long_text, 'x', sizeof(long_text) - 1);
	for (size_t i = 0; i < LOG_FIELDS_MAX; i++)
		fields[i] = (struct log_field){
			"a_name_that_is_longer_than_any_that_is_used_here_so_far", long_text};
	fields[LOG_FIELDS_MAX] = (struct log_field){"over", "the limit"};
	journal_start(&journal);
	ck_assert_int_eq(log_open(LOG_TARGET_JOURNAL, LOG_LEVEL_INFO), 0);
	log_event(LOG_LEVEL_INFO, NULL, fields, ARRAY_SIZE(fields), "%s", long_text);
	record = journal_read(&journal);
	ck_assert_uint_eq(count_lines(record), 3 + LOG_FIELDS_MAX);
	ck_assert_int_eq(record[strlen(record) - 1], '\n');
	ck_assert_ptr_null(strstr(record, "OVER"));
	journal_stop(&journal);
}
END_TEST

START_TEST(stalled_journal_drops_lines)
{
	struct journal journal;
	unsigned passed, read_lines = 0;

	journal_start(&journal);
	ck_assert_int_eq(log_open(LOG_TARGET_JOURNAL, LOG_LEVEL_INFO), 0);
	passed = fill();
	log_info("lost too");
	while (*journal_read(&journal))
		read_lines++;
	ck_assert_uint_eq(read_lines, passed);
	log_info("again");
	ck_assert_ptr_nonnull(strstr(journal_read(&journal), "2 lines of this log were lost"));
	ck_assert_ptr_nonnull(strstr(journal_read(&journal), "MESSAGE=again\n"));
	journal_stop(&journal);
}
END_TEST

START_TEST(journal_may_be_restarted)
{
	struct journal journal;
	uint64_t before;

	journal_start(&journal);
	ck_assert_int_eq(log_open(LOG_TARGET_JOURNAL, LOG_LEVEL_INFO), 0);
	close(journal.fd);
	unlink(journal.path);
	before = log_dropped();
	log_info("nobody");
	ck_assert_uint_eq(log_dropped(), before + 1);
	journal_start(&journal);
	log_info("back");
	ck_assert_ptr_nonnull(strstr(journal_read(&journal), "1 lines of this log were lost"));
	ck_assert_ptr_nonnull(strstr(journal_read(&journal), "MESSAGE=back\n"));
	journal_stop(&journal);
}
END_TEST

/* Says of standard error what the service manager would: "device:inode" of it, and so much off. */
static void connect_stderr(unsigned off)
{
	struct stat status;
	char text[64];

	fstat(STDERR_FILENO, &status);
	snprintf(text, sizeof(text), "%ju:%ju", (uintmax_t)status.st_dev,
		 (uintmax_t)status.st_ino + off);
	setenv("JOURNAL_STREAM", text, 1);
}

START_TEST(auto_follows_the_connection)
{
	struct journal journal;
	struct capture capture;

	journal_start(&journal);
	capture_pipe(&capture);
	connect_stderr(1);
	ck_assert_int_eq(log_open(LOG_TARGET_AUTO, LOG_LEVEL_INFO), 0);
	log_info("to the pipe");
	ck_assert_str_eq(behind_time(captured(&capture)), "info to the pipe\n");

	connect_stderr(0);
	ck_assert_int_eq(log_open(LOG_TARGET_AUTO, LOG_LEVEL_INFO), 0);
	log_info("to the journal");
	ck_assert_ptr_nonnull(strstr(journal_read(&journal), "MESSAGE=to the journal\n"));

	ck_assert_int_eq(log_open(LOG_TARGET_STDERR, LOG_LEVEL_INFO), 0);
	log_error("with its priority");
	ck_assert_str_eq(captured(&capture), "<3>with its priority\n");
	unsetenv("JOURNAL_STREAM");
	capture_end(&capture);
	journal_stop(&journal);
}
END_TEST

/* --- limits and names --- */

START_TEST(limit_holds_lines_back)
{
	struct log_limit limit = {.per_second = 2};
	const usec_t begin = 5 * USEC_PER_SEC;
	unsigned held = 77;

	ck_assert(log_limit_pass(&limit, begin, &held));
	ck_assert_uint_eq(held, 0);
	ck_assert(log_limit_pass(&limit, begin + 1, &held));
	for (unsigned i = 0; i < 37; i++)
		ck_assert(!log_limit_pass(&limit, begin + 2 + i, &held));
	ck_assert(!log_limit_pass(&limit, begin + USEC_PER_SEC - 1, &held));
	ck_assert(log_limit_pass(&limit, begin + USEC_PER_SEC, &held));
	ck_assert_uint_eq(held, 38);
	ck_assert(log_limit_pass(&limit, begin + USEC_PER_SEC, &held));
	ck_assert_uint_eq(held, 0);
	ck_assert(!log_limit_pass(&limit, begin + USEC_PER_SEC, &held));
}
END_TEST

START_TEST(names)
{
	ck_assert_str_eq(log_level_name(LOG_LEVEL_ERROR), "error");
	ck_assert_str_eq(log_level_name(LOG_LEVEL_WARNING), "warning");
	ck_assert_str_eq(log_level_name(LOG_LEVEL_NOTICE), "notice");
	ck_assert_str_eq(log_level_name(LOG_LEVEL_INFO), "info");
	ck_assert_str_eq(log_level_name(LOG_LEVEL_DEBUG), "debug");
	ck_assert_str_eq(log_target_name(LOG_TARGET_AUTO), "auto");
	ck_assert_str_eq(log_target_name(LOG_TARGET_JOURNAL), "journal");
	ck_assert_str_eq(log_target_name(LOG_TARGET_STDERR), "stderr");
	ck_assert_ptr_null(log_level_name((enum log_level)2));
	ck_assert_ptr_null(log_level_name((enum log_level)8));
	ck_assert_ptr_null(log_target_name(LOG_TARGET_COUNT_));
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		text_is_one_safe_line,
		long_text_ends_with_dots,
		lines_on_standard_error,
		lines_for_a_journal_begin_with_their_level,
		levels_are_held,
		lines_before_open_go_to_standard_error,
		long_lines_are_cut_with_an_end,
		full_pipe_drops_lines,
		full_stream_socket_drops_lines,
		full_pipe_before_open_drops_lines,
		closed_pipe_drops_lines,
		records_in_the_journal,
		largest_record_passes_whole,
		stalled_journal_drops_lines,
		journal_may_be_restarted,
		auto_follows_the_connection,
		limit_holds_lines_back,
		names,
	};

	return unit_main("log", tests, ARRAY_SIZE(tests));
}
