#include "client/lib/call_params.h"

#include <string.h>

/* Limit of the name of a session and of a key, in bytes. */
#define NAME_LEN_MAX 128

static const char *const priority_names[] = {
	[POOLD_PRIORITY_CRITICAL] = "critical",
	[POOLD_PRIORITY_NORMAL] = "normal",
	[POOLD_PRIORITY_SHEDDABLE] = "sheddable",
};

/* Each packs one option if it is given, and returns the number of pairs packed: 1 or 0. */

static uint32_t put_number(struct buf *buf, const char *name, uint64_t value)
{
	if (value == 0)
		return 0;
	pack_str(buf, name);
	pack_uint(buf, value);
	return 1;
}

static uint32_t put_choice(struct buf *buf, const char *name, enum poold_choice choice)
{
	if (choice == POOLD_DEFAULT)
		return 0;
	pack_str(buf, name);
	pack_bool(buf, choice == POOLD_YES);
	return 1;
}

static uint32_t put_flag(struct buf *buf, const char *name, bool is_set)
{
	return put_choice(buf, name, is_set ? POOLD_YES : POOLD_DEFAULT);
}

static uint32_t put_text(struct buf *buf, const char *name, const char *text)
{
	if (!text)
		return 0;
	pack_str(buf, name);
	pack_str(buf, text);
	return 1;
}

/* Packs the pairs of the map.  Returns their number. */
static uint32_t put_options(struct buf *buf, const struct poold_call_options *options)
{
	uint32_t count = put_number(buf, "timeout_ms", options->timeout_ms);

	count += put_choice(buf, "idempotent", options->idempotent);
	count += put_text(buf, "priority", priority_names[options->priority]);
	count += put_number(buf, "max_attempts", options->max_attempts);
	count += put_flag(buf, "meta", options->meta);
	count += put_text(buf, "trace", options->trace);
	count += put_text(buf, "tracestate", options->tracestate);
	count += put_text(buf, "session", options->session);
	count += put_choice(buf, "session_create", options->session_create);
	count += put_text(buf, "key", options->key);
	count += put_choice(buf, "fallback", options->fallback);
	count += put_flag(buf, "stream", options->on_chunk != NULL);
	count += put_flag(buf, "restartable", options->on_restart != NULL);
	return count;
}

/* Packs the map.  Its header, a single byte that has room for up to 15 pairs, is completed when the
 * pairs are packed and counted. */
static uint32_t pack_options(struct buf *buf, const struct poold_call_options *options)
{
	uint32_t count;

	pack_map(buf, 0);
	count = put_options(buf, options);
	if (buf_error(buf) == 0)
		buf->data[0] |= (uint8_t)count;
	return count;
}

static bool is_name(const char *text)
{
	return !text || (text[0] != '\0' && strlen(text) <= NAME_LEN_MAX);
}

bool call_is_valid(const struct poold_call_options *options)
{
	return options->idempotent <= POOLD_NO && options->priority < ARRAY_SIZE(priority_names) &&
	       options->session_create <= POOLD_NO && options->fallback <= POOLD_NO &&
	       is_name(options->session) && is_name(options->key) &&
	       (options->on_chunk || !options->on_restart);
}

int call_pack(const char *pool, const char *method, const struct poold_call_options *options,
	      struct buf *before, struct buf *after)
{
	bool has_options = pack_options(after, options) > 0;

	if (!has_options)
		buf_reset(after);
	pack_array(before, has_options ? 4 : 3);
	pack_str(before, pool);
	pack_str(before, method);
	return buf_error(before) < 0 ? buf_error(before) : buf_error(after);
}
