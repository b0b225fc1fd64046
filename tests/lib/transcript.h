/*
 * Golden transcripts: what the engine does, as text that people can read and the test compares.
 *
 * A file holds scenarios.  Each begins with `== what it shows` and lines of settings.  Then come
 * events, with their simulated time in the left column, and below each, indented, its effects:
 *
 *	== a worker dies and the request runs elsewhere
 *	pool workers=2 restart_delay=100ms
 *	[      1500] ready 0.1
 *	                 health pool 0 degraded, was down
 *	[      2000] submit 0 idempotent
 *	                 send 0 to 0.1 as 1, attempt 1
 *
 * `start` at time 0 is what engine_init does.  A `timer` comes at the engine's deadline, whatever
 * its line says, so that a wrong time in the file becomes a difference; an event later than a due
 * timer is an error of the scenario.  `look` describes the pools and open requests.  Lines that
 * begin with # are comments.
 */
#ifndef POOLD_TESTS_TRANSCRIPT_H
#define POOLD_TESTS_TRANSCRIPT_H

/*
 * Plays every scenario of the file.  Fails the running check test at the first difference between
 * the engine's effects and the file, and prints it to stderr.
 *
 * Environment: POOLD_SCENARIO, the title of the one scenario to play, which must be in the file;
 * POOLD_ACCEPT, writes what happened into the file instead: read the difference before a commit.
 */
void transcript_check(const char *path);

#endif
