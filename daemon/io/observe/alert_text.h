/* An alert for people and programs: what it says, and where it is. */
#ifndef POOLD_IO_OBSERVE_ALERT_TEXT_H
#define POOLD_IO_OBSERVE_ALERT_TEXT_H

#include "daemon/core/alert.h"
#include "daemon/io/driver/driver.h"
#include "protocol/buf.h"

#define ALERT_TEXT_MAX 512

/* The name of the alert's pool; NULL: it is about the daemon. */
const char *alert_pool_name(const struct driver *driver, uint32_t pool);

/* A value of the rule's kind as text: "23.1x", "12.5%", "3", "500 ms". */
void alert_format_value(const struct alert_rule *rule, uint64_t value, char *text, size_t size);

/* One sentence: what happens, the value, and the threshold; or that it is only a test. */
void alert_describe(const struct alert_rule *rule, uint64_t value, bool is_test,
		    char text[ALERT_TEXT_MAX]);

/* The value in the unit of the rule's kind. */
static inline double alert_number(uint64_t value)
{
	return (double)value / 1000;
}

#endif
