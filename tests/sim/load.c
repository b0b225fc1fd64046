/*
 * The simulator for load: runs the core in worlds of standing overload, stalls, bad workers and
 * hasty callers, and compares their figures with limits.
 *
 *	load                     each plan once, and a table: plan, figure, value, limit, met
 *	load --seeds 20          with 20 seeds each; the worst value of a figure counts
 *	load --only TEXT         the plans whose name has the text in it
 *	load --quiet             only what is not met
 *	load --first             ends at the first plan with a case that is not met
 *	load --sweep             a line for each plan of overload: its figures, without limits
 *	load --only TEXT -v      every event and effect is printed
 *
 * POOLD_LOAD_SEEDS in the environment is the default of --seeds.  Exit status 0: every
 * case is met; 1: one is not; 64: usage.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/load_cases.h"

#define EXIT_USAGE 64

struct options {
	uint64_t from;
	uint64_t seeds;
	const char *only;
	bool is_quiet;
	bool is_first;
	bool is_sweep;
	bool trace;
};

static const struct {
	const char *name;
	const char *unit;
} figures[] = {
#define FIGURE(name, unit, text) {#name, unit},
	LOAD_FIGURES(FIGURE)
#undef FIGURE
};

static int usage(FILE *to)
{
	fprintf(to, "usage: load [--seeds N] [--from S] [--only TEXT] [--quiet] [--first]"
		    " [--sweep] [-v]\n");
	return to == stdout ? 0 : EXIT_USAGE;
}

/* Returns false when the program is to end with the exit status `ret_status`. */
static bool read_options(int argc, char **argv, struct options *ret, int *ret_status)
{
	static const struct option names[] = {
		{"seeds", required_argument, NULL, 'n'}, {"from", required_argument, NULL, 'f'},
		{"only", required_argument, NULL, 'o'},	 {"quiet", no_argument, NULL, 'q'},
		{"first", no_argument, NULL, '1'},	 {"sweep", no_argument, NULL, 's'},
		{"help", no_argument, NULL, 'h'},	 {0},
	};
	const char *seeds = getenv("POOLD_LOAD_SEEDS");
	int option;

	*ret = (struct options){.seeds = seeds ? strtoull(seeds, NULL, 0) : 1, .only = ""};
	while ((option = getopt_long(argc, argv, "hv", names, NULL)) >= 0) {
		if (option == 'n')
			ret->seeds = strtoull(optarg, NULL, 0);
		else if (option == 'f')
			ret->from = strtoull(optarg, NULL, 0);
		else if (option == 'o')
			ret->only = optarg;
		else if (option == 'v')
			ret->trace = true;
		else if (option == 'q')
			ret->is_quiet = true;
		else if (option == '1')
			ret->is_first = true;
		else if (option == 's')
			ret->is_sweep = true;
		else {
			*ret_status = usage(option == 'h' ? stdout : stderr);
			return false;
		}
	}
	if (ret->seeds > 0 && optind == argc)
		return true;
	*ret_status = usage(stderr);
	return false;
}

/* The figures of a plan over all seeds. */
struct totals {
	double least[LOAD_FIGURE_COUNT_];
	double most[LOAD_FIGURE_COUNT_];
	struct load_counts counts; /* of the last seed */
	char broken[240];	   /* the first promise broken, with its seed */
};

static void run_plan(struct load_world *world, const struct load_plan *plan,
		     const struct options *options, struct totals *ret)
{
	*ret = (struct totals){0};
	world->trace = options->trace;
	for (uint64_t i = 0; i < options->seeds; i++) {
		load_run(world, plan, options->from + i);
		for (unsigned k = 0; k < LOAD_FIGURE_COUNT_; k++) {
			double value = load_figure(world, (enum load_figure)k);

			if (i == 0 || value < ret->least[k])
				ret->least[k] = value;
			if (i == 0 || value > ret->most[k])
				ret->most[k] = value;
		}
		ret->counts = world->counts;
		if (world->counts.broken > 0 && ret->broken[0] == '\0')
			snprintf(ret->broken, sizeof(ret->broken), "seed %" PRIu64 ", %s",
				 options->from + i, world->broken);
	}
}

static void print_failures(const struct load_counts *counts)
{
	printf("    failed by:");
	for (unsigned i = 1; i < ERR_COUNT_; i++)
		if (counts->failed_by[i] > 0)
			printf(" %s %" PRIu64, errcode_name((enum errcode)i), counts->failed_by[i]);
	printf("\n");
}

/* Prints the cases of a plan; returns how many of those that count are not met. */
static unsigned judge_plan(const struct load_plan *plan, const struct totals *totals,
			   const struct options *options, unsigned *ret_met)
{
	unsigned failed = 0;

	for (unsigned i = 0; i < load_case_count; i++) {
		const struct load_case *of = &load_cases[i];
		bool is_least = of->kind == LOAD_AT_LEAST;
		double value = is_least ? totals->least[of->figure] : totals->most[of->figure];
		bool is_met = is_least ? value >= of->limit : value <= of->limit;

		if (strcmp(of->plan, plan->name) != 0)
			continue;
		*ret_met += is_met;
		failed += !is_met;
		if (is_met && options->is_quiet)
			continue;
		printf("%-30s %-9s %10.2f %-1s %s %7.2f  %s\n", of->plan, figures[of->figure].name,
		       value, figures[of->figure].unit, is_least ? ">=" : "<=", of->limit,
		       is_met ? "met" : "NOT MET");
		if (!is_met && of->figure == LOAD_BROKEN)
			printf("    %s\n", totals->broken);
		if (!is_met && of->figure == LOAD_FAILED)
			print_failures(&totals->counts);
	}
	return failed;
}

/* One line: the figures of a plan that a change of the rules moves. */
static void print_sweep(const struct load_plan *plan, const struct totals *totals)
{
	printf("%-30s goodput %6.2f  work %6.2f  waste %6.2f  first %6.2f  vain %6.2f  attempts "
	       "%5.2f  kills %4.0f  broken %5.0f\n",
	       plan->name, totals->least[LOAD_GOODPUT], totals->least[LOAD_WORK],
	       totals->most[LOAD_WASTE], totals->least[LOAD_FIRST], totals->most[LOAD_VAIN],
	       totals->most[LOAD_ATTEMPTS], totals->most[LOAD_KILLS], totals->most[LOAD_BROKEN]);
}

static unsigned run_all(struct load_world *world, const struct options *options)
{
	unsigned failed = 0;
	unsigned met = 0;
	struct totals totals;

	for (unsigned i = 0; i < load_plan_count; i++) {
		const struct load_plan *plan = &load_plans[i];

		if (!strstr(plan->name, options->only) ||
		    (options->is_sweep && plan->fault != LOAD_WELL))
			continue;
		run_plan(world, plan, options, &totals);
		if (options->is_sweep)
			print_sweep(plan, &totals);
		else
			failed += judge_plan(plan, &totals, options, &met);
		if (failed > 0 && options->is_first)
			break;
	}
	if (!options->is_sweep)
		printf("%u passed, %u failed\n", met, failed);
	return failed;
}

int main(int argc, char **argv)
{
	struct options options;
	struct load_world *world;
	unsigned failed;
	int status;

	if (!read_options(argc, argv, &options, &status))
		return status;
	world = calloc(1, sizeof(*world));
	if (!world)
		return EXIT_FAILURE;
	setlinebuf(stdout);
	failed = run_all(world, &options);
	load_free(world);
	free(world);
	return failed > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
