/*
 * Linked into poolctl of SAN=cov: the signals that would end it write gcc's counters first.
 */
#include <signal.h>

static void on_signal(int number)
{
	signal(number, SIG_DFL);
	raise(number); /* which dump.c wraps; it acts when this handler returns */
}

__attribute__((constructor)) static void take_signals(void)
{
	static const int numbers[] = {SIGTERM, SIGINT, SIGHUP, SIGPIPE};

	for (unsigned i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		if (signal(numbers[i], on_signal) != SIG_DFL)
			signal(numbers[i], SIG_IGN);
}
