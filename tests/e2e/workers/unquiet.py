"""Functions whose worker writes, dies, leaves processes: `python3 -m poold.worker unquiet`."""

from __future__ import annotations

import ctypes
import faulthandler
import logging
import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable


def echo(value: object = None) -> object:
    """Its argument."""
    return value


def write(stream: int, data: bytes) -> int:
    """Writes these bytes to its standard output (1) or error (2); how many."""
    view = memoryview(data)
    while view:
        view = view[os.write(stream, view) :]
    return len(data)


def log(level: str, text: str) -> None:
    """Says so with `logging`."""
    logging.getLogger(__name__).log(getattr(logging, level), text)


def log_and_fail(text: str) -> None:
    """Says so with `logging`, and fails with it."""
    log("WARNING", text)
    raise ValueError(text)


def fail() -> None:
    """Raises."""
    raise ValueError("it always does")


# The same by a name that is no text, and has what a terminal obeys.
globals()["bad\udcff\x1b\x9b\u202e"] = fail


def nap(seconds: float) -> None:
    """Says that it has begun, and takes its time."""
    write(1, b"begun\n")
    time.sleep(seconds)


def spin_in_c() -> None:
    """Says so, and is in C for ever, where no other thread of Python runs."""
    write(1, b"begun\n")
    re.match(r"(a*)*b", "a" * 64)


def deaf_to_stacks(seconds: float) -> None:
    """Takes its time, and shows no stack."""
    faulthandler.unregister(signal.SIGURG)
    signal.signal(signal.SIGURG, signal.SIG_IGN)
    write(1, b"begun\n")
    time.sleep(seconds)


def flood(stream: int, count: int) -> float:
    """Writes so many lines; the seconds that it took."""
    begun = time.monotonic()
    block = b"".join(b"flood %06d\n" % number for number in range(1000))
    for _ in range(count // 1000):
        write(stream, block)
    return time.monotonic() - begun


def last_words(text: str, status: int) -> None:
    """Writes a text to standard error, and is gone."""
    write(2, text.encode())
    os._exit(status)


def kill(number: int) -> None:
    """Is ended by a signal."""
    write(2, b"about to be killed\n")
    os.kill(os.getpid(), number)
    time.sleep(60)


# --- what it may -----------------------------------------------------------------------------------

LIMITS = ("AS", "CPU", "CORE", "NOFILE", "NPROC", "FSIZE")


def who() -> dict[str, object]:
    """Whom it runs as, and within which limits."""
    mask = os.umask(0)
    os.umask(mask)
    return {
        "uid": os.getresuid(),
        "gid": os.getresgid(),
        "groups": os.getgroups(),
        "nice": os.getpriority(os.PRIO_PROCESS, 0),
        "umask": mask,
        "home": os.environ.get("HOME"),
        "user": os.environ.get("USER"),
        "limits": {
            name: resource.getrlimit(getattr(resource, f"RLIMIT_{name}")) for name in LIMITS
        },
    }


def hoard(size: int) -> int:
    """Takes so many bytes of memory."""
    return len(bytearray(size))


def burn() -> None:
    """Uses the processor without an end."""
    while True:
        pass


def death_signal() -> int:
    """The signal that it gets when the daemon dies."""
    number = ctypes.c_int()
    ctypes.CDLL(None).prctl(2, ctypes.byref(number))  # PR_GET_PDEATHSIG
    return number.value


# --- what it leaves behind -------------------------------------------------------------------------


def mark() -> str:
    """What this life of the worker is called."""
    return os.environ["POOLD_LIFE"]


def _sleep(*, session: bool = False, environment: dict[str, str] | None = None) -> int:
    """Starts a process that would outlive everybody; its number."""
    return subprocess.Popen(
        ["sleep", "1000"], start_new_session=session, env=environment, stdout=subprocess.DEVNULL
    ).pid


def children(count: int) -> list[int]:
    """Starts so many in its own process group."""
    return [_sleep() for _ in range(count)]


def deaf_children(count: int) -> list[int]:
    """The same, and they ignore SIGTERM."""
    previous = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        return children(count)
    finally:
        signal.signal(signal.SIGTERM, previous)


def sessions(count: int) -> list[int]:
    """Starts so many in sessions of their own."""
    return [_sleep(session=True) for _ in range(count)]


def _daemon(run: Callable[[], object]) -> int:
    """Starts a process as daemons do: forked twice, in a session of its own; its number."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.setsid()
        if os.fork() == 0:
            os.write(writer, b"%d" % os.getpid())
            os.closerange(0, 20)
            run()
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writer)
    number = int(os.read(reader, 20))
    os.close(reader)
    return number


def daemonize(unmarked: bool = False) -> int:
    """A daemon that runs another program; its number.

    Args:
        unmarked: its environment is empty.
    """
    environment = {} if unmarked else dict(os.environ)
    return _daemon(lambda: os.execve("/bin/sleep", ["sleep", "1000"], environment))


def linger() -> tuple[int, int]:
    """A daemon that runs none: the worker's own number, and the daemon's."""
    return os.getpid(), _daemon(lambda: time.sleep(1000))


def breed() -> int:
    """Starts a process that goes on starting daemons, each of which does the same once."""
    script = "setsid sleep 1000 & setsid sh -c 'setsid sleep 1000 & exec sleep 1000' & wait"
    return subprocess.Popen(["setsid", "sh", "-c", script], stdout=subprocess.DEVNULL).pid


def stop() -> None:
    """Stops itself, as by SIGSTOP."""
    os.kill(os.getpid(), signal.SIGSTOP)


def become() -> None:
    """Becomes another program, which is no worker."""
    os.execv("/bin/sleep", ["sleep", "1000"])


def ignore_and_hang() -> None:
    """Ignores SIGTERM, and does not answer."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        time.sleep(1000)


def short_lived_daemon() -> int:
    """A daemon that ends by itself at once: nobody but poold can reap it."""
    child = os.fork()
    if child == 0:
        if os.fork() == 0:
            os._exit(7)
        os._exit(0)
    os.waitpid(child, 0)
    return child


# What a process does to itself so that nobody sees whose it is; then it closes its output.
_DISGUISES = {
    "empty": "",
    "undumpable": "import ctypes; ctypes.CDLL(None).prctl(4, 0)",
    "overwritten": """
words = open("/proc/self/stat").read().rpartition(") ")[2].split()
begin, end = int(words[47]), int(words[48])
memory = open("/proc/self/mem", "r+b", 0)
memory.seek(begin)
memory.write(bytes(end - begin))
""",
}


def disguised(disguise: str, session: bool) -> int:
    """Starts a process that hides from who looks for the worker's; its number."""
    code = f"{_DISGUISES[disguise]}\nimport os, time; os.close(1); time.sleep(1000)"
    child = subprocess.Popen(
        [sys.executable, "-SEIc", code],
        start_new_session=session,
        env={} if disguise == "empty" else None,
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None
    child.stdout.read()
    return child.pid
