"""Time limits, and how slow the machine is at the moment.

Everything that a test waits for has a `Deadline`.  Limits are written for an idle machine and are
stretched by `slowness()`, which is measured: when a test needs it, and again when a limit is about
to be missed.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

# A fixed piece of work, and the seconds that it takes on an idle machine.
WORK = 200_000
REFERENCE = 0.016

# How much slower than usual a daemon with sanitizers is.
BUILD_FACTOR = 4.0 if os.environ.get("POOLD_BUILD", "").endswith(("asan", "fuzz")) else 1.0

# The scenario of a test is stretched no further: what happens in it takes a small part of its time.
SCENARIO_MAX = 10.0

# Seconds after which the machine is measured again.
MEASURE_VALID = 3.0

# Seconds by which an answer may be later than the protocol's 10 ms tick on an idle machine, where the
# daemon, a worker and the test may each be made to wait for a moment that no measurement sees.  What
# a test tells apart by time lies further apart than that.
LATE = 1.0

# A subprocess that takes so many seconds hangs, however slow the machine is.
HANGS = 300.0

# What the kernel says of processes that had to wait for the machine.
PRESSURE = Path("/proc/pressure")

# The file in which tests/noise.py writes for how many seconds it let processes stand still.
STALLS = os.environ.get("POOLD_STALLS")

# Seconds between two looks at something that sends no event: they double up to SHORT_PAUSE, and then are this part of the time
# that was waited, so that a look costs little where it takes long.
FIRST_PAUSE = 0.0005
SHORT_PAUSE = 0.01
PAUSE_PART = 0.05
LONGEST_PAUSE = 0.05

_factor = 1.0
_measured_at = float("-inf")
_scenario = 1.0


def measure() -> float:
    """Measures how many times longer everything takes than on an idle machine; at least 1."""
    global _factor, _measured_at
    begin = time.monotonic()
    total = 0
    for number in range(WORK):
        total += number * number % 7
    _measured_at = time.monotonic()
    _factor = max(1.0, (_measured_at - begin) / REFERENCE) * BUILD_FACTOR
    return _factor


def slowness() -> float:
    """The same, as measured within the last few seconds."""
    if time.monotonic() - _measured_at > MEASURE_VALID:
        measure()
    return _factor


def pressure() -> float:
    """Seconds since the machine's start in which some process waited for a processor, for a disk or
    for memory, or was made to by tests/noise.py; infinite where the kernel does not count them."""
    total = float(Path(STALLS).read_text(encoding="ascii")) if STALLS else 0.0
    for resource in ("cpu", "io", "memory"):
        try:
            words = (PRESSURE / resource).read_text(encoding="ascii").split()
        except OSError:
            return math.inf
        total += int(words[4].removeprefix("total=")) / 1e6
    return total


def begin_scenario() -> None:
    """From now on `stretch` uses what the machine is like now, so that all durations of a test fit
    together."""
    global _scenario
    _scenario = min(slowness(), SCENARIO_MAX)


def measure_scenario() -> float:
    """How far a limit of the running test may be stretched: by what the machine was like when the
    test began, or is like now."""
    return max(_scenario, min(measure(), SCENARIO_MAX))


def stretch(duration: float) -> float:
    """A duration of a test's scenario, in any unit: as given on an idle machine, longer on a busy
    one.

    For what one side has to be quick enough for, such as the time that a worker has to answer.
    """
    return duration * _scenario


def ms(duration: float) -> str:
    """The same for the configuration, in milliseconds."""
    return f"{round(stretch(duration))}ms"


class Deadline:
    """A point in time, `seconds` from now on an idle machine, later on a busy one."""

    def __init__(self, seconds: float) -> None:
        self._begin = time.monotonic()
        self._seconds = seconds
        self._end = self._begin + seconds * _factor

    def left(self) -> float:
        """Seconds that remain, never below 0; 0 only after the machine was measured again."""
        left = self._end - time.monotonic()
        if left <= 0.0:
            self._end = max(self._end, self._begin + self._seconds * measure())
            left = self._end - time.monotonic()
        return max(0.0, left)

    def left_ms(self) -> int:
        """The same for poll(), rounded up."""
        return int(self.left() * 1000 + 0.999)

    def passed(self) -> bool:
        return self.left() == 0.0


class Timed:
    """How long a block took, in seconds; or so long."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds

    def __enter__(self) -> Timed:
        self._begin = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.monotonic() - self._begin


def eventually(
    check: Callable[[], T],
    what: str | Callable[[], str],
    seconds: float = 10.0,
    least_pause: float = FIRST_PAUSE,
) -> T:
    """Asks `check` until it gives something true, and returns that.

    For facts that send no event.  The pause between two looks grows from 0.5 to 50 ms, or is always
    `least_pause` where a look costs much.

    Raises:
        AssertionError: it is not true in time; `what` says what was hoped for.
    """
    deadline = Deadline(seconds)
    begin = time.monotonic()
    pause = least_pause
    while True:
        found = check()
        if found:
            return found
        if deadline.passed():
            raise AssertionError(f"not within {seconds} s: {what() if callable(what) else what}")
        time.sleep(pause)
        part = PAUSE_PART * (time.monotonic() - begin)
        pause = max(least_pause, min(2 * pause, max(SHORT_PAUSE, part), LONGEST_PAUSE))
