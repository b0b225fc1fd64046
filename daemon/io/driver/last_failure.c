#include "daemon/io/driver/last_failure.h"

#include "daemon/io/driver/error_log.h"
#include "protocol/utf8.h"

#include <stdio.h>
#include <string.h>

static void copy_text(char *out, size_t size, struct bytes text)
{
	text = utf8_cut(text, size - 1);
	snprintf(out, size, "%.*s", (int)text.len, text.len > 0 ? (const char *)text.data : "");
}

void last_failure_take(struct last_failure *last, const struct error *error,
		       const struct audience *audience)
{
	const char *message = error->message ? error->message : "";

	if (errcode_info(error->code)->category == ERRCAT_request ||
	    error->code == ERR_shutting_down || error->code == ERR_cancelled)
		return;
	last->code = error->code;
	last->audience = *audience;
	copy_text(last->type, sizeof(last->type), error_log_type(error));
	copy_text(last->text, sizeof(last->text),
		  (struct bytes){(const uint8_t *)message, strlen(message)});
}
