/* The defaults of each dialect, and the options that go with it. */
#ifndef POOLD_IO_CONFIG_CONFIG_DIALECT_H
#define POOLD_IO_CONFIG_CONFIG_DIALECT_H

#include "daemon/io/config/config_draft.h"

/*
 * Sets what the i-th pool's dialect has as a default of its own, unless a file set it, and adds a
 * fault for each option that the dialect can't have.
 */
void config_check_dialect(struct config_draft *draft, size_t i);

#endif
