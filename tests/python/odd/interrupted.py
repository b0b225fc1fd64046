"""Functions whose answers are interrupted while they are written."""

from __future__ import annotations

import select
import signal
from types import FrameType

from poold.worker.link import Link

KINDS = {
    each.__name__: each
    for each in (ValueError, TimeoutError, BlockingIOError, BrokenPipeError, ConnectionResetError,
                 KeyboardInterrupt, SystemExit, MemoryError, GeneratorExit, StopIteration)
}


class Unsayable(Exception):
    def __str__(self) -> str:
        raise KeyboardInterrupt


KINDS["Unsayable"] = Unsayable


def _is_stuck(frame: FrameType | None) -> bool:
    """Whether a message is being written, and the daemon takes no more of it."""
    while frame is not None:
        link = frame.f_locals.get("self")
        if isinstance(link, Link) and frame.f_code.co_name in ("write", "flush"):
            return not select.select([], [link.channel], [], 0)[1]
        frame = frame.f_back
    return False


def _arm(kind: str, seconds: float) -> None:
    """Interrupts after so many seconds; with 0 of them, in the middle of a message."""
    begun = seconds > 0

    def late(_: int, frame: FrameType | None) -> None:
        nonlocal begun
        begun = begun or _is_stuck(frame)
        if begun:
            raise KINDS[kind]

    signal.signal(signal.SIGALRM, late)
    # Again and again: whoever handles the first is not safe from the next.
    signal.setitimer(signal.ITIMER_REAL, seconds or 0.005, 0.005)


def kinds() -> list:
    return list(KINDS)


def result(kind: str, seconds: float, size: int) -> bytes:
    _arm(kind, seconds)
    return b"x" * size


def parts(kind: str, seconds: float, size: int) -> object:
    _arm(kind, seconds)
    while True:
        yield b"x" * size


def interrupt(size: int) -> object:
    """As Ctrl-C where the module has restored what Python does then, in the middle of the answer."""

    def stuck(number: int, frame: FrameType | None) -> None:
        if _is_stuck(frame):
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.default_int_handler(number, frame)

    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGALRM, stuck)
    signal.setitimer(signal.ITIMER_REAL, 0.005, 0.005)
    return b"x" * size
