"""Shows of load alone: more than can be served, critical calls among it, short deadlines."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest

from offered import (
    ADMISSION_OFF,
    AFTER,
    CAPACITY,
    WORKERS,
    Figure,
    Offer,
    Pools,
    at_least,
    at_most,
    back_after,
    changes,
    eight,
    offer,
    per_second,
    share,
    told,
)
from servers import Place

# Times the capacity.  The first is Poisson by its nature: it is where chance alone overloads.
LEVELS = (1.0, 1.15, 2.0, 5.0, 10.0)

# Seconds until goodput is counted: methods are known and the queue stands.
WARM = 2.0

# Least goodput, in percent of capacity.
GOODPUT = {"c": 95.0, "python": 90.0}


def well(run: str, grown: dict) -> list[Figure]:
    """What overload and deadlines must not bring about."""
    return [
        at_most(run, "workers killed", grown["worker_kills"] + grown["worker_crashes"], 0),
        at_most(run, "workers started", grown["worker_starts"], 0),
        at_most(run, "breaker openings", grown["opened"], 0),
    ]


def overloaded(
    daemon: Pools, level: float, seconds: float, at_once: bool = False
) -> tuple[dict, dict]:
    """Offers so many times the capacity; what became of the calls, and what the pool counted.

    At 1.15 times the capacity it takes seven seconds until the queue stands a whole deadline long.
    `at_once`: it shall do so when the warm-up is over, which is overloaded further for that.
    """
    before = daemon.counters("work")
    offers = [Offer("all", WARM + seconds, level * CAPACITY)]
    if at_once:
        offers.append(Offer("more", WARM, CAPACITY))
    classes = offer(daemon, *offers)
    calls = classes["all"]
    more = classes.get("more", {}).get("good_at", [])
    calls["good_at"] = [sum(pair) for pair in zip_longest(calls["good_at"], more, fillvalue=0)]
    return calls, changes(before, daemon.counters("work"))


def goodput(calls: dict, level: float, seconds: float) -> float:
    """Answers in time, in percent of what can be answered: of capacity, or of what was offered."""
    able = CAPACITY
    if level <= 1:  # as chance had it
        able = min(CAPACITY, per_second(calls["sent_at"], WARM, WARM + seconds))
    return share(per_second(calls["good_at"], WARM, WARM + seconds), able)


def judge_level(run: str, calls: dict, grown: dict, level: float, seconds: float,
                least: float) -> Iterator[Figure]:
    """The figures of one level of load."""
    yield at_least(run, "goodput, of capacity", goodput(calls, level, seconds), least, "%")
    yield from well(run, grown)
    yield at_most(run, "attempts per answer", grown["attempts"] / max(calls["good"], 1), 1.1)
    yield told(run, "p99 of the answers", calls["p99_ms"], "ms")
    yield told(run, "answers later than 10 ms after the deadline", calls["late"])


def capacity(place: Place, seconds: float, workers: str) -> Iterator[Figure]:
    """1: goodput from 1 to 10 times the capacity, and the collapse without protection."""
    for level in LEVELS:
        run = f"{workers}, {level:g} x capacity"
        with eight(place, workers) as daemon:
            calls, grown = overloaded(daemon, level, seconds)
        yield from judge_level(run, calls, grown, level, seconds, GOODPUT[workers])
    run = f"{workers}, 2 x, protections off"
    with eight(place, workers, ADMISSION_OFF) as daemon:
        calls, grown = overloaded(daemon, 2.0, seconds)
    # A run that cannot fail shows nothing: this one has to.
    yield at_most(run, "goodput, of capacity", goodput(calls, 2.0, seconds), 80.0, "%")


def obedience(place: Place, seconds: float, workers: str) -> Iterator[Figure]:
    """Refused calls that come again when they were told to."""
    run = f"{workers}, 2 x, who obeys"
    with eight(place, workers) as daemon:
        calls = offer(
            daemon, Offer("all", seconds, 2 * CAPACITY), options=("--obey", "--drain", 20)
        )["all"]
    yield told(run, "refused calls that came again", calls["again"])
    late = calls["again_after_end"]
    yield at_least(run, "calls that came again once the load had ended", late, 1)
    admitted = share(late - calls["again_after_end_refused"], late)
    yield at_least(run, "admitted of these", admitted, 95.0, "%")


# Calls per second and milliseconds of two methods that make twice the capacity.
QUICK, SLOW = (400, 1), (40, 400)


def mixed(place: Place, seconds: float, workers: str) -> Iterator[Figure]:
    """1: methods of 1 and of 400 ms; an estimate for the pool as a whole fits neither."""
    run = f"{workers}, 1 and 400 ms at 2 x"
    offers = [
        Offer(name, WARM + seconds, rate, ms=ms, keys={"method": name})
        for name, (rate, ms) in (("quick", QUICK), ("slow", SLOW))
    ]
    with eight(place, workers) as daemon:
        before = daemon.counters("work")
        calls = offer(daemon, *offers)
        grown = changes(before, daemon.counters("work"))
    end = WARM + seconds
    work = sum(
        per_second(calls[name]["good_at"], WARM, end) * ms / 1000
        for name, (_, ms) in (("quick", QUICK), ("slow", SLOW))
    )
    yield at_least(run, "useful work, of all workers' time", share(work, WORKERS), 90.0, "%")
    for name in ("quick", "slow"):
        good = share(calls[name]["good"], calls[name]["sent"])
        yield told(run, f"{name} calls answered in time", good, "%")
    yield from well(run, grown)


# Milliseconds of a run for some seconds, in which the pool gets twice what it can do.
LONG_MS, LONG_SECONDS = 900, 6.0


def changing(place: Place, seconds: float, workers: str) -> Iterator[Figure]:
    """1: runs become 18 times as long and short again; no estimate may lock the pool."""
    del seconds
    run = f"{workers}, runs of 900 ms for 6 s"
    begin, end = 3.0, 3.0 + LONG_SECONDS
    with eight(place, workers) as daemon:
        before = daemon.counters("work")
        calls = offer(
            daemon,
            Offer("before", begin, 0.5 * CAPACITY),
            Offer("long", end, 2 * WORKERS * 1000 / LONG_MS, begin=begin, ms=LONG_MS),
            Offer("after", end + AFTER, 0.5 * CAPACITY, begin=end),
        )
        grown = changes(before, daemon.counters("work"))
    yield at_most(run, "back to 95 % of offered", back_after(calls["after"], end), 5.0, "s")
    yield from well(run, grown)


def critical(place: Place, seconds: float, workers: str) -> Iterator[Figure]:
    """2: twice the capacity, of which 30 percent is critical."""
    run = f"{workers}, 2 x, 30 % critical"
    end = WARM + seconds
    with eight(place, workers) as daemon:
        before = daemon.counters("work")
        calls = offer(
            daemon,
            Offer("critical", end, 0.6 * CAPACITY, keys={"priority": "critical"}),
            Offer("rest", end, 1.4 * CAPACITY),
        )
        grown = changes(before, daemon.counters("work"))
    good = share(calls["critical"]["good"], calls["critical"]["sent"])
    yield at_least(run, "critical calls answered in time", good, 100.0, "%")
    left = CAPACITY - per_second(calls["critical"]["sent_at"], WARM, end)
    rest = share(per_second(calls["rest"]["good_at"], WARM, end), left)
    yield at_least(run, "the rest, of what is left", rest, 90.0, "%")
    yield told(run, "p99 of the critical answers", calls["critical"]["p99_ms"], "ms")
    yield from well(run, grown)


# Of the short deadlines: how many calls, and per second.
FEW, MANY = (5, 50.0), (5000, 1000.0)


def short_deadlines(place: Place, seconds: float, workers: str) -> Iterator[Figure]:
    """5: calls with 10 ms for a method of 50 ms, on a pool that is quiet and on one at work."""
    short = {"timeout": 10}
    for run, (count, rate), begin in (
        (f"{workers}, five at first", FEW, 0.0),
        (f"{workers}, five later", FEW, 3.0),
        (f"{workers}, five thousand", MANY, 3.0),
    ):
        keys = {"count": count, "arrivals": "uniform"}
        others = Offer("others", seconds, 0.5 * CAPACITY, begin=1.0)
        brief = Offer("brief", begin + count / rate + 5, rate, begin=begin, keys=keys, **short)
        with eight(place, workers) as daemon:
            before = daemon.counters("work")
            calls = offer(daemon, others, brief)
            grown = changes(before, daemon.counters("work"))
        good = share(calls["others"]["good"], calls["others"]["sent"])
        yield at_least(run, "the others' calls answered in time", good, 100.0, "%")
        yield told(run, "p99 of the others' answers", calls["others"]["p99_ms"], "ms")
        yield told(run, "short calls that came to a worker", calls["brief"]["attempts"])
        yield from well(run, grown)
