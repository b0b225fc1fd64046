#include "client/poolctl/print.h"

#include "protocol/utf8.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void print_bytes(FILE *out, const char *text, size_t left)
{
	while (left > 0) {
		size_t len = utf8_char((const uint8_t *)text, left);
		struct bytes character = {(const uint8_t *)text, len};

		if (len == 0 || utf8_is_command(character))
			putc('?', out);
		else
			fwrite(text, 1, len, out);
		text += len > 0 ? len : 1;
		left -= len > 0 ? len : 1;
	}
}

void print_safe(FILE *out, const char *text)
{
	print_bytes(out, text, strlen(text));
}

void print_text(FILE *out, const char *text)
{
	while (*text != '\0') {
		size_t len = strcspn(text, "\n");

		print_bytes(out, text, len);
		text += len;
		if (*text == '\n')
			putc(*text++, out);
	}
}

void print_lines(FILE *out, const char *text)
{
	while (*text != '\0') {
		size_t len = strcspn(text, "\n");
		char line[1024];

		snprintf(line, sizeof(line), "%.*s", (int)(len < sizeof(line) ? len : sizeof(line)),
			 text);
		fputs("  ", out);
		print_safe(out, line);
		putc('\n', out);
		text += len + (text[len] == '\n');
	}
}

static bool is_coloured(FILE *out)
{
	const char *refused = getenv("NO_COLOR");
	const char *terminal = getenv("TERM");

	return isatty(fileno(out)) && (!refused || refused[0] == '\0') &&
	       (!terminal || strcmp(terminal, "dumb") != 0);
}

static const struct {
	const char *text;
	const char *colour;
} statuses[] = {
	{"ok", "\033[32m"},	     {"healthy", "\033[32m"},	 {"ready", "\033[32m"},
	{"closed", "\033[32m"},	     {"degraded", "\033[33m"},	 {"half_open", "\033[33m"},
	{"disabled", "\033[33m"},    {"observing", "\033[33m"},	 {"down", "\033[31m"},
	{"unhealthy", "\033[31m"},   {"terminated", "\033[31m"}, {"open", "\033[31m"},
	{"forced_open", "\033[31m"}, {"critical", "\033[31m"},	 {"state lost", "\033[31m"},
};

static const char *colour_of(const char *text)
{
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		if (strcmp(text, statuses[i].text) == 0)
			return statuses[i].colour;
	}
	return NULL;
}

void print_status(FILE *out, const char *text)
{
	const char *colour = is_coloured(out) ? colour_of(text) : NULL;

	fputs(colour ? colour : "", out);
	print_safe(out, text);
	fputs(colour ? "\033[0m" : "", out);
}
