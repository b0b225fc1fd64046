"""Functions whose worker writes, dies and leaves processes behind, on the project's own SDK."""

from __future__ import annotations

import faulthandler
import logging
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path


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
    faulthandler.unregister(signal.SIGUSR2)
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)
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
