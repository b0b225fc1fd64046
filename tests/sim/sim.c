/*
 * The simulator: generates worlds from seeds, runs the core in each, and checks the core's promises
 * after every event.
 *
 *	sim --seeds 10000             the worlds of seeds 0 to 9999
 *	sim --seed 17 -v              one world, with every event and effect printed
 *
 * For a seed that breaks a promise, the simulator prints the command that repeats it.  Exit status
 * 0: every promise held; 1: one did not; 64: usage.
 */
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/sim/world.h"

#define EXIT_USAGE     64
#define EVENTS_DEFAULT 400
#define REPORTS_MAX    10

struct options {
	uint64_t from;
	uint64_t seeds;
	unsigned events;
	enum sabotage sabotage;
	bool trace;
};

static const char *const sabotages[] = {
	[SABOTAGE_NONE] = "none", [SABOTAGE_DROP] = "drop",   [SABOTAGE_DOUBLE] = "double",
	[SABOTAGE_LATE] = "late", [SABOTAGE_STALE] = "stale",
};

/* For the report when an assertion of the core ends the program. */
static struct world *current;
static char replay[200];

static void on_crash(int number)
{
	char text[300];
	int len = snprintf(text, sizeof(text),
			   "seed %" PRIu64 ": ended by signal %d after %u events\n  %s\n",
			   current->seed, number, current->events, replay);

	if (write(STDOUT_FILENO, text, (size_t)len) < 0)
		_exit(2);
	_exit(1);
}

static int usage(FILE *to)
{
	fprintf(to, "usage: sim [--seeds N] [--from S] [--seed ONE] [--events E]"
		    " [--sabotage drop|double|late|stale] [-v]\n");
	return to == stdout ? 0 : EXIT_USAGE;
}

static bool read_sabotage(const char *name, enum sabotage *ret)
{
	for (unsigned i = 0; i < ARRAY_SIZE(sabotages); i++)
		if (strcmp(sabotages[i], name) == 0) {
			*ret = (enum sabotage)i;
			return true;
		}
	return false;
}

/* Returns false when the program is to end with the exit status `ret_status`. */
static bool read_options(int argc, char **argv, struct options *ret, int *ret_status)
{
	static const struct option names[] = {
		{"seeds", required_argument, NULL, 'n'},
		{"from", required_argument, NULL, 'f'},
		{"seed", required_argument, NULL, 's'},
		{"events", required_argument, NULL, 'e'},
		{"sabotage", required_argument, NULL, 'x'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	int option;

	*ret = (struct options){.seeds = 1000, .events = EVENTS_DEFAULT};
	while ((option = getopt_long(argc, argv, "hv", names, NULL)) >= 0) {
		if (option == 'n')
			ret->seeds = strtoull(optarg, NULL, 0);
		else if (option == 'f')
			ret->from = strtoull(optarg, NULL, 0);
		else if (option == 's')
			ret->from = strtoull(optarg, NULL, 0), ret->seeds = 1;
		else if (option == 'e')
			ret->events = (unsigned)strtoul(optarg, NULL, 0);
		else if (option == 'v')
			ret->trace = true;
		else if (option != 'x' || !read_sabotage(optarg, &ret->sabotage)) {
			*ret_status = usage(option == 'h' ? stdout : stderr);
			return false;
		}
	}
	if (ret->seeds > 0 && ret->events > 0 && optind == argc)
		return true;
	*ret_status = usage(stderr);
	return false;
}

static void report(const struct world *world)
{
	printf("seed %" PRIu64 ": %s: %s\n  after %u events, at %" PRIu64 " us\n  %s\n",
	       world->seed, world->judge.property, world->judge.text, world->events, world->now,
	       replay);
}

/* Runs the worlds.  Returns how many, and in *ret_failed how many of them broke a promise.  With a
 * fault built in, it shows that the fault is noticed: after the last report it says no more. */
static uint64_t run_all(struct world *world, const struct options *options, const char *program,
			uint64_t *ret_failed)
{
	uint64_t failed = 0, i;

	world->events_max = options->events;
	world->sabotage = options->sabotage;
	world->trace = options->trace;
	for (i = 0; i < options->seeds; i++) {
		uint64_t seed = options->from + i;

		snprintf(replay, sizeof(replay),
			 "replay: %s --seed %" PRIu64 " --events %u --sabotage %s -v", program,
			 seed, options->events, sabotages[options->sabotage]);
		if (world_run(world, seed) && failed++ < REPORTS_MAX)
			report(world);
		if (options->sabotage != SABOTAGE_NONE && failed == REPORTS_MAX)
			break;
	}
	*ret_failed = failed;
	return i < options->seeds ? i + 1 : i;
}

int main(int argc, char **argv)
{
	struct options options;
	struct world *world;
	uint64_t run, failed;
	int status;

	if (!read_options(argc, argv, &options, &status))
		return status;
	world = calloc(1, sizeof(*world));
	if (!world)
		return EXIT_FAILURE;
	current = world;
	setlinebuf(stdout);
	signal(SIGABRT, on_crash);
	signal(SIGSEGV, on_crash);
	run = run_all(world, &options, argv[0], &failed);
	printf("%" PRIu64 " passed, %" PRIu64 " failed\n", run - failed, failed);
	world_free(world);
	free(world);
	return failed > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
