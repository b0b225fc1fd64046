"""The functions of nap_worker.c in Python, for the runs under overload: see there."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import poold

__all__ = ["blob", "flaky", "mortal", "nap", "parts", "quick", "slow"]


def badness() -> str:
    """What is wrong with this worker, by NAP_BAD; empty when it is well."""
    path, _, kind = os.environ.get("NAP_BAD", "").rpartition(":")
    try:
        number = Path(path).read_text(encoding="ascii") if path else ""
    except OSError:
        return ""
    return kind if number.strip() == os.environ.get("POOLD_WORKER") else ""


def nap(msec: int) -> int:
    """Sleeps, where the worker is well."""
    kind = badness()
    if kind == "fatal":
        raise poold.Fatal("this worker cannot go on")
    if kind == "exit":
        os._exit(3)
    while kind == "hang":
        signal.pause()
    if kind == "raise":
        raise RuntimeError("this worker is bad")
    time.sleep(msec / 1000)
    return os.getpid()


quick = slow = nap


def nap_by_luck(msec: int, percent: int) -> bool:
    """Sleeps.  Whether this call has no luck."""
    time.sleep(msec / 1000)
    return random.random() * 100 < percent


def flaky(msec: int, percent: int) -> int:
    """So many of its calls fail with a retryable error."""
    if nap_by_luck(msec, percent):
        raise poold.Retryable("not this time")
    return os.getpid()


def mortal(msec: int, percent: int) -> int:
    """In so many of its calls the worker kills itself."""
    if nap_by_luck(msec, percent):
        os.kill(os.getpid(), signal.SIGKILL)
    return os.getpid()


def blob(size: int) -> bytes:
    """So many bytes."""
    return bytes(size)


def parts(count: int, size: int) -> Iterator[bytes]:
    """So many parts of that size, each of which begins with its number."""
    for number in range(count):
        yield number.to_bytes(4, "little") + bytes(size - 4)


def start_slowly() -> None:
    """Takes its time before the worker is ready, while the file of NAP_SLOW is there."""
    path, _, msec = os.environ.get("NAP_SLOW", "").rpartition(":")
    if path and os.path.exists(path):
        time.sleep(int(msec) / 1000)


start_slowly()
