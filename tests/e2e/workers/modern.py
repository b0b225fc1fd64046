"""Functions that use what the package has, asynchronous ones and a session class:
`python3 -m poold.worker modern`."""

from __future__ import annotations

import asyncio
import os
import sys

import poold

concurrency = 8
_running = 0
_most = 0
_cancelled = 0


async def nap(seconds: float) -> int:
    """Sleeps; returns the most that have done so at once."""
    global _running, _most, _cancelled
    _running += 1
    _most = max(_most, _running)
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        _cancelled += 1
        raise
    finally:
        _running -= 1
    return _most


async def running() -> int:
    return _running


async def cancelled() -> int:
    return _cancelled


async def count(end: int) -> object:
    for number in range(end):
        yield number


def hold(seconds: int) -> None:
    """Keeps the whole loop busy in Python."""
    import time

    time.sleep(seconds)


def lock() -> None:
    """Seconds in C with the interpreter's lock held."""
    import ctypes

    ctypes.PyDLL(None).usleep(2_500_000)


def say_bad_things() -> None:
    """Output that would break the protocol if it were spoken there."""
    os.write(1, b"\xc1\xc1\xc1\n")
    os.write(2, b"\xc1\xc1\xc1\n")
    sys.stdout.close()


@poold.session_class
class Tally:
    def __init__(self) -> None:
        self.sum = 0

    async def add(self, number: int) -> list[int]:
        self.sum += number
        return [self.sum, os.getpid()]

    def add_and_fail(self, number: int) -> None:
        self.sum += number
        raise ValueError("after all")

    def save_state(self) -> bytes:
        return str(self.sum).encode()

    def load_state(self, state: bytes) -> None:
        self.sum = int(state)
