"""Deadlines: everything a test waits for, it waits for until one of these."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

# How much slower than usual the machine or the build is: POOLD_SLACK=5 suits a sanitizer's build.
SLACK = float(os.environ.get("POOLD_SLACK", "1"))

# Seconds by which an answer may be later than the protocol's 10 ms tick: the scheduler's share.
LATE = 0.15 * SLACK

FIRST_PAUSE = 0.0005
LONGEST_PAUSE = 0.01


class Deadline:
    """A point in time, `seconds` from now, stretched by POOLD_SLACK."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds * SLACK

    def left(self) -> float:
        """Seconds that remain, never below 0."""
        return max(0.0, self._end - time.monotonic())

    def left_ms(self) -> int:
        """The same for poll(), rounded up."""
        return int(self.left() * 1000 + 0.999)

    def passed(self) -> bool:
        return self.left() == 0.0


class Timed:
    """How long a block took, in seconds."""

    def __enter__(self) -> Timed:
        self._begin = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.monotonic() - self._begin


def eventually(
    check: Callable[[], T], what: str | Callable[[], str], seconds: float = 10.0
) -> T:
    """Asks `check` until it gives something true, and returns that.

    For facts that send no event.  The pause between two looks grows from 0.5 to 10 ms.

    Raises:
        AssertionError: it is not true in time; `what` says what was hoped for.
    """
    deadline = Deadline(seconds)
    pause = FIRST_PAUSE
    while True:
        found = check()
        if found:
            return found
        if deadline.passed():
            raise AssertionError(f"not within {seconds} s: {what() if callable(what) else what}")
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)
