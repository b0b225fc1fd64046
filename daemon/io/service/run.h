/* The command line of `poold run`, and what it needs: an interpreter, a folder for the socket. */
#ifndef POOLD_IO_SERVICE_RUN_H
#define POOLD_IO_SERVICE_RUN_H

#include "daemon/io/config/config_run.h"

struct run {
	struct config_run words;
	const char *python; /* that was asked for, or NULL */
	bool test;	    /* print the configuration only */
	bool help;
	char *found_python; /* words.python */
	char socket[108];   /* words.socket, unless one was asked for */
};

/* For --help. */
extern const char run_usage[];

/* Reads the words after `poold`, argv[0] being "run".  Returns 0, or -EINVAL: getopt_long has said why,
 * or a word is missing. */
int run_parse(int argc, char **argv, struct run *ret);

/*
 * Finds the interpreter, makes the folder of the socket, and makes the configuration.  Returns an
 * exit status; unless that is DAEMON_EXIT_OK, standard error says why.  The caller owns one
 * reference to *ret_config, and gives `run` to run_done.
 */
int run_configure(struct run *run, const struct config **ret_config);
void run_done(struct run *run);

#endif
