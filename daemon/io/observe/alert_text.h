/* An alert for people and programs: what it says, where it is, and what to run first. */
#ifndef POOLD_IO_OBSERVE_ALERT_TEXT_H
#define POOLD_IO_OBSERVE_ALERT_TEXT_H

#include "daemon/core/alert.h"
#include "daemon/io/driver/driver.h"
#include "protocol/buf.h"

#define ALERT_TEXT_MAX	  512
#define ALERT_COMMAND_MAX 128

/* For whom a text is: who a client is, only those learn who control the pool. */
enum alert_reader {
	ALERT_EVERYBODY = 0,
	ALERT_OPERATORS
};

struct caller;

/* `pool`: ALERT_NO_POOL: the alert is about the daemon. */
enum alert_reader alert_reader_of(const struct driver *driver, const struct caller *caller,
				  uint32_t pool);

/* The name of the alert's pool; NULL: it is about the daemon. */
const char *alert_pool_name(const struct driver *driver, uint32_t pool);

/* A value of the rule's kind as text: "23.1x", "12.5%", "3", "500 ms". */
void alert_format_value(const struct alert_rule *rule, uint64_t value, char *text, size_t size);

/* One sentence: what happens, the value, and the threshold; for what one method, worker or client does,
 * which one that is now (alert_suspect.h); or that it is only a test. */
void alert_describe(const struct driver *driver, const struct alert_rule *rule, uint32_t pool,
		    uint64_t value, bool is_test, enum alert_reader reader,
		    char text[ALERT_TEXT_MAX]);

/* The same of what has come to pass: of an alert that is resolved nobody stands out any more, or
 * somebody else. */
void alert_describe_effect(const struct driver *driver, const struct alert_rule *rule,
			   const struct alert_effect *effect, enum alert_reader reader,
			   char text[ALERT_TEXT_MAX]);

/* The command for a shell that shows most of what such an alert is about now. */
void alert_first_command(const struct driver *driver, const struct alert_rule *rule, uint32_t pool,
			 char text[ALERT_COMMAND_MAX]);

/* The value in the unit of the rule's kind. */
static inline double alert_number(uint64_t value)
{
	return (double)value / 1000;
}

#endif
