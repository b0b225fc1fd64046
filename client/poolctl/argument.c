#include "client/poolctl/argument.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define DURATION_MAX_MS (24 * 60 * 60 * 1000.0)

bool argument_number(const char *text, uint64_t *ret)
{
	unsigned long long number;
	char *end;

	if (text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	number = strtoull(text, &end, 10);
	if (errno != 0 || *end != '\0')
		return false;
	*ret = number;
	return true;
}

bool argument_duration(const char *text, uint64_t *ret_ms)
{
	static const struct {
		const char *unit;
		double ms;
	} units[] = {{"ms", 1}, {"s", 1000}, {"", 1000}, {"min", 60000}, {"h", 3600000}};
	char *end;
	double number = strtod(text, &end);

	for (size_t i = 0; end > text && i < sizeof(units) / sizeof(units[0]); i++) {
		double ms = number * units[i].ms;

		if (strcmp(end, units[i].unit) == 0 && ms >= 1 && ms <= DURATION_MAX_MS) {
			*ret_ms = (uint64_t)ms;
			return true;
		}
	}
	return false;
}
