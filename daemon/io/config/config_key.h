/* The keys of a section: what each sets, and what is wrong with it. */
#ifndef POOLD_IO_CONFIG_CONFIG_KEY_H
#define POOLD_IO_CONFIG_CONFIG_KEY_H

#include "daemon/io/config/config_draft.h"

/* Reads one key of the section that is being read.  Faults and errors are kept in the draft. */
void config_read_key(struct config_draft *draft, unsigned line, const char *key, const char *value);

#endif
