#include "daemon/io/config/config_ini.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <ini.h>

#include "daemon/io/config/config.h"
#include "protocol/utf8.h"

#define TEXT_OF_(number) #number
#define TEXT_OF(number)	 TEXT_OF_(number)

struct reader {
	struct bytes rest; /* what was not read yet */
	unsigned line;
	const struct ini_events *events;
};

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

static struct bytes trim(struct bytes text)
{
	while (text.len > 0 && is_blank(text.data[0]))
		text = (struct bytes){text.data + 1, text.len - 1};
	while (text.len > 0 && is_blank(text.data[text.len - 1]))
		text.len--;
	return text;
}

/* Takes the next line, without its end, off the text. */
static struct bytes take_line(struct bytes *rest)
{
	const uint8_t *end = memchr(rest->data, '\n', rest->len);
	struct bytes line = {rest->data, end ? (size_t)(end - rest->data) : rest->len};
	size_t taken = line.len + (end != NULL);

	*rest = (struct bytes){rest->data + taken, rest->len - taken};
	if (line.len > 0 && line.data[line.len - 1] == '\r')
		line.len--;
	return line;
}

static bool has_control_byte(struct bytes text)
{
	for (size_t i = 0; i < text.len; i++)
		if ((text.data[i] < ' ' && text.data[i] != '\t') || text.data[i] == 0x7f)
			return true;
	return false;
}

/* What is wrong with a key line, or NULL.  inih would take a colon for the equals sign. */
static const char *check_key_line(struct bytes line)
{
	const uint8_t *equals = memchr(line.data, '=', line.len);

	if (!equals)
		return "is neither a [section] nor a key = value";
	if (memchr(line.data, ':', (size_t)(equals - line.data)))
		return "has a colon in its key";
	if (equals == line.data)
		return "has no key before its =";
	return NULL;
}

/* inih cuts the names of sections and doesn't tell of one without keys: so they are read here. */
static const char *read_section(struct reader *reader, struct bytes line)
{
	char name[CONFIG_LINE_MAX + 1];

	if (line.data[line.len - 1] != ']')
		return "begins a section and doesn't end with ]";

	struct bytes inner = trim((struct bytes){line.data + 1, line.len - 2});

	memcpy(name, inner.data, inner.len);
	name[inner.len] = '\0';
	reader->events->on_section(reader->events->user, reader->line, name);
	return NULL;
}

/* What is wrong with a line, or NULL.  *ret_key says whether inih shall see it. */
static const char *read_line(struct reader *reader, struct bytes line, bool *ret_key)
{
	const char *fault = NULL;

	*ret_key = false;
	if (line.len > CONFIG_LINE_MAX)
		return "is longer than " TEXT_OF(CONFIG_LINE_MAX) " bytes";
	if (has_control_byte(line))
		return "has a control byte in it";
	if (utf8_valid_prefix(line) < line.len)
		return "is not UTF-8 text";
	line = trim(line);
	if (line.len == 0 || line.data[0] == '#' || line.data[0] == ';')
		return NULL;
	if (line.data[0] == '[')
		return read_section(reader, line);
	fault = check_key_line(line);
	*ret_key = !fault;
	return fault;
}

/* inih's source of lines: gives it those that hold a key, and an empty one for every other. */
static char *give_line(char *out, int size, void *user)
{
	struct reader *reader = user;
	struct bytes line;
	bool is_key;

	if (reader->rest.len == 0)
		return NULL;
	line = take_line(&reader->rest);
	reader->line++;

	const char *fault = read_line(reader, line, &is_key);

	if (fault)
		reader->events->on_fault(reader->events->user, reader->line, fault);
	line = is_key ? trim(line) : (struct bytes){line.data, 0};
	assert(line.len < (size_t)size);
	memcpy(out, line.data, line.len);
	out[line.len] = '\0';
	return out;
}

static int take_key(void *user, const char *section, const char *key, const char *value)
{
	struct reader *reader = user;

	(void)section;
	reader->events->on_key(reader->events->user, reader->line, key, value);
	return 1;
}

int config_ini_parse(struct bytes text, const struct ini_events *events)
{
	static const uint8_t byte_order_mark[] = {0xef, 0xbb, 0xbf};
	struct reader reader = {.rest = text, .events = events};

	if (text.len >= sizeof(byte_order_mark) &&
	    memcmp(text.data, byte_order_mark, sizeof(byte_order_mark)) == 0)
		reader.rest = (struct bytes){text.data + 3, text.len - 3};

	/* Its own limits are 200 bytes, and a semicolon ends a value: commands need more. */
	ini_use_stack = false;
	ini_allow_realloc = false;
	ini_max_line = ini_initial_alloc = CONFIG_LINE_MAX + 3;
	ini_allow_inline_comments = false;
	ini_allow_multiline = false;
	return ini_parse_stream(give_line, &reader, take_key, &reader) == -2 ? -ENOMEM : 0;
}
