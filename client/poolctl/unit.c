#include "client/poolctl/unit.h"

#include <stddef.h>
#include <stdio.h>

const char *unit_duration(char text[UNIT_TEXT_MAX], double ms)
{
	const unsigned long hour = 60, day = 24 * hour;
	double seconds = ms / 1000;
	unsigned long minutes = seconds > 0 && seconds < 1e12 ? (unsigned long)(seconds / 60) : 0;

	if (ms < 10)
		snprintf(text, UNIT_TEXT_MAX, "%.2g ms", ms);
	else if (ms < 1000)
		snprintf(text, UNIT_TEXT_MAX, "%.0f ms", ms);
	else if (seconds < 10)
		snprintf(text, UNIT_TEXT_MAX, "%.2g s", seconds);
	else if (minutes < 1)
		snprintf(text, UNIT_TEXT_MAX, "%.0f s", seconds);
	else if (minutes < hour)
		snprintf(text, UNIT_TEXT_MAX, "%lu min", minutes);
	else if (minutes < day)
		snprintf(text, UNIT_TEXT_MAX, "%lu h %lu min", minutes / hour, minutes % hour);
	else
		snprintf(text, UNIT_TEXT_MAX, "%lu d %lu h", minutes / day, minutes % day / hour);
	return text;
}

const char *unit_size(char text[UNIT_TEXT_MAX], double bytes)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
	size_t unit = 0;

	while (bytes >= 1024 && unit + 1 < sizeof(units) / sizeof(units[0])) {
		bytes /= 1024;
		unit++;
	}
	snprintf(text, UNIT_TEXT_MAX, bytes < 10 && unit > 0 ? "%.1f %s" : "%.0f %s", bytes,
		 units[unit]);
	return text;
}
