/* What engine_init is given: the limits of the whole daemon and the settings of each pool. */
#ifndef POOLD_CORE_SETTINGS_H
#define POOLD_CORE_SETTINGS_H

#include "daemon/core/key.h"
#include "daemon/core/policy.h"
#include "daemon/core/pool.h"
#include "daemon/core/session.h"

struct engine_settings {
	uint32_t requests_max;
	uint32_t requests_per_user; /* 0: no limit but requests_max */
	uint32_t pool_count;
	const struct pool_settings *pools; /* pool_count of them; copied */
	const struct policy *policy;	   /* copied; NULL: the table of errcode.def */
	uint32_t recoveries_max;
	struct session_settings sessions;
	struct key_settings keys;
	usec_t drain_timeout; /* how long a stop waits for admitted requests */
	uint64_t seed;
};

#endif
