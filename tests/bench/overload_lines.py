"""The lines about overload and faults: shows of overload.py, as short as their figures allow."""

from __future__ import annotations

from offered import CAPACITY, WORKERS, NAP_MS, Offer, eight, failures, offer
from servers import Place
from shows_faults import FAILED_MAX, side_by_side
from shows_load import goodput as goodput_percent
from shows_load import overloaded
from speed import Pace
from table import Row

LEVELS = (1.15, 2.0, 10.0)
FAILING_RATE = 1000


def goodput(place: Place, pace: Pace) -> list[Row]:
    """Answers in time under more load than can be served."""
    seconds = pace.runs * pace.seconds / 2
    rows = []
    for level in LEVELS:
        with eight(place, "c") as daemon:
            calls, grown = overloaded(daemon, level, seconds, at_once=True)
        figure = goodput_percent(calls, level, seconds) / 100
        rows.append(
            Row(
                f"{WORKERS} workers of {NAP_MS} ms, offered {level:g} times that: goodput",
                f"{figure * CAPACITY:.0f} of {CAPACITY:.0f}/s; killed {grown['worker_kills']}, "
                f"breaker openings {grown['opened']}",
                figure,
                0.95,
                0.99,
            )
        )
    return rows


def failing(place: Place, pace: Pace) -> list[Row]:
    """Idempotent calls, some of whose runs fail with a retryable error."""
    keys = {"method": "flaky", "percent": 5, "idempotent": "yes"}
    seconds = pace.runs * pace.seconds
    with eight(place, "c") as daemon:
        load = Offer("all", seconds, FAILING_RATE, ms=1, timeout=10_000, keys=keys)
        calls = offer(daemon, load)["all"]
    failed = calls["sent"] - calls["succeeded"]
    return [
        Row(
            "5 % of the runs fail, idempotent: failed calls of 10,000",
            f"{failed} of {calls['sent']} at {FAILING_RATE}/s, p99 {calls['p99_ms']:.1f} ms",
            failed * 10_000 / calls["sent"],
            10,
            1,
            more_is_better=False,
            unit="",
        )
    ]


def bad_worker(place: Place, pace: Pace) -> list[Row]:
    """One worker of eight is bad in every life, in four ways side by side."""
    seconds = 2 * pace.runs * pace.seconds
    results = side_by_side(place, "c", Offer("all", seconds, 0.5 * CAPACITY))
    failed = {kind: failures(calls) for kind, (calls, _) in results.items()}
    return [
        Row(
            f"one bad worker of eight, half load, {seconds:g} s: failed calls, the worst",
            ", ".join(f"{kind} {count}" for kind, count in failed.items()),
            max(failed.values()),
            FAILED_MAX,
            5,
            more_is_better=False,
            unit="",
        )
    ]
