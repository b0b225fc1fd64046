#include "daemon/io/driver/caller.h"

#include "protocol/utf8.h"

#include <string.h>

const char *caller_pause_name(enum caller_pause pause)
{
	static const char *const names[] = {
		[CALLER_READ] = NULL,
		[CALLER_PAUSED_UNREAD] = "unread",
		[CALLER_PAUSED_MEMORY] = "memory",
	};
	static_assert(ARRAY_SIZE(names) == CALLER_PAUSE_COUNT_, "a pause has no word");

	return names[pause];
}

const char *caller_end_name(enum caller_end end)
{
	static const char *const names[] = {
#define END(name, text) #name,
		CALLER_ENDS(END)
#undef END
	};

	return names[end];
}

const char *caller_end_text(enum caller_end end)
{
	static const char *const texts[] = {
#define END(name, text) text,
		CALLER_ENDS(END)
#undef END
	};

	return texts[end];
}

bool caller_end_is_cut_off(enum caller_end end)
{
	return end != CALLER_END_closed && end != CALLER_END_reset && end != CALLER_END_shutdown;
}

void caller_init(struct caller *caller, const struct caller_ops *ops)
{
	*caller = (struct caller){.ops = ops};
	list_init(&caller->calls);
	list_init(&caller->unread);
}

/* Up to its first byte 0, and as much as there is room for. */
static void keep_text(char *out, size_t size, struct bytes text)
{
	if (text.len == 0)
		return;
	text.len = strnlen((const char *)text.data, text.len);
	text = utf8_cut(text, size - 1);
	memcpy(out, text.data, text.len);
	out[text.len] = '\0';
}

void caller_set_name(struct caller *caller, struct bytes name, struct bytes version)
{
	keep_text(caller->name, sizeof(caller->name), name);
	keep_text(caller->version, sizeof(caller->version), version);
}
