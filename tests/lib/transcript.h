/*
 * Golden transcripts: what the engine does, as text that a person reads first and the test compares
 *after.
 *
 * A file holds scenarios.  Each begins with `== what it shows` and lines of settings; then come
 *events with the simulated time they happen at in the left column, and below each, indented, the
 *effects that it had:
 *
 *	== a worker dies and the request runs elsewhere
 *	pool workers=2 restart_delay=100ms
 *	[      1500] ready 0.1
 *	                 health pool 0 degraded, was down
 *	[      2000] submit 0 idempotent
 *	                 send 0 to 0.1 as 1, attempt 1
 *
 * `start` at time 0 is what engine_init does.  A `timer` comes when the engine's deadline says,
 *whatever its line says: so a wrong time in the file shows as a difference; and an event later than
 *a due timer is an error of the scenario.  `look` has the pools and open requests described.  Lines
 *that begin with # are comments.
 */
#ifndef POOLD_TESTS_TRANSCRIPT_H
#define POOLD_TESTS_TRANSCRIPT_H

/*
 * Plays every scenario of the file and fails the running check test where what happens is not what
 * is written, line by line on stderr.
 *
 * Environment: POOLD_SCENARIO, the title of the one scenario to play, which must be in the file;
 * POOLD_ACCEPT, writes what happened into the file instead: read the difference before committing it.
 */
void transcript_check(const char *path);

#endif
