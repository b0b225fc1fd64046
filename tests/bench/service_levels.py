"""What the load with failures is held against: percentiles, and levels that are met, missed, or not
judged because the machine was busy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from offered import Figure

# A histogram: pairs of microseconds and how many there were.
Histogram = Iterable[tuple[int, int]]

# The levels.
ANSWERED = 100.0  # percent
FAILED_SHARE = 0.001  # of the idempotent calls: success of at least 99.9 percent
FAILED_FEW = 2  # so many may fail in a run that is too short for a thousandth
P50_MS, P99_MS = 50.0, 100.0
ATTEMPTS = 1.25
LATE_MS = 10.0  # the protocol's tick
BACK_SECONDS = 5.0
GROWTH_MIB = 16.0

# The machine was busy when others used so much of its processors, in percent, or when the load
# client was so late.
OTHERS_PERCENT = 10.0
LAG_MS = 100.0


def merge(histograms: Iterable[Histogram]) -> Counter[int]:
    """All of them as one."""
    merged: Counter[int] = Counter()
    for histogram in histograms:
        for microseconds, count in histogram:
            merged[microseconds] += count
    return merged


def percentile(merged: Counter[int], percent: float) -> float:
    """The milliseconds that so many percent of the values do not exceed; 0 when there is none."""
    wanted = merged.total() * percent / 100
    seen = 0
    for microseconds in sorted(merged):
        seen += merged[microseconds]
        if seen >= wanted:
            return microseconds / 1000
    return 0.0


def failures_allowed(calls: int) -> int:
    """How many of so many idempotent calls may fail."""
    return max(FAILED_FEW, int(calls * FAILED_SHARE))


def back_after(sent: list[int], good: list[int], since: float, per_second: int = 10) -> float:
    """Seconds after `since` until the end of the last part of a second of whose calls less than 95
    percent were answered in time; both lists count the parts of a second by when calls were due."""
    good = good + [0] * (len(sent) - len(good))
    bad = [at for at in range(int(since * per_second), len(sent)) if good[at] < 0.95 * sent[at]]
    return max((bad[-1] + 1) / per_second - since, 0.0) if bad else 0.0


@dataclass(frozen=True)
class Level:
    """A figure with its limit; `is_of_time`: other load spoils it."""

    figure: Figure
    is_of_time: bool = False

    def verdict(self, is_busy: bool) -> str:
        """`met`, `MISSED`, `not judged`; nothing where there is no limit."""
        if self.figure.limit is None:
            return ""
        if self.figure.is_met():
            return "met"
        return "not judged" if self.is_of_time and is_busy else "MISSED"


def verdict(levels: Iterable[Level], is_busy: bool) -> str:
    """The worst of all."""
    verdicts = {level.verdict(is_busy) for level in levels}
    return next((each for each in ("MISSED", "not judged") if each in verdicts), "met")
