#include "protocol/utf8.h"

#include <string.h>

static bool is_continuation(uint8_t byte)
{
	return (byte & 0xc0) == 0x80;
}

/* The length of a character that begins with this byte; 0: none does. */
static size_t char_len(uint8_t lead)
{
	if (lead < 0x80)
		return 1;
	if (lead < 0xc2)
		return 0;
	if (lead < 0xe0)
		return 2;
	if (lead < 0xf0)
		return 3;
	return lead < 0xf5 ? 4 : 0;
}

size_t utf8_char(const uint8_t *at, size_t left)
{
	size_t len = char_len(at[0]);
	bool overlong, surrogate, too_high;

	if (len <= 1)
		return len;
	if (len > left)
		return 0;
	for (size_t i = 1; i < len; i++)
		if (!is_continuation(at[i]))
			return 0;

	overlong = (at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xf0 && at[1] < 0x90);
	surrogate = at[0] == 0xed && at[1] >= 0xa0;
	too_high = at[0] == 0xf4 && at[1] >= 0x90;
	return overlong || surrogate || too_high ? 0 : len;
}

uint32_t utf8_code(struct bytes character)
{
	static const uint8_t lead_bits[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
	uint32_t code = character.data[0] & lead_bits[character.len];

	for (size_t i = 1; i < character.len; i++)
		code = code << 6 | (character.data[i] & 0x3f);
	return code;
}

bool utf8_is_command(struct bytes character)
{
	static const struct {
		uint32_t first, last;
	} ranges[] = {
		{0x00, 0x1f},	  {0x7f, 0x9f}, {0x61c, 0x61c}, /* Arabic letter mark */
		{0x200e, 0x200f}, /* left-to-right and right-to-left marks */
		{0x2028, 0x202e}, /* separators of lines and paragraphs; embeddings, overrides */
		{0x2066, 0x2069}, /* isolates */
	};
	uint32_t code = utf8_code(character);

	for (size_t i = 0; i < ARRAY_SIZE(ranges); i++)
		if (code >= ranges[i].first && code <= ranges[i].last)
			return true;
	return false;
}

/* How many whole words at the beginning are ASCII, in bytes. */
static size_t ascii_words(const uint8_t *at, size_t left)
{
	size_t len = 0;
	uint64_t word;

	for (; left - len >= sizeof(word); len += sizeof(word)) {
		memcpy(&word, at + len, sizeof(word));
		if (word & UINT64_C(0x8080808080808080))
			break;
	}
	return len;
}

size_t utf8_valid_prefix(struct bytes text)
{
	size_t at = ascii_words(text.data, text.len);

	while (at < text.len) {
		size_t len = utf8_char(text.data + at, text.len - at);

		if (len == 0)
			break;
		at += len;
	}
	return at;
}

struct bytes utf8_cut(struct bytes text, size_t max)
{
	size_t start;

	if (text.len <= max)
		return text;

	/* If the cut is within a character, go back to its begin. */
	start = max;
	while (start > 0 && max - start < 3 && is_continuation(text.data[start]))
		start--;
	if (start < max && start + char_len(text.data[start]) > max)
		max = start;
	return (struct bytes){text.data, max};
}
