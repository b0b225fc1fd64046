#include "daemon/io/base/json_text.h"

#include "daemon/io/base/json.h"
#include "protocol/utf8.h"

#include <string.h>

/* --- plain bytes --- */

#define EACH_BYTE(byte) ((byte)*UINT64_C(0x0101010101010101))
#define HIGH_BITS	EACH_BYTE(UINT64_C(0x80))

/* Has a high bit set if any of the eight bytes is below `byte`, which is at most 0x80; bytes from
 * 0x80 on don't count.  (A byte behind one that is below may be reported too.) */
static uint64_t any_below(uint64_t word, uint64_t byte)
{
	return (word - EACH_BYTE(byte)) & ~word & HIGH_BITS;
}

static bool is_plain_word(uint64_t word)
{
	uint64_t is_special = word & HIGH_BITS;

	is_special |= any_below(word, ' ');
	is_special |= any_below(word ^ EACH_BYTE((uint64_t)'"'), 1);
	is_special |= any_below(word ^ EACH_BYTE((uint64_t)'\\'), 1);
	return is_special == 0;
}

static bool is_plain(uint8_t byte)
{
	return byte >= ' ' && byte < 0x80 && byte != '"' && byte != '\\';
}

size_t json_plain_prefix(const uint8_t *data, size_t len)
{
	size_t at = 0;
	uint64_t word;

	for (; len - at >= sizeof(word); at += sizeof(word)) {
		memcpy(&word, data + at, sizeof(word));
		if (!is_plain_word(word))
			break;
	}
	while (at < len && is_plain(data[at]))
		at++;
	return at;
}

/* --- from JSON --- */

/* The value of four hexadecimal digits; -1: they are none. */
static long hex_value(const uint8_t *at, const uint8_t *end)
{
	long value = 0;

	if (end - at < 4)
		return -1;
	for (unsigned i = 0; i < 4; i++) {
		uint8_t byte = at[i];

		if (byte >= '0' && byte <= '9')
			value = value * 16 + byte - '0';
		else if ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'f')
			value = value * 16 + (byte | 0x20) - 'a' + 10;
		else
			return -1;
	}
	return value;
}

/* The character that \uXXXX stands for, or a pair of them; `at` is at the backslash.  Returns how
 * many bytes that takes; 0: it stands for none. */
static size_t read_unicode(const uint8_t *at, const uint8_t *end, uint32_t *ret_char)
{
	long high, low;

	high = hex_value(at + 2, end);
	if (high < 0 || (high >= 0xdc00 && high < 0xe000))
		return 0;
	*ret_char = (uint32_t)high;
	if (high < 0xd800 || high >= 0xe000)
		return 6;
	if (end - at < 12 || at[6] != '\\' || at[7] != 'u')
		return 0;
	low = hex_value(at + 8, end);
	if (low < 0xdc00 || low >= 0xe000)
		return 0;
	*ret_char = (uint32_t)(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00));
	return 12;
}

/* The character that the escape at `at`, which is a backslash, stands for.  Returns as
 * read_unicode. */
static size_t read_escape(const uint8_t *at, const uint8_t *end, uint32_t *ret_char)
{
	static const char names[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
	const char *name;

	if (end - at < 2 || at[1] == '\0')
		return 0;
	if (at[1] == 'u')
		return read_unicode(at, end, ret_char);
	name = strchr(names, at[1]);
	if (!name)
		return 0;
	*ret_char = (uint8_t)meanings[name - names];
	return 2;
}

/* The length of a character in UTF-8. */
static size_t encoded_len(uint32_t c)
{
	return c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
}

static void put_unicode(struct buf *out, uint32_t c)
{
	static const uint8_t leads[] = {0, 0, 0xc0, 0xe0, 0xf0};
	size_t len = encoded_len(c);
	uint8_t bytes[4];

	for (size_t i = len; i-- > 1; c >>= 6)
		bytes[i] = (uint8_t)(0x80 | (c & 0x3f));
	bytes[0] = (uint8_t)(leads[len] | c);
	buf_put(out, bytes, len);
}

const uint8_t *json_scan_text(const uint8_t *at, const uint8_t *end, size_t *ret_len,
			      const char **ret_why)
{
	const uint8_t *begin = at;
	size_t saved = 0, len;
	uint32_t c;

	*ret_why = NULL;
	for (;; at += len) {
		at += json_plain_prefix(at, (size_t)(end - at));
		if (at == end || *at == '"' || *at < ' ')
			break;
		if (*at == '\\') {
			len = read_escape(at, end, &c);
			if (len == 0) {
				*ret_why = "an escape that stands for no character";
				return at;
			}
			saved += len - encoded_len(c);
		} else {
			len = utf8_char(at, (size_t)(end - at));
			if (len == 0) {
				*ret_why = "a byte that is not UTF-8";
				return at;
			}
		}
	}
	if (at == end)
		*ret_why = "a text without an end";
	else if (*at < ' ')
		*ret_why = "a control character in a text";
	*ret_len = (size_t)(at - begin) - saved;
	return at;
}

void json_decode_text(const uint8_t *at, const uint8_t *end, struct buf *out)
{
	while (at < end) {
		const uint8_t *escape = memchr(at, '\\', (size_t)(end - at));
		uint32_t c = 0;

		buf_put(out, at, (size_t)((escape ? escape : end) - at));
		if (!escape)
			return;
		at = escape + read_escape(escape, end, &c);
		put_unicode(out, c);
	}
}

/* --- to JSON --- */

static void put_escaped(struct buf *out, uint8_t byte)
{
	static const char digits[] = "0123456789abcdef";
	const char control[] = {'\\', 'u', '0', '0', digits[byte >> 4], digits[byte & 15]};
	const char special[] = {'\\', (char)byte};

	if (byte < ' ')
		buf_put(out, control, sizeof(control));
	else
		buf_put(out, special, sizeof(special));
}

/* How many bytes at the beginning stand for themselves, of a text in UTF-8. */
static size_t plain_len(const uint8_t *at, const uint8_t *end)
{
	const uint8_t *begin = at;

	while (at < end) {
		at += json_plain_prefix(at, (size_t)(end - at));
		if (at == end || *at < 0x80)
			break;
		while (at < end && *at >= 0x80)
			at++;
	}
	return (size_t)(at - begin);
}

const char *json_from_text(struct bytes text, struct buf *out)
{
	const uint8_t *at = text.data, *end = text.data + text.len;

	if (utf8_valid_prefix(text) != text.len)
		return "a text that is not UTF-8";
	buf_put(out, "\"", 1);
	while (at < end) {
		size_t len = plain_len(at, end);

		buf_put(out, at, len);
		at += len;
		if (at < end)
			put_escaped(out, *at++);
	}
	buf_put(out, "\"", 1);
	return buf_error(out) < 0 ? "more than there is room for" : NULL;
}
