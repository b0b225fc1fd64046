#include "daemon/core/recovery.h"

bool recovery_may_retry(const struct request *request, enum errcode code, enum executed executed,
			unsigned max_crash_retries)
{
	const struct errinfo *row = errcode_info(code);

	if (executed == EXECUTED_NO)
		return true;
	return request->idempotent && request->attempts <= row->retries &&
	       request->attempts < request->max_attempts && request->crashes <= max_crash_retries;
}
