#include "daemon/io/config/matrix.h"

#include "protocol/errcode.h"

static const char *yes_no(bool value)
{
	return value ? "yes" : "no";
}

static void write_row(struct buf *out, const struct errinfo *info)
{
	buf_printf(out, "| `%s` | `%s` | %s | `%s` | %u | %s | %s | %s | %s | %s |\n", info->name,
		   errcategory_name(info->category), errseverity_name(info->severity),
		   errstrategy_name(info->strategy), info->retries, errbackoff_name(info->backoff),
		   yes_no(info->counts_worker), yes_no(info->counts_breaker),
		   errfailover_name(info->fails_over), info->text);
}

void matrix_describe(struct buf *out)
{
	buf_printf(out,
		   "| code | category | severity | strategy | retries | backoff "
		   "| counts against worker | counts against breaker | fails over | meaning |\n"
		   "|---|---|---|---|---|---|---|---|---|---|\n");
	for (enum errcode code = ERR_NONE + 1; code < ERR_COUNT_; code++)
		write_row(out, errcode_info(code));
}
