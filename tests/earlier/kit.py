"""Functions that a worker of either tree serves: `python3 -m poold.worker kit`."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import poold


def add(left: int, right: int) -> int:
    """The sum."""
    return left + right


def echo(value: Any) -> Any:
    """The argument."""
    return value


def divide(left: int, right: int) -> float:
    """The quotient."""
    return left / right


def reject(text: str) -> None:
    """Says that the caller is wrong."""
    raise poold.Rejected(text)


def retryable_once(path: str) -> str:
    """Asks to be tried again the first time, which is noted in a file."""
    if _first(path):
        raise poold.Retryable("once more")
    return "done"


def die_once(path: str) -> int:
    """Dies the first time, which is noted in a file; the process that serves."""
    if _first(path):
        os.kill(os.getpid(), signal.SIGKILL)
    return os.getpid()


def note(path: str) -> int:
    """Adds a line to a file; how many it has."""
    with open(path, "a", encoding="ascii") as file:
        file.write("ran\n")
    with open(path, encoding="ascii") as file:
        return len(file.readlines())


def occupy(path: str) -> None:
    """Says by a file that it has begun, and works until the file is gone."""
    _first(path)
    while os.path.exists(path):
        time.sleep(0.001)


def count() -> int:
    """Adds one to the session's counter, which is its state."""
    counter = int(poold.context().state or b"0") + 1
    poold.context().set_state(b"%d" % counter)
    return counter


def pid() -> int:
    """The process that serves."""
    return os.getpid()


def parts(number: int) -> Iterator[Any]:
    """So many parts, then their sum."""
    total = 0
    for part in range(number):
        total += part
        yield part
    return total


def _first(path: str) -> bool:
    """Whether the file was not there; it is now."""
    try:
        with open(path, "x", encoding="ascii"):
            return True
    except FileExistsError:
        return False
