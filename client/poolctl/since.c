#include "client/poolctl/since.h"

#include "client/poolctl/argument.h"

#include <string.h>
#include <time.h>

#define DAY_MS 86400000u

static bool is_all_digits(const char *text)
{
	return *text != '\0' && text[strspn(text, "0123456789")] == '\0';
}

/* Reads a local time by one of the forms, all of it. */
static bool read_form(const char *text, const char *form, struct tm *parts)
{
	const char *end = strptime(text, form, parts);

	return end && *end == '\0';
}

/* A time of day, of today or else of yesterday. */
static bool read_clock(const char *text, uint64_t now_ms, uint64_t *ret_ms)
{
	time_t now = (time_t)(now_ms / 1000);
	struct tm parts;
	uint64_t found;

	localtime_r(&now, &parts);
	parts.tm_sec = 0;
	if (!read_form(text, "%H:%M:%S", &parts) && !read_form(text, "%H:%M", &parts))
		return false;
	parts.tm_isdst = -1;
	found = (uint64_t)mktime(&parts) * 1000;
	*ret_ms = found > now_ms ? found - DAY_MS : found;
	return true;
}

static bool read_day_and_clock(const char *text, uint64_t *ret_ms)
{
	static const char *const forms[] = {"%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M",
					    "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d"};

	for (unsigned i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		struct tm parts = {.tm_isdst = -1};

		if (read_form(text, forms[i], &parts)) {
			*ret_ms = (uint64_t)mktime(&parts) * 1000;
			return true;
		}
	}
	return false;
}

bool since_read(const char *text, uint64_t now_ms, struct since *ret)
{
	struct since found = {0};
	uint64_t ago_ms;

	if (is_all_digits(text)) {
		found.is_seq = true;
		if (!argument_number(text, &found.seq))
			return false;
	} else if (argument_duration(text, &ago_ms)) {
		found.at_ms = ago_ms < now_ms ? now_ms - ago_ms : 0;
	} else if (!read_clock(text, now_ms, &found.at_ms) &&
		   !read_day_and_clock(text, &found.at_ms)) {
		return false;
	}
	*ret = found;
	return true;
}
