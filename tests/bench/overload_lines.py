"""The lines about overload and faults: shows of overload.py, as short as their figures allow."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from load_scenarios import RATE, SCENARIOS
from load_with_failures import run_daemon
from offered import CAPACITY, NAP_MS, WORKERS, Offer, back_after, eight, failures, offer
from servers import Place
from service_levels import BACK_SECONDS
from shows_faults import FAILED_MAX, side_by_side, stalled
from shows_load import goodput as goodput_percent
from shows_load import overloaded
from speed import Pace
from table import Row

LEVELS = (1.15, 2.0, 10.0)
FAILING_RATE = 1000

# How long something stands still, at what part of the capacity.
STALL_SECONDS, STALL_LOAD = 3.0, 0.7

# Of the calls, three of five workers may cost so many of ten thousand.
KILLED_COST = 500


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
            is_counted=True,
        )
    ]


def stall_of(place: Place, who: str) -> float:
    """Seconds until all is well after the workers, or the daemon, stood still."""
    with eight(place, "c", name=who) as daemon:
        pids = daemon.pids("work") if who == "workers" else [daemon.process.pid]
        return back_after(*stalled(daemon, pids, STALL_LOAD, STALL_SECONDS))


def stall(place: Place, _: Pace) -> list[Row]:
    """The workers, and beside that another daemon, are stopped for some time under load."""
    who = ("workers", "daemon")
    with ThreadPoolExecutor() as threads:
        spans = dict(zip(who, threads.map(lambda each: stall_of(place, each), who)))
    return [
        Row(
            f"stopped for {STALL_SECONDS:g} s at {STALL_LOAD:g} of the capacity: 95 % in time again",
            ", ".join(f"{each} {span:.1f} s" for each, span in spans.items()),
            max(spans.values()),
            BACK_SECONDS,
            1,
            more_is_better=False,
            unit="s",
        )
    ]


def killed(place: Place, pace: Pace) -> list[Row]:
    """Three of five workers are killed, one a second."""
    scenario = SCENARIOS["cascade"]
    outcome, _, _ = run_daemon(place, scenario, max(scenario.short, pace.runs * pace.seconds))
    sent = outcome.total("sent")
    failed = sent - outcome.total("succeeded")
    return [
        Row(
            f"three of five workers killed at {RATE}/s: failed calls of 10,000",
            f"{failed} of {sent}, {outcome.attempts_per_call():.3f} attempts per call",
            failed * 10_000 / sent,
            KILLED_COST,
            0,
            more_is_better=False,
            unit="",
            is_counted=True,
        )
    ]


def bad_worker(place: Place, pace: Pace) -> list[Row]:
    """One worker of eight is bad in every life, in four ways side by side."""
    seconds = 2 * pace.runs * pace.seconds
    results = side_by_side(place, "c", Offer("all", seconds, 0.5 * CAPACITY))
    failed = {kind: failures(calls) for kind, (calls, _) in results.items()}
    return [
        Row(
            f"one bad worker of eight, half load, {round(seconds)} s: failed calls, the worst",
            ", ".join(f"{kind} {count}" for kind, count in failed.items()),
            max(failed.values()),
            FAILED_MAX,
            5,
            more_is_better=False,
            unit="",
        )
    ]
