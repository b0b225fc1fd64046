/* Where the values of a loaded configuration were found: the file and the line of each key. */
#ifndef POOLD_IO_CONFIG_CONFIG_SOURCE_H
#define POOLD_IO_CONFIG_CONFIG_SOURCE_H

#include "daemon/io/config/config_draft.h"

/* What a key sets. */
enum config_key_kind {
	CONFIG_KEY_OPTION = 0, /* `index` is its enum option_id */
	CONFIG_KEY_ENV,	       /* `index` in config_pool.env */
	CONFIG_KEY_ANSWER      /* `index` in config_pool.answers */
};

/* Keeps in the draft's configuration what the draft knows of its origins, with the names of the
 * files.  Returns 0 or -ENOMEM. */
int config_sources_keep(struct config_draft *draft);
/* Takes NULL. */
void config_sources_free(struct config_sources *sources);

/* Where that key of a section was set.  `of`: the index of the pool or of the rule of alerts, or
 * in [error NAME] the code; else 0.  False: nowhere, so that the value is the default. */
bool config_source_of(const struct config *config, enum option_section section, unsigned of,
		      enum config_key_kind kind, unsigned index, struct config_origin *ret);

#endif
