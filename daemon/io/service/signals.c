#include "daemon/io/service/signals.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* Lines about signals that are ignored, in a second. */
#define LINES_PER_SECOND 20

/* Signals that are read at a time. */
#define READ_MAX 16

/* Their default ends a process, or nothing happens: neither is what somebody wants who sends one by
 * habit, as a tool that rotates logs does. */
static void fill_unused(sigset_t *set)
{
	static const int unused[] = {SIGUSR1, SIGUSR2,	SIGALRM,   SIGVTALRM, SIGPROF, SIGIO,
				     SIGPWR,  SIGWINCH, SIGSTKFLT, SIGXCPU,   SIGXFSZ};

	sigemptyset(set);
	for (size_t i = 0; i < ARRAY_SIZE(unused); i++)
		sigaddset(set, unused[i]);
	for (int number = SIGRTMIN; number <= SIGRTMAX; number++)
		sigaddset(set, number);
}

static void fill_all(sigset_t *set)
{
	fill_unused(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGHUP);
}

void signals_block_unused(void)
{
	sigset_t set;

	fill_unused(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

void signals_block_all(void)
{
	sigset_t set;

	fill_all(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

void signals_name(int number, char *out, size_t size)
{
	const char *name = sigabbrev_np(number);

	if (name)
		snprintf(out, size, "SIG%s", name);
	else if (number >= SIGRTMIN && number <= SIGRTMAX)
		snprintf(out, size, "SIGRTMIN+%d", number - SIGRTMIN);
	else
		snprintf(out, size, "signal %d", number);
}

/* A process has a number only in what it sends itself: not the kernel, nor a timer. */
static void describe_sender(const struct signalfd_siginfo *info,
			    char out[static SIGNALS_SENDER_SIZE])
{
	bool is_sent = info->ssi_code == SI_USER || info->ssi_code == SI_QUEUE ||
		       info->ssi_code == SI_TKILL;

	if (is_sent && info->ssi_pid > 0)
		snprintf(out, SIGNALS_SENDER_SIZE, "from the process %u of the user %u",
			 info->ssi_pid, info->ssi_uid);
	else if (is_sent)
		snprintf(out, SIGNALS_SENDER_SIZE, "from outside, by the user %u", info->ssi_uid);
	else
		snprintf(out, SIGNALS_SENDER_SIZE, "from the kernel");
}

static void log_ignored(struct signals *signals, int number, const char *sender)
{
	unsigned held;
	char name[32];

	if (!log_limit_pass(&signals->limit, loop_now(signals->loop), &held))
		return;
	signals_name(number, name, sizeof(name));
	if (held > 0)
		log_notice("%s, %s, is ignored; so were %u signals before", name, sender, held);
	else
		log_notice("%s, %s, is ignored", name, sender);
}

static void on_readable(evutil_socket_t fd, short what, void *argument)
{
	struct signals *signals = argument;
	struct signalfd_siginfo infos[READ_MAX];
	ssize_t n = read((int)fd, infos, sizeof(infos));

	(void)what;
	for (size_t i = 0; n > 0 && i < (size_t)n / sizeof(infos[0]); i++) {
		int number = (int)infos[i].ssi_signo;
		char sender[SIGNALS_SENDER_SIZE];

		describe_sender(&infos[i], sender);
		if (number == SIGTERM || number == SIGINT || number == SIGHUP)
			signals->on_signal(signals->owner, number, sender);
		else
			log_ignored(signals, number, sender);
	}
}

int signals_open(struct signals *signals, struct loop *loop,
		 void (*on_signal)(void *owner, int number, const char *sender), void *owner)
{
	sigset_t set;
	int r;

	*signals = (struct signals){.loop = loop,
				    .on_signal = on_signal,
				    .owner = owner,
				    .limit.per_second = LINES_PER_SECOND};
	fill_all(&set);
	signals->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (signals->fd < 0)
		return -errno;
	event_assign(&signals->event, loop->base, signals->fd, EV_READ | EV_PERSIST, on_readable,
		     signals);
	r = event_add(&signals->event, NULL) < 0 ? -ENOMEM : 0;
	if (r < 0)
		signals_close(signals);
	return r;
}

void signals_close(struct signals *signals)
{
	if (signals->fd < 0)
		return;
	event_del(&signals->event);
	close(signals->fd);
	signals->fd = -1;
}
