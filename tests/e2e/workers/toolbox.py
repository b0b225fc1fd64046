"""Functions that tests call, served by the project's own SDK: `python3 -m poold.worker toolbox`."""

from __future__ import annotations

import os
import signal
import sys
import time

import poold


_kept: list[bytes] = []


def echo(value: object = None) -> object:
    """Its argument."""
    return value


def echo_all(*values: object) -> list:
    """All its positional arguments."""
    return list(values)


def add(left: int, right: int = 0) -> int:
    """Takes positional arguments as well as named ones."""
    return left + right


def pid() -> int:
    """The process that serves."""
    return os.getpid()


def environment() -> dict[str, str]:
    """The variables that this worker was given."""
    return dict(os.environ)


def descriptors() -> list[str]:
    """What each open descriptor of this worker points to."""
    paths = [f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd")]
    return [os.readlink(path) for path in paths if os.path.lexists(path)]


def attempt() -> dict[str, object]:
    """What the context says of this request."""
    context = poold.context()
    return {
        "request": context.request,
        "attempt": context.attempt,
        "priority": context.priority,
        "trace": context.trace,
        "tracestate": context.tracestate,
        "remaining": context.remaining(),
    }


def slow(seconds: float, value: object = None) -> object:
    """Its second argument, so many seconds later."""
    time.sleep(seconds)
    return value


def occupy(path: str) -> None:
    """Makes a file to show that it has begun, and returns when somebody has removed it."""
    with open(path, "x", encoding="ascii"):
        while os.path.exists(path):
            time.sleep(0.002)


def hang() -> None:
    """Never returns, and lets itself be ended."""
    while True:
        signal.pause()


def busy_hang() -> None:
    """Never returns, and hears no signal but KILL."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    while True:
        pass


def stop() -> None:
    """Stops this process as SIGSTOP does."""
    os.kill(os.getpid(), signal.SIGSTOP)


def signal_process(pid: int, number: int) -> None:
    """Sends a signal to another process."""
    os.kill(pid, number)


def big(size: int) -> bytes:
    """So many bytes."""
    return b"\x5a" * size


def grow(size: int) -> int:
    """Keeps so much more memory from now on; returns the process."""
    _kept.append(b"x" * size)
    return os.getpid()


def leak(size: int) -> int:
    """The same after 10 ms; returns how often it has been so."""
    time.sleep(0.01)
    grow(size)
    return len(_kept)


def length(data: bytes) -> int:
    """How many bytes came."""
    return len(data)


def leave(status: int) -> None:
    """Ends the process with this status."""
    os._exit(status)


def die(number: int) -> None:
    """Ends the process by this signal."""
    os.kill(os.getpid(), number)


def leave_once(path: str) -> int:
    """Ends the process the first time, which it notes in a file; then the number of times."""
    with open(path, "a", encoding="ascii") as notes:
        notes.write("x")
    times = os.path.getsize(path)
    if times == 1:
        os._exit(3)
    return times


def note(path: str, text: str) -> None:
    """Appends a line to a file, so that a test sees how often this ran."""
    with open(path, "a", encoding="utf-8") as notes:
        notes.write(text + "\n")


def divide(dividend: int, divisor: int) -> float:
    """An ordinary bug: ZeroDivisionError."""
    return dividend / divisor


def fail(
    kind: str, message: str, after: float | None = None, severity: str | None = None
) -> None:
    """Raises one of the exceptions that say whose fault it is."""
    if kind == "Retryable":
        raise poold.Retryable(message, after=after, severity=severity)
    if kind == "ValueError":
        raise ValueError(message)
    kinds = {"Rejected": poold.Rejected, "Fatal": poold.Fatal}
    raise kinds[kind](message, severity=severity)


def trial(
    path: str, failures: int, how: str, after: float | None = None, gate: str | None = None
) -> list[float]:
    """Fails so many times, by "exit", "kill", "hang" or an exception of `fail`; then says when each
    run began, by the clock that all processes share.  The file `path` takes them down; with a
    `gate` each waits until that file is there."""
    note(path, str(time.monotonic()))
    with open(path, encoding="ascii") as notes:
        times = [float(line) for line in notes]
    while gate and not os.path.exists(gate):
        time.sleep(0.001)
    if len(times) > failures:
        return times
    ends = {"exit": lambda: os._exit(3), "kill": lambda: die(signal.SIGKILL), "hang": hang}
    ends.get(how, lambda: fail(how, "on trial", after))()
    raise AssertionError(f"survived {how}")


def survive(directory: str) -> str:
    """The name of this pool; but while `directory` has a file broken-POOL, it ends the process
    instead."""
    pool = os.environ["POOLD_POOL"]
    if os.path.exists(f"{directory}/broken-{pool}"):
        die(signal.SIGKILL)
    return pool


def serve(directory: str, number: int) -> str:
    """The same, and takes the number down among those that ran in this pool."""
    pool = survive(directory)
    note(f"{directory}/ran-{pool}", str(number))
    return pool


def serve_session(directory: str, number: int) -> int:
    """The same, and adds one to the session's counter, which is its state, and gives that."""
    counter = int(poold.context().state or b"0") + 1
    serve(directory, number)
    poold.context().set_state(b"%d" % counter)
    return counter


def unsayable() -> object:
    """A result that MessagePack cannot say."""
    return object()


def say(text: str) -> None:
    """Writes a line to standard error."""
    print(text, file=sys.stderr, flush=True)


def spawn_child() -> int:
    """Starts a process that outlives this request; its number."""
    return _sleeper(new_session=False)


def spawn_daemon() -> int:
    """Starts a process in a session of its own, out of its parent's process group; its number."""
    return _sleeper(new_session=True)


def _sleeper(new_session: bool) -> int:
    # Imported here: it would be a fifth of what a worker's start costs, and most of them never need it.
    import subprocess

    return subprocess.Popen(["sleep", "1000"], start_new_session=new_session).pid


def ping(value: object) -> object:
    """A function like any other, though health checks have the same name."""
    return ["ping", value]
