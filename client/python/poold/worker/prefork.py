"""The fork server: a process that has loaded the code of a worker and forks workers when the
daemon asks it to, within milliseconds.

The daemon starts it with the usual command of the pool and POOLD_PREFORK_FD in the environment.
It starts like any worker up to where the channel would be opened; there it waits for requests to
fork, each with the channel of a worker, and only its children continue.
"""

from __future__ import annotations

import errno
import gc
import os
import signal
import socket
import sys
import traceback  # noqa: F401  for the workers: they may want it one day, and have it for nothing
from collections.abc import Callable

from poold import wire
from poold.worker import descriptors, ending

TYPE_CHECKING = False  # as of `typing`, which is slow to load
if TYPE_CHECKING:
    from typing import Any

# A message of the daemon has a channel; standard output and error if they differ from those of the
# server; and, if there are two or four descriptors, at last the recall socket.
DESCRIPTORS_MAX = 4

_PR_SET_PDEATHSIG = 1


def next_worker(control: socket.socket) -> tuple[socket.socket, socket.socket | None]:
    """Serves the daemon's requests to fork.  Returns in the forked workers only, with their
    channel and their recall socket, if there is one.

    Raises:
        SystemExit: the daemon does not need this server any more.
    """
    _warn_of_threads()
    ending.open_standard_files()
    ending.flush_streams()  # or each worker would print it again
    # Collect garbage once, here, instead of in every worker.  Then freeze the rest: if the
    # collector visited it in a worker, its memory would no longer be shared.
    gc.collect()
    gc.freeze()
    daemon = os.getppid()
    block = _Environment()
    die_with_parent = _load_death_signal()
    control.sendall(wire.pack([wire.NOTIFICATION, "ready", [{"pid": os.getpid(), "recall": True}]]))
    while True:
        number, additions, files = _receive(control)
        gate = _fork(control, number, lambda: block.add(additions))
        if gate is not None:
            break
        descriptors.close(files)
    _wait_at(gate)
    die_with_parent()
    if os.getppid() != daemon:
        os._exit(os.EX_OSERR)  # it has ended already
    recall = files.pop() if len(files) % 2 == 0 else None
    for target, descriptor in enumerate(files[1:], start=1):
        os.dup2(descriptor, target)
        os.close(descriptor)
    ending.remember_stderr()
    _reseed()
    channel = socket.socket(fileno=files[0])
    return channel, None if recall is None else socket.socket(fileno=recall)


def _receive(control: socket.socket) -> tuple[int, dict[str, str], list[int]]:
    """Returns the next request: its id, additions to the environment, and file descriptors.

    The daemon sends each with one write, and a read never goes beyond its descriptors.
    """
    decoder = wire.Decoder()
    messages: list[Any] = []
    found: list[int] = []
    while not messages:
        data, more = descriptors.receive(control, wire.READ_SIZE, DESCRIPTORS_MAX)
        if not data:
            sys.exit(os.EX_OK)
        found += more
        messages = decoder.feed(data)
    (message,) = messages
    if message[0] != wire.REQUEST or message[2] != "fork" or not found:
        ending.say("poold.worker: the daemon sent no request to fork")
        sys.exit(os.EX_PROTOCOL)
    return message[1], message[3][0], found


class _Environment:
    """This process's environment, as it sees it itself and as others see it: /proc/PID/environ
    shows the memory where it was when the process started.  The daemon has reserved room there.
    """

    def __init__(self) -> None:
        with open("/proc/self/environ", "rb") as file:
            self._initial = b"\0" + file.read()
        with open("/proc/self/stat", encoding="ascii") as file:
            # The fields after the name, which may contain anything, begin with field 3; field 50 is
            # wanted.
            self._address = int(file.read().rpartition(") ")[2].split()[47]) - 1

    def add(self, additions: dict[str, str]) -> None:
        os.environ.update(additions)
        for name, value in additions.items():
            self._overwrite(f"\0{name}=".encode(), value.encode())

    def _overwrite(self, name: bytes, value: bytes) -> None:
        begin = self._initial.find(name)
        if begin < 0:
            return
        begin += len(name)
        room = self._initial.index(b"\0", begin) - begin
        if self._address > 0 and len(value) <= room:
            with open("/proc/self/mem", "r+b", buffering=0) as memory:
                memory.seek(self._address + begin)
                memory.write(value.ljust(room, b"\0"))


def _fork(control: socket.socket, number: int, prepare: Callable[[], None]) -> int | None:
    """Forks and answers the daemon.  In the worker, returns the pipe to wait at; in the server,
    None.

    The parent of the worker exits at once, so that the daemon becomes its parent.  The worker
    calls `prepare` before the daemon is answered.
    """
    report_read, report_write = os.pipe()
    gate, hold = os.pipe()
    answer: tuple[int | None, int | None]
    try:
        between = os.fork()
    except OSError as error:
        os.close(report_write)
        answer = (error.errno or errno.EAGAIN, None)
    else:
        if between == 0:
            _fork_again(report_write, prepare)
            os.close(report_read)
            os.close(hold)
            return gate
        os.close(report_write)
        text = os.read(report_read, 32)
        _reap(between)
        kind, value = text[:1], int(text[1:] or b"0")
        answer = (None, value) if kind == _WORKER else (value or errno.EAGAIN, None)
    control.sendall(wire.pack([wire.RESPONSE, number, *answer]), socket.MSG_NOSIGNAL)
    for descriptor in (report_read, gate, hold):
        os.close(descriptor)
    return None


# What the intermediate process, or the worker, reports: one of these and a number.
_WORKER = b"p"
_FAILURE = b"e"


def _reap(process: int) -> None:
    """Waits for the end of the intermediate process.

    The module may ignore SIGCHLD, or reap all children: then the end is nobody's to be had.
    """
    try:
        os.waitpid(process, 0)
    except ChildProcessError:
        pass


def _fork_again(report_write: int, prepare: Callable[[], None]) -> None:
    """To be called in the intermediate process: returns in the worker, which leads a new session.
    """
    try:
        worker = os.fork()
    except OSError as error:
        os.write(report_write, _FAILURE + str(error.errno or errno.EAGAIN).encode())
        os._exit(1)
    if worker != 0:
        os._exit(0)
    os.setsid()
    prepare()
    os.write(report_write, _WORKER + str(os.getpid()).encode())
    os.close(report_write)


def _load_death_signal() -> Callable[[], object]:
    """What has the kernel kill a process when its parent ends, loaded once for all workers."""
    try:
        import ctypes

        prctl = ctypes.CDLL(None).prctl
    except (ImportError, MemoryError, OSError):
        # For example where no memory may be made executable.  The end of the channel ends a worker
        # too.
        return lambda: None
    return lambda: prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _wait_at(gate: int) -> None:
    """Waits until the daemon is the parent of this process and has been answered."""
    os.read(gate, 1)
    os.close(gate)


def _reseed() -> None:
    """Python's own generator is seeded anew by os.fork; this one is not."""
    random = sys.modules.get("numpy.random")
    if random is not None:
        random.seed()


def _warn_of_threads() -> None:
    # Native threads of libraries do not survive a fork either.
    count = len(os.listdir("/proc/self/task"))
    if count > 1:
        ending.say(
            f"poold.worker: importing started {count - 1} threads, which the forked workers do not"
            " have; start them in on_start"
        )

