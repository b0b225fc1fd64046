#include "client/poolctl/table.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

void table_init(struct table *table, const struct column *columns, size_t column_count)
{
	*table = (struct table){.columns = columns, .column_count = column_count};
}

void table_free(struct table *table)
{
	free(table->cells);
	*table = (struct table){0};
}

void table_cell(struct table *table, const char *format, ...)
{
	va_list args;

	if (table->cell_count == table->capacity) {
		table->capacity = table->capacity > 0 ? 2 * table->capacity : 64;
		table->cells = reallocarray(table->cells, table->capacity, CELL_MAX);
		if (!table->cells) {
			fprintf(stderr, "poolctl: no memory\n");
			exit(EX_OSERR);
		}
	}
	va_start(args, format);
	vsnprintf(table->cells[table->cell_count++], CELL_MAX, format, args);
	va_end(args);
}

/* How many bytes at the text make a control character: one of ASCII, or one of U+0080 to U+009F. */
static size_t control_len(const char *text)
{
	unsigned char first = (unsigned char)text[0], second = (unsigned char)text[1];

	if (first < 0x20 || first == 0x7f)
		return 1;
	return first == 0xc2 && second >= 0x80 && second < 0xa0 ? 2 : 0;
}

void print_safe(FILE *out, const char *text)
{
	while (*text != '\0') {
		size_t len = control_len(text);

		putc(len > 0 ? '?' : *text, out);
		text += len > 0 ? len : 1;
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

bool wants_colour(FILE *out)
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
	const char *colour = wants_colour(out) ? colour_of(text) : NULL;

	fputs(colour ? colour : "", out);
	print_safe(out, text);
	fputs(colour ? "\033[0m" : "", out);
}

/* Columns of a terminal that the text takes: its characters, not its bytes. */
static int width_of(const char *text)
{
	int width = 0;

	for (; *text != '\0'; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}

static const char *cell_at(const struct table *table, size_t row, size_t column)
{
	return table->cells[row * table->column_count + column];
}

static int column_width(const struct table *table, size_t column)
{
	int widest = width_of(table->columns[column].title);

	for (size_t row = 0; row < table->cell_count / table->column_count; row++) {
		int width = width_of(cell_at(table, row, column));

		if (width > widest)
			widest = width;
	}
	return widest;
}

/* The last column is not filled up, so that no line ends in blanks. */
static void print_cell(const struct table *table, FILE *out, size_t column, const char *text)
{
	int filling = column_width(table, column) - width_of(text);
	bool is_last = column + 1 == table->column_count;
	bool is_number = table->columns[column].is_number;

	if (is_number)
		fprintf(out, "%*s", filling, "");
	print_status(out, text);
	if (is_last)
		putc('\n', out);
	else
		fprintf(out, "%*s", is_number ? 2 : filling + 2, "");
}

void table_print(const struct table *table, FILE *out)
{
	assert(table->column_count > 0);
	for (size_t column = 0; column < table->column_count; column++)
		print_cell(table, out, column, table->columns[column].title);
	for (size_t i = 0; i < table->cell_count; i++)
		print_cell(table, out, i % table->column_count, table->cells[i]);
}

const char *duration_text(char text[UNIT_TEXT_MAX], double ms)
{
	const unsigned long hour = 60, day = 24 * hour;
	double seconds = ms / 1000;
	unsigned long minutes = seconds > 0 && seconds < 1e12 ? (unsigned long)(seconds / 60) : 0;

	if (ms < 10)
		snprintf(text, UNIT_TEXT_MAX, "%.2g ms", ms);
	else if (ms < 1000)
		snprintf(text, UNIT_TEXT_MAX, "%.0f ms", ms);
	else if (seconds < 10)
		snprintf(text, UNIT_TEXT_MAX, "%.2g s", seconds);
	else if (minutes < 1)
		snprintf(text, UNIT_TEXT_MAX, "%.0f s", seconds);
	else if (minutes < hour)
		snprintf(text, UNIT_TEXT_MAX, "%lu min", minutes);
	else if (minutes < day)
		snprintf(text, UNIT_TEXT_MAX, "%lu h %lu min", minutes / hour, minutes % hour);
	else
		snprintf(text, UNIT_TEXT_MAX, "%lu d %lu h", minutes / day, minutes % day / hour);
	return text;
}

const char *size_text(char text[UNIT_TEXT_MAX], double bytes)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
	size_t unit = 0;

	while (bytes >= 1024 && unit + 1 < sizeof(units) / sizeof(units[0])) {
		bytes /= 1024;
		unit++;
	}
	snprintf(text, UNIT_TEXT_MAX, bytes < 10 && unit > 0 ? "%.1f %s" : "%.0f %s", bytes,
		 units[unit]);
	return text;
}
