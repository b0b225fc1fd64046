/* INI text, split into sections and keys with the number of each line. */
#ifndef POOLD_IO_CONFIG_CONFIG_INI_H
#define POOLD_IO_CONFIG_CONFIG_INI_H

#include "protocol/base.h"

/* Called in the order of the lines; strings are valid during the call. */
struct ini_events {
	/* [NAME], without space around the name. */
	void (*on_section)(void *user, unsigned line, const char *name);
	/* KEY = VALUE, without space around either; both are UTF-8 without control bytes. */
	void (*on_key)(void *user, unsigned line, const char *key, const char *value);
	/* A line that is neither; it is skipped. */
	void (*on_fault)(void *user, unsigned line, const char *fault);
	void *user;
};

/*
 * A line is empty, a comment (it begins with # or ;), a section or a key.  Spaces and tabs at its
 * ends are ignored, and so is a byte order mark before the first line.  A line is not continued in
 * the next one, and no comment begins after a value.
 */
void config_ini_parse(struct bytes text, const struct ini_events *events);

#endif
