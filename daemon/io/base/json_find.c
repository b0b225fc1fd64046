/* One member of an object, found without memory. */
#include "daemon/io/base/json.h"

#include "daemon/io/base/json_text.h"

#include <errno.h>
#include <string.h>

/* What is still to be read of the text. */
struct scan {
	const uint8_t *at;
	const uint8_t *end;
};

/* Skips what may stand between values.  Returns the next byte, or 0 at the end. */
static uint8_t next(struct scan *scan)
{
	while (scan->at < scan->end &&
	       (*scan->at == ' ' || *scan->at == '\t' || *scan->at == '\n' || *scan->at == '\r'))
		scan->at++;
	return scan->at < scan->end ? *scan->at : 0;
}

/* Skips a text, whose quote is next.  False: it is cut off. */
static bool skip_text(struct scan *scan)
{
	for (scan->at++; scan->at < scan->end; scan->at++) {
		scan->at += json_plain_prefix(scan->at, (size_t)(scan->end - scan->at));
		if (scan->at == scan->end)
			return false;
		if (*scan->at == '"') {
			scan->at++;
			return true;
		}
		if (*scan->at == '\\' && ++scan->at == scan->end)
			return false;
	}
	return false;
}

/* Skips an array or object, whose bracket is next.  False: it is cut off. */
static bool skip_container(struct scan *scan)
{
	size_t depth = 0;

	while (scan->at < scan->end) {
		uint8_t byte = *scan->at;

		if (byte == '"') {
			if (!skip_text(scan))
				return false;
			continue;
		}
		scan->at++;
		if (byte == '[' || byte == '{')
			depth++;
		else if ((byte == ']' || byte == '}') && --depth == 0)
			return true;
	}
	return false;
}

/* Skips a number or a word.  False: the text ends with it, so that more of it may follow. */
static bool skip_word(struct scan *scan)
{
	while (scan->at<scan->end && * scan->at> ' ' && *scan->at != ',' && *scan->at != '}' &&
	       *scan->at != ']')
		scan->at++;
	return scan->at < scan->end;
}

/* Skips a value that is next.  False: it is cut off. */
static bool skip_value_of(struct scan *scan)
{
	switch (*scan->at) {
	case '"':
		return skip_text(scan);
	case '[':
	case '{':
		return skip_container(scan);
	default:
		return skip_word(scan);
	}
}

/* Skips a key and its colon.  Returns 0, -EAGAIN or -EINVAL. */
static int skip_key(struct scan *scan, struct bytes *ret_key)
{
	const uint8_t *begin;

	if (next(scan) != '"')
		return scan->at == scan->end ? -EAGAIN : -EINVAL;
	begin = scan->at + 1;
	if (!skip_text(scan))
		return -EAGAIN;
	*ret_key = (struct bytes){begin, (size_t)(scan->at - begin) - 1};
	if (next(scan) != ':')
		return scan->at == scan->end ? -EAGAIN : -EINVAL;
	scan->at++;
	(void)next(scan);
	return scan->at == scan->end ? -EAGAIN : 0;
}

/* Whether the name is spelled so, or may be in escapes: no sender has a reason to do that. */
static bool is_named(struct bytes key, const char *name)
{
	return key.len == strlen(name) && memcmp(key.data, name, key.len) == 0;
}

/* Looks for the member from the first key on.  *ret_found: it was found; *ret: its value, empty if
 * that is cut off.  Returns 0 at the end of the object, -EAGAIN or -EINVAL. */
static int find(struct scan *scan, const char *name, bool *ret_found, struct bytes *ret)
{
	do {
		const uint8_t *begin;
		struct bytes key;
		bool wanted;
		int r;

		r = skip_key(scan, &key);
		if (r < 0)
			return r;
		wanted = is_named(key, name);
		if (wanted && *ret_found)
			return -EINVAL;
		*ret_found |= wanted;
		begin = scan->at;
		if (!skip_value_of(scan))
			return -EAGAIN;
		if (wanted)
			*ret = (struct bytes){begin, (size_t)(scan->at - begin)};
	} while (next(scan) == ',' && scan->at++);
	if (scan->at == scan->end)
		return -EAGAIN;
	return *scan->at == '}' ? 0 : -EINVAL;
}

int json_find_member(struct bytes text, const char *name, struct bytes *ret)
{
	struct scan scan = {text.data, text.data + text.len};
	bool found = false;
	int r;

	*ret = (struct bytes){0};
	if (next(&scan) != '{')
		return scan.at == scan.end ? -EAGAIN : -EINVAL;
	scan.at++;
	if (next(&scan) == '}')
		return -ENOENT;
	r = find(&scan, name, &found, ret);
	if (r == -EINVAL)
		return r;
	if (found)
		return 0;
	return r == 0 ? -ENOENT : r;
}
