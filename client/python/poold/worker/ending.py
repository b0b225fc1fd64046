"""How a worker says something to whoever runs it, and ends at once where it cannot go on.

Its code may have closed or replaced its standard error, so nothing is taken for granted here.
"""

from __future__ import annotations

import os
import signal
import sys

TYPE_CHECKING = False  # as of `typing`, which is slow to load
if TYPE_CHECKING:
    from typing import NoReturn

# How often a process that ends tries to say why: a signal whose handler raises may come again.
TRIES = 100

# The file that is standard error when a worker starts.
_STDERR = 2


def _identity() -> tuple[int, int] | None:
    try:
        status = os.fstat(_STDERR)
    except OSError:
        return None
    return status.st_dev, status.st_ino


_initial = _identity()


def remember_stderr() -> None:
    """Takes what is standard error now for that of this process, which has just got another."""
    global _initial
    _initial = _identity()


def say(text: str) -> None:
    """Writes this to standard error, also if sys.stderr is not there any more; never to another
    file that has got its number."""
    stream = sys.stderr
    try:
        stream.write(f"{text}\n")
        stream.flush()
        return
    except BaseException:
        pass  # closed, detached, none, or anything that the worker's code has put there
    if _initial is not None and _identity() == _initial:
        try:
            os.write(_STDERR, f"{text}\n".encode("utf-8", "backslashreplace"))
        except OSError:
            pass  # nowhere to say it


def ignore_signals() -> None:
    """No handler of the worker's code runs any more in this process, which ends."""
    for number in (signal.SIGALRM, *signal.valid_signals()):
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_IGN)


def end(text: str, status: int) -> NoReturn:
    """Says why, and ends this process at once: no more code of the worker runs."""
    try:
        for _ in range(TRIES):
            try:
                ignore_signals()
                say(f"poold.worker: {text}")
                os._exit(status)
            except BaseException:
                pass  # the same signal again
    finally:
        os._exit(status)


def flush_streams() -> None:
    """Flushes standard output and error, as far as they are there."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BaseException:
            pass  # closed, detached, none, or anything that the worker's code has put there


def open_standard_files() -> None:
    """Opens /dev/null for each of the standard files that is closed: another file that the worker
    opens would get its number, and what is printed."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
            os.set_inheritable(number, True)


def leave_streams() -> None:
    """For the end of a process: Python would fail where it cannot flush a stream that the worker's
    code has detached or closed."""
    for name in ("stdout", "stderr"):
        try:
            getattr(sys, name).flush()
        except BaseException:
            setattr(sys, name, None)
