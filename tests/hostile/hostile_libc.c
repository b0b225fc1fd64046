/*
 * A C library that fails where it may: LD_PRELOAD puts it between a program and its own.
 *
 *   HOSTILE_FAULT=KIND:K:HOW      the K-th call of that kind fails in that way, K-L: all from K to L
 *   HOSTILE_SEED=N                calls fail at random instead, the same ones for each N, of all kinds
 *   HOSTILE_RATE=N                how many of 10,000 calls do (20)
 *   HOSTILE_IN=guard              not in the program, but in the first process that it forks
 *   HOSTILE_COUNTS=FILE           a row for each kind, see struct row; shared, so it outlives a SIGKILL
 *   HOSTILE_TRACE=1               each fault is told on standard error, with its backtrace
 *
 * The kinds are in the table below, with the faults that are drawn for them.  HOW is the name of an
 * error; `short` for reads and writes of one byte; `+N` or `-N` for clocks, which from then on are so
 * many seconds off (what the monotonic clock shows is never less than before).
 *
 * Only the process that was started with it is hostile: it takes these variables and LD_PRELOAD out
 * of its environment, and a forked child does as it is asked.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
#define SHORT  (-1) /* among errors: a part is done, without one */

/* clang-format off */
#define KINDS(KIND) \
	KIND(alloc,  ENOMEM) \
	KIND(mmap,   ENOMEM) \
	KIND(read,   EINTR, EAGAIN, SHORT) \
	KIND(write,  EINTR, EAGAIN, SHORT) \
	KIND(open,   EMFILE, ENFILE, ENOMEM) \
	KIND(socket, EMFILE, ENOBUFS, ENOMEM) \
	KIND(pipe,   EMFILE, ENFILE) \
	KIND(accept, EMFILE, ENFILE, ENOMEM, ENOBUFS, EINTR, EAGAIN, ECONNABORTED) \
	KIND(connect, EINTR, EAGAIN, ENOBUFS) \
	KIND(bind,   ENOMEM, ENOBUFS) \
	KIND(poller, EMFILE, ENOMEM) \
	KIND(watch,  ENOMEM, ENOSPC) \
	KIND(poll,   EINTR, ENOMEM) \
	KIND(fork,   EAGAIN, ENOMEM) \
	KIND(clone,  EAGAIN, ENOMEM) \
	KIND(pidfd,  EMFILE, ENOMEM) \
	KIND(signal, EAGAIN) \
	KIND(wait,   EINTR) \
	KIND(fcntl,  EINTR, ENOLCK, ENOMEM) \
	KIND(random, EINTR) \
	KIND(wall,   0) \
	KIND(mono,   0)
/* clang-format on */

enum kind {
#define KIND(name, ...) KIND_##name,
	KINDS(KIND)
#undef KIND
	KIND_COUNT_
};

#define FAULTS_MAX 8

static const struct {
	const char *name;
	int faults[FAULTS_MAX]; /* to the first 0 */
} kinds[KIND_COUNT_] = {
#define KIND(name, ...) {#name, {__VA_ARGS__}},
	KINDS(KIND)
#undef KIND
};

static const struct {
	const char *name;
	int error;
} errors[] = {{"short", SHORT},	    {"ENOMEM", ENOMEM}, {"EINTR", EINTR},
	      {"EAGAIN", EAGAIN},   {"EMFILE", EMFILE}, {"ENFILE", ENFILE},
	      {"ENOBUFS", ENOBUFS}, {"ENOSPC", ENOSPC}, {"ECONNABORTED", ECONNABORTED},
	      {"ENOLCK", ENOLCK},   {"EPERM", EPERM},	{"EIO", EIO}};

/* What a driver reads. */
struct row {
	char name[16];
	uint64_t calls;
	uint64_t struck;
};

static struct row own_rows[KIND_COUNT_];
static struct row *rows = own_rows;

static pid_t victim; /* 0: nobody yet */
static bool is_for_guard, is_random, is_traced;
static enum kind fault_kind = KIND_COUNT_;
static uint64_t fault_first, fault_last;
static int fault_error;
static int64_t fault_seconds; /* of a clock */
static uint64_t seed, rate = 20;
static int64_t wall_off, mono_off;
static bool is_busy; /* telling of a fault */

/* --- when a call fails --- */

static uint64_t mix(uint64_t value)
{
	value += 0x9e3779b97f4a7c15u;
	value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9u;
	value = (value ^ value >> 27) * 0x94d049bb133111ebu;
	return value ^ value >> 31;
}

static void tell(enum kind kind, uint64_t call, int error)
{
	static void *frames[32];
	char line[128];
	int len;

	if (!is_traced || is_busy)
		return;
	is_busy = true;
	len = snprintf(line, sizeof(line), "hostile: %s %llu fails: %d\n", kinds[kind].name,
		       (unsigned long long)call, error);
	(void)!syscall(SYS_write, STDERR_FILENO, line, (size_t)len);
	backtrace_symbols_fd(frames, backtrace(frames, 32), STDERR_FILENO);
	is_busy = false;
}

static int draw(enum kind kind, uint64_t call)
{
	uint64_t number = mix(seed ^ mix((uint64_t)kind << 56 ^ call));
	unsigned count = 0;

	while (count < FAULTS_MAX && kinds[kind].faults[count] != 0)
		count++;
	if (count == 0 || number % 10000 >= rate)
		return 0;
	return kinds[kind].faults[(number >> 32) % count];
}

/* Counts a call.  Returns the error that it is to fail with, SHORT, or 0. */
static int strike(enum kind kind)
{
	uint64_t call;
	int error = 0;

	if (is_busy || getpid() != victim)
		return 0;
	call = __atomic_add_fetch(&rows[kind].calls, 1, __ATOMIC_RELAXED);
	if (is_random)
		error = draw(kind, call);
	else if (kind == fault_kind && call >= fault_first && call <= fault_last)
		error = fault_error;
	if (error == 0)
		return 0;
	__atomic_add_fetch(&rows[kind].struck, 1, __ATOMIC_RELAXED);
	tell(kind, call, error);
	return error;
}

/* For calls that have no part of themselves to do. */
static bool fails(enum kind kind)
{
	int error = strike(kind);

	if (error <= 0)
		return false;
	errno = error;
	return true;
}

/* --- what it is told --- */

static void read_how(const char *how)
{
	if (*how == '+' || *how == '-') {
		fault_seconds = strtoll(how, NULL, 10);
		fault_error = SHORT; /* it is struck, without an error */
		return;
	}
	for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++)
		if (strcmp(how, errors[i].name) == 0)
			fault_error = errors[i].error;
}

static void read_fault(const char *text)
{
	char name[16];
	char *end;

	if (!text || sscanf(text, "%15[a-z]:", name) != 1)
		return;
	for (unsigned i = 0; i < KIND_COUNT_; i++)
		if (strcmp(name, kinds[i].name) == 0)
			fault_kind = i;
	fault_first = fault_last = strtoull(strchr(text, ':') + 1, &end, 10);
	if (*end == '-')
		fault_last = strtoull(end + 1, &end, 10);
	if (*end == ':')
		read_how(end + 1);
	if (fault_kind == KIND_COUNT_ || fault_error == 0) {
		dprintf(STDERR_FILENO, "hostile: HOSTILE_FAULT=%s is none\n", text);
		_exit(64);
	}
}

static void share_rows(const char *path)
{
	int fd = path ? (int)syscall(SYS_openat, AT_FDCWD, path,
				     O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)
		      : -1;
	void *memory;

	if (fd < 0)
		return;
	memory = ftruncate(fd, sizeof(own_rows)) < 0
			 ? MAP_FAILED
			 : mmap(NULL, sizeof(own_rows), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (memory != MAP_FAILED)
		rows = memory;
}

static __attribute__((constructor)) void begin(void)
{
	static const char *const variables[] = {"LD_PRELOAD",	"HOSTILE_FAULT",  "HOSTILE_SEED",
						"HOSTILE_RATE", "HOSTILE_COUNTS", "HOSTILE_TRACE",
						"HOSTILE_IN"};
	const char *number = getenv("HOSTILE_SEED");
	const char *where = getenv("HOSTILE_IN");
	void *frame;

	is_random = number != NULL;
	seed = number ? strtoull(number, NULL, 10) : 0;
	number = getenv("HOSTILE_RATE");
	rate = number ? strtoull(number, NULL, 10) : rate;
	read_fault(getenv("HOSTILE_FAULT"));
	share_rows(getenv("HOSTILE_COUNTS"));
	is_traced = getenv("HOSTILE_TRACE") != NULL;
	if (is_traced)
		backtrace(&frame, 1); /* loads what it needs */
	for (unsigned i = 0; i < KIND_COUNT_; i++)
		snprintf(rows[i].name, sizeof(rows[i].name), "%s", kinds[i].name);
	for (size_t i = 0; i < sizeof(variables) / sizeof(*variables); i++)
		unsetenv(variables[i]);
	is_for_guard = where && strcmp(where, "guard") == 0;
	if (!is_for_guard)
		victim = getpid();
}

/* From now on nothing fails: for what a program does at its exit that is not its own
 * (tests/coverage/dump.c). */
EXPORT void hostile_end(void);
EXPORT void hostile_end(void)
{
	victim = 0;
}

/* The next function of that name. */
#define REAL(name)                                                                                 \
	static __typeof__(&(name)) real;                                                           \
	if (!real)                                                                                 \
	*(void **)&real = dlsym(RTLD_NEXT, #name)

/* --- memory --- */

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

EXPORT void *malloc(size_t size)
{
	return fails(KIND_alloc) ? NULL : __libc_malloc(size);
}

EXPORT void *calloc(size_t count, size_t size)
{
	return fails(KIND_alloc) ? NULL : __libc_calloc(count, size);
}

EXPORT void *realloc(void *old, size_t size)
{
	return fails(KIND_alloc) ? NULL : __libc_realloc(old, size);
}

EXPORT void *reallocarray(void *old, size_t count, size_t size)
{
	if (size > 0 && count > SIZE_MAX / size) {
		errno = ENOMEM;
		return NULL;
	}
	return fails(KIND_alloc) ? NULL : __libc_realloc(old, count * size);
}

EXPORT void *aligned_alloc(size_t alignment, size_t size)
{
	return fails(KIND_alloc) ? NULL : __libc_memalign(alignment, size);
}

EXPORT int posix_memalign(void **ret, size_t alignment, size_t size)
{
	void *memory = strike(KIND_alloc) > 0 ? NULL : __libc_memalign(alignment, size);

	if (!memory)
		return ENOMEM;
	*ret = memory;
	return 0;
}

EXPORT void *mmap(void *address, size_t len, int protection, int flags, int fd, off_t offset)
{
	REAL(mmap);
	return fails(KIND_mmap) ? MAP_FAILED : real(address, len, protection, flags, fd, offset);
}

/* --- reads and writes --- */

static bool is_stream(int fd)
{
	int type = 0;
	socklen_t len = sizeof(type);
	struct stat status;

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0)
		return type == SOCK_STREAM;
	return fstat(fd, &status) == 0 && (S_ISFIFO(status.st_mode) || S_ISREG(status.st_mode));
}

/* The error, or 0; *ret_short: of a stream only one byte is to be done.  Who may block is never told
 * EAGAIN. */
static int strike_bytes(enum kind kind, int fd, int flags, bool *ret_short)
{
	int error = strike(kind);

	*ret_short = error == SHORT && is_stream(fd);
	if (error == EAGAIN && !(flags & MSG_DONTWAIT) &&
	    !(syscall(SYS_fcntl, fd, F_GETFL) & O_NONBLOCK))
		error = EINTR;
	if (error <= 0)
		return 0;
	errno = error;
	return error;
}

static size_t bytes_of(size_t size, bool is_short)
{
	return is_short && size > 1 ? 1 : size;
}

EXPORT ssize_t read(int fd, void *data, size_t size)
{
	bool is_short;

	REAL(read);
	return strike_bytes(KIND_read, fd, 0, &is_short) ? -1
							 : real(fd, data, bytes_of(size, is_short));
}

ssize_t __read_chk(int fd, void *data, size_t size, size_t room);
EXPORT ssize_t __read_chk(int fd, void *data, size_t size, size_t room)
{
	(void)room;
	return read(fd, data, size);
}

EXPORT ssize_t recv(int fd, void *data, size_t size, int flags)
{
	bool is_short;

	REAL(recv);
	return strike_bytes(KIND_read, fd, flags, &is_short)
		       ? -1
		       : real(fd, data, bytes_of(size, is_short), flags);
}

ssize_t __recv_chk(int fd, void *data, size_t size, size_t room, int flags);
EXPORT ssize_t __recv_chk(int fd, void *data, size_t size, size_t room, int flags)
{
	(void)room;
	return recv(fd, data, size, flags);
}

EXPORT ssize_t recvfrom(int fd, void *data, size_t size, int flags, __SOCKADDR_ARG from,
			socklen_t *len)
{
	bool is_short;

	REAL(recvfrom);
	return strike_bytes(KIND_read, fd, flags, &is_short)
		       ? -1
		       : real(fd, data, bytes_of(size, is_short), flags, from, len);
}

/* The first byte of what the parts hold. */
static struct iovec first_byte(const struct iovec *parts, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (parts[i].iov_len > 0)
			return (struct iovec){parts[i].iov_base, 1};
	return (struct iovec){0};
}

EXPORT ssize_t readv(int fd, const struct iovec *parts, int count)
{
	struct iovec byte = first_byte(parts, (size_t)count);
	bool is_short;

	REAL(readv);
	if (strike_bytes(KIND_read, fd, 0, &is_short))
		return -1;
	return is_short ? real(fd, &byte, 1) : real(fd, parts, count);
}

EXPORT ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
	struct iovec byte = first_byte(message->msg_iov, message->msg_iovlen);
	struct iovec *parts = message->msg_iov;
	size_t count = message->msg_iovlen;
	bool is_short;
	ssize_t got;

	REAL(recvmsg);
	if (strike_bytes(KIND_read, fd, flags, &is_short))
		return -1;
	if (is_short) {
		message->msg_iov = &byte;
		message->msg_iovlen = 1;
	}
	got = real(fd, message, flags);
	message->msg_iov = parts;
	message->msg_iovlen = count;
	return got;
}

EXPORT ssize_t write(int fd, const void *data, size_t size)
{
	bool is_short;

	REAL(write);
	return strike_bytes(KIND_write, fd, 0, &is_short)
		       ? -1
		       : real(fd, data, bytes_of(size, is_short));
}

EXPORT ssize_t send(int fd, const void *data, size_t size, int flags)
{
	bool is_short;

	REAL(send);
	return strike_bytes(KIND_write, fd, flags, &is_short)
		       ? -1
		       : real(fd, data, bytes_of(size, is_short), flags);
}

EXPORT ssize_t sendto(int fd, const void *data, size_t size, int flags, __CONST_SOCKADDR_ARG to,
		      socklen_t len)
{
	bool is_short;

	REAL(sendto);
	return strike_bytes(KIND_write, fd, flags, &is_short)
		       ? -1
		       : real(fd, data, bytes_of(size, is_short), flags, to, len);
}

EXPORT ssize_t writev(int fd, const struct iovec *parts, int count)
{
	struct iovec byte = first_byte(parts, (size_t)count);
	bool is_short;

	REAL(writev);
	if (strike_bytes(KIND_write, fd, 0, &is_short))
		return -1;
	return is_short ? real(fd, &byte, 1) : real(fd, parts, count);
}

EXPORT ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	struct iovec byte = first_byte(message->msg_iov, message->msg_iovlen);
	struct msghdr begun = *message;
	bool is_short;

	REAL(sendmsg);
	if (strike_bytes(KIND_write, fd, flags, &is_short))
		return -1;
	if (is_short) {
		begun.msg_iov = &byte;
		begun.msg_iovlen = 1;
	}
	return real(fd, &begun, flags);
}

/* --- new descriptors --- */

#define MODE_OF(flags)                                                                             \
	unsigned mode = 0;                                                                         \
	if ((flags) & (O_CREAT | O_TMPFILE)) {                                                     \
		va_list arguments;                                                                 \
		va_start(arguments, flags);                                                        \
		mode = va_arg(arguments, unsigned);                                                \
		va_end(arguments);                                                                 \
	}

EXPORT int open(const char *path, int flags, ...)
{
	MODE_OF(flags);
	return fails(KIND_open) ? -1 : (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

EXPORT int open64(const char *path, int flags, ...)
{
	MODE_OF(flags);
	return fails(KIND_open) ? -1 : (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

EXPORT int openat(int folder, const char *path, int flags, ...)
{
	MODE_OF(flags);
	return fails(KIND_open) ? -1 : (int)syscall(SYS_openat, folder, path, flags, mode);
}

EXPORT int openat64(int folder, const char *path, int flags, ...)
{
	MODE_OF(flags);
	return fails(KIND_open) ? -1 : (int)syscall(SYS_openat, folder, path, flags, mode);
}

EXPORT FILE *fopen(const char *path, const char *mode)
{
	REAL(fopen);
	return fails(KIND_open) ? NULL : real(path, mode);
}

EXPORT DIR *opendir(const char *path)
{
	REAL(opendir);
	return fails(KIND_open) ? NULL : real(path);
}

EXPORT int scandir(const char *path, struct dirent ***ret, int (*filter)(const struct dirent *),
		   int (*compare)(const struct dirent **, const struct dirent **))
{
	REAL(scandir);
	return fails(KIND_open) ? -1 : real(path, ret, filter, compare);
}

EXPORT int socket(int domain, int type, int protocol)
{
	REAL(socket);
	return fails(KIND_socket) ? -1 : real(domain, type, protocol);
}

EXPORT int socketpair(int domain, int type, int protocol, int ends[2])
{
	REAL(socketpair);
	return fails(KIND_socket) ? -1 : real(domain, type, protocol, ends);
}

EXPORT int pipe(int ends[2])
{
	REAL(pipe);
	return fails(KIND_pipe) ? -1 : real(ends);
}

EXPORT int pipe2(int ends[2], int flags)
{
	REAL(pipe2);
	return fails(KIND_pipe) ? -1 : real(ends, flags);
}

EXPORT int accept(int fd, __SOCKADDR_ARG address, socklen_t *len)
{
	REAL(accept);
	return fails(KIND_accept) ? -1 : real(fd, address, len);
}

EXPORT int accept4(int fd, __SOCKADDR_ARG address, socklen_t *len, int flags)
{
	REAL(accept4);
	return fails(KIND_accept) ? -1 : real(fd, address, len, flags);
}

EXPORT int connect(int fd, __CONST_SOCKADDR_ARG address, socklen_t len)
{
	REAL(connect);
	return fails(KIND_connect) ? -1 : real(fd, address, len);
}

EXPORT int bind(int fd, __CONST_SOCKADDR_ARG address, socklen_t len)
{
	REAL(bind);
	return fails(KIND_bind) ? -1 : real(fd, address, len);
}

EXPORT int listen(int fd, int backlog)
{
	REAL(listen);
	return fails(KIND_bind) ? -1 : real(fd, backlog);
}

EXPORT int epoll_create1(int flags)
{
	REAL(epoll_create1);
	return fails(KIND_poller) ? -1 : real(flags);
}

EXPORT int epoll_create(int size)
{
	REAL(epoll_create);
	return fails(KIND_poller) ? -1 : real(size);
}

EXPORT int eventfd(unsigned value, int flags)
{
	REAL(eventfd);
	return fails(KIND_poller) ? -1 : real(value, flags);
}

EXPORT int timerfd_create(clockid_t clock, int flags)
{
	REAL(timerfd_create);
	return fails(KIND_poller) ? -1 : real(clock, flags);
}

EXPORT int inotify_init1(int flags)
{
	REAL(inotify_init1);
	return fails(KIND_poller) ? -1 : real(flags);
}

EXPORT int epoll_ctl(int fd, int operation, int watched, struct epoll_event *event)
{
	REAL(epoll_ctl);
	/* What is given up needs no memory. */
	if (operation == EPOLL_CTL_ADD && fails(KIND_watch))
		return -1;
	return real(fd, operation, watched, event);
}

/* --- waiting --- */

EXPORT int epoll_wait(int fd, struct epoll_event *events, int count, int ms)
{
	int error = strike(KIND_poll);

	REAL(epoll_wait);
	/* It never lacks memory. */
	if (error > 0) {
		errno = EINTR;
		return -1;
	}
	return real(fd, events, count, ms);
}

EXPORT int poll(struct pollfd *fds, nfds_t count, int ms)
{
	REAL(poll);
	return fails(KIND_poll) ? -1 : real(fds, count, ms);
}

int __poll_chk(struct pollfd *fds, nfds_t count, int ms, size_t room);
EXPORT int __poll_chk(struct pollfd *fds, nfds_t count, int ms, size_t room)
{
	(void)room;
	return poll(fds, count, ms);
}

EXPORT pid_t waitpid(pid_t pid, int *status, int options)
{
	REAL(waitpid);
	return fails(KIND_wait) ? -1 : real(pid, status, options);
}

EXPORT pid_t wait4(pid_t pid, int *status, int options, struct rusage *usage)
{
	REAL(wait4);
	return fails(KIND_wait) ? -1 : real(pid, status, options, usage);
}

EXPORT int waitid(idtype_t type, id_t id, siginfo_t *info, int options)
{
	REAL(waitid);
	return fails(KIND_wait) ? -1 : real(type, id, info, options);
}

EXPORT ssize_t getrandom(void *data, size_t size, unsigned flags)
{
	REAL(getrandom);
	return fails(KIND_random) ? -1 : real(data, size, flags);
}

/* --- processes --- */

EXPORT pid_t fork(void)
{
	pid_t pid;

	REAL(fork);
	if (fails(KIND_fork))
		return -1;
	pid = real();
	if (pid == 0 && is_for_guard && victim == 0)
		victim = getpid();
	return pid;
}

EXPORT int clone(int (*function)(void *), void *stack, int flags, void *argument, ...)
{
	va_list arguments;
	void *more[3];

	REAL(clone);
	if (fails(KIND_clone))
		return -1;
	va_start(arguments, argument);
	for (unsigned i = 0; i < 3; i++)
		more[i] = va_arg(arguments, void *);
	va_end(arguments);
	return real(function, stack, flags, argument, more[0], more[1], more[2]);
}

EXPORT int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
		       const posix_spawnattr_t *attributes, char *const argv[], char *const envp[])
{
	REAL(posix_spawn);
	return fails(KIND_clone) ? errno : real(pid, path, actions, attributes, argv, envp);
}

EXPORT int posix_spawnp(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
			const posix_spawnattr_t *attributes, char *const argv[], char *const envp[])
{
	REAL(posix_spawnp);
	return fails(KIND_clone) ? errno : real(pid, path, actions, attributes, argv, envp);
}

EXPORT long syscall(long number, ...)
{
	va_list arguments;
	long a[6];

	REAL(syscall);
	va_start(arguments, number);
	for (unsigned i = 0; i < 6; i++)
		a[i] = va_arg(arguments, long);
	va_end(arguments);
	if ((number == SYS_pidfd_open || number == SYS_memfd_create) && fails(KIND_pidfd))
		return -1;
	if (number == SYS_pidfd_send_signal && fails(KIND_signal))
		return -1;
	return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

#define FCNTL(name)                                                                                \
	EXPORT int name(int fd, int command, ...)                                                  \
	{                                                                                          \
		va_list arguments;                                                                 \
		void *argument;                                                                    \
                                                                                                   \
		REAL(name);                                                                        \
		va_start(arguments, command);                                                      \
		argument = va_arg(arguments, void *);                                              \
		va_end(arguments);                                                                 \
		return fails(KIND_fcntl) ? -1 : real(fd, command, argument);                       \
	}
FCNTL(fcntl)
FCNTL(fcntl64)

/* --- clocks --- */

static void shift(struct timespec *time, int64_t *off, enum kind kind)
{
	int error = strike(kind);

	if (error == SHORT && (kind == KIND_wall || fault_seconds > 0))
		*off += fault_seconds;
	time->tv_sec += *off;
}

EXPORT int clock_gettime(clockid_t clock, struct timespec *time)
{
	int r;

	REAL(clock_gettime);
	r = real(clock, time);
	if (r < 0 || getpid() != victim)
		return r;
	if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)
		shift(time, &wall_off, KIND_wall);
	else if (clock != CLOCK_PROCESS_CPUTIME_ID && clock != CLOCK_THREAD_CPUTIME_ID)
		shift(time, &mono_off, KIND_mono);
	return r;
}
