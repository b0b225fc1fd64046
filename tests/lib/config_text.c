#include "tests/lib/config_text.h"

#include "daemon/io/config/config_check.h"
#include "daemon/io/config/config_read.h"

int config_parse_text(const char *file, struct bytes text, const struct config **ret_config,
		      struct buf *errors)
{
	struct config_draft *draft;
	int r;

	r = config_draft_new(&draft);
	if (r < 0)
		return r;
	draft->faults.out = errors;
	config_read(draft, file, text);
	r = config_check(draft, ret_config);
	config_draft_free(draft);
	return r;
}
