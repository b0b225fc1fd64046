/* The lines of poold-mcp: in pieces of any size from the client, and to one that reads when it
 * likes. */
#include "client/mcp/input.h"
#include "client/mcp/output.h"

/* Parts of a program, so no library has them. */
#include "client/mcp/input.c"	       // NOLINT(bugprone-suspicious-include)
#include "client/mcp/output.c"	       // NOLINT(bugprone-suspicious-include)
#include "client/poolctl/json_print.c" // NOLINT(bugprone-suspicious-include)

#include "tests/lib/prop.h"
#include "tests/lib/unit.h"

#include <fcntl.h>
#include <sys/socket.h>

#define TEXT_MAX 200000

/* Random lines as one text, the last one maybe without its newline. */
static size_t draw_lines(struct prop *prop, char *text)
{
	size_t len = 0;
	unsigned count = (unsigned)prop_below(prop, 30);

	for (unsigned i = 0; i < count; i++) {
		size_t line = prop_chance(prop, 90) ? prop_below(prop, 50) : prop_below(prop, 6000);

		memset(text + len, 'a' + (int)(i % 26), line);
		len += line;
		text[len++] = '\n';
	}
	return len > 0 && prop_chance(prop, 30) ? len - 1 : len;
}

START_TEST(lines_in_any_pieces)
{
	static char text[TEXT_MAX], heard[TEXT_MAX];
	struct prop_rounds rounds = prop_rounds(300);
	struct prop prop;

	while (prop_round(&rounds, &prop)) {
		size_t len = draw_lines(&prop, text), sent = 0, got = 0;
		struct input input;
		const char *line;
		size_t line_len;
		int ends[2];

		ck_assert_int_eq(pipe(ends), 0);
		input_init(&input, ends[0]);
		while (!input.has_ended) {
			size_t piece = prop_below(&prop, 3000);

			piece = piece < len - sent ? piece : len - sent;
			if (piece > 0)
				ck_assert_int_eq(write(ends[1], text + sent, piece), (int)piece);
			sent += piece;
			if (sent == len && ends[1] >= 0) {
				close(ends[1]);
				ends[1] = -1;
			}
			if (piece > 0 || ends[1] < 0)
				ck_assert_int_eq(input_read(&input), 0);
			while (input_next(&input, &line, &line_len)) {
				memcpy(heard + got, line, line_len);
				got += line_len;
				heard[got++] = '\n';
			}
		}
		/* The last line comes without its newline too. */
		if (len > 0 && text[len - 1] != '\n')
			text[len++] = '\n';
		prop_check(&prop, got == len && memcmp(heard, text, len) == 0, "%zu of %zu bytes",
			   got, len);
		input_done(&input);
		close(ends[0]);
	}
}
END_TEST

/* All that is put arrives in order, through a pipe and a socket that are nearly always full. */
static void check_output(int reading, int writing)
{
	static char heard[1 << 20];
	struct output output;
	size_t got = 0;

	ck_assert_int_eq(fcntl(reading, F_SETFL, O_NONBLOCK), 0);
	output_init(&output, writing);
	for (int i = 0; i < 100; i++) {
		char text[3000];
		ssize_t n;

		memset(text, 'a' + i % 26, sizeof(text));
		text[i * 29] = '\0';
		output_put(&output, json_string(text));
		/* Poll would say of a pipe that is full that it is not writable. */
		if (i < 10)
			ck_assert_int_eq(output_write(&output), 0);
		if (i % 3 == 0 && (n = read(reading, heard + got, 2000)) > 0)
			got += (size_t)n;
	}
	for (;;) {
		ssize_t n = read(reading, heard + got, sizeof(heard) - got);

		if (n > 0)
			got += (size_t)n;
		else if (output_is_empty(&output))
			break;
		ck_assert_int_eq(output_write(&output), 0);
	}
	for (size_t i = 0, at = 0; i < 100; i++) {
		size_t len = i * 29;

		ck_assert(heard[at] == '"' && heard[at + len + 1] == '"' &&
			  heard[at + len + 2] == '\n');
		at += len + 3;
		ck_assert(i < 99 || at == got);
	}
	output_done(&output);
	close(reading);
	close(writing);
}

START_TEST(lines_to_a_slow_reader)
{
	int ends[2];

	ck_assert_int_eq(pipe(ends), 0);
	check_output(ends[0], ends[1]);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	check_output(ends[0], ends[1]);
}
END_TEST

START_TEST(no_line_is_left_out)
{
	struct output output;

	output_init(&output, -1);
	ck_assert(output_is_empty(&output) && !output_is_full(&output));
	output_put(&output, NULL);
	ck_assert_int_eq(output_write(&output), -ENOMEM);
	output_put(&output, json_null());
	ck_assert_int_eq(output_write(&output), -ENOMEM);
	output_done(&output);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {lines_in_any_pieces, lines_to_a_slow_reader,
				      no_line_is_left_out};

	return unit_main("mcp_lines", tests, sizeof(tests) / sizeof(tests[0]));
}
