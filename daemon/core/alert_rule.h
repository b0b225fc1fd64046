/*
 * The rules of alerts: what is measured, from which value on an alert fires, and how serious it is.
 *
 * The table of kinds, with the built-in rule of each, is alert_rule.def.  The configuration may
 * change these rules, switch them off and add others.
 */
#ifndef POOLD_CORE_ALERT_RULE_H
#define POOLD_CORE_ALERT_RULE_H

#include "protocol/base.h"

#define ALERT_NAME_MAX 32 /* bytes in a rule's name */

/* How many rules there can be, and how many pools: a rule names pools by a mask. */
#define ALERT_RULES_MAX 64
#define ALERT_POOLS_MAX 64

enum alert_kind {
#define ALERT(kind, ...) ALERT_##kind,
#include "daemon/core/alert_rule.def"
#undef ALERT
	ALERT_KIND_COUNT_
};

enum alert_severity {
	ALERT_INFO = 0,
	ALERT_WARNING,
	ALERT_CRITICAL,
	ALERT_SEVERITY_COUNT_
};

/* What a threshold counts. */
enum alert_unit {
	ALERT_COUNT = 0,
	ALERT_PERCENT,
	ALERT_TIMES, /* as fast as the slo allows, or as long as usual */
	ALERT_MSEC,
	ALERT_STATE, /* 0 or 1: the threshold is always 1 */
	ALERT_UNIT_COUNT_
};

struct alert_rule {
	uint64_t threshold;   /* in thousandths of the kind's unit; above 0 */
	uint64_t min;	      /* requests in the window; 0: any number is enough */
	usec_t hold;	      /* so long the condition must hold before the alert fires */
	usec_t resolve_after; /* so long the value must be below the resolve level */
	usec_t cooldown; /* no second report of the alert sooner than this after it was resolved */
	uint64_t pools;	 /* for which it is, as a mask of 1 << number; 0: all pools */
	unsigned resolve_percent; /* of the threshold: the resolve level, at most 100 */
	enum alert_kind kind;
	enum alert_severity severity;
	char name[ALERT_NAME_MAX + 1];
	bool is_enabled;
};

/* What alert_rule_flaw finds. */
enum alert_flaw {
	ALERT_FLAW_NONE = 0,
	ALERT_NEVER_FIRES, /* no value reaches the threshold */
	ALERT_ALWAYS_FIRES /* every value reaches it */
};

/* The least and the largest slo, in thousandths of a percent. */
#define ALERT_SLO_MIN	  50000
#define ALERT_SLO_MAX	  99999
#define ALERT_SLO_DEFAULT 99900

/* The built-in rule of that kind. */
struct alert_rule alert_rule_default(enum alert_kind kind);

/* "error_share" and so on. */
const char *alert_kind_name(enum alert_kind kind);
/* What it means that an alert of this kind fires: one sentence without a full stop. */
const char *alert_kind_text(enum alert_kind kind);
enum alert_unit alert_kind_unit(enum alert_kind kind);
/* Whether the kind is evaluated for each pool; otherwise once for the daemon. */
bool alert_kind_is_of_pools(enum alert_kind kind);
/* The length of its window, the shorter one of a burn rate; 0: it is the state of the moment. */
usec_t alert_kind_window(enum alert_kind kind);
const char *alert_severity_name(enum alert_severity severity);

/* "%", "x", " ms", or "" for what is only counted. */
const char *alert_unit_text(enum alert_unit unit);

/* The kind of that name, or ALERT_KIND_COUNT_. */
enum alert_kind alert_kind_find(const char *name);

/*
 * Whether that one of the rules is evaluated for the pool: it is switched on, is about pools, and
 * names the pool, or no pool where no other rule of its kind names this one.
 */
bool alert_rule_applies(const struct alert_rule *rules, unsigned count, unsigned index,
			unsigned pool);

/*
 * The highest value that the rule can measure, in thousandths of its unit, for a pool with that slo
 * (thousandths of a percent, from ALERT_SLO_MIN to ALERT_SLO_MAX) and among so many pools;
 * UINT64_MAX: there is none.
 */
uint64_t alert_rule_highest(const struct alert_rule *rule, unsigned slo, unsigned pool_count);

/* Whether the rule makes sense there: a burn rate of 14.4 can't be reached where the slo is 93 %. */
enum alert_flaw alert_rule_flaw(const struct alert_rule *rule, unsigned slo, unsigned pool_count);

#endif
