/*
 * A C library that fails where it may: LD_PRELOAD puts it between a program and its own.
 *
 *   HOSTILE_FAULT=KIND:K:HOW      the K-th call of that kind fails in that way, K-L: all from K to L
 *   HOSTILE_SEED=N                calls fail at random instead, the same ones for each N, of all kinds
 *   HOSTILE_RATE=N                how many of 10,000 calls do (20)
 *   HOSTILE_WORLD=N               a temper for each kind is drawn from N: none of its calls fail, some
 *                                 do, or many in a row, or all reads and writes are short
 *   HOSTILE_CALM=1                nothing fails until the row "calm" of HOSTILE_COUNTS is set to 0
 *   HOSTILE_IN=guard              not in the program, but in the first process that it forks
 *   HOSTILE_COUNTS=FILE           a row for each kind, see struct row; shared, so it outlives a SIGKILL
 *   HOSTILE_TRACE=1               each fault is told on standard error, with its backtrace
 *
 * The kinds are in the table below, with the faults that are drawn for them.  HOW is the name of an
 * error; `short` or `half` for reads and writes of one byte or of half; `few` for a poll that names one
 * descriptor, `none` for one that names none; `+N` or `-N` for clocks, which from then on are so many
 * seconds off (what the monotonic clock shows is never less than before).
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

/* Among errors: what is done otherwise, without one. */
#define SHORT (-1) /* one byte */
#define HALF  (-2) /* of the bytes */
#define FEW   (-3) /* one of the descriptors that are ready */
#define NONE  (-4) /* of them */
#define JUMP  (-5) /* of a clock */

/* A read or write in parts of which only a part is done: so many of them. */
#define PARTS_MAX 64

/* clang-format off */
#define KINDS(KIND) \
	KIND(alloc,  ENOMEM) \
	KIND(mmap,   ENOMEM) \
	KIND(read,   EINTR, EAGAIN, SHORT, HALF) \
	KIND(write,  EINTR, EAGAIN, SHORT, HALF) \
	KIND(open,   EMFILE, ENFILE, ENOMEM) \
	KIND(socket, EMFILE, ENOBUFS, ENOMEM) \
	KIND(pipe,   EMFILE, ENFILE) \
	KIND(accept, EMFILE, ENFILE, ENOMEM, ENOBUFS, EINTR, EAGAIN, ECONNABORTED) \
	KIND(connect, EINTR, EAGAIN, ENOBUFS) \
	KIND(bind,   ENOMEM, ENOBUFS) \
	KIND(poller, EMFILE, ENOMEM) \
	KIND(watch,  ENOMEM, ENOSPC) \
	KIND(poll,   EINTR, ENOMEM, FEW, NONE) \
	KIND(fork,   EAGAIN, ENOMEM) \
	KIND(clone,  EAGAIN, ENOMEM) \
	KIND(pidfd,  EMFILE, ENOMEM) \
	KIND(signal, EAGAIN) \
	KIND(wait,   EINTR) \
	KIND(fcntl,  EINTR, ENOLCK, ENOMEM) \
	KIND(random, EINTR) \
	KIND(wall,   JUMP) \
	KIND(mono,   JUMP)
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
} errors[] = {{"short", SHORT},	    {"half", HALF},	{"few", FEW},
	      {"none", NONE},	    {"ENOMEM", ENOMEM}, {"EINTR", EINTR},
	      {"EAGAIN", EAGAIN},   {"EMFILE", EMFILE}, {"ENFILE", ENFILE},
	      {"ENOBUFS", ENOBUFS}, {"ENOSPC", ENOSPC}, {"ECONNABORTED", ECONNABORTED},
	      {"ENOLCK", ENOLCK},   {"EPERM", EPERM},	{"EIO", EIO}};

/* What a driver reads. */
struct row {
	char name[16];
	uint64_t calls;
	uint64_t struck;
};

/* The last one says by its calls whether nothing is to fail. */
#define CALM KIND_COUNT_

static struct row own_rows[KIND_COUNT_ + 1];
static struct row *rows = own_rows;

static pid_t victim; /* 0: nobody yet */
static bool is_for_guard, is_random, is_traced;
static enum kind fault_kind = KIND_COUNT_;
static uint64_t fault_first, fault_last;
static int fault_error;
static int64_t fault_seconds; /* of a clock */
static uint64_t seed;

/* How often calls of a kind fail: so many of 10,000 runs of so many calls. */
static struct temper {
	uint64_t rate;
	uint64_t run;
	int only; /* in this way; 0: in any of its kind */
} tempers[KIND_COUNT_];
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
	const struct temper *temper = &tempers[kind];
	uint64_t number = mix(seed ^ mix((uint64_t)kind << 56 ^ call / temper->run));
	unsigned count = 0;

	while (count < FAULTS_MAX && kinds[kind].faults[count] != 0)
		count++;
	if (number % 10000 >= temper->rate)
		return 0;
	return temper->only ? temper->only : kinds[kind].faults[(number >> 32) % count];
}

/* Who is told to try again, or does less, goes on: so that may come as often as half of the time. */
static bool is_gentle(enum kind kind)
{
	return kind == KIND_read || kind == KIND_write || kind == KIND_poll;
}

static struct temper draw_temper(enum kind kind)
{
	uint64_t number = mix(seed ^ mix(0x7e3fu + (uint64_t)kind));
	uint64_t mood = number % 16;

	number >>= 8;
	if (kind == KIND_wall || kind == KIND_mono)
		return (struct temper){.rate = mood < 4, .run = 1};
	if (mood < 8)
		return (struct temper){.rate = 0, .run = 1};
	if (mood < 11)
		return (struct temper){.rate = 20, .run = 1};
	if (is_gentle(kind) && mood == 15 && kind != KIND_poll)
		return (struct temper){.rate = 10000, .run = 1, .only = number % 2 ? SHORT : HALF};
	if (is_gentle(kind))
		return (struct temper){.rate = mood == 11 ? 5000 : 500, .run = 1};
	if (kind == KIND_alloc || mood < 14)
		return (struct temper){.rate = 50, .run = 1 + number % 8};
	return (struct temper){.rate = 500, .run = 1 + number % 32};
}

/* Counts a call.  Returns the error that it is to fail with, SHORT, or 0. */
static int strike(enum kind kind)
{
	uint64_t call;
	int error = 0;

	if (is_busy || getpid() != victim)
		return 0;
	call = __atomic_add_fetch(&rows[kind].calls, 1, __ATOMIC_RELAXED);
	if (__atomic_load_n(&rows[CALM].calls, __ATOMIC_RELAXED))
		return 0;
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
		fault_error = JUMP;
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

static void read_seed(void)
{
	const char *world = getenv("HOSTILE_WORLD");
	const char *number = world ? world : getenv("HOSTILE_SEED");
	const char *rate = getenv("HOSTILE_RATE");

	is_random = number != NULL;
	seed = number ? strtoull(number, NULL, 10) : 0;
	for (unsigned i = 0; i < KIND_COUNT_; i++)
		tempers[i] = world ? draw_temper(i)
				   : (struct temper){.rate = rate ? strtoull(rate, NULL, 10) : 20,
						     .run = 1};
	/* Without a world time goes on as it is, unless that is the fault. */
	if (!world)
		tempers[KIND_wall].rate = tempers[KIND_mono].rate = 0;
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
	static const char *const variables[] = {"LD_PRELOAD",	  "HOSTILE_FAULT", "HOSTILE_SEED",
						"HOSTILE_RATE",	  "HOSTILE_WORLD", "HOSTILE_CALM",
						"HOSTILE_COUNTS", "HOSTILE_TRACE", "HOSTILE_IN"};
	const char *where = getenv("HOSTILE_IN");
	void *frame;

	read_seed();
	read_fault(getenv("HOSTILE_FAULT"));
	share_rows(getenv("HOSTILE_COUNTS"));
	is_traced = getenv("HOSTILE_TRACE") != NULL;
	if (is_traced)
		backtrace(&frame, 1); /* loads what it needs */
	for (unsigned i = 0; i < KIND_COUNT_; i++)
		snprintf(rows[i].name, sizeof(rows[i].name), "%s", kinds[i].name);
	snprintf(rows[CALM].name, sizeof(rows[CALM].name), "calm");
	rows[CALM].calls = getenv("HOSTILE_CALM") != NULL;
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

/* Whether its peer has gone, so that all there is can be read at once. */
static bool is_hung_up(int fd)
{
	struct pollfd end = {.fd = fd, .events = POLLIN};
	struct timespec now = {0};

	return syscall(SYS_ppoll, &end, 1, &now, NULL, 0) == 1 && end.revents & POLLHUP;
}

/* The error, or 0; *ret_part: SHORT or HALF, of a stream only that much is to be done.  EAGAIN is never
 * told to who may block, nor of what can't be awaited. */
static int strike_bytes(enum kind kind, int fd, int flags, int *ret_part)
{
	int error = strike(kind);

	*ret_part = error < 0 && is_stream(fd) ? error : 0;
	if (error == EAGAIN &&
	    ((!(flags & MSG_DONTWAIT) && !(syscall(SYS_fcntl, fd, F_GETFL) & O_NONBLOCK)) ||
	     is_hung_up(fd)))
		error = EINTR;
	if (error <= 0)
		return 0;
	errno = error;
	return error;
}

static size_t bytes_of(size_t size, int part)
{
	if (size < 2 || part == 0)
		return size;
	return part == SHORT ? 1 : size / 2;
}

EXPORT ssize_t read(int fd, void *data, size_t size)
{
	int part;

	REAL(read);
	return strike_bytes(KIND_read, fd, 0, &part) ? -1 : real(fd, data, bytes_of(size, part));
}

ssize_t __read_chk(int fd, void *data, size_t size, size_t room);
EXPORT ssize_t __read_chk(int fd, void *data, size_t size, size_t room)
{
	(void)room;
	return read(fd, data, size);
}

EXPORT ssize_t recv(int fd, void *data, size_t size, int flags)
{
	int part;

	REAL(recv);
	return strike_bytes(KIND_read, fd, flags, &part)
		       ? -1
		       : real(fd, data, bytes_of(size, part), flags);
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
	int part;

	REAL(recvfrom);
	return strike_bytes(KIND_read, fd, flags, &part)
		       ? -1
		       : real(fd, data, bytes_of(size, part), flags, from, len);
}

/* Copies the first bytes of what the parts hold, as many as are to be done; returns the parts of these. */
static size_t cut(const struct iovec *parts, size_t count, int part, struct iovec out[PARTS_MAX])
{
	size_t total = 0, used = 0;

	for (size_t i = 0; i < count; i++)
		total += parts[i].iov_len;
	total = bytes_of(total, part);
	for (size_t i = 0; i < count && used < PARTS_MAX && total > 0; i++) {
		out[used] = parts[i];
		if (out[used].iov_len > total)
			out[used].iov_len = total;
		total -= out[used++].iov_len;
	}
	return used;
}

EXPORT ssize_t readv(int fd, const struct iovec *parts, int count)
{
	struct iovec some[PARTS_MAX];
	int part;

	REAL(readv);
	if (strike_bytes(KIND_read, fd, 0, &part))
		return -1;
	return part ? real(fd, some, (int)cut(parts, (size_t)count, part, some))
		    : real(fd, parts, count);
}

EXPORT ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
	struct iovec *parts = message->msg_iov, some[PARTS_MAX];
	size_t count = message->msg_iovlen;
	int part;
	ssize_t got;

	REAL(recvmsg);
	if (strike_bytes(KIND_read, fd, flags, &part))
		return -1;
	if (part) {
		message->msg_iovlen = cut(parts, count, part, some);
		message->msg_iov = some;
	}
	got = real(fd, message, flags);
	message->msg_iov = parts;
	message->msg_iovlen = count;
	return got;
}

EXPORT ssize_t write(int fd, const void *data, size_t size)
{
	int part;

	REAL(write);
	return strike_bytes(KIND_write, fd, 0, &part) ? -1 : real(fd, data, bytes_of(size, part));
}

EXPORT ssize_t send(int fd, const void *data, size_t size, int flags)
{
	int part;

	REAL(send);
	return strike_bytes(KIND_write, fd, flags, &part)
		       ? -1
		       : real(fd, data, bytes_of(size, part), flags);
}

EXPORT ssize_t sendto(int fd, const void *data, size_t size, int flags, __CONST_SOCKADDR_ARG to,
		      socklen_t len)
{
	int part;

	REAL(sendto);
	return strike_bytes(KIND_write, fd, flags, &part)
		       ? -1
		       : real(fd, data, bytes_of(size, part), flags, to, len);
}

EXPORT ssize_t writev(int fd, const struct iovec *parts, int count)
{
	struct iovec some[PARTS_MAX];
	int part;

	REAL(writev);
	if (strike_bytes(KIND_write, fd, 0, &part))
		return -1;
	return part ? real(fd, some, (int)cut(parts, (size_t)count, part, some))
		    : real(fd, parts, count);
}

EXPORT ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	struct iovec some[PARTS_MAX];
	struct msghdr begun = *message;
	int part;

	REAL(sendmsg);
	if (strike_bytes(KIND_write, fd, flags, &part))
		return -1;
	if (part) {
		begun.msg_iovlen = cut(message->msg_iov, message->msg_iovlen, part, some);
		begun.msg_iov = some;
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

EXPORT int memfd_create(const char *name, unsigned flags)
{
	REAL(memfd_create);
	return fails(KIND_open) ? -1 : real(name, flags);
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
	if (error == NONE)
		return 0;
	return real(fd, events, error == FEW ? 1 : count, ms);
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
	/* In a world an hour for the one, and a second for the other. */
	int64_t seconds = fault_seconds ? fault_seconds : kind == KIND_wall ? -3600 : 1;

	if (strike(kind) == JUMP && (kind == KIND_wall || seconds > 0))
		*off += seconds;
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
