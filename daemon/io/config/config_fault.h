/* The faults of a configuration, as lines of text for people. */
#ifndef POOLD_IO_CONFIG_CONFIG_FAULT_H
#define POOLD_IO_CONFIG_CONFIG_FAULT_H

#include "protocol/base.h"
#include "protocol/buf.h"

/* A place in a file.  Line 0: the file as a whole, or a default where `file` is NULL. */
struct config_origin {
	const char *file;
	unsigned line;
};

struct config_faults {
	struct buf *out; /* gets a line for each of the first CONFIG_ERRORS_MAX faults */
	unsigned count;	 /* of all faults, those without a line too */
};

/* How many bytes of a found text a fault repeats; a long text is cut between characters. */
int config_shown_len(const char *text);

/* Adds the line "FILE:LINE: text". */
void config_fault(struct config_faults *faults, struct config_origin origin, const char *format,
		  ...) PRINTF_LIKE(3, 4);

/* Adds the number of faults that have no line.  Returns 0 if there was no fault, else -EINVAL. */
int config_faults_end(struct config_faults *faults);

#endif
