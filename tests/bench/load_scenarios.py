"""The scenarios of the load with failures: what the daemon runs with, what is offered to it, what
is done to it meanwhile, and what it must keep beside the levels that all have in common."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import offered
from offered import Offer, Pools, at_least, at_most
from servers import Place
from service_levels import BACK_SECONDS, Level, back_after, merge
from shows_faults import signal_all
from svg import Mark
from watch import Sample

RATE = 1000
FORKED_RATE = 200
PERCENT = 5
TIMEOUT_MS = 5000
QUEUE = 8192


@dataclass
class Stage:
    """A run that is going on.

    Attributes:
        seconds: how long the load lasts.
        start: when it began (monotonic).
        marks: what was done meanwhile.
    """

    place: Place
    daemon: Pools
    seconds: float
    start: float
    marks: list[Mark] = field(default_factory=list)

    def wait_until(self, at: float) -> None:
        """Waits until so many seconds after the load began."""
        time.sleep(max(self.start + at - time.monotonic(), 0.0))

    def mark(self, text: str) -> None:
        """Notes what has just been done."""
        self.marks.append(Mark(time.monotonic() - self.start, text))


@dataclass
class Outcome:
    """What came of a run.

    Attributes:
        classes: what the load client counted, by phase.
        grown: what the counters of each pool have grown by.
        samples: what the daemon said meanwhile; the last of them is of when the load had ended.
    """

    classes: dict[str, Any]
    grown: dict[str, dict[str, int]]
    samples: list[Sample]
    marks: list[Mark]

    def total(self, key: str, apart: tuple[str, ...] = ()) -> int:
        """The sum of what was counted in all phases, some apart."""
        return sum(calls[key] for name, calls in self.classes.items() if name not in apart)

    def spared(self, apart: tuple[str, ...]) -> Counter[int]:
        """The latencies of the calls that met no fault, those of some phases apart."""
        return merge(calls["spared"] for name, calls in self.classes.items() if name not in apart)

    def attempts_per_call(self) -> float:
        """By the daemon's own count."""
        attempts = sum(grown["attempts"] for grown in self.grown.values())
        return attempts / max(self.total("sent"), 1)

    def series(self, key: str) -> list[int]:
        """The sum of a series over all phases."""
        rows = [calls[key] for calls in self.classes.values()]
        length = max(len(row) for row in rows)
        return [sum(row[at] for row in rows if at < len(row)) for at in range(length)]

    def served_by(self, name: str) -> int:
        """How many results came from a pool."""
        return sum(calls["served_by"].get(name, 0) for calls in self.classes.values())


Sections = Callable[[Place, float], tuple[str, ...]]


def nothing(stage: Stage) -> None:
    """The calls themselves are what fails."""


def nothing_more(outcome: Outcome) -> list[Level]:
    """Only the levels that all have in common."""
    del outcome
    return []


@dataclass(frozen=True)
class Scenario:
    """One kind of failure.

    Attributes:
        about: what happens, in one sentence.
        short: seconds of load in the shortest form, in which all still happens.
        sections: of the configuration, for so many seconds of load.
        offers: the load, for so many seconds; the name of each is its phase.
        act: what is done while the load runs.
        levels: what must be kept beside the levels of all.
        failing: phases in which calls cannot but fail.
        slowed: phases in which even calls that meet no fault themselves must wait.
        timeouts: milliseconds that the calls of a pool have, where it is not TIMEOUT_MS.
    """

    about: str
    short: float
    sections: Sections
    offers: Callable[[float], list[Offer]]
    act: Callable[[Stage], None] = nothing
    levels: Callable[[Outcome], list[Level]] = nothing_more
    failing: tuple[str, ...] = ()
    slowed: tuple[str, ...] = ()
    timeouts: dict[str, int] = field(default_factory=dict)


def pool(place: Place, name: str, workers: str, count: int, more: str = "") -> str:
    """A pool in whose queue all calls have room that are asked within their time."""
    return offered.pool(place, name, workers, count, f"queue_max = {QUEUE}\n{more}")


def milliseconds(seconds: float) -> str:
    """A duration of the configuration."""
    return f"{max(round(seconds * 1000), 1)}ms"


def calls(name: str, begin: float, end: float, method: str = "nap", percent: int = 0,
          rate: float = RATE) -> Offer:
    """Idempotent calls of 1 ms, so many of which fail."""
    keys: dict[str, object] = {"method": method, "idempotent": "yes"}
    if percent:
        keys["percent"] = percent
    return Offer(name, end, rate, begin, ms=1, timeout=TIMEOUT_MS, keys=keys)


# --- some calls fail -----------------------------------------------------------------------------


def no_breaker_opens(outcome: Outcome) -> list[Level]:
    """A few failures among many calls are no outage."""
    opened = sum(grown["opened"] for grown in outcome.grown.values())
    return [Level(at_most("", "breaker openings", opened, 0))]


# In two retries, the default, a call in a few thousand would be unlucky each time: few enough for
# the level, but not for a short run.
PERSISTENT = "[error attempt_timeout]\nretries = 3\n"


def some_fail(about: str, method: str, workers: int, *options: str) -> Scenario:
    """Of 1000 calls a second 5 percent meet a fault; workers in C."""
    return Scenario(
        about,
        1.2,
        lambda place, seconds: (pool(place, "work", "c", workers), *options),
        lambda seconds: [calls("all", 0, seconds, method, PERCENT)],
        levels=no_breaker_opens,
    )


def some_break(about: str, method: str) -> Scenario:
    """Of 200 calls a second 5 percent cost their worker; those are forked from a fork server."""
    return Scenario(
        about,
        1.2,
        lambda place, seconds: (pool(place, "work", "python", 8, "prefork = yes\n"),),
        lambda seconds: [calls("all", 0, seconds, method, PERCENT, FORKED_RATE)],
        levels=no_breaker_opens,
    )


BURSTS = 6
BURST_PERCENT = 8

# Beside them there are calls whose own deadline is over when they take too long.
BRIEF_MS, BRIEF_RATE = 60, 100


def burst_sections(place: Place, seconds: float) -> tuple[str, ...]:
    """A pool whose attempts have too little time for a lame call, and one without that limit."""
    del seconds
    limit = "attempt_timeout = 120ms\nkill_grace = 500ms\n"
    return pool(place, "work", "c", 32, limit), pool(place, "brief", "c", 8), PERSISTENT


def bursts(seconds: float) -> list[Offer]:
    """Six times a calm time, and a burst half as long in which calls take too long."""
    each = seconds / BURSTS
    keys: dict[str, object] = {"pool": "brief", "method": "lame", "percent": BURST_PERCENT}
    offers = [Offer("brief", seconds, BRIEF_RATE, ms=1, timeout=BRIEF_MS, keys=keys)]
    for index in range(BURSTS):
        begin, burst, end = (each * (index + part) for part in (0, 2 / 3, 1))
        offers.append(calls(f"calm{index}", begin, burst))
        offers.append(calls(f"burst{index}", burst, end, "lame", BURST_PERCENT))
    return offers


def mark_bursts(stage: Stage) -> None:
    """Says when they begin."""
    for index in range(BURSTS):
        stage.marks.append(Mark(stage.seconds * (index + 2 / 3) / BURSTS, f"burst {index + 1}"))


def burst_levels(outcome: Outcome) -> list[Level]:
    """Of the calls with a short deadline those fail that took too long, and with its code."""
    codes = outcome.classes["brief"]["codes"]
    over = codes.get("deadline_exceeded", 0)
    others = sum(codes.values()) - over
    return [
        Level(at_least("", "calls whose deadline passed in a run", over, 1)),
        Level(at_most("", "calls beside them that failed otherwise", others, 0), True),
        *no_breaker_opens(outcome),
    ]


# --- workers die ---------------------------------------------------------------------------------


def five(place: Place, seconds: float) -> tuple[str, ...]:
    """A pool of five workers."""
    del seconds
    return (pool(place, "work", "c", 5),)


def one_after_the_other(stage: Stage) -> None:
    """Kills three of five workers, one a second."""
    victims = stage.daemon.pids("work")[:3]
    first = max(stage.seconds / 3 - 1, 0.5)
    for index, pid in enumerate(victims):
        stage.wait_until(first + index)
        signal_all([pid], signal.SIGKILL)
        stage.mark(f"worker {index + 1} of 3 killed")


def all_at_once(stage: Stage) -> None:
    """Kills all workers of the pool."""
    stage.wait_until(stage.seconds * BROKEN)
    signal_all(stage.daemon.pids("work"), signal.SIGKILL)
    stage.mark("all workers killed")


def back_soon(outcome: Outcome) -> Level:
    """After the last thing that was done, calls succeed again."""
    since = outcome.marks[-1].at
    back = back_after(outcome.series("sent_at"), outcome.series("good_of_sent"), since)
    return Level(at_most("", "95 % of the calls in time again", back, BACK_SECONDS, "s"), True)


def deaths(count: int) -> Callable[[Outcome], list[Level]]:
    """So many workers died, no more; their calls were saved."""

    def levels(outcome: Outcome) -> list[Level]:
        crashes = outcome.grown["work"]["worker_crashes"]
        return [
            Level(at_least("", "workers that died", crashes, count)),
            Level(at_most("", "workers that died", crashes, count)),
            *no_breaker_opens(outcome),
            back_soon(outcome),
        ]

    return levels


# --- a whole pool fails --------------------------------------------------------------------------

# Of the load's time: when the pool breaks, when it is repaired, and from when on all is well.
BROKEN, REPAIRED, WELL = 0.2, 0.45, 0.7
OUTAGE = ("during",)


def three_phases(seconds: float) -> list[Offer]:
    """Before, during and after an outage.  What is due shortly before it may still be running."""
    struck, well = seconds * BROKEN - min(seconds / 12, 0.5), seconds * WELL
    return [
        calls("before", 0, struck),
        calls("during", struck, well),
        calls("after", well, seconds),
    ]


def breaker(name: str, seconds: float) -> str:
    """A breaker whose times fit into the load's time."""
    return (
        f"[breaker {name}]\nopen_timeout = {milliseconds(seconds / 30)}\n"
        f"min_outage = {milliseconds(seconds / 60)}\n"
    )


def bad_file(place: Place) -> Path:
    """While it is there, each worker of the pool `work` ends at each call."""
    return place.scratch / "bad"


def breakable(place: Place, more: str = "") -> str:
    """The pool `work`, which `break_and_repair` breaks."""
    options = (
        f"env.NAP_BAD = {bad_file(place)}:exit\n"
        f"restart_delay = 10ms\nrestart_delay_max = 200ms\n{more}"
    )
    return pool(place, "work", "c", 8, options)


def break_and_repair(stage: Stage) -> None:
    """All workers of the pool end at each call, for a quarter of the time."""
    stage.wait_until(stage.seconds * BROKEN)
    bad = bad_file(stage.place)
    bad.write_text("0", encoding="ascii")
    try:
        stage.mark("the pool breaks")
        stage.wait_until(stage.seconds * REPAIRED)
    finally:
        bad.unlink()
    stage.mark("it is repaired")


def breaker_levels(outcome: Outcome) -> list[Level]:
    """The breaker opened, and is closed again."""
    is_closed = outcome.samples[-1].breakers["work"] == "closed"
    return [
        Level(at_least("", "breaker openings", outcome.grown["work"]["opened"], 1)),
        Level(at_least("", "breaker closed at the end", is_closed, 1)),
        back_soon(outcome),
    ]


def slow_file(place: Place) -> Path:
    """While it is there, workers take their time to start."""
    return place.scratch / "slow"


def slow_starters(place: Place, seconds: float) -> tuple[str, ...]:
    """Workers that take up to a second to start."""
    start = min(seconds / 10, 1.0)
    options = f"env.NAP_SLOW = {slow_file(place)}:{round(start * 1000)}\n"
    return (pool(place, "work", "c", 8, options),)


def kill_slow_starters(stage: Stage) -> None:
    """All workers die, and those that come take long to start."""
    slow_file(stage.place).touch()
    all_at_once(stage)


def failover_sections(place: Place, seconds: float) -> tuple[str, ...]:
    """A pool, its fallback, and a quick way back."""
    more = (
        f"fallback = spare\nreturn_dwell = {milliseconds(seconds / 30)}\n"
        f"return_step = {milliseconds(seconds / 60)}\n"
    )
    return (
        breakable(place, more),
        pool(place, "spare", "c", 8),
        breaker("work", seconds),
    )


def failover_levels(outcome: Outcome) -> list[Level]:
    """The fallback served, and then the pool itself again."""
    levels = [sample.pools["work"]["level"] for sample in outcome.samples]
    own = outcome.classes["after"]["served_by"].get("work", 0)
    return [
        Level(at_least("", "calls served by the fallback", outcome.served_by("spare"), 1)),
        Level(at_least("", "highest level of the chain", max(levels), 1)),
        Level(at_most("", "level at the end", levels[-1], 0)),
        Level(at_least("", "calls served by the pool itself after", own, 1)),
        back_soon(outcome),
    ]


SCENARIOS: dict[str, Scenario] = {
    "retryable": some_fail("5 % of the calls fail with an error that may be retried", "flaky", 8),
    "hung": some_fail(
        "5 % of the calls never end; an attempt has 200 ms", "hung", 32,
        "attempt_timeout = 200ms\nkill_grace = 100ms\n", PERSISTENT,
    ),
    "slow": some_fail("5 % of the calls take 200 ms instead of 1 ms", "lame", 32),
    "killed": some_break("5 % of the calls kill their worker, which was forked", "mortal"),
    "corrupt": some_break("5 % of the calls make their forked worker send garbage", "corrupt"),
    "cascade": Scenario(
        "three of five workers are killed, one second apart", 3.5,
        five, lambda seconds: [calls("all", 0, seconds)],
        one_after_the_other, deaths(3),
    ),
    "all-at-once": Scenario(
        "all five workers are killed at once", 1.2,
        five, lambda seconds: [calls("all", 0, seconds)],
        all_at_once, deaths(5),
    ),
    "timeouts": Scenario(
        "in six bursts 8 % of the calls take longer than an attempt may", 1.8,
        burst_sections, bursts, mark_bursts, burst_levels,
        failing=("brief",), slowed=("brief",), timeouts={"brief": BRIEF_MS},
    ),
    "breaker": Scenario(
        "a pool without a fallback fails; its breaker opens, and closes after the repair", 3.5,
        lambda place, seconds: (breakable(place), breaker("work", seconds)),
        three_phases, break_and_repair, breaker_levels,
        failing=OUTAGE, slowed=OUTAGE,
    ),
    "recovery": Scenario(
        "all workers die under load, and take a second (less in a short run) to start", 2.5,
        slow_starters, three_phases, kill_slow_starters, deaths(8),
        slowed=OUTAGE,
    ),
    "failover": Scenario(
        "a pool fails, its fallback serves, and the pool takes over again after the repair", 3.5,
        failover_sections, three_phases, break_and_repair, failover_levels,
        slowed=OUTAGE,
    ),
}
