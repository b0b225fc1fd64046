/*
 * What the programs of SAN=cov have beside their own, so that gcc's counters reach their files.
 *
 * They are linked with --wrap=_exit, --wrap=raise and --wrap=execvp: the guard ends by _exit, poolctl top by the signal
 * that it has got, and poolctl logs becomes journalctl, which would lose what was counted.  And a hostile C library
 * (tests/hostile) must not be one any more when they are written, as gcc's code does not expect that memory is short.
 *
 * A process that is killed while it writes leaves a damaged file, of which every later one would complain on standard error,
 * where tests read what the program says.  The report says it instead.
 */
#include <dlfcn.h>
#include <gcov.h>
#include <stdlib.h>

_Noreturn void __real__exit(int status);
_Noreturn void __wrap__exit(int status);
int __real_raise(int number);
int __wrap_raise(int number);
int __real_execvp(const char *file, char *const words[]);
int __wrap_execvp(const char *file, char *const words[]);

static void end_faults(void)
{
	void (*end)(void);

	*(void **)&end = dlsym(RTLD_DEFAULT, "hostile_end");
	if (end)
		end();
}

static void hide_damage(void)
{
	(void)setenv("GCOV_ERROR_FILE", "/dev/null", 1);
}

/* Those without a priority run before gcc's. */
__attribute__((destructor)) static void at_exit(void)
{
	end_faults();
	hide_damage();
}

_Noreturn void __wrap__exit(int status)
{
	end_faults();
	hide_damage();
	__gcov_dump();
	__real__exit(status);
}

int __wrap_raise(int number)
{
	hide_damage();
	__gcov_dump();
	__gcov_reset(); /* so that who goes on afterwards writes the rest at its end */
	return __real_raise(number);
}

int __wrap_execvp(const char *file, char *const words[])
{
	hide_damage();
	__gcov_dump();
	__gcov_reset();
	return __real_execvp(file, words);
}
