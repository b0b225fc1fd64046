/*
 * A library such as inih would be the obvious way to read INI text.  But inih cuts the names of
 * sections, does not report a section without keys, takes a colon for an equals sign, reports at
 * most one faulty line, and accepts control characters and text that is not UTF-8.  To name every
 * faulty line, each line has to be read and checked here first; then all that is left for the
 * library is the split at the equals sign, which is ten lines of C.
 */
#include "daemon/io/config/config_ini.h"

#include "daemon/io/config/config.h"
#include "protocol/utf8.h"

#include <string.h>

#define TEXT_OF_(number) #number
#define TEXT_OF(number)	 TEXT_OF_(number)

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

/* Copies a part of a line without the space around it, and ends it with a zero byte. */
static void copy_trimmed(struct bytes part, char out[static CONFIG_LINE_MAX + 1])
{
	struct bytes text = trim(part);

	memcpy(out, text.data, text.len);
	out[text.len] = '\0';
}

static const char *read_section(struct bytes line, unsigned number, const struct ini_events *events)
{
	char name[CONFIG_LINE_MAX + 1];

	if (line.data[line.len - 1] != ']')
		return "begins with [ and doesn't end with ]";
	copy_trimmed((struct bytes){line.data + 1, line.len - 2}, name);
	events->on_section(events->user, number, name);
	return NULL;
}

/* A colon in the key is refused: most likely it was meant as the separator. */
static const char *read_key(struct bytes line, unsigned number, const struct ini_events *events)
{
	const uint8_t *equals = memchr(line.data, '=', line.len);
	char key[CONFIG_LINE_MAX + 1], value[CONFIG_LINE_MAX + 1];
	size_t key_len = equals ? (size_t)(equals - line.data) : 0;

	if (!equals)
		return "is neither a [section] nor a key = value";
	if (memchr(line.data, ':', key_len))
		return "has a colon in its key, which ends at the =";
	if (key_len == 0)
		return "has no key before its =";
	copy_trimmed((struct bytes){line.data, key_len}, key);
	copy_trimmed((struct bytes){equals + 1, line.len - key_len - 1}, value);
	events->on_key(events->user, number, key, value);
	return NULL;
}

/* Reports what one line holds.  Returns what is wrong with it, or NULL. */
static const char *read_line(struct bytes line, unsigned number, const struct ini_events *events)
{
	if (line.len > CONFIG_LINE_MAX)
		return "is longer than " TEXT_OF(CONFIG_LINE_MAX) " bytes";
	if (has_control_byte(line))
		return "has a control character in it";
	if (utf8_valid_prefix(line) < line.len)
		return "is not UTF-8 text";
	line = trim(line);
	if (line.len == 0 || line.data[0] == '#' || line.data[0] == ';')
		return NULL;
	if (line.data[0] == '[')
		return read_section(line, number, events);
	return read_key(line, number, events);
}

void config_ini_parse(struct bytes text, const struct ini_events *events)
{
	static const uint8_t byte_order_mark[] = {0xef, 0xbb, 0xbf};
	struct bytes rest = text;

	if (text.len >= sizeof(byte_order_mark) &&
	    memcmp(text.data, byte_order_mark, sizeof(byte_order_mark)) == 0)
		rest = (struct bytes){text.data + 3, text.len - 3};
	for (unsigned number = 1; rest.len > 0; number++) {
		const char *fault = read_line(take_line(&rest), number, events);

		if (fault)
			events->on_fault(events->user, number, fault);
	}
}
