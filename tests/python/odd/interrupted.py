"""Functions whose answers are interrupted while they are written."""

from __future__ import annotations

import signal

KINDS = {
    each.__name__: each
    for each in (ValueError, TimeoutError, BlockingIOError, BrokenPipeError, ConnectionResetError,
                 KeyboardInterrupt, SystemExit, MemoryError, GeneratorExit, StopIteration)
}


class Unsayable(Exception):
    def __str__(self) -> str:
        raise KeyboardInterrupt


KINDS["Unsayable"] = Unsayable


def _arm(kind: str, seconds: float) -> None:
    def late(*_: object) -> None:
        raise KINDS[kind]

    signal.signal(signal.SIGALRM, late)
    # Again and again: whoever handles the first is not safe from the next.
    signal.setitimer(signal.ITIMER_REAL, seconds, 0.005)


def kinds() -> list:
    return list(KINDS)


def result(kind: str, seconds: float, size: int) -> bytes:
    _arm(kind, seconds)
    return b"x" * size


def parts(kind: str, seconds: float, size: int) -> object:
    _arm(kind, seconds)
    while True:
        yield b"x" * size


def interrupt(seconds: float, size: int) -> object:
    """As Ctrl-C where the module has restored what Python does then."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    return b"x" * size
