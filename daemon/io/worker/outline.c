#include "daemon/io/worker/outline.h"

#include "daemon/io/base/json_text.h"

#include <string.h>

static const char *const names[OUTLINE_MEMBER_COUNT_] = {
	[OUTLINE_ID] = "id",
	[OUTLINE_METHOD] = "method",
	[OUTLINE_RESULT] = "result",
	[OUTLINE_ERROR] = "error",
};

void outline_init(struct outline *outline)
{
	*outline = (struct outline){0};
}

static void begin_word(struct outline *outline, bool is_text)
{
	outline->word_len = 0;
	outline->is_text = is_text;
}

/* Only what stands in the outermost object itself is of interest. */
static void add_to_word(struct outline *outline, uint8_t byte)
{
	if (outline->depth != 1)
		return;
	if (outline->word_len < OUTLINE_WORD_MAX)
		outline->word[outline->word_len] = (char)byte;
	if (outline->word_len <= OUTLINE_WORD_MAX)
		outline->word_len++;
}

static bool is_word(const struct outline *outline, const char *name)
{
	return outline->word_len == strlen(name) &&
	       memcmp(outline->word, name, outline->word_len) == 0;
}

static void end_key(struct outline *outline)
{
	outline->member = OUTLINE_OTHER;
	for (unsigned i = OUTLINE_ID; i < OUTLINE_MEMBER_COUNT_; i++)
		if (outline->is_text && is_word(outline, names[i]))
			outline->member = (enum outline_member)i;
	outline->counts[outline->member]++;
	outline->is_value = true;
	begin_word(outline, false);
}

/* The word as an id of a request of ours: digits alone. */
static bool read_number(const struct outline *outline, uint32_t *ret)
{
	uint64_t number = 0;

	if (outline->is_text || outline->word_len == 0 || outline->word_len >= OUTLINE_WORD_MAX)
		return false;
	for (size_t i = 0; i < outline->word_len; i++) {
		if (outline->word[i] < '0' || outline->word[i] > '9')
			return false;
		number = number * 10 + (uint64_t)(outline->word[i] - '0');
	}
	*ret = (uint32_t)number;
	return number <= UINT32_MAX;
}

static void end_value(struct outline *outline)
{
	if (outline->is_value && outline->member == OUTLINE_ID)
		outline->has_number = read_number(outline, &outline->id);
	outline->is_value = false;
	begin_word(outline, false);
}

/* A byte outside of texts that means something to the outermost object. */
static void take_mark(struct outline *outline, uint8_t byte)
{
	switch (byte) {
	case '{':
	case '[':
		/* A container is no word: one that is an id makes it too long. */
		if (outline->depth == 1)
			outline->word_len = OUTLINE_WORD_MAX + 1;
		outline->depth++;
		break;
	case '}':
	case ']':
		if (outline->depth == 1)
			end_value(outline);
		outline->depth -= outline->depth > 0;
		break;
	case ':':
		if (outline->depth == 1)
			end_key(outline);
		break;
	case ',':
		if (outline->depth == 1)
			end_value(outline);
		break;
	case ' ':
	case '\t':
	case '\r':
	case '\n':
		break;
	default:
		add_to_word(outline, byte);
		break;
	}
}

/* A byte of a text. */
static void take_letter(struct outline *outline, uint8_t byte)
{
	bool was_escaped = outline->is_escaped;

	outline->is_escaped = false;
	if (!was_escaped && byte == '"') {
		outline->is_in_text = false;
		return;
	}
	if (!was_escaped && byte == '\\')
		outline->is_escaped = true;
	add_to_word(outline, byte);
}

/* How many bytes of a text have no meaning: those of a text that is no word. */
static size_t skip_letters(const struct outline *outline, const uint8_t *at, size_t len)
{
	bool is_wanted = outline->depth == 1 && outline->word_len <= OUTLINE_WORD_MAX;

	return is_wanted || outline->is_escaped ? 0 : json_plain_prefix(at, len);
}

void outline_feed(struct outline *outline, struct bytes bytes)
{
	for (size_t i = 0; i < bytes.len; i++) {
		if (outline->is_in_text) {
			i += skip_letters(outline, bytes.data + i, bytes.len - i);
			if (i < bytes.len)
				take_letter(outline, bytes.data[i]);
		} else if (bytes.data[i] == '"') {
			outline->is_in_text = true;
			if (outline->depth == 1)
				begin_word(outline, true);
		} else {
			take_mark(outline, bytes.data[i]);
		}
	}
}

bool outline_is_answer(const struct outline *outline, uint32_t *ret_id)
{
	const unsigned *counts = outline->counts;

	*ret_id = outline->id;
	return outline->depth == 0 && counts[OUTLINE_ID] == 1 && outline->has_number &&
	       counts[OUTLINE_RESULT] + counts[OUTLINE_ERROR] > 0;
}

bool outline_is_notification(const struct outline *outline)
{
	const unsigned *counts = outline->counts;

	return outline->depth == 0 && counts[OUTLINE_ID] == 0 && counts[OUTLINE_METHOD] == 1;
}
