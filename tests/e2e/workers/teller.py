"""Functions that answer in parts: `python3 -m poold.worker teller`."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import poold


def tell(count: int) -> Iterator[int]:
    """The numbers below `count` one by one, then twice that many as the result."""
    yield from range(count)
    return 2 * count


def tell_at_gates(path: str, count: int) -> Iterator[int]:
    """The same, but each number after the first waits for a file of its own, PATH-NUMBER."""
    for number in range(count):
        while number > 0 and not os.path.exists(f"{path}-{number}"):
            time.sleep(0.001)
        yield number
    return 2 * count


def tell_large(count: int, size: int) -> Iterator[bytes]:
    """Chunks of so many bytes, then their number."""
    for number in range(count):
        yield bytes([number % 256]) * size
    return count


def big(size: int, number: int) -> bytes:
    """So many bytes of that number."""
    return bytes([number]) * size


def small(value: object) -> list[object]:
    return [value]


def echo(value: object) -> list[object]:
    return [value]


def tell_without_end(path: str) -> Iterator[int]:
    """Numbers without an end; says by a file that it was stopped."""
    number = 0
    try:
        while True:
            yield number
            number += 1
    finally:
        with open(path, "x", encoding="ascii"):
            pass


def tell_then(count: int, how: str, path: str) -> Iterator[int]:
    """So many numbers, then the first run fails: by dying ("kill"), taking for ever ("hang") or an
    exception ("raise", "Retryable").  The second run tells ten and is well.  The file takes down
    each run."""
    with open(path, "a", encoding="ascii") as notes:
        notes.write("x")
    first = os.path.getsize(path) == 1
    for number in range(10):
        if first and number == count:
            _fail(how)
        yield number
    return os.path.getsize(path)


def _fail(how: str) -> None:
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "hang":
        time.sleep(1000)
    if how == "Retryable":
        raise poold.Retryable("again")
    raise ValueError("in the middle")
