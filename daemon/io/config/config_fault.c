#include "daemon/io/config/config_fault.h"

#include "daemon/io/config/config.h"
#include "protocol/utf8.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Enough for a sentence with some found texts, which their callers cut with config_shown_len. */
#define FAULT_TEXT_MAX 2000

/* Bytes of a found text that a fault repeats. */
#define SHOWN_MAX 200

int config_shown_len(const char *text)
{
	return (int)utf8_cut((struct bytes){(const uint8_t *)text, strlen(text)}, SHOWN_MAX).len;
}

void config_fault(struct config_faults *faults, struct config_origin origin, const char *format,
		  ...)
{
	char text[FAULT_TEXT_MAX + 1];
	struct bytes cut;
	va_list args;

	faults->count++;
	if (faults->count > CONFIG_ERRORS_MAX)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	cut = utf8_cut((struct bytes){(const uint8_t *)text, strlen(text)}, FAULT_TEXT_MAX - 3);
	if (origin.file)
		buf_printf(faults->out, "%s:", origin.file);
	if (origin.line > 0)
		buf_printf(faults->out, "%u:", origin.line);
	buf_printf(faults->out, "%s%.*s\n", origin.file ? " " : "", (int)cut.len,
		   (const char *)cut.data);
}

int config_faults_end(struct config_faults *faults)
{
	if (faults->count > CONFIG_ERRORS_MAX)
		buf_printf(faults->out, "and %u more errors\n", faults->count - CONFIG_ERRORS_MAX);
	return faults->count > 0 ? -EINVAL : 0;
}
