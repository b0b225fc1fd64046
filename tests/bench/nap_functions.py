"""The functions of nap_worker.c in Python, for the runs under overload: see there."""

from __future__ import annotations

import os
import random
import signal
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import poold

__all__ = [
    "blob", "corrupt", "flaky", "hung", "lame", "mortal", "nap", "parts", "quick", "slow",
]

# How much longer a lame call takes, in seconds.
LAME = 0.2


def badness() -> str:
    """What is wrong with this worker, by NAP_BAD; empty when it is well."""
    path, _, kind = os.environ.get("NAP_BAD", "").rpartition(":")
    try:
        number = Path(path).read_text(encoding="ascii") if path else ""
    except OSError:
        return ""
    return kind if number.strip() in ("0", os.environ.get("POOLD_WORKER")) else ""


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


def hung(msec: int, percent: int) -> int:
    """So many of its calls never end."""
    is_unlucky = nap_by_luck(msec, percent)
    while is_unlucky:
        signal.pause()
    return os.getpid()


def lame(msec: int, percent: int) -> int | bool:
    """So many of its calls take longer."""
    if nap_by_luck(msec, percent):
        time.sleep(LAME)
        return False
    return os.getpid()


def corrupt(msec: int, percent: int) -> int:
    """In so many of its calls the worker sends a byte that begins no value of MessagePack."""
    if nap_by_luck(msec, percent):
        for name in os.listdir("/proc/self/fd"):
            try:
                if stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                    os.write(int(name), b"\xc1")
            except OSError:
                pass  # the folder itself, which is closed by now
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
