/* The plans of the worlds for load, and the limits of their figures. */
#ifndef POOLD_SIM_LOAD_CASES_H
#define POOLD_SIM_LOAD_CASES_H

#include "tests/sim/load_world.h"

enum load_limit {
	LOAD_AT_LEAST = 0,
	LOAD_AT_MOST
};

/* One figure of a world, and its limit. */
struct load_case {
	const char *plan;
	enum load_figure figure;
	enum load_limit kind;
	double limit;
};

extern const struct load_plan load_plans[];
extern const unsigned load_plan_count;

extern const struct load_case load_cases[];
extern const unsigned load_case_count;

#endif
